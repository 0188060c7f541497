"""Whoever acts is a parameter, never something found in the air."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["customer", "agent"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person. `phone`: E.164. `language`: id, zh or en."""

    person_id: int
    name: str
    phone: str
    language: str
    role: Role
