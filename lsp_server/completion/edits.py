"""Changes that are asked for by name: holes filled jointly, a selection rewritten, the text under a diagnostic repaired.

Knows documents as text and offsets, and what makes one text better than another. Knows no protocol and no tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lsp_server.completion.complete import LANGUAGES, Completion, Place, asked_of, complete
from lsp_server.engine import Infiller
from lsp_server.settings import Settings
from lsp_server.syntax.places import cursor_in, parse_errors
from model.infilling.request import Candidate

MARK = re.compile(r"(?<!\w)___(?!\w)")
JOINTLY = 8  # holes of one request to the model; more are filled in groups, each seeing what the ones before it got
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Change:
    """`text` replaces the document's characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Edit:
    """Changes in the order of their places, not overlapping; without any, `reason` says why."""

    changes: tuple[Change, ...]
    reason: str | None = None


@dataclass(frozen=True)
class Request:
    """What all edits need: who fills, how, and for which document."""

    engine: Infiller
    settings: Settings
    session: str
    cancelled: Callable[[], bool] | None = None
    other_files: tuple[str, ...] = ()
    project: tuple[str, str] = ("", "")

    def complete(self, text: str, holes: Sequence[tuple[int, int]], candidates: int, lines: bool) -> Completion:
        settings = self.settings if lines else _one_line(self.settings)
        place = Place(text, tuple(holes), session=self.session, other_files=self.other_files, project=self.project)
        return complete(
            self.engine, asked_of(place, settings, candidates, settings.deadline_ms, allow_empty=False), self.cancelled
        )


def _one_line(settings: Settings) -> Settings:
    return settings.model_copy(update={"multiline": "never"})


def marked_holes(text: str) -> list[tuple[int, int]]:
    """Every `___` that is no part of a name."""
    return [found.span() for found in MARK.finditer(text)]


def fill_holes(request: Request, text: str, holes: Sequence[tuple[int, int]]) -> Edit:
    """Fills all holes jointly. Raises Cancelled; ValueError for holes that overlap or lie outside the text."""
    if not holes:
        return Edit((), "there is no ___ and nothing is selected")
    ordered = sorted(holes)
    # Marks that are not asked for, and holes whose turn has not come, are empty to the model: it would write `___` as well.
    others = [mark for mark in marked_holes(text) if all(mark[1] <= start or end <= mark[0] for start, end in ordered)]
    texts: dict[tuple[int, int], str] = {}
    for first in range(0, len(ordered), JOINTLY):
        group = ordered[first : first + JOINTLY]
        visible, places = _with_texts(text, sorted([*ordered, *others]), texts)
        now = [places[hole] for hole in group]
        found = request.complete(visible, now, 1, lines=False)
        if found.candidates and _has_marks(found.candidates[0]):  # copied from a file that has holes in the same places
            found = replace(request, other_files=(), project=("", "")).complete(visible, now, 1, lines=False)
        if not found.candidates or _has_marks(found.candidates[0]):
            break
        texts.update(zip(group, found.candidates[0].texts, strict=True))
    changes = tuple(Change(start, end, filling) for (start, end), filling in sorted(texts.items()))
    return Edit(changes, None if changes else found.reason or "the model would fill the holes with ___")


def _has_marks(candidate: Candidate) -> bool:
    return any(marked_holes(text) for text in candidate.texts)


def _with_texts(
    text: str, holes: Sequence[tuple[int, int]], texts: Mapping[tuple[int, int], str]
) -> tuple[str, dict[tuple[int, int], tuple[int, int]]]:
    """The document with what the holes got so far, the others emptied, and where each one that is empty stands in it."""
    visible, places, at = "", {}, 0
    for start, end in holes:
        visible += text[at:start]
        places[start, end] = (len(visible), len(visible))
        visible += texts.get((start, end), "")
        at = end
    return visible + text[at:], places


def rewrite(request: Request, text: str, start: int, end: int) -> Edit:
    """Another text for a selection: not the one that stands there, and none that breaks the syntax where it was whole."""
    start, end = _without_blanks(text, start, end)
    if start == end:
        return Edit((), "nothing but blanks is selected")
    return _better(request, text, start, end, may_equal_errors=True)


def repair(request: Request, text: str, start: int, end: int) -> Edit:
    """Another text for the words under a diagnostic, if that leaves fewer syntax errors or as few as there were."""
    start, end = _whole_words(text, *_without_blanks(text, start, end))
    return _better(request, text, start, end, may_equal_errors=_errors(text, start, end) == 0)


def _better(request: Request, text: str, start: int, end: int, may_equal_errors: bool) -> Edit:
    old = text[start:end]
    found = request.complete(text, [(start, end)], max(2, request.settings.candidates), lines="\n" in old)
    before = _errors(text, start, end)
    for candidate in found.candidates:
        if candidate.text.strip() == old.strip():
            continue
        errors = _errors(text, start, end, candidate)
        if errors < before or (may_equal_errors and errors == before):
            return Edit((Change(start, end, candidate.text),))
    if not found.candidates:
        return Edit((), found.reason)
    return Edit((), "the model found nothing better than what stands here")


def _errors(text: str, start: int, end: int, candidate: Candidate | None = None) -> int:
    """Syntax errors around a span, with a candidate in its place."""
    if candidate is not None:
        text = text[:start] + candidate.text + text[end:]
    return parse_errors(cursor_in(text, start, LANGUAGES[0]).document)


def _without_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end]
    if not inner.strip():
        return start, start
    return start + len(inner) - len(inner.lstrip()), end - (len(inner) - len(inner.rstrip()))


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The span, grown to the ends of the words it cuts; an empty one to the word it touches."""
    for word in _WORD.finditer(text, max(0, text.rfind("\n", 0, start) + 1)):
        if word.start() > end:
            break
        if word.end() >= start and word.start() <= end:
            start, end = min(start, word.start()), max(end, word.end())
    return start, end
