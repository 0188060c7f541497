"""A refusal: something a polite clerk says no to. It knows nothing of HTTP."""

from typing import ClassVar


class Refusal(Exception):
    """The base of every named no.

    A subclass has a `code` (snake case, unique in the whole product, part of the API) and keeps the values that
    decided as attributes named in `shown`; the web turns code and fields into words for the person who asked.
    """

    code: ClassVar[str] = "refused"
    shown: ClassVar[tuple[str, ...]] = ()

    def fields(self) -> dict[str, object]:
        """The values that may be shown to the person who was refused: name → value."""
        return {name: getattr(self, name) for name in self.shown}

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.fields().items())
        return f"{self.code}({said})"


class RetryLater(Refusal):
    """The common base of every no that ends by itself; it says in how many seconds to ask again. It has no code."""

    shown: ClassVar[tuple[str, ...]] = ("retry_after_s",)
    usual_s: ClassVar[int] = 2  # of a subclass, for who raises it without a number

    def __init__(self, retry_after_s: int | None = None) -> None:
        self.retry_after_s = self.usual_s if retry_after_s is None else retry_after_s
        super().__init__(self.retry_after_s)
