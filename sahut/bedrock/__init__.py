"""Bedrock: the plain values everything else stands on. No room below, no input or output here.

Money is a whole number of minor units with its currency. Text has bounds. Numbers that people read aloud
carry a check digit. The time comes from a `Clock`, always aware, always UTC. What a polite clerk could say
no to is a `Refusal`.
"""

from sahut.bedrock.clock import Clock, SystemClock
from sahut.bedrock.ids import TimeIds
from sahut.bedrock.money import (
    MOST_MINOR,
    Money,
    UnknownCurrency,
    currency_code,
    currency_exponent,
    currency_number,
    money_in_words,
)
from sahut.bedrock.numbers import MOST_NUMBERS, contact_number, is_contact_number, show_number
from sahut.bedrock.refusal import Refusal
from sahut.bedrock.text import BadText, bounded_text

__all__ = [
    "MOST_MINOR",
    "MOST_NUMBERS",
    "BadText",
    "Clock",
    "Money",
    "Refusal",
    "SystemClock",
    "TimeIds",
    "UnknownCurrency",
    "bounded_text",
    "contact_number",
    "currency_code",
    "currency_exponent",
    "currency_number",
    "is_contact_number",
    "money_in_words",
    "show_number",
]
