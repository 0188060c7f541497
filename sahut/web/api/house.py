"""What machines ask of the house: does it live, can it work, who is it."""

from starlette.responses import Response

from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.rules import NotReady
from sahut.web.visit import Visit
from sahut.work import key_id_of


async def livez(_visit: Visit) -> Response:
    """The process answers."""
    return json_answer(shapes.Health(status="ok"))


async def readyz(visit: Visit) -> Response:
    """The process may take requests: the database answers, migrations are current, numbers are reserved."""
    if (missing := await visit.house.missing()) is not None:
        raise NotReady(missing)
    return json_answer(shapes.Health(status="ok"))


async def directory(visit: Visit) -> Response:
    """Who we are: the channels that reach us today, and the key that checks our receipts."""
    house = visit.house
    answer = shapes.Directory(
        service="Sahut",
        published_at=house.clock.now(),
        channels=[
            {"kind": "chat", "address": f"{house.public_url}/", "open": "always", "languages": ["id", "zh", "en"]},
            {"kind": "api", "address": f"{house.public_url}/api/v1/contacts", "open": "always"},
        ],
        keys=[{"id": key_id_of(house.public_key), "algorithm": "Ed25519", "public_key": house.public_key.hex()}],
        never_asked=["pin", "one_time_code", "card_number"],
    )
    open_to_all = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
    return json_answer(answer, headers={**open_to_all, "cache-control": "public, max-age=300"})
