"""What ``./run`` does: make the environment when it is missing or old, then become ``sahut up --demo``."""

import os
import signal
import sys
from pathlib import Path

from environment import Environment, EnvironmentFailed

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    environment = Environment(ROOT)
    try:
        environment.prepare("requirements.lock")
    except EnvironmentFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing was left half done; start again when you like.", file=sys.stderr)
        return 130
    python = str(environment.python)
    command = [python, "-P", "-m", "sahut", "up", "--demo", *sys.argv[1:]]
    return os.execv(python, command)  # noqa: S606 — Sahut takes our place, so that a signal reaches it directly


if __name__ == "__main__":
    sys.exit(main())
