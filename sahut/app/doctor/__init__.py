"""The doctor: what is wrong with this installation, in sentences, each with what to do.

Each check is a small function from what was seen (a value) to one finding, so it can be read and tested alone:
``machine`` (home, disks, secrets, processes, port, memory), ``server`` (PostgreSQL and its sessions), ``promises`` (the
sealed log, clocks, jobs, backups). ``looking`` and ``asking`` gather the values; ``examination`` puts both together,
with a time limit for each question, so that it also works when everything is down.
"""

from sahut.app.doctor.examination import examine
from sahut.app.doctor.finding import Finding, Severity

__all__ = ["Finding", "Severity", "examine"]
