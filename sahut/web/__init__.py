"""Web: everything that people and programs reach us by over HTTP. Pages, JSON API, live stream.

`routes.py` is the one table of addresses; begin there. A view reads as: understand the request, call one action or one
reading, answer. `refusals.py` turns every named no into status and words; `words/` holds the words in three languages.
`live.py` and `hub.py` carry what happened to all who watch, from the sealed log, without gap and without double.

`sahut.app` makes a `House`, starts its `Hub`, and serves `build_app(house)`. When told to stop it calls
`hub.end_streams()` first, because a server waits for open responses.
"""

from sahut.web.application import build_app
from sahut.web.house import DemoPerson, House
from sahut.web.hub import Hub

__all__ = ["DemoPerson", "House", "Hub", "build_app"]
