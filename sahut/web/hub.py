"""The hub: one reader of the sealed log for all live streams of a process.

The table tells, the bus rings: the hub reads the log by cursor when it is rung, and once a second in any case, so a
lost ring costs a second and never an event. Each event is encoded once and handed to the streams that it concerns.
A client that comes back is brought up to date from the window in memory, or from the table when it was away longer,
and joins the others in the same step of the event loop: nothing is missed and nothing comes twice.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable
from time import perf_counter
from typing import Any

import structlog

from sahut.bedrock import Clock
from sahut.db import AWAY, Pool, connection, open_pool
from sahut.people import running_sessions
from sahut.web import metrics
from sahut.web.rules import NotReady, TooManyStreams
from sahut.web.stream import Stream
from sahut.web.window import SHOWN_TOPICS, Kept, Window, encode_entry
from sahut.work import LogEntry, listen, read_head, read_log

CONNECTIONS = 4  # of one hub: three that read, and the one that hears the bell
WINDOW_SIZE = 20_000
WARM_START = 2_000  # events read at the start, so that a restart does not send every browser to the table
PAGE = 1_000
MOST_BEHIND = 50_000  # a client that is further behind is told to load its state anew
POLL_S = 1.0
RETRY_S = 0.5
STALE_S = 5.0  # without a look at the log for so long we do not say that all is well
BEAT_S = 15.0
CHECK_SESSIONS_S = 2.0
STREAMS_AT_MOST = 12_000
STREAMS_OF_ONE_AT_MOST = 32
CATCHING_UP_OF_ONE = 2  # a browser needs one; who wants more at once loads its state anew
AT_ONCE = 200  # streams written to before others get a turn
RECENT = 40

_log = structlog.get_logger()


class Hub:
    """Reads the log once and fans it out.

    `dsn`: the database; the hub keeps at most three connections of its own and one that listens.
    `name`: what PostgreSQL shows for them.
    """

    def __init__(
        self,
        dsn: str,
        clock: Clock,
        *,
        name: str = "live",
        window_size: int = WINDOW_SIZE,
        streams_at_most: int = STREAMS_AT_MOST,
        beat_s: float = BEAT_S,
    ) -> None:
        self._dsn, self._clock, self._name = dsn, clock, name
        self._streams_at_most = streams_at_most
        self._beat_s = beat_s
        self._window = Window(window_size)
        self._streams: set[Stream] = set()
        self._of_person: dict[int, list[Stream]] = {}
        self._staff: list[Stream] = []
        self._open_of: Counter[int | bytes] = Counter()
        self._catching_up_of: Counter[int | bytes] = Counter()
        self._attaching: dict[Stream, asyncio.Task[None]] = {}
        self._recent_money: deque[LogEntry] = deque(maxlen=RECENT)
        self._last: LogEntry | None = None
        self._rung = asyncio.Event()
        self._rung_at: float | None = None
        self._read_at = 0.0
        self._pool: Pool | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        # Clients that were away long read the table one page each in turn, so that the reader never waits for them.
        self._catching_up = asyncio.Semaphore(1)

    # its life

    async def start(self) -> None:
        """Read the newest events and begin. While the database is away it raises what the driver raises; try again."""
        if self._pool is None:
            self._pool = await open_pool(self._dsn, size=CONNECTIONS - 1, name=self._name)
        async with self._connection() as connection:
            head = await read_head(connection)
            self._window.begin_at(max(head.kept_after, head.n - WARM_START))
            while entries := await read_log(connection, self._window.head, PAGE):
                self._take(entries)
        self._read_at = asyncio.get_running_loop().time()
        metrics.watch_streams(lambda: self.stream_count)
        self._begin(self._read_for_ever, "read")
        self._begin(lambda: listen(self._dsn, self._ring, name=f"{self._name} bell"), "listen")
        self._begin(self._beat_for_ever, "beat")
        self._begin(self._check_sessions_for_ever, "check sessions")

    async def close(self) -> None:
        """End all streams at once, then the reader. Afterwards no stream is admitted."""
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pool is not None:
            self._pool.terminate()

    def end_streams(self) -> None:
        """End all streams now; call it when the process is told to stop, since servers wait for open responses."""
        self._closing = True
        for stream in list(self._streams):
            stream.end()

    # what it shows

    @property
    def head(self) -> int:
        """The last number of the log that was read."""
        return self._window.head

    @property
    def is_reading(self) -> bool:
        """Whether the log was looked at lately; if not, streams tell nothing, and nobody should be sent here."""
        return bool(self._tasks) and asyncio.get_running_loop().time() - self._read_at <= STALE_S

    @property
    def stream_count(self) -> int:
        """How many streams are open in this process."""
        return len(self._streams)

    def recent_money(self) -> list[LogEntry]:
        """The newest events of the wallet, newest first, at most 40."""
        return list(reversed(self._recent_money))

    # streams

    def admit(self, send: Any, *, person_id: int | None, session: bytes) -> Stream:
        """A new stream, not yet receiving. `session`: the hash of its token.

        Refuses: `not_ready` before the start and after the end, `too_many_streams`.
        """
        if not self._tasks or self._closing:
            raise NotReady("live")
        stream = Stream(send, person_id=person_id, session=session)
        if len(self._streams) >= self._streams_at_most or self._open_of[_owner(stream)] >= STREAMS_OF_ONE_AT_MOST:
            raise TooManyStreams
        self._streams.add(stream)
        self._open_of[_owner(stream)] += 1
        return stream

    def attach(self, stream: Stream, after: int | None) -> None:
        """Begin to bring the stream up to date after n (None: from now on); then it receives, until `detach`."""
        task = asyncio.create_task(self._bring(stream, after), name="hub: attach")
        self._attaching[stream] = task
        task.add_done_callback(lambda _task: self._attaching.pop(stream, None))

    async def _bring(self, stream: Stream, after: int | None) -> None:
        try:
            await self._bring_up_to_date(stream, after)
        except Exception as error:  # noqa: BLE001 — the client comes back by itself and goes on where it was
            _log.warning("stream_not_attached", error=type(error).__name__, exc_info=not isinstance(error, AWAY))
            stream.end()

    async def _bring_up_to_date(self, stream: Stream, after: int | None) -> None:
        if after is None:
            after = self.head
        elif not await self._can_resume(stream, after):
            stream.write(_said(b"reset", self.head))
            stream.seen = self.head
            self._join(stream)
            return
        stream.seen = after
        stream.write(_said(b"ready", after))
        if after < self._window.floor:
            self._catching_up_of[_owner(stream)] += 1
            try:
                while stream.seen < self._window.floor and not stream.ended:
                    await self._catch_up_from_table(stream)
            finally:
                _take_one(self._catching_up_of, _owner(stream))
        # From here to the end nothing waits, so no event can slip in between.
        if not stream.ended and stream.seen < self.head:
            if missed := self._window.after(stream.seen, stream.person_id):
                stream.write(b"".join(missed))
            stream.seen = self.head
        self._join(stream)

    def detach(self, stream: Stream) -> None:
        """The stream is over; forget it, and do no more work for it."""
        stream.left()
        if (attaching := self._attaching.pop(stream, None)) is not None:
            attaching.cancel()
        if stream in self._streams:
            self._streams.remove(stream)
            _take_one(self._open_of, _owner(stream))
        if stream.person_id is None:
            if stream in self._staff:
                self._staff.remove(stream)
        elif own := self._of_person.get(stream.person_id):
            if stream in own:
                own.remove(stream)
            if not own:
                del self._of_person[stream.person_id]

    def _join(self, stream: Stream) -> None:
        if stream.ended or stream not in self._streams:
            return
        stream.joined = True
        if stream.person_id is None:
            self._staff.append(stream)
        else:
            self._of_person.setdefault(stream.person_id, []).append(stream)

    async def _can_resume(self, stream: Stream, after: int) -> bool:
        if after < self._window.floor and self._catching_up_of[_owner(stream)] >= CATCHING_UP_OF_ONE:
            return False
        if after <= self.head:
            return self.head - after <= MOST_BEHIND
        # Another process may be ahead of us by a moment; only a number that the table has not given is beyond.
        async with self._connection() as connection:
            return after <= (await read_head(connection)).n

    async def _catch_up_from_table(self, stream: Stream) -> None:
        async with self._catching_up, self._connection() as connection:
            entries = await read_log(connection, stream.seen, PAGE)
        if not entries:
            return
        if entries[0].n != stream.seen + 1:  # what lies between was taken away with its month
            stream.write(_said(b"reset", self.head))
            stream.seen = self.head
            return
        own = [encode_entry(entry) for entry in entries if _concerns(entry, stream.person_id)]
        if own:
            stream.write(b"".join(own))
        stream.seen = entries[-1].n
        await stream.drained()

    # reading and fanning out

    def _ring(self, n: int) -> None:
        if n == 0 or n > self.head:
            if n and self._rung_at is None:
                self._rung_at = perf_counter()
            self._rung.set()

    async def _read_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._rung.wait()
            except TimeoutError:
                pass
            self._rung.clear()
            rung_at, self._rung_at = self._rung_at, None
            while True:
                entries = await self._read_page()
                self._read_at = asyncio.get_running_loop().time()
                self._take(entries)
                if len(entries) < PAGE:
                    break
                await asyncio.sleep(0)
            if rung_at is not None:
                metrics.shown(perf_counter() - rung_at)

    async def _read_page(self) -> list[LogEntry]:
        """The next events, at most a page. The last one that we know is read again, to see that it still stands there:
        a standby that took over without the last commits gives their numbers to others."""
        known = self._last
        async with self._connection() as connection:
            if known is None:
                return await read_log(connection, self.head, PAGE)
            entries = await read_log(connection, known.n - 1, PAGE + 1)
            if entries and (entries[0].n, entries[0].id, entries[0].at) == (known.n, known.id, known.at):
                return entries[1:]
            head = (await read_head(connection)).n
        self._follow_another_log(known.n, head)
        return []

    def _follow_another_log(self, had: int, head: int) -> None:
        """Whoever read on from where we were would miss what stands there now, so all load their state anew."""
        _log.error("log_goes_on_from_earlier", had=had, has=head)
        self._last = None
        self._window.begin_at(head)
        self._recent_money.clear()
        for stream in list(self._streams):
            if stream.joined:
                stream.write(_said(b"reset", head))
                stream.seen = head
            else:
                stream.end()

    def _take(self, entries: Iterable[LogEntry]) -> None:
        for_all: list[Kept] = []
        for_person: dict[int, list[Kept]] = {}
        for entry in entries:
            kept = self._window.add(entry)
            self._last = entry
            if kept is None:
                continue
            if entry.topic == "wallet":
                self._recent_money.append(entry)
            if self._staff:
                for_all.append(kept)
            if kept.subject in self._of_person:
                for_person.setdefault(kept.subject, []).append(kept)
        for person_id, of_person in for_person.items():
            _hand_over(of_person, self._of_person[person_id])
        if for_all:
            _hand_over(for_all, self._staff)

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            if not self.is_reading:
                continue
            for place, stream in enumerate(list(self._streams)):
                # One that is still being brought up to date has not got the events up to the head, and one that came
                # from a process ahead of us must not be told a lower number.
                told = stream.joined and stream.seen <= self.head
                stream.write(b": beat\nid: %d\n\n" % self.head if told else b": beat\n\n")
                if place % AT_ONCE == AT_ONCE - 1:
                    await asyncio.sleep(0)

    async def _check_sessions_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SESSIONS_S)
            sessions = list({stream.session for stream in self._streams})
            for first in range(0, len(sessions), PAGE):
                asked = sessions[first : first + PAGE]
                async with self._connection() as connection:
                    gone = set(asked) - await running_sessions(connection, asked, self._clock.now())
                if gone:
                    for stream in [stream for stream in self._streams if stream.session in gone]:
                        stream.end()

    # small things

    def _connection(self) -> Any:
        if self._pool is None:
            raise NotReady("live")
        return connection(self._pool)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
        self._tasks.append(asyncio.create_task(_again_and_again(work, what), name=f"hub: {what}"))


async def _again_and_again(work: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
    """Run one of the loops; whatever ends it, it begins again after half a second, or streams would stand still."""
    while True:
        try:
            await work()
        except AWAY as error:
            _log.warning("hub_waits_for_database", what=what, error=type(error).__name__)
        except Exception:  # noqa: BLE001 (a reader that is gone would leave all streams silent)
            _log.exception("hub_begins_again", what=what)
        await asyncio.sleep(RETRY_S)


def _owner(stream: Stream) -> int | bytes:
    """By what streams are counted: a customer by the person, staff by the session."""
    return stream.session if stream.person_id is None else stream.person_id


def _take_one(counted: Counter[int | bytes], owner: int | bytes) -> None:
    counted[owner] -= 1
    if counted[owner] <= 0:
        del counted[owner]


def _concerns(entry: LogEntry, person_id: int | None) -> bool:
    return entry.topic in SHOWN_TOPICS and (person_id is None or entry.subject == person_id)


def _hand_over(events: list[Kept], streams: Iterable[Stream]) -> None:
    """Give the same events, in order, to each of the streams."""
    together = b"".join(one.encoded for one in events)
    for stream in list(streams):
        if stream.seen < events[0].n:
            stream.write(together)
        else:
            fresh = b"".join(one.encoded for one in events if one.n > stream.seen)
            if fresh:
                stream.write(fresh)


def _said(event: bytes, n: int) -> bytes:
    return b'event: %b\nid: %d\ndata: {"n":%d}\n\n' % (event, n, n)
