"""Every named no has its row in the web's table, and every row names a no that exists."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter

import sahut
from sahut.bedrock import Refusal
from sahut.web.refusals import TABLE


def _refusals() -> list[type[Refusal]]:
    for module in pkgutil.walk_packages(sahut.__path__, "sahut."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[Refusal]] = []
    waiting = [Refusal]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return found


def _codes() -> Counter[str]:
    """Each code with the number of classes that say it; a class without a code of its own is only a common base."""
    return Counter(
        kind.code for kind in _refusals() if "code" in kind.__dict__ and kind.__module__.startswith("sahut.")
    )


def test_every_refusal_has_its_row() -> None:
    assert set(_codes()) - set(TABLE) == set()


def test_every_row_names_a_refusal() -> None:
    assert set(TABLE) - set(_codes()) == set()


def test_no_two_refusals_say_the_same_code() -> None:
    assert [code for code, count in _codes().items() if count > 1] == []


def test_what_a_refusal_shows_it_has() -> None:
    for kind in _refusals():
        assert kind.__doc__, kind
        bodies = "".join(inspect.getsource(base) for base in kind.__mro__ if issubclass(base, Refusal))
        for name in kind.shown:
            assert hasattr(kind, name) or re.search(rf"self\.{name}\b.* = ", bodies), f"{kind.__name__} shows {name}"
