"""Static files: read once, served from memory under a path that bears the hash of all of them.

A changed file changes the path, so browsers may keep what they have for ever, and the scripts find each other by
relative names under the same hash.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.responses import Response

from sahut.web.rules import NotHere
from sahut.web.visit import Visit

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is served."""

    content_type: str
    plain: bytes
    zipped: bytes


@cache
def _all_files() -> tuple[str, dict[str, StaticFile]]:
    digest = hashlib.sha256()
    found: dict[str, StaticFile] = {}
    for file in sorted((files("sahut.web") / "static").iterdir(), key=lambda file: file.name):
        ending = file.name.rpartition(".")[2]
        if ending in _TYPES:
            content = file.read_bytes()
            digest.update(b"%s %d\n" % (file.name.encode(), len(content)) + content)
            found[file.name] = StaticFile(_TYPES[ending], content, gzip.compress(content, 9, mtime=0))
    return digest.hexdigest()[:12], found


def static_path(name: str) -> str:
    """The path under which pages name the file."""
    version, found = _all_files()
    assert name in found, f"there is no static file {name}"
    return f"/static/{version}/{name}"


async def static_file(visit: Visit) -> Response:
    """A style, script or picture of our pages."""
    version, found = _all_files()
    file = found.get(visit.path["name"])
    if file is None or visit.path["version"] != version:
        raise NotHere
    headers = {"cache-control": _FOR_EVER, "vary": "accept-encoding"}
    if "gzip" in visit.headers.get("accept-encoding", ""):
        return Response(file.zipped, 200, {**headers, "content-encoding": "gzip", "content-type": file.content_type})
    return Response(file.plain, 200, {**headers, "content-type": file.content_type})
