"""The piece of another file that the model sees with the place being edited.

Knows files, the gate's repositories and secrets; which piece is most alike is `model.infilling.alike`'s. Knows no protocol and
no tokens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.context.gate import repository_of
from lsp_server.context.project import Project, SourceFile
from lsp_server.context.secrets import without_secrets
from lsp_server.context.window import as_model_text
from model.infilling import alike


@dataclass(frozen=True)
class Piece:
    """Lines of another file, free of secrets. `alike` is the share (0..1) of the names of both texts that stand in both."""

    file: str
    first_line: int  # counted from 1
    text: str
    alike: float

    def as_other_file(self) -> str:
        return alike.as_other_file(self.file, self.text)


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
    wanted = alike.names_in(alike.around(text, cursor))
    found = alike.most_alike(wanted, files, [file for file in files if file.path != path], current)
    if found is None:
        return None
    share, file, lines = found
    inside = file.text[lines.start : lines.end]
    # A secret is replaced also where the piece holds only a part of it.
    clean = without_secrets((file.text[: lines.start], inside, file.text[lines.end :]))[1]
    return Piece(file.name, lines.first + 1, as_model_text(clean), share)
