"""What the web itself refuses, before any room is asked: shapes, sizes, origins, rights. Pure values."""

from sahut.bedrock import Refusal, RetryLater


class NotJson(Refusal):
    """The body is not one JSON value in UTF-8."""

    code = "not_json"


class DuplicateField(Refusal):
    """A field stands twice in the body, so nobody can say which one is meant."""

    code = "duplicate_field"
    shown = ("field",)

    def __init__(self, field: str) -> None:
        self.field = field[:64]
        super().__init__(field)


class MissingField(Refusal):
    """A field that we need is not there."""

    code = "missing_field"
    shown = ("field",)

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(field)


class UnknownField(Refusal):
    """A field that we do not know; a mistyped name must not pass in silence."""

    code = "unknown_field"
    shown = ("field",)

    def __init__(self, field: str) -> None:
        self.field = field[:64]
        super().__init__(field)


class WrongField(Refusal):
    """A field has the wrong type, or lies outside its bounds."""

    code = "wrong_field"
    shown = ("field", "expected")

    def __init__(self, field: str, expected: str) -> None:
        self.field, self.expected = field, expected
        super().__init__(field, expected)


class BadCharacters(Refusal):
    """A text holds characters that no table can keep: NUL, or half of a surrogate pair."""

    code = "bad_characters"
    shown = ("field",)

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(field)


class BodyTooLarge(Refusal):
    """The body is larger than we read."""

    code = "body_too_large"
    shown = ("at_most_bytes",)

    def __init__(self, at_most_bytes: int) -> None:
        self.at_most_bytes = at_most_bytes
        super().__init__(at_most_bytes)


class BodyTooSlow(Refusal):
    """The body did not arrive in time."""

    code = "body_too_slow"
    shown = ("within_s",)

    def __init__(self, within_s: int) -> None:
        self.within_s = within_s
        super().__init__(within_s)


class WrongContentType(Refusal):
    """The body is not of the content type that this address reads."""

    code = "wrong_content_type"
    shown = ("expected",)

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(expected)


class NotHere(Refusal):
    """There is nothing at this address, or nothing that this person may know of."""

    code = "not_here"


class ReceiptNotHeld(Refusal):
    """The contact is there, but this browser does not hold the receipt that was given for it."""

    code = "receipt_not_held"


class WrongMethod(Refusal):
    """The address exists, but not for this method."""

    code = "wrong_method"
    shown = ("allowed",)

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(allowed)


class WrongHost(Refusal):
    """The request names a host that is not ours."""

    code = "wrong_host"


class ForeignOrigin(Refusal):
    """A page of somebody else tried to act with our cookie."""

    code = "foreign_origin"


class SignInNeeded(Refusal):
    """Nobody is signed in, or the session has ended."""

    code = "sign_in_needed"


class NotForYou(Refusal):
    """The person who asks has not the role for this address."""

    code = "not_for_you"


class OtherPerson(Refusal):
    """The page was made for one person, and another has signed in since in the same browser."""

    code = "other_person"


class IdempotencyKeyRequired(Refusal):
    """What moves money needs an Idempotency-Key, and only one."""

    code = "idempotency_key_required"


class TooManyStreams(RetryLater):
    """This process carries as many live streams as it may."""

    code = "too_many_streams"
    usual_s = 5


class NotReady(RetryLater):
    """This process cannot take requests yet, or at the moment."""

    code = "not_ready"
    shown = ("missing", "retry_after_s")
    usual_s = 1

    def __init__(self, missing: str) -> None:
        self.missing = missing
        super().__init__()


class OurFault(Refusal):
    """We made a mistake; it is written down under the number of the request."""

    code = "our_fault"
    shown = ("request",)

    def __init__(self, request: str) -> None:
        self.request = request
        super().__init__(request)
