"""The one way in which a start ends early: a sentence for the person who started it."""


class CannotStart(Exception):
    """Sahut cannot start, or not go on, for a reason that the operator can do something about.

    The text is one sentence that names the setting, the file or the program concerned and what to do about it. It is
    shown as it is, without a traceback, so it never carries a secret.
    """
