"""Files that are on disk whole, or as they were before: a kill, a power cut or a full disk leaves no half of one.

Knows bytes and paths. Knows nothing of what is in them.
"""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: bytes | memoryview, previous: Path | None = None) -> None:
    """Replaces a file. What stood there goes to `previous`, if that is given.

    Raises OSError, with the path and the reason in its message; the old file is then untouched.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or the new name may reach the disk before the bytes do
        if previous and path.exists():
            os.replace(path, previous)
        os.replace(partial, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {error.strerror}; what was there before is untouched") from error


def append(path: Path, line: str) -> None:
    """Adds a line to a file. Raises OSError, with the path and the reason in its message."""
    try:
        with path.open("a") as file:
            file.write(line + "\n")
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror}") from error
