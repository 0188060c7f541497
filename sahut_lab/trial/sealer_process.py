"""`python -m sahut_lab.trial.sealer_process HOME NAME`: the product's sealer alone in a process, to be killed."""

import asyncio
import os
import sys
from pathlib import Path

from sahut.app import secrets
from sahut.app.engines import app_dsn
from sahut.work import Signer, run_sealer


def main(home: Path, name: str) -> None:
    """Seal, or stand by to seal, until killed; `name` and the number of the process are what PostgreSQL shows."""
    signer = Signer.from_seed(secrets.key(home, "desk.key"))
    asyncio.run(run_sealer(app_dsn(home), signer, None, name=f"{name}-{os.getpid()}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
