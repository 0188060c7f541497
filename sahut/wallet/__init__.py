"""Wallet: money as the customer sees it. Here now: the balance, movements, and a transfer to a person by phone."""

from sahut.wallet.reading import Movement, Overview, activity, overview
from sahut.wallet.transfers import BadIdempotencyKey, NoWallet, Transferred, Transfers, UnknownRecipient

__all__ = [
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
