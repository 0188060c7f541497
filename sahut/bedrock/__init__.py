"""Bedrock: the plain values everything else stands on. No room below, no input or output here.

Money is a whole number of minor units with its currency; it is read as people type it, and written as they read it.
Text has bounds. Numbers that people read aloud carry a check digit; ids bear their time. The time comes from a
`Clock`, always aware, always UTC. What a business day is says a `BusinessCalendar`, when somebody is there says
`OfficeHours`, and how long that takes is said in words that never promise too much. What a polite clerk could say no
to is a `Refusal`.
"""

from sahut.bedrock.amounts import read_amount
from sahut.bedrock.calendar import BadCalendar, BusinessCalendar, CalendarEnds, NeverOpen
from sahut.bedrock.clock import Clock, FixedClock, MovableClock, SystemClock
from sahut.bedrock.currencies import (
    HELD,
    Currency,
    UnknownCurrency,
    currency_code,
    currency_exponent,
    currency_number,
    currency_of,
    is_held,
)
from sahut.bedrock.durations import (
    about_in_words,
    business_days_in_words,
    day_in_words,
    due_in_words,
    duration_in_words,
    moment_in_words,
)
from sahut.bedrock.formats import (
    date_in_words,
    date_time_in_words,
    money_in_words,
    number_in_words,
    time_in_words,
)
from sahut.bedrock.ids import ClockWrong, TimeIds, millisecond_of
from sahut.bedrock.money import (
    MOST_MINOR,
    AmountMinor,
    BadAmount,
    Money,
    OtherCurrency,
    amount_minor,
)
from sahut.bedrock.numbers import MOST_NUMBERS, contact_number, is_contact_number, show_number
from sahut.bedrock.office import (
    ALL_DAY,
    CLOSED,
    OfficeHours,
    Opening,
    Openings,
    Week,
    openings,
    round_the_clock,
    week,
)
from sahut.bedrock.refusal import Refusal, RetryLater
from sahut.bedrock.text import BadText, bounded_text
from sahut.bedrock.uuids import Uuid7s, uuid7_millisecond

__all__ = [
    "ALL_DAY",
    "CLOSED",
    "HELD",
    "MOST_MINOR",
    "MOST_NUMBERS",
    "AmountMinor",
    "BadAmount",
    "BadCalendar",
    "BadText",
    "BusinessCalendar",
    "CalendarEnds",
    "Clock",
    "ClockWrong",
    "Currency",
    "FixedClock",
    "Money",
    "MovableClock",
    "NeverOpen",
    "OfficeHours",
    "Opening",
    "Openings",
    "OtherCurrency",
    "Refusal",
    "RetryLater",
    "SystemClock",
    "TimeIds",
    "UnknownCurrency",
    "Uuid7s",
    "Week",
    "about_in_words",
    "amount_minor",
    "bounded_text",
    "business_days_in_words",
    "contact_number",
    "currency_code",
    "currency_exponent",
    "currency_number",
    "currency_of",
    "date_in_words",
    "date_time_in_words",
    "day_in_words",
    "due_in_words",
    "duration_in_words",
    "is_contact_number",
    "is_held",
    "millisecond_of",
    "moment_in_words",
    "money_in_words",
    "number_in_words",
    "openings",
    "read_amount",
    "round_the_clock",
    "show_number",
    "time_in_words",
    "uuid7_millisecond",
    "week",
]
