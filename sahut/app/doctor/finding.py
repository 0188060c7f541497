"""What a check finds: how bad it is, what is the matter, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """As it should be."""
    WARN = "warn"
    """It works, and somebody should look before it does not."""
    WRONG = "wrong"
    """It does not work, or a promise of the house does not hold."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing; ``advice`` is empty when there is nothing to do."""

    check: str
    severity: Severity
    sentence: str
    advice: str = ""


def ok(check: str, sentence: str) -> Finding:
    return Finding(check, Severity.OK, sentence)


def warn(check: str, sentence: str, advice: str) -> Finding:
    return Finding(check, Severity.WARN, sentence, advice)


def wrong(check: str, sentence: str, advice: str) -> Finding:
    return Finding(check, Severity.WRONG, sentence, advice)
