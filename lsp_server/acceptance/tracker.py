"""What becomes of a suggestion, told from the edits that follow it, so that it works in every editor.

Knows texts before and after edits, and the time. Knows no editor, no protocol and no database. A pure state machine: the clock
and the receiver of outcomes are given to it.

Whoever takes a suggestion inserts it at once, whoever types writes a letter at a time: that tells the two apart. (A person who
pastes exactly what is suggested counts as one who takes it.)
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rapidfuzz.distance import LCSseq

from model.tokenization.agreement import common_length

_CLOSING = ")]}\"'`"
KEPT_AFTER = (30.0, 300.0)  # seconds


class Fate(StrEnum):
    WHOLE = "taken"
    PART = "taken in part"
    TYPED = "typed"  # letter by letter, to its end
    LEFT = "left"


@dataclass(frozen=True)
class Outcome:
    """What is written down of a suggestion. `kept` are shares of what was taken that still stood after `KEPT_AFTER`."""

    key: str
    at: float  # seconds since 1970
    language: str
    by_hand: bool
    characters: int
    lines: int
    confidence: float | None
    fate: Fate
    taken: int = 0  # characters
    kept: tuple[float | None, ...] = (None,) * len(KEPT_AFTER)


@dataclass
class _Pending:
    """A suggestion on the screen: `rest` of it is shown at an offset."""

    outcome: Outcome
    offset: int
    rest: str
    taken: int = 0  # characters
    standing: str = ""  # what was written of it since its first part was taken


@dataclass
class _Stretch:
    """Text that was taken, and where it stands now."""

    outcome: Outcome
    text: str
    start: int
    end: int
    since: float


@dataclass
class _Document:
    text: str
    pending: _Pending | None = None
    stretches: list[_Stretch] = field(default_factory=list)


class Tracker:
    """Of all open documents in which something was shown.

    `tell` gets an outcome when it is known, and again when more is known of how much was kept.
    """

    def __init__(self, tell: Callable[[Outcome], None], clock: Callable[[], float] = time.time) -> None:
        self._tell, self._clock = tell, clock
        self._documents: dict[str, _Document] = {}

    def shown(
        self, document: str, text: str, offset: int, suggestion: str, language: str, by_hand: bool, confidence: float | None
    ) -> None:
        """A suggestion is on the screen, at an offset of the text. The rest of the one that is there already is no new one."""
        state = self._at(document, text)
        pending = state.pending
        if pending is not None and (pending.offset, pending.rest) == (offset, suggestion):
            return
        self._settle(state)
        lines = suggestion.count("\n") + 1
        outcome = Outcome(uuid.uuid4().hex, self._clock(), language, by_hand, len(suggestion), lines, confidence, Fate.LEFT)
        state.pending = _Pending(outcome, offset, suggestion)

    def edited(self, document: str, text: str) -> None:
        """The document's text is another one now. Of one in which nothing was shown yet, nobody needs to know."""
        if document in self._documents:
            self._at(document, text)

    def closed(self, document: str) -> None:
        state = self._documents.pop(document, None)
        if state is not None:
            self._settle(state)
            self._look(state, self._clock())

    def look(self) -> None:
        """Sees how much is left of what was taken long enough ago. To be called now and then."""
        for state in self._documents.values():
            self._look(state, self._clock())

    def _at(self, document: str, text: str) -> _Document:
        state = self._documents.setdefault(document, _Document(text))
        if text == state.text:
            return state
        self._look(state, self._clock())  # before it is changed
        start = common_length(state.text, text)
        tail = common_length(state.text[start:][::-1], text[start:][::-1])
        removed, inserted = len(state.text) - start - tail, text[start : len(text) - tail]
        pending = state.pending
        if pending is not None:
            start, inserted = _where_expected(state.text, start, inserted, pending.offset)
            if not _follows(pending, start, removed, inserted):
                self._settle(state)
        state.text = text
        for stretch in state.stretches:
            _shift(stretch, start, removed, len(inserted))
        if state.pending is not None:
            self._follow(state, state.pending, inserted)
        return state

    def _follow(self, state: _Document, pending: _Pending, inserted: str) -> None:
        is_typed = len(inserted) == 1 or (inserted[0] == "\n" and not inserted.strip())
        if not is_typed:
            pending.taken += len(inserted)
        if pending.taken:
            pending.standing += inserted
        pending.offset, pending.rest = pending.offset + len(inserted), pending.rest[len(inserted) :]
        if not is_typed and not pending.rest.strip(_CLOSING) and state.text.startswith(pending.rest, pending.offset):
            pending.rest = ""  # brackets that stood there already
        if not pending.rest:
            self._settle(state)

    def _settle(self, state: _Document) -> None:
        """Nothing more will become of the suggestion that was on the screen."""
        pending, state.pending = state.pending, None
        if pending is None:
            return
        whole, part = (Fate.WHOLE, Fate.PART) if pending.taken else (Fate.TYPED, Fate.LEFT)
        fate = part if pending.rest else whole
        outcome = replace(pending.outcome, fate=fate, taken=pending.taken)
        self._tell(outcome)
        if pending.taken:
            start = pending.offset - len(pending.standing)
            state.stretches.append(_Stretch(outcome, pending.standing, start, pending.offset, self._clock()))

    def _look(self, state: _Document, now: float) -> None:
        for stretch in list(state.stretches):
            kept = list(stretch.outcome.kept)
            for number, seconds in enumerate(KEPT_AFTER):
                if kept[number] is None and now - stretch.since >= seconds:
                    left = LCSseq.similarity(stretch.text, state.text[stretch.start : stretch.end])
                    kept[number] = left / len(stretch.text)
            if tuple(kept) != stretch.outcome.kept:
                stretch.outcome = replace(stretch.outcome, kept=tuple(kept))
                self._tell(stretch.outcome)
            if kept[-1] is not None:
                state.stretches.remove(stretch)


def _follows(pending: _Pending, start: int, removed: int, inserted: str) -> bool:
    """Whether an edit writes what is suggested next. Closing brackets behind the cursor may make way for it."""
    fits = start == pending.offset and bool(inserted) and pending.rest.startswith(inserted)
    return fits and removed < len(inserted)


def _where_expected(old: str, start: int, inserted: str, offset: int) -> tuple[int, str]:
    """The same edit, begun where the suggestion stands: "a" typed behind "a" is also one typed before it."""
    back = start - offset
    if 0 < back <= len(inserted) and old[offset:start] == inserted[len(inserted) - back :]:
        return offset, old[offset:start] + inserted[: len(inserted) - back]
    return start, inserted


def _shift(stretch: _Stretch, start: int, removed: int, inserted: int) -> None:
    """Moves a stretch with an edit before it, and lets it grow and shrink with one inside."""
    end = start + removed
    if start >= stretch.end:
        return
    if end <= stretch.start:
        stretch.start += inserted - removed
        stretch.end += inserted - removed
        return
    if end < stretch.end:
        stretch.end += inserted - removed
        stretch.start = stretch.start if start >= stretch.start else start + inserted
    else:
        stretch.end = start + inserted
        stretch.start = min(stretch.start, start)
