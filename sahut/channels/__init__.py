"""Channels: adapters to the outside. Each makes the same `Inbound` of what reached it. Here now: chat and form."""

from sahut.channels.chat import chat_inbound

__all__ = ["chat_inbound"]
