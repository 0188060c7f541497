"""Ledger: the books of money. It posts transfers between accounts and keeps why others were refused.

A transfer takes from one account and gives to one, so the books balance by their shape; entries are never changed. The
row of a balance carries its limits, so they are decided under the same lock as the posting. Commands come in batches:
one turn, one look at the keys, one lock in order of id, decisions in plain Python (`rules.py`), one writing statement,
one commit, and with it whatever must not fall between: events and jobs ride along as values.

Begin reading at `schema.sql`, then `rules.py`.
"""

from sahut.ledger.accounts import (
    AccountKind,
    Balance,
    Entry,
    balance_of,
    customer_account,
    entries,
    open_account,
    owners,
)
from sahut.ledger.audit import audit_money
from sahut.ledger.posting import Ledger
from sahut.ledger.rules import (
    AccountStopped,
    AmountOutOfBounds,
    BalanceCeiling,
    DailyLimit,
    InsufficientFunds,
    MonthlyLimit,
    NoSuchAccount,
    Posted,
    PostingRefused,
    SameAccount,
    Transfer,
    TransferKind,
    WrongCurrency,
)

__all__ = [
    "AccountKind",
    "AccountStopped",
    "AmountOutOfBounds",
    "Balance",
    "BalanceCeiling",
    "DailyLimit",
    "Entry",
    "InsufficientFunds",
    "Ledger",
    "MonthlyLimit",
    "NoSuchAccount",
    "Posted",
    "PostingRefused",
    "SameAccount",
    "Transfer",
    "TransferKind",
    "WrongCurrency",
    "audit_money",
    "balance_of",
    "customer_account",
    "entries",
    "open_account",
    "owners",
]
