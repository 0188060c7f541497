"""Running a part of a bench as a process of its own, which says one JSON object on its last line."""

import asyncio
import json
import os
import sys
from typing import Any

from sahut_lab.house import TREE


async def said_by(module: str, *arguments: object, within_s: float = 120.0) -> Any:
    """What `python -m module arguments…` answers. Raises RuntimeError with its last words when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *(str(argument) for argument in arguments),
        env={**os.environ, "PYTHONPATH": str(TREE)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        answered, complained = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}: {complained.decode()[-1500:]}")
    return json.loads(answered.decode().strip().splitlines()[-1])
