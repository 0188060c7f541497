"""The world outside the house: customers, agents and their screens. Nothing here imports `sahut`.

What a client was told stands in its journal, what a screen was shown stands in its viewer; a trial judges by both.
"""

from sahut_lab.outside.customer import Customer, Deed, Outcome, sign_in
from sahut_lab.outside.journal import Journal, read_journal
from sahut_lab.outside.viewer import Shown, Viewer
from sahut_lab.outside.wire import Answer, Line, NoAnswer, Talk, ask

__all__ = [
    "Answer",
    "Customer",
    "Deed",
    "Journal",
    "Line",
    "NoAnswer",
    "Outcome",
    "Shown",
    "Talk",
    "Viewer",
    "ask",
    "read_journal",
    "sign_in",
]
