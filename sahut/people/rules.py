"""Phones, PIN tries and how long one waits after wrong ones. Pure."""

from datetime import datetime, timedelta

import phonenumbers

from sahut.bedrock import Refusal, RetryLater

SESSION_LASTS = timedelta(hours=12)
_FREE_TRIES, _FIRST_WAIT, _MOST_WAIT = 5, timedelta(seconds=15), timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=1)
_HOME_REGION = "ID"


class WrongPhoneOrPin(Refusal):
    """Phone and PIN do not belong together. Which of them is wrong is not said."""

    code = "wrong_phone_or_pin"


class TryLater(RetryLater):
    """Too many wrong tries; the next one is heard in so many seconds."""

    code = "try_later"


class UnknownPhone(Refusal):
    """This is no phone number."""

    code = "bad_phone"


def normal_phone(text: str) -> str:
    """A phone number as people write it (0812…, +62 812…) in E.164. Refuses: `bad_phone`."""
    if len(text) > 32:
        raise UnknownPhone
    try:
        parsed = phonenumbers.parse(text, _HOME_REGION)
    except phonenumbers.NumberParseException:
        raise UnknownPhone from None
    if not phonenumbers.is_possible_number(parsed):
        raise UnknownPhone
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def wait_after(wrong_tries: int) -> timedelta:
    """How long nobody may try after so many wrong PINs in a row: nothing for the first four, 15 seconds after
    the fifth, then doubling to an hour.

    There is no lock for ever. Whoever knows a phone can still make its owner wait, until devices have counts of their
    own (ASVS 5.0, 6.1.1).
    """
    if wrong_tries < _FREE_TRIES:
        return timedelta()
    doublings: int = min(wrong_tries - _FREE_TRIES, 10)
    return min(_MOST_WAIT, _FIRST_WAIT * (1 << doublings))


def tries_after(wrong_tries: int, again_at: datetime | None, now: datetime) -> int:
    """The count of wrong PINs with one more; it begins anew a day after the last one could be tried again."""
    if again_at is not None and now - again_at > _FORGOTTEN_AFTER:
        return 1
    return wrong_tries + 1
