"""Chat in the app and the form of those who are not signed in."""

from sahut.bedrock import bounded_text
from sahut.guard import mask_secrets
from sahut.journey import Inbound
from sahut.people import Actor

TEXT_AT_MOST = 4000
_LANGUAGES = ("id", "zh", "en")


def chat_inbound(actor: Actor | None, *, client_message_id: str, text: str, language: str | None = None) -> Inbound:
    """What was written, ready to be received: bounded, masked, under a key that only its sender can repeat.

    `actor`: None when nobody is signed in. `client_message_id`: the same for each repetition; 8 to 64 characters,
    and 22 at least when nobody is signed in, such as a UUID.
    `language`: the sender's; one that we do not speak counts as Indonesian. Refuses: `bad_text`.
    """
    # Whoever is not signed in has nothing but this id to be told apart by, so it must be too long to guess.
    key = bounded_text(client_message_id, "client_message_id", at_least=8 if actor else 22, at_most=64)
    text = bounded_text(text, "text", at_most=TEXT_AT_MOST)
    spoken = language or (actor.language if actor else "id")
    return Inbound(
        channel_account="chat" if actor else "form",
        # Ids of different senders never meet, so nobody gets the receipt of another.
        provider_key=f"{actor.person_id if actor else 0}:{key}",
        person_id=actor.person_id if actor else 0,
        language=spoken if spoken in _LANGUAGES else "id",
        text=mask_secrets(text).text,
        original=text,
    )
