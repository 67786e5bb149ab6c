"""For each document that is edited, the piece of another file that the model sees with it: chosen in the background, and kept.

Knows documents, projects and threads. Knows no protocol and no tokens. The model reads other files before everything else, so
that a new choice makes it read all of its context again: a choice stands until the cursor has moved to another part of the file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lsp_server.context.project import Project, SourceFile
from lsp_server.context.similar import Piece, most_alike

Listener = Callable[
    [Sequence[SourceFile], Sequence[Path], bool], None
]  # files that changed, those that are gone; whether it is all

KEPT_FOR = 40  # lines that the cursor may move away from where a piece was chosen


@dataclass(frozen=True)
class _Choice:
    line: int
    piece: Piece | None


class Neighbours:
    def __init__(self) -> None:
        self._project: Project | None = None
        self._listener: Listener = lambda files, gone, whole: None
        self._worker = ThreadPoolExecutor(1, "project")
        self._choices: dict[str, _Choice] = {}
        self._choosing: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    @property
    def serves(self) -> bool:
        """Whether there is a project."""
        return self._project is not None

    def files(self, opened: Mapping[Path, str] | None = None) -> list[SourceFile]:
        """Those of the project that were read, and those that are `opened` in the editor as they are there."""
        return [] if self._project is None else self._project.files(opened)

    def current(self, file: SourceFile) -> SourceFile | None:
        """The file as it is now; None if it is gone, or no model may see it any more."""
        return None if self._project is None else self._project.current(file)

    def serve(self, project: Project | None, listener: Listener | None = None) -> None:
        """From now on this project's files count, once they are read; without one, nothing does.

        Whoever listens is told of all files then, and of those that change, on a thread of its own.
        """
        if self._project is not None:
            self._project.close()
        self._project = project
        self._listener = listener or (lambda files, gone, whole: None)
        with self._lock:
            self._choices.clear()
        if project is not None:
            self._worker.submit(project.scan)
            self.tell_again()

    def tell_again(self) -> None:
        """Whoever listens forgot everything."""
        project, listener = self._project, self._listener
        if project is not None:
            self._worker.submit(lambda: listener(project.files(), (), True))

    def changed(self, paths: Sequence[Path]) -> None:
        """Files of the project were written, made or deleted, says whoever watches them."""
        project, listener = self._project, self._listener

        def reread(project: Project) -> None:
            found = [(path, project.changed(path)) for path in paths]
            listener([file for _, file in found if file], [path for path, file in found if file is None], False)

        if project is not None:
            self._worker.submit(reread, project)

    def of(
        self,
        document: str,
        path: Path | None,
        text: str,
        cursor: int,
        opened: Callable[[], Mapping[Path, str]],
        told: Callable[[], None] = lambda: None,
    ) -> Piece | None:
        """What was chosen for the place, or for one nearby; else a choice is made, and `told` is called if it is another one.

        `opened`: the texts of the documents in the editor that a model may see.
        """
        project = self._project
        if project is None:
            return None
        line = text.count("\n", 0, cursor)
        with self._lock:
            choice, choosing = self._choices.get(document), self._choosing.get(document)
        if (choice is None or abs(choice.line - line) > KEPT_FOR) and (choosing is None or choosing.done()):
            texts = opened()
            last = None if choice is None else choice.piece

            def choose() -> None:
                piece = most_alike(project.files(texts), path, text, cursor, project.current)
                with self._lock:
                    if project is not self._project or document not in self._choosing:
                        return
                    self._choices[document] = _Choice(line, piece)
                if piece != last:
                    told()

            with self._lock:
                self._choosing[document] = self._worker.submit(choose)
        return None if choice is None else choice.piece

    def forget(self, document: str) -> None:
        with self._lock:
            self._choices.pop(document, None)
            self._choosing.pop(document, None)

    def wait(self) -> None:
        """Until everything that was asked for is done."""
        self._worker.submit(lambda: None).result()
