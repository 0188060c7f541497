"""Guard: what keeps people and their secrets safe. Here now: masking of what must never be stored.

Pure functions from values to values; the monitor's tables come with it.
"""

from sahut.guard.masking import Masked, mask_secrets

__all__ = ["Masked", "mask_secrets"]
