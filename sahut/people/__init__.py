"""People: who somebody is and what proves it. Persons, PINs, sessions.

Sign-up, second factors, devices, rights as data and encryption by person come with the room's own issue; here are the
seeded persons of a demo world, who sign in with phone and PIN like everybody will.
"""

from sahut.people.actor import Actor, Role
from sahut.people.persons import (
    add_person,
    add_session,
    names_of,
    person,
    person_by_phone,
    running_sessions,
    sign_out,
    token_hash,
    who,
)
from sahut.people.rules import TryLater, UnknownPhone, WrongPhoneOrPin, normal_phone
from sahut.people.sign_in import SignIn

__all__ = [
    "Actor",
    "Role",
    "SignIn",
    "TryLater",
    "UnknownPhone",
    "WrongPhoneOrPin",
    "add_person",
    "add_session",
    "names_of",
    "normal_phone",
    "person",
    "person_by_phone",
    "running_sessions",
    "sign_out",
    "token_hash",
    "who",
]
