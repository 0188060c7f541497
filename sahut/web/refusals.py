"""The one table from a refusal's code to its status and tone. The words stand in the catalogs, three languages each.

For the code `insufficient_funds` the catalogs hold `refusal.insufficient_funds.title` and `….detail`, written with the
refusal's fields; a page shows the detail beside the form field named here. A refusal with a `reason` may have a detail
for each: `refusal.bad_text.too_long`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sahut.bedrock import Refusal, money_in_words, show_number
from sahut.web.words import Words

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Row:
    """How the web says this no.

    `status`: of HTTP. `field`: the field of our forms beside which it is shown. `tone`: bad when the person has to
    change something, warn when waiting or asking again helps.
    """

    status: int
    field: str | None = None
    tone: str = "bad"


TABLE: Mapping[str, Row] = {
    # the request itself
    "not_json": Row(400),
    "duplicate_field": Row(400),
    "missing_field": Row(422),
    "unknown_field": Row(422),
    "wrong_field": Row(422),
    "bad_characters": Row(422),
    "body_too_large": Row(413),
    "body_too_slow": Row(408),
    "wrong_content_type": Row(415),
    "not_here": Row(404),
    "receipt_not_held": Row(404, tone="warn"),
    "wrong_method": Row(405),
    "wrong_host": Row(421),
    "foreign_origin": Row(403),
    "sign_in_needed": Row(401),
    "not_for_you": Row(403),
    "other_person": Row(409, tone="warn"),
    "idempotency_key_required": Row(400),
    "too_many_streams": Row(503, tone="warn"),
    "not_ready": Row(503, tone="warn"),
    "our_fault": Row(500, tone="warn"),
    # any room
    "refused": Row(422),
    "bad_text": Row(422, "text"),
    "unknown_currency": Row(422),
    "bad_calendar": Row(422),
    "calendar_ends": Row(422),
    "never_open": Row(422),
    "database_away": Row(503, tone="warn"),
    "contended": Row(503, tone="warn"),
    "outcome_unknown": Row(503, tone="warn"),
    "busy": Row(503, tone="warn"),
    # clocks
    "no_such_policy": Row(404),
    "bad_policy": Row(422),
    "no_running_deadline": Row(409),
    "deadline_not_moved": Row(409),
    # people
    "wrong_phone_or_pin": Row(401, "pin"),
    "try_later": Row(429, "pin", "warn"),
    "bad_phone": Row(422, "phone"),
    # money
    "unknown_recipient": Row(422, "to_phone"),
    "same_account": Row(422, "to_phone"),
    "account_stopped": Row(422, "to_phone"),
    "balance_ceiling": Row(422, "to_phone"),
    "monthly_limit": Row(422, "to_phone"),
    "insufficient_funds": Row(422, "amount"),
    "daily_limit": Row(422, "amount"),
    "amount_out_of_bounds": Row(422, "amount"),
    "bad_amount": Row(422, "amount"),
    "other_currency": Row(422),
    "wrong_currency": Row(422),
    "no_wallet": Row(422),
    "no_such_account": Row(422),
    "posting_refused": Row(422),
    "bad_idempotency_key": Row(400),
    "key_reused": Row(422),
    "request_in_flight": Row(409, tone="warn"),
    # care
    "contact_key_reused": Row(422, "text"),
    "message_key_reused": Row(422, "text"),
    "no_such_case": Row(404),
    "case_closed": Row(409, "text"),
    "conversation_moved": Row(409, "text", "warn"),
}


def row_of(refusal: Refusal) -> Row:
    """The row of the refusal; a code that nobody has entered is answered as plainly unprocessable."""
    return TABLE.get(refusal.code, TABLE["refused"])


def title_of(refusal: Refusal, words: Words) -> str:
    """What happened, in a few words."""
    return words.say(f"refusal.{_worded(refusal, words)}.title")


def detail_of(refusal: Refusal, words: Words) -> str:
    """What happened and what can be done, in the language of the person, with the values that decided."""
    fields = {name: _shown(name, value, refusal.fields(), words) for name, value in refusal.fields().items()}
    key = f"refusal.{_worded(refusal, words)}"
    by_reason = f"{key}.{fields.get('reason')}"
    return words.say(by_reason if words.has(by_reason) else f"{key}.detail", **fields)


def _worded(refusal: Refusal, words: Words) -> str:
    return refusal.code if words.has(f"refusal.{refusal.code}.title") else "refused"


def _shown(name: str, value: object, fields: Mapping[str, object], words: Words) -> object:
    """A value as people read it: amounts as money, seconds as a length of time, numbers of contacts in threes."""
    if name.endswith("_minor") and isinstance(value, int):
        currency = fields.get("currency")
        return money_in_words(value, currency if isinstance(currency, str) else "IDR")
    if name.endswith("_s") and isinstance(value, int):
        return words.wait(value)
    if name in {"number", "case"} and isinstance(value, str):
        return show_number(value)
    if isinstance(value, (tuple, list)):
        return ", ".join(str(one) for one in value)
    return value
