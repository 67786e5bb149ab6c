"""Texts that the model does not see, indexed by what stands before each token: what followed the same tokens elsewhere.

Knows token ids and names of texts. Knows no files and no network. A whole project's n-grams, mixed into a model's distribution,
are what Hellendoorn and Devanbu (2017) found code completion to live from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.infilling.copies import LONGEST_MATCH, CopyGate, Followers, Trail

KEY = 4  # tokens that are looked up at once, 16 bits each; longer matches are found by comparing
SHORTEST = 2  # tokens of a match: one says nothing
SHORTEST_LINE = 3  # the same, of a line: `else:` stands everywhere
LOOKED_AT = 256, 4096  # places of a shorter match, and of one of `KEY` tokens or more
_GAP = 0xFFFF  # between texts: no token

Context = tuple[int, ...]  # the last tokens of a text


class NgramIndex:
    """Many texts' tokens, sorted by the four that end at each place, the last one first. Takes 14 bytes a token."""

    def __init__(self, texts: Mapping[str, NDArray[np.uint16]], ordinary: int) -> None:
        """Ids from `ordinary` on are marks, which nobody copies; they are below 65,535."""
        gap = np.full(LONGEST_MATCH, _GAP, np.uint16)
        pieces, at = [gap], len(gap)
        self.spans: dict[str, tuple[int, int]] = {}
        for name, tokens in texts.items():
            self.spans[name] = at, at + len(tokens)
            pieces += [tokens, gap]
            at += len(tokens) + len(gap)
        self.ordinary = ordinary
        self.tokens = np.concatenate(pieces)
        keys = np.zeros(len(self.tokens), np.uint64)
        for back in range(KEY):
            keys[back:] |= self.tokens[: len(keys) - back].astype(np.uint64) << np.uint64(16 * (KEY - 1 - back))
        self.order = np.argsort(keys).astype(np.int32)
        self.keys = keys[self.order]

    def __len__(self) -> int:
        """Tokens."""
        return len(self.tokens)

    def ranges_of(self, endings: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
        """For each of these, `KEY` tokens at most: of `order`, from where to where the places stand at which it ends."""
        starts = [sum(token << 16 * (KEY - 1 - back) for back, token in enumerate(reversed(one))) for one in endings]
        ends = [start + (1 << 16 * (KEY - len(one))) - 1 for start, one in zip(starts, endings, strict=True)]
        firsts = np.searchsorted(self.keys, np.array(starts, np.uint64), "left").tolist()
        lasts = np.searchsorted(self.keys, np.array(ends, np.uint64), "right").tolist()
        return zip(firsts, lasts, strict=True)

    def places_of(self, tokens: Sequence[int]) -> NDArray[np.int32]:
        """Where these tokens end."""
        [(first, last)] = self.ranges_of([tokens[-KEY:]])
        places = self.order[first:last]
        for back in range(KEY, len(tokens)):
            places = places[places >= back]
            places = places[self.tokens[places - back] == tokens[-1 - back]]
        return places


class OtherTexts:
    """All texts of an index but one, the one that is being edited. What was found once is kept: for one request."""

    def __init__(self, index: NgramIndex, without: str) -> None:
        self._index, self._own = index, index.spans.get(without)
        self._known: dict[Context, Followers] = {}

    def trail(self, tokens: Sequence[int]) -> Trail:
        return _Ending(self, tuple(tokens[-LONGEST_MATCH:]))

    def followers(self, context: Context) -> Followers:
        """How often each token stood behind the longest match; behind many places, behind some of them."""
        found = self._known.get(context)
        if found is None:
            found = self._known[context] = self._found(context)
        return found

    def _found(self, context: Context) -> Followers:
        index = self._index
        sizes = range(min(KEY, len(context)), SHORTEST - 1, -1)
        for size, (first, last) in zip(sizes, index.ranges_of([context[-size:] for size in sizes]), strict=True):
            if first == last:
                continue
            most = LOOKED_AT[size == KEY]
            places = self._of_others(index.order[first : last : -(-(last - first) // most)])
            follow = index.tokens[places + 1]
            places = places[follow < index.ordinary]
            if not len(places):
                continue
            while KEY <= size < len(context):
                longer = places[index.tokens[places - size] == context[-1 - size]]
                if not len(longer):
                    break
                places, size = longer, size + 1
            return Followers(size, Counter(index.tokens[places + 1].tolist()))
        return Followers(0, Counter())

    def have_line(self, line: Sequence[int], breaks: NDArray[np.bool_]) -> bool:
        """Whether these tokens are a whole line, blanks before it aside. `breaks` says of each ordinary token if it ends one."""
        index = self._index
        if len(line) < SHORTEST_LINE:
            return False
        places = self._of_others(index.places_of(line))
        ends = np.append(np.flatnonzero(breaks), _GAP)
        return bool((np.isin(index.tokens[places - len(line)], ends) & np.isin(index.tokens[places + 1], ends)).any())

    def _of_others(self, places: NDArray[np.int32]) -> NDArray[np.int32]:
        return places if self._own is None else places[(places < self._own[0]) | (places >= self._own[1])]


@dataclass(frozen=True)
class _Ending:
    texts: OtherTexts
    context: Context

    def after(self, token: int) -> _Ending:
        return _Ending(self.texts, (*self.context[1 - LONGEST_MATCH :], token))

    def followers(self) -> Followers:
        return self.texts.followers(self.context)


@dataclass(frozen=True)
class Elsewhere:
    """What is copied from other texts, and how far it is trusted."""

    gate: CopyGate
    texts: OtherTexts
