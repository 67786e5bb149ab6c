"""The piece of another file that is most like the place being edited, by the names that stand in both.

Knows texts and names. Knows no protocol, no tokens and no syntax. Similar pieces by the Jaccard index of their words are what
GitHub's Copilot began with; a model with room for a thousand tokens takes one of them.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from lsp_server.context.gate import repository_of
from lsp_server.context.project import Project, SourceFile, names_in
from lsp_server.context.secrets import without_secrets
from lsp_server.context.window import as_model_text

ABOVE, BELOW = 20, 8  # lines around the cursor whose names count
WINDOW, STRIDE = 24, 8  # lines of a piece, and from one to the next
SHORTLIST = 12  # files whose pieces are looked at
LEAST_ALIKE = 0.1  # of the names in either text, in both
MOST_CHARACTERS = 1_500  # of a piece: what the model was trained with


@dataclass(frozen=True)
class Piece:
    """Lines of another file, free of secrets. `alike` is the share (0..1) of the names of both texts that stand in both."""

    file: str
    first_line: int  # counted from 1
    text: str
    alike: float

    def as_other_file(self) -> str:
        """As the model reads it: under the name of its file."""
        return f"# {self.file}\n{self.text}"


def piece_for(path: Path, text: str, cursor: int, languages: Sequence[str], ignore_files: Sequence[str]) -> Piece | None:
    """The best piece of the repository that holds a file, all of which is read for it. None without a repository."""
    root = repository_of(path)
    if root is None:
        return None
    project = Project([root], languages, ignore_files)
    project.scan()
    return most_alike(project.files(), Path(os.path.abspath(path)), text, cursor)


def other_files_of(piece: Piece | None) -> tuple[str, ...]:
    """What a request to the model says of other files."""
    return () if piece is None else (piece.as_other_file(),)


def most_alike(
    files: Sequence[SourceFile],
    path: Path | None,
    text: str,
    cursor: int,
    current: Callable[[SourceFile], SourceFile | None] = lambda file: file,
) -> Piece | None:
    """The best piece of any file but the one at `path`; None if nothing is alike.

    `current` gives a file as it is now, or None if it must not be used.
    """
    wanted = names_in(around(text, cursor))
    others = [file for file in files if file.path != path and not wanted.isdisjoint(file.names)]
    weights = _rareness(wanted, files)
    others.sort(key=lambda file: -sum(weights[name] for name in wanted & file.names))
    best: tuple[float, SourceFile, int] | None = None
    for file in islice(filter(None, map(current, others)), SHORTLIST):
        for number, names in enumerate(_windows(file.text)):
            alike = len(wanted & names) / len(wanted | names)
            if alike >= LEAST_ALIKE and (best is None or alike > best[0]):
                best = alike, file, number
    if best is None:
        return None
    alike, file, number = best
    return Piece(file.name, number * STRIDE + 1, _piece(file.text, number * STRIDE), alike)


def around(text: str, cursor: int) -> str:
    """The lines around a place."""
    above, below = text[:cursor].split("\n"), text[cursor:].split("\n")
    return "\n".join(above[-ABOVE:]) + "\n".join(below[: BELOW + 1])


def _rareness(names: frozenset[str], files: Sequence[SourceFile]) -> dict[str, float]:
    """A name that stands in every file tells nothing of a file."""
    counts = Counter(name for file in files for name in names & file.names)
    return {name: math.log((len(files) + 1) / (counts[name] + 0.5)) for name in names}


@lru_cache(maxsize=256)
def _windows(text: str) -> tuple[frozenset[str], ...]:
    """The names of each piece of a file."""
    by_line = [names_in(line) for line in text.split("\n")]
    starts = range(0, max(1, len(by_line) - STRIDE), STRIDE)
    return tuple(frozenset().union(*by_line[start : start + WINDOW]) for start in starts)


def _piece(text: str, first: int) -> str:
    """Whole lines, unless a single one is too long; a secret is replaced also where the piece holds only a part of it."""
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[:first])
    inside = "\n".join(lines[first : first + WINDOW])
    if len(inside) > MOST_CHARACTERS:
        inside = inside[: inside.rfind("\n", 0, MOST_CHARACTERS) if "\n" in inside[:MOST_CHARACTERS] else MOST_CHARACTERS]
    clean = without_secrets((text[:start], inside, text[start + len(inside) :]))[1]
    return as_model_text(clean)
