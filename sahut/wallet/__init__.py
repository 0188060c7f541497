"""Wallet: money as the customer sees it. Here now: the balance, movements, and a transfer to a person by phone."""

from sahut.wallet.reading import Movement, Overview, activity, overview
from sahut.wallet.transfers import (
    NOTE_AT_MOST,
    BadIdempotencyKey,
    NoWallet,
    Transferred,
    Transfers,
    UnknownRecipient,
)

__all__ = [
    "NOTE_AT_MOST",
    "BadIdempotencyKey",
    "Movement",
    "NoWallet",
    "Overview",
    "Transferred",
    "Transfers",
    "UnknownRecipient",
    "activity",
    "overview",
]
