"""The code of a workspace: which of its files a model may see, what they say, and which names stand in them.

Knows folders, files and the gate. Knows no cursor, no tokens and no protocol.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lsp_server.context import gate
from lsp_server.syntax.grammars import endings_of
from model.infilling.alike import names_in

MOST_FILES = 4_000
MOST_ENTRIES = 40_000  # of folders that are looked at; a workspace may be somebody's whole home
MOST_BYTES = 200_000  # of a file; larger ones are data or generated
SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})


@dataclass(frozen=True)
class SourceFile:
    """A file as it was when it was read last. `name` is how the model is told of it: relative to the workspace."""

    path: Path
    name: str
    text: str
    names: frozenset[str]
    stamp: tuple[int, int] | None = None  # when the file on disk was written, and its size; None: the editor's text


class Project:
    """The files of some folders in the languages asked for. Safe to use from several threads."""

    def __init__(self, roots: Sequence[Path], languages: Sequence[str], ignore_files: Sequence[str] = gate.IGNORE_FILES) -> None:
        self._roots = tuple(Path(os.path.abspath(root)) for root in roots)
        self._endings, self._ignore_files = endings_of(languages), tuple(ignore_files)
        self._files: dict[Path, SourceFile] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Nobody asks any more: a scan ends."""
        self._closed = True

    def scan(self) -> None:
        """Reads everything anew. What a folder does not let be read is left out."""
        found = {file.path: file for path in self._paths() if (file := self._read(path)) is not None}
        with self._lock:
            self._files = found

    def changed(self, path: Path) -> SourceFile | None:
        """The file was written, made or deleted. Returns it as it is now; None if it is gone, or does not count."""
        path = Path(os.path.abspath(path))
        file = self._read(path) if self.may_hold(path) else None
        with self._lock:
            self._files.pop(path, None)
            if file is None or len(self._files) >= MOST_FILES:
                return None
            self._files[path] = file
            return file

    def files(self, opened: Mapping[Path, str] | None = None) -> list[SourceFile]:
        """Every file, and those that are open in the editor, wherever they lie: they say what they say there."""
        with self._lock:
            found = dict(self._files)
        for path, text in (opened or {}).items():
            found[path] = SourceFile(path, self._name(path), text, names_in(text))
        return list(found.values())

    def current(self, file: SourceFile) -> SourceFile | None:
        """The file as it is now; None if it is gone, or no model may see it any more."""
        if file.stamp is None:
            return file
        if not self.may_hold(file.path):
            return None
        with suppress(OSError):
            if file.stamp == _stamp(file.path):
                return file
        self.changed(file.path)
        with self._lock:
            return self._files.get(file.path)

    def may_hold(self, path: Path) -> bool:
        """Whether it is a file of these folders that a model may see."""
        if not path.name.endswith(self._endings):
            return False
        inside = next((path.relative_to(root).parts for root in self._roots if path.is_relative_to(root)), None)
        if inside is None or any(_is_skipped(part) for part in inside[:-1]):
            return False
        return gate.refusal(path, self._roots, self._ignore_files) is None

    def _paths(self) -> Iterator[Path]:
        seen = taken = 0
        for root in self._roots:
            for folder, folders, files in os.walk(root):
                seen += len(folders) + len(files)
                if seen > MOST_ENTRIES or self._closed:
                    return
                folders[:] = sorted(one for one in folders if not _is_skipped(one) and not _is_environment(folder, one))
                for path in (Path(folder, name) for name in sorted(files)):
                    if self._closed:
                        return
                    if path.name.endswith(self._endings) and gate.refusal(path, self._roots, self._ignore_files) is None:
                        yield path
                        taken += 1
                        if taken == MOST_FILES:
                            return

    def _read(self, path: Path) -> SourceFile | None:
        with suppress(OSError):
            stamp = _stamp(path)
            if path.is_file() and 0 < stamp[1] <= MOST_BYTES:
                text = path.read_text("utf-8", "replace")
                return SourceFile(path, self._name(path), text, names_in(text), stamp)
        return None

    def _name(self, path: Path) -> str:
        root = next((root for root in self._roots if path.is_relative_to(root)), path.parent)
        return path.relative_to(root).as_posix()


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size


def _is_skipped(folder: str) -> bool:
    return folder.startswith(".") or folder in SKIPPED


def _is_environment(parent: str, folder: str) -> bool:
    return os.path.exists(os.path.join(parent, folder, "pyvenv.cfg"))
