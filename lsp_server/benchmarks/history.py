"""What people really wrote: the edits of a git repository's commits, as a person makes them in an editor.

Knows git and texts. Knows no editor's protocol and no suggestions.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from model.tokenization.agreement import common_length

SUFFIX = ".py"
INDENTATION = 4  # blanks that one press of the tab key makes
MOST_CHARACTERS = 200_000  # of a file
MOST_WRITTEN = 600  # characters of one edit; more at once was pasted or generated, not typed


class HistoryError(ValueError):
    """The folder is no repository that can be replayed; the message says why in one line."""


@dataclass(frozen=True)
class Edit:
    """In a text, `written` takes the place of `removed` characters behind `at`."""

    at: int
    removed: int
    written: str

    def applied(self, text: str) -> str:
        return text[: self.at] + self.written + text[self.at + self.removed :]


@dataclass(frozen=True)
class Commit:
    """The Python files that it changed, before and after, by their paths. What is no text, or very long, is left out."""

    name: str
    files: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Change:
    """One file as one commit changed it. Each edit is made in the text that the ones before it have left."""

    commit: Commit
    path: str
    before: str
    edits: tuple[Edit, ...]


def commits(repository: Path) -> Iterator[Commit]:
    """Those that changed Python files, newest first. Raises HistoryError for what is no repository."""
    for commit in _git(repository, "log", "--no-merges", "--diff-filter=M", "--format=%H", "--", f"*{SUFFIX}").split():
        names = _git(repository, "diff-tree", "--no-commit-id", "-r", "--name-only", "--diff-filter=M", "-z", commit)
        files = {}
        for path in names.split("\0"):
            if path.endswith(SUFFIX):
                before, after = _file(repository, f"{commit}^", path), _file(repository, commit, path)
                if before is not None and after is not None:
                    files[path] = before, after
        yield Commit(commit, files)


def changes(repository: Path) -> Iterator[Change]:
    """The changes of Python files, newest commits first. Raises HistoryError for what is no repository."""
    for commit in commits(repository):
        for path, (before, after) in commit.files.items():
            edits = tuple(edits_between(before, after))
            if edits and all(len(edit.written) <= MOST_WRITTEN for edit in edits):
                yield Change(commit, path, before, edits)


def files_before(repository: Path, commit: Commit) -> dict[str, str]:
    """All Python files as they were before a commit, by their paths."""
    packed = _git_bytes(repository, "archive", "--format=tar", f"{commit.name}^")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.name.endswith(SUFFIX) and entry.size <= MOST_CHARACTERS else None
            if content is not None:
                found[entry.name] = content.read().decode("utf-8", "replace")
    return found


def edits_between(before: str, after: str) -> list[Edit]:
    """From the top to the bottom; a changed line is changed where it differs, and a new one begins with its line break."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    edits = []
    at = 0
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        if kind != "equal":
            start = common_length(gone, come)
            end = common_length(gone[start:][::-1], come[start:][::-1])
            edit = Edit(at + start, len(gone) - start - end, come[start : len(come) - end])
            if kind == "insert" and c > 0 and edit.written.endswith("\n"):
                edit = Edit(edit.at - 1, 0, "\n" + edit.written.removesuffix("\n"))
            edits.append(edit)
        at += len(come)
    return edits


def next_key(text: str, cursor: int, rest: str) -> str:
    """What the next press of a key writes of `rest`: the editor indents a new line as the one before it, tab makes blanks."""
    if rest.startswith("\n"):
        line = text[text.rfind("\n", 0, cursor) + 1 : cursor]
        indentation = line[: len(line) - len(line.lstrip(" \t"))]
        return "\n" + indentation[: common_length(indentation, rest[1:])]
    blanks = " " * INDENTATION
    at_start = not text[text.rfind("\n", 0, cursor) + 1 : cursor].strip()
    return blanks if at_start and rest.startswith(blanks) else rest[:1]


def _file(repository: Path, commit: str, path: str) -> str | None:
    """None for what is no text, is too long, or has other line breaks than most."""
    try:
        text = _git(repository, "show", f"{commit}:{path}")
    except (HistoryError, UnicodeDecodeError):
        return None
    return None if len(text) > MOST_CHARACTERS or "\r" in text or "\0" in text else text


def _git(repository: Path, *arguments: str) -> str:
    return _git_bytes(repository, *arguments).decode()


def _git_bytes(repository: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise HistoryError("git is not installed") from None
    if done.returncode:
        raise HistoryError(f"{repository}: {done.stderr.decode(errors='replace').strip().splitlines()[0]}")
    return done.stdout
