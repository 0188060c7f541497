"""``python -m sahut`` is the command ``sahut``."""

from sahut.app.commands import run

if __name__ == "__main__":
    run()
