"""What the journey measures, for Prometheus: contacts that were acknowledged."""

from prometheus_client import Counter

_ACKNOWLEDGED = Counter(
    "sahut_contacts_acknowledged", "Receipts that were given, by channel; repetitions get the first one again.",
    ["channel", "repeated"],
)  # fmt: skip
# An account of a channel is not a channel: `whatsapp:4711` counts as whatsapp.
_CHANNELS_AT_MOST = 32
_channels: set[str] = set()


def acknowledged(channel_account: str, *, repeated: bool) -> None:
    """A receipt was given."""
    channel = channel_account.partition(":")[0]
    if channel not in _channels:
        if len(_channels) >= _CHANNELS_AT_MOST:
            channel = "other"
        _channels.add(channel)
    _ACKNOWLEDGED.labels(channel, "yes" if repeated else "no").inc()
