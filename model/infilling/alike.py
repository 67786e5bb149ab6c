"""Which piece of other texts is most like a place that is being edited, by the names that stand in both.

Knows texts and names; the server chooses by it what a model sees of other files, and training does, too. Knows no files, no
tokens and no syntax. Similar pieces by the Jaccard index of their words are what GitHub's Copilot began with; a model with room
for a thousand tokens takes one of them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

ABOVE, BELOW = 20, 8  # lines around the cursor whose names count
WINDOW, STRIDE = 24, 8  # lines of a piece, and from one to the next
SHORTLIST = 12  # texts whose pieces are looked at
LEAST_ALIKE = 0.1  # of the names in either text, in both
MOST_CHARACTERS = 1_500  # of a piece
_NAME = re.compile(r"[^\W\d]\w{2,}")


class Named(Protocol):
    """A text and the names that stand in it."""

    @property
    def text(self) -> str: ...
    @property
    def names(self) -> frozenset[str]: ...


Text = TypeVar("Text", bound=Named)


class Lines(NamedTuple):
    """Characters `start` to `end` of a text, which are whole lines unless a single one is too long."""

    first: int  # counted from 0
    start: int
    end: int


def names_in(text: str) -> frozenset[str]:
    """The names that stand in a text, keywords and words of prose included; shorter ones tell nothing."""
    return frozenset(_NAME.findall(text))


def share(left: frozenset[str], right: frozenset[str]) -> float:
    """Of all names in either, those in both (0..1)."""
    return len(left & right) / max(1, len(left | right))


def around(text: str, cursor: int) -> str:
    """The lines around a place."""
    above, below = text[:cursor].split("\n"), text[cursor:].split("\n")
    return "\n".join(above[-ABOVE:]) + "\n".join(below[: BELOW + 1])


def most_alike(
    wanted: frozenset[str],
    texts: Sequence[Text],
    others: Sequence[Text],
    current: Callable[[Text], Text | None] = lambda text: text,
) -> tuple[float, Text, Lines] | None:
    """The share (0..1) of names in common, the one of `others` that has the piece, and its lines; None if nothing is alike.

    `texts` are all that count for how rare a name is. `current` gives a text as it is now, or None if it must not be used.
    """
    found = [text for text in others if not wanted.isdisjoint(text.names)]
    weights = _rareness(wanted, texts)
    found.sort(key=lambda text: -math.fsum(weights[name] for name in wanted & text.names))  # in whatever order they come
    best: tuple[float, Text, int] | None = None
    for text in islice(filter(None, map(current, found)), SHORTLIST):
        for number, names in enumerate(_windows(text.text)):
            alike = share(wanted, names)
            if alike >= LEAST_ALIKE and (best is None or alike > best[0]):
                best = alike, text, number
    if best is None:
        return None
    alike, text, number = best
    return alike, text, _piece(text.text, number * STRIDE)


def as_other_file(name: str, piece: str) -> str:
    """A piece as the model reads it: under the name of its file."""
    return f"# {name}\n{piece}"


def _rareness(wanted: frozenset[str], texts: Sequence[Named]) -> dict[str, float]:
    """A name that stands in every text tells nothing of one."""
    counts = Counter(name for text in texts for name in text.names & wanted)
    return {name: math.log((len(texts) + 1) / (counts[name] + 0.5)) for name in wanted}


@lru_cache(maxsize=256)
def _windows(text: str) -> tuple[frozenset[str], ...]:
    """The names of each piece of a text."""
    by_line = [names_in(line) for line in text.split("\n")]
    starts = range(0, max(1, len(by_line) - STRIDE), STRIDE)
    return tuple(frozenset().union(*by_line[start : start + WINDOW]) for start in starts)


def _piece(text: str, first: int) -> Lines:
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[:first])
    inside = "\n".join(lines[first : first + WINDOW])
    if len(inside) > MOST_CHARACTERS:
        inside = inside[: inside.rfind("\n", 0, MOST_CHARACTERS) if "\n" in inside[:MOST_CHARACTERS] else MOST_CHARACTERS]
    return Lines(first, start, start + len(inside))
