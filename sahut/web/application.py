"""The application: the router made from the table, behind the edge."""

from starlette.applications import Starlette
from starlette.types import ASGIApp

from sahut.web.edge import Edge
from sahut.web.house import House
from sahut.web.routes import TABLE
from sahut.web.table import make_router


class _Application(Starlette):
    """Starlette with our edge in place of its own error layers: every error leaves with a name and our headers."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.router = make_router(TABLE, house)
        self._house = house

    def build_middleware_stack(self) -> ASGIApp:
        return Edge(self.router, self._house)


def build_app(house: House) -> Starlette:
    """The application over an open house. It starts nothing and closes nothing."""
    return _Application(house)
