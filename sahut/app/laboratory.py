"""The one door to ``sahut_lab``, which stands beside the product and need not be installed."""

import importlib
from typing import Any

from sahut.app.cannot_start import CannotStart


def laboratory(part: str) -> Any:
    """Give the module ``sahut_lab.<part>``. **Refuses**: ``CannotStart`` when the laboratory is not installed."""
    name = f"sahut_lab.{part}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name not in ("sahut_lab", name):
            raise
        raise CannotStart(
            f"{name} is not installed: demos, benches and trials come with the sources, not with a "
            "production installation."
        ) from None
