"""One visit: who asks, in which language, with what. Everything a view needs is in it, checked before the view runs.

Who somebody is comes from a Bearer token or from a cookie of our pages. There are two cookies, one for customers and
one for the desk, so that both can be open in one browser without the one signing the other out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Scope

from sahut.people import Actor, who
from sahut.web.cookies import token_in
from sahut.web.house import House
from sahut.web.rules import ForeignOrigin, OtherPerson, SignInNeeded
from sahut.web.words import LANGUAGES, Words, choose_language, words_in

Realm = Literal["customer", "agent"]


@dataclass(slots=True)
class Visit:
    """A request as its view sees it.

    `actor`: who is signed in, None when nobody is; `token`: with what. `address`: the path that was asked; `path`:
    the values out of it. `sent`: the body in the shape of the row, None when the row takes none.
    """

    house: House
    headers: Headers
    address: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    actor: Actor | None
    token: str | None
    words: Words
    sent: Any = None

    @property
    def person(self) -> Actor:
        """Who is signed in; only for rows that ask for somebody."""
        assert self.actor is not None, "the row asks for somebody signed in"
        return self.actor

    @property
    def wants_partial(self) -> bool:
        """Whether our own script asks for the changed part of a page, not for the page."""
        return self.headers.get("sahut-partial") == "1"


def read_query(scope: Scope) -> dict[str, str]:
    """The query of the address, the first value of each name; what is not UTF-8 or too much is not there."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        return found
    for name, value in pairs:
        if "\0" not in value:
            found.setdefault(name, value)
    return found


def language_of(person: str | None, query: Mapping[str, str], headers: Headers) -> str:
    """The language of the answer."""
    return choose_language(person=person, asked=query.get("lang"), accepted=headers.get("accept-language"))


def cookie_name(house: House, realm: Realm) -> str:
    """The cookie's name; `__Host-` makes browsers keep it to this very host and to https."""
    return ("__Host-" if house.secure else "") + ("sahut-desk" if realm == "agent" else "sahut")


def session_cookie(house: House, realm: Realm, token: str, *, lasts_s: int) -> str:
    """The header that gives the browser the session, or takes it away (`lasts_s` 0)."""
    secure = "; Secure" if house.secure else ""
    return f"{cookie_name(house, realm)}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lasts_s}{secure}"


async def find_actor(
    house: House, headers: Headers, path: str, query: Mapping[str, str], *, acts: bool
) -> tuple[Actor | None, str | None]:
    """Who asks, and the token that says so; (None, None) when nobody is signed in.

    `acts`: the request changes something, so a cookie counts only from a page of ours.
    Refuses: `sign_in_needed` for a Bearer token that does not hold, `foreign_origin`, and what `check_person` refuses.
    """
    token, by_cookie = _token_of(house, headers, path, query)
    actor = None
    if token is not None:
        async with house.at_the_door() as connection:
            actor = await who(connection, token, house.clock.now())
    if not by_cookie:
        if actor is None:
            raise SignInNeeded
        return actor, token
    if actor is not None and acts:
        check_origin(house, headers)
    check_person(actor, headers.get("sahut-person"))
    return (None, None) if actor is None else (actor, token)


def check_person(actor: Actor | None, named: str | None) -> None:
    """A page made for one person gets and does nothing as another, who signed in since in the same browser.

    `named`: the id of the person for whom the page was made, None or empty when it does not say.
    Refuses: `sign_in_needed`, `other_person`.
    """
    if not named:
        return
    if actor is None:
        raise SignInNeeded
    if named != str(actor.person_id):
        raise OtherPerson


def check_origin(house: House, headers: Headers) -> None:
    """Only pages of ours may act with a cookie. Refuses: `foreign_origin`."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:  # no script can set it, and every browser of today sends it
        if site != "same-origin":
            raise ForeignOrigin
    elif origin not in {house.public_url, _own_origin(house, headers)}:
        raise ForeignOrigin


def words_for(actor: Actor | None, query: Mapping[str, str], headers: Headers) -> Words:
    """The words to answer with."""
    return words_in(language_of(actor.language if actor else None, query, headers))


def language_sent(lang: str) -> str | None:
    """A language that a form carries along, when we speak it."""
    return lang if lang in LANGUAGES else None


def _own_origin(house: House, headers: Headers) -> str:
    # The host was checked to be one of ours before anything else was read.
    return f"{'https' if house.secure else 'http'}://{headers.get('host', '')}"


def _token_of(house: House, headers: Headers, path: str, query: Mapping[str, str]) -> tuple[str | None, bool]:
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return (token.strip() if scheme.lower() == "bearer" else ""), False
    at_desk = path.startswith(("/desk", "/api/v1/desk")) or query.get("desk") == "1"
    return token_in(headers.get("cookie", ""), cookie_name(house, "agent" if at_desk else "customer")), True
