"""Signing in with phone and PIN. The slow hash runs in a bounded pool, so a flood of tries cannot stop the house."""

from collections import OrderedDict
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sahut.bedrock import Clock, Refusal
from sahut.db import Pool, Queries, connection, transaction
from sahut.people.actor import Actor
from sahut.people.persons import add_session
from sahut.people.rules import TryLater, WrongPhoneOrPin, normal_phone, tries_after, wait_after
from sahut.work import BlockingPool

_queries = Queries.load("sahut.people")
# RFC 9106 section 4, second recommended option with half its memory and one lane: a PIN has few digits anyhow, and
# the counted tries guard it.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
_AT_ONCE, _WAITING, _OF_ONE_PHONE = 2, 62, 2
_UNKNOWN_WAITING, _UNKNOWN_KEPT = 15, 10_000


class SignIn:
    """Checks phone and PIN for one process.

    Known phones and unknown ones stand in lines of their own, and at most two tries of one phone are in a line, also of
    one who hangs up and calls again: so a flood of guesses keeps nobody else waiting.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._known = BlockingPool(_AT_ONCE, _WAITING, name="pin", of_one_at_most=_OF_ONE_PHONE)
        self._unknown = BlockingPool(1, _UNKNOWN_WAITING, name="no_pin")
        # Unknown phones are counted and told to wait like known ones, or the wait would tell which are known.
        self._unknown_tries: OrderedDict[str, tuple[int, datetime]] = OrderedDict()
        # Checked when the phone is unknown, so that both answers take the same time.
        self._nobody = _HASHER.hash("no PIN of anybody")

    @staticmethod
    def hash_pin(pin: str) -> str:
        """What is kept of a PIN. Slow on purpose (some 50 ms)."""
        return _HASHER.hash(pin)

    async def sign_in(self, phone: str, pin: str) -> tuple[str, datetime, Actor]:
        """Open a session for who knows phone and PIN: its token, when it ends, and who it is.

        Refuses: `bad_phone`, `wrong_phone_or_pin`, `try_later`, `busy`.
        Writes: `people.session`, the count of wrong tries.
        """
        phone = normal_phone(phone)
        now = self._clock.now()
        async with connection(self._pool) as held:
            row = await _queries.person_by_phone.fetchrow(held, phone=phone)
        if row is None:
            raise await self._refuse_unknown(phone, pin, now)
        _check_wait(row["try_again_at"], now)  # before the slow part, and once more below, under the lock
        good = await self._known.run_for(phone, _verify, row["pin_hash"], pin)
        return await self._decide(phone, good, now)

    async def _decide(self, phone: str, good: bool, now: datetime) -> tuple[str, datetime, Actor]:
        """Under the person's lock: of many tries at once each is counted, and none is heard while one must wait."""
        async with transaction(self._pool) as connection:
            row = await _queries.lock_person_by_phone.fetchrow(connection, phone=phone)
            assert row is not None
            _check_wait(row["try_again_at"], now)
            if good:
                await _queries.count_try.execute(connection, id=row["id"], wrong_tries=0, try_again_at=None)
                token, ends_at = await add_session(connection, row["id"], now)
                return token, ends_at, Actor(row["id"], row["name"], row["phone"], row["language"], row["role"])
            wrong = tries_after(row["wrong_tries"], row["try_again_at"], now)
            await _queries.count_try.execute(
                connection, id=row["id"], wrong_tries=wrong, try_again_at=now + wait_after(wrong)
            )
        raise WrongPhoneOrPin

    async def _refuse_unknown(self, phone: str, pin: str, now: datetime) -> Refusal:
        """What somebody is told whose phone we do not know: the same, after the same time, as with a wrong PIN."""
        tries, again_at = self._unknown_tries.get(phone, (0, None))
        if again_at is not None:
            self._unknown_tries.move_to_end(phone)
            try:
                _check_wait(again_at, now)
            except TryLater as wait:
                return wait
        if self._unknown.is_full:  # a try that is not heard is not counted
            return self._unknown.refuse()
        tries = tries_after(tries, again_at, now)
        self._unknown_tries[phone] = (tries, now + wait_after(tries))
        if len(self._unknown_tries) > _UNKNOWN_KEPT:
            self._unknown_tries.popitem(last=False)
        await self._unknown.run(_verify, self._nobody, pin)
        return WrongPhoneOrPin()


def _check_wait(again_at: datetime | None, now: datetime) -> None:
    if again_at is not None and again_at > now:
        raise TryLater(int((again_at - now).total_seconds()) + 1)


def _verify(kept: str, pin: str) -> bool:
    try:
        return _HASHER.verify(kept, pin.encode(errors="replace"))
    except (VerificationError, InvalidHashError):
        return False
