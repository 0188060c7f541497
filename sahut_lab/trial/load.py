"""The load of the kill trial: customers who pay each other and write, and screens on the live stream.

Each deed carries a tag of its own, in the note of a transfer and in the text of a message, so that it can be found
again in the tables by what was sent and not by what was answered.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sahut_lab.demo import PEOPLE, DemoPerson
from sahut_lab.outside import Customer, Deed, Journal, Outcome, Viewer, sign_in

TRANSFERRERS, WRITERS = 3, 2  # at the same time, for each customer
LONGEST_PAUSE_S = 0.12
TOO_MUCH, TOO_MUCH_SHARE = 10**12, 0.02  # an amount that nobody has: it must be refused, and never done
SETTLE_WITHIN_S = 40.0


@dataclass
class World:
    """Everybody outside the house. `deeds` holds all that was ever meant, by key."""

    port: int
    seed: int
    journal: Journal
    customers: dict[str, Customer] = field(default_factory=dict)
    viewers: list[Viewer] = field(default_factory=list)
    deeds: dict[str, Deed] = field(default_factory=dict)
    _stopping: bool = False
    _giving_up: bool = False
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _watching: list["asyncio.Task[None]"] = field(default_factory=list)

    async def sign_everybody_in(self) -> None:
        for person in PEOPLE:
            talk = await sign_in(self.port, person.phone, person.pin)
            if person.role == "customer":
                self.customers[person.phone] = Customer(person.name, talk, self.journal)
                self.viewers.append(Viewer(person.name, talk))
            else:
                self.viewers += [Viewer("desk one", talk), Viewer("desk two", talk)]

    def start(self) -> None:
        """Begin to pay, to write and to watch."""
        self._watching = [asyncio.create_task(viewer.follow()) for viewer in self.viewers]
        for number, customer in enumerate(self.customers):
            for place in range(TRANSFERRERS + WRITERS):
                chance = random.Random(self.seed * 1000 + number * 10 + place)
                live = self._pay(customer, chance) if place < TRANSFERRERS else self._write(customer, chance)
                self._tasks.append(asyncio.create_task(live))

    async def settle(self) -> None:
        """Mean nothing new, and ask on until every outcome is known, at most 40 s. Raises what a customer raised."""
        self._stopping = True
        _, late = await asyncio.wait(self._tasks, timeout=SETTLE_WITHIN_S)
        self._giving_up = True
        if late:
            await asyncio.wait(late, timeout=20)
        for task in self._tasks:
            task.result()

    async def end(self) -> None:
        """Everybody goes home."""
        for task in (*self._tasks, *self._watching):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._watching, return_exceptions=True)
        self.journal.close()

    def outcomes(self) -> Iterator[Outcome]:
        for customer in self.customers.values():
            yield from customer.outcomes

    def counts(self) -> Counter[str]:
        return sum((customer.counts for customer in self.customers.values()), Counter())

    def complaints(self) -> list[str]:
        from_customers = [said for customer in self.customers.values() for said in customer.complaints]
        return from_customers + [said for viewer in self.viewers for said in viewer.complaints]

    async def _pay(self, phone: str, chance: random.Random) -> None:
        others = [other for other in self.customers if other != phone]
        while not self._stopping:
            key = str(UUID(int=chance.getrandbits(128)))
            amount = TOO_MUCH if chance.random() < TOO_MUCH_SHARE else chance.randint(1, 9999)
            body = {"to_phone": chance.choice(others), "amount_minor": amount, "currency": "IDR", "note": tag(key)}
            deed = Deed("transfer", phone, key, "/api/v1/transfers", body, 201, {"Idempotency-Key": key})
            await self._do(deed, chance)

    async def _write(self, phone: str, chance: random.Random) -> None:
        while not self._stopping:
            key = str(UUID(int=chance.getrandbits(128)))
            body = {"client_message_id": key, "text": f"Saldo saya kepotong tapi pembayaran gagal. {tag(key)}"}
            await self._do(Deed("contact", phone, key, "/api/v1/contacts", body, 202, {}), chance)

    async def _do(self, deed: Deed, chance: random.Random) -> None:
        self.deeds[deed.key] = deed
        await self.customers[deed.who].do(deed, chance, lambda: not self._giving_up)
        await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE_S))


def tag(key: str) -> str:
    """A word of letters alone, so that no masking of digits touches it."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in key.replace("-", ""))


def person_of(phone: str) -> DemoPerson:
    return next(person for person in PEOPLE if person.phone == phone)


def open_world(port: int, seed: int, home: Path) -> World:
    """The journal stands in the home's directory, beside everything the trial may look at afterwards."""
    return World(port, seed, Journal(home / "lab-journal.jsonl"))
