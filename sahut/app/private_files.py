"""Files that only the service can read, and names that outlive a power cut."""

import os
from pathlib import Path
from typing import IO


def open_private(path: Path, *, anew: bool = False) -> IO[bytes]:
    """Open a file for adding to its end that nobody else may read, also when it is made now.

    ``anew``: what it held before is gone. A link in its place is refused: root must not write where others point.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_TRUNC if anew else 0)
    return os.fdopen(os.open(path, flags, 0o600), "ab")


def sync_directory(directory: Path) -> None:
    """See that the names in a directory are on the disk; a file that is flushed has not yet a name that stays."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
