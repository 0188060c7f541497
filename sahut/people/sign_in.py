"""Signing in with phone and PIN. The slow hash runs in a bounded pool, so a flood of tries cannot stop the house."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sahut.bedrock import Clock
from sahut.db import Pool, Queries, transaction
from sahut.people.actor import Actor
from sahut.people.persons import add_session
from sahut.people.rules import TryLater, WrongPhoneOrPin, normal_phone, wait_after
from sahut.work import Busy

_queries = Queries.load("sahut.people")
# RFC 9106 section 4, second recommended option with half its memory and one lane: a PIN has few digits anyhow, and
# the counted tries guard it.
# it.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
_AT_ONCE, _WAITING = 2, 64


class SignIn:
    """Checks phone and PIN for one process."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pin")
        self._waiting = 0
        # Checked when the phone is unknown, so that both answers take the same time.
        self._nobody = _HASHER.hash("no PIN of anybody")

    @staticmethod
    def hash_pin(pin: str) -> str:
        """What is kept of a PIN. Slow on purpose (some 50 ms)."""
        return _HASHER.hash(pin)

    async def sign_in(self, phone: str, pin: str) -> tuple[str, datetime, Actor]:
        """Open a session for who knows phone and PIN: its token, when it ends, and who it is.

        Refuses: `bad_phone`, `wrong_phone_or_pin`, `try_later`, `busy`. Writes: `people.session`, the count of wrong
        tries.
        """
        phone = normal_phone(phone)
        now = self._clock.now()
        async with self._pool.acquire() as connection:
            row = await _queries.person_by_phone.fetchrow(connection, phone=phone)
        good = await self._pin_is_good(self._nobody if row is None else row["pin_hash"], pin)
        if row is None:
            raise WrongPhoneOrPin
        async with transaction(self._pool) as connection:
            row = await _queries.lock_person_by_phone.fetchrow(connection, phone=phone)
            assert row is not None
            # Decided under the lock: of many tries at once each is counted, and none is heard while one must wait.
            waits = row["try_again_at"] is not None and row["try_again_at"] > now
            if good and not waits:
                await _queries.count_try.execute(connection, id=row["id"], wrong_tries=0, try_again_at=None)
                token, ends_at = await add_session(connection, row["id"], now)
                return token, ends_at, Actor(row["id"], row["name"], row["phone"], row["language"], row["role"])
            if not waits:
                wrong = row["wrong_tries"] + 1
                await _queries.count_try.execute(
                    connection, id=row["id"], wrong_tries=wrong, try_again_at=now + wait_after(wrong)
                )
        if waits:
            raise TryLater(int((row["try_again_at"] - now).total_seconds()) + 1)
        raise WrongPhoneOrPin

    async def _pin_is_good(self, kept: str, pin: str) -> bool:
        if self._waiting >= _WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _verify, kept, pin)
        finally:
            self._waiting -= 1


def _verify(kept: str, pin: str) -> bool:
    try:
        return _HASHER.verify(kept, pin.encode(errors="replace"))
    except (VerificationError, InvalidHashError):
        return False
