"""Journey: the way of a problem, the same for every channel. The only room that knows money *and* care.

receive → classify → find case → diagnose → resolve → deliver → follow up. Here now: receive and find case; `flow.py` is
the map. Receiving is one commit and nothing else before the answer; each further step is a durable job.
"""

from sahut.journey.flow import clock_handlers, job_kinds
from sahut.journey.intake import Inbound, Intake
from sahut.journey.proofs import ContactProof, FileVerdict, proof_of_contact, verify_contact_file
from sahut.journey.receipts import ContactKeyReused, Promise, Receipt, receipt_is_good

__all__ = [
    "ContactKeyReused",
    "ContactProof",
    "FileVerdict",
    "Inbound",
    "Intake",
    "Promise",
    "Receipt",
    "clock_handlers",
    "job_kinds",
    "proof_of_contact",
    "receipt_is_good",
    "verify_contact_file",
]
