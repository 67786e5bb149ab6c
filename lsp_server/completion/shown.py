"""What was suggested lately, so that who types along, goes back a letter or takes a word of it is answered at once.

Knows texts around a cursor and suggestions. Knows no model and no protocol. The one owner of what was shown.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.infilling.request import Candidate

KEPT = 8  # suggestions of one document
DOCUMENTS = 64
_CLOSING = ")]}\"'`"


@dataclass(frozen=True)
class Shown:
    """`candidates` were suggested between two texts, which are all of the document."""

    before: str
    after: str
    candidates: tuple[Candidate, ...]
    by_hand: bool
    replaces: int = 0  # characters behind the cursor that make way for any of them


@dataclass(frozen=True)
class Rest:
    """What is left of suggestions. `replaces` characters behind the cursor, which the editor has closed by itself, go."""

    candidates: tuple[Candidate, ...]
    replaces: int = 0


def taken(text: str, offset: int, suggestion: str, replaced: int) -> str:
    """The document once a suggestion at an offset is taken."""
    return text[:offset] + suggestion + text[offset + replaced :]


class Suggestions:
    """What was shown in each document, the newest first."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, deque[Shown]] = OrderedDict()

    def remember(self, document: str, shown: Shown) -> None:
        if not shown.candidates:
            return
        own = self._shown.setdefault(document, deque(maxlen=KEPT))
        own.appendleft(shown)
        self._shown.move_to_end(document)
        while len(self._shown) > DOCUMENTS:
            self._shown.popitem(last=False)

    def forget(self, document: str) -> None:
        self._shown.pop(document, None)

    def rest(self, document: str, before: str, after: str, by_hand: bool) -> Rest | None:
        """What is left of a suggestion that this document, with its cursor between the texts, follows; None if it follows none.

        Who asks by hand is not put off with what an automatic request was shown, which gets one candidate.
        """
        for shown in self._shown.get(document, ()):
            if by_hand and not shown.by_hand:
                continue
            found = _rest(shown, before, after)
            if found is not None:
                return found if by_hand else replace(found, candidates=found.candidates[:1])
        return None


def _rest(shown: Shown, before: str, after: str) -> Rest | None:
    if not before.startswith(shown.before) or not after.endswith(shown.after):
        return None
    typed, closed = before[len(shown.before) :], after[: len(after) - len(shown.after)]
    if any(character not in _CLOSING for character in closed):
        return None
    left = [
        replace(candidate, texts=(candidate.text[len(typed) :],), parts=())
        for candidate in shown.candidates
        if candidate.text.startswith(typed) and len(candidate.text) > len(typed)
    ]
    if not left:
        return None
    if not closed:
        return Rest(tuple(left), shown.replaces)
    return None if shown.replaces else _around_closed(left, closed)


def _around_closed(candidates: Sequence[Candidate], closed: str) -> Rest | None:
    """The editor has put closing brackets or quotes behind the cursor that belong to the suggestion: they stay if it ends in
    them, and are replaced if it goes on behind them."""
    if all(candidate.text.endswith(closed) for candidate in candidates):
        shorter = [replace(candidate, texts=(candidate.text.removesuffix(closed),)) for candidate in candidates]
        return Rest(tuple(candidate for candidate in shorter if candidate.text)) if any(c.text for c in shorter) else None
    if all(set(closed) <= set(candidate.text) for candidate in candidates):
        return Rest(tuple(candidates), len(closed))
    return None
