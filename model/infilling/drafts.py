"""What may follow: proposals of every source as one tree, the likeliest nodes first, that a single pass of the check reads.

Knows tokens, sources and how far to trust each. Knows no network and no acceptance: a wrong proposal costs a row, never
quality. Reading several proposals in one pass as a tree is Miao et al. 2023 (SpecInfer); that the surest source speaks first and
the others share what it leaves is how compressors of text escape to shorter contexts (Cleary and Witten 1984, PPM).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from model.checkpoints.trigrams import TrigramTable
from model.infilling.copies import Text, Trail

COPY, ELSEWHERE, PREVIOUS, SIBLING, TABLE, CANVAS = "copy", "elsewhere", "previous", "sibling", "table", "canvas"  # the sources
MOST_NODES = 19  # of one pass, which reads rows in fours: on a CPU one over twenty costs little more than one over a single row
LEAST_CHANCE = 0.02  # of a node to be accepted, where no costs are known: below it its row is not worth reading
# How likely a copied token is to be kept, by the length of the match: where `Trust` begins.
COPY_TRUST = (0.0, 0.3, 0.45, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85)
PAIR_TRUST = 0.9  # of what follows a pair of tokens in the table
MOST_FOLLOWERS = 6  # of what a text says
_ONE_MAY_ERR = 0.3  # occurrences: what followed once is less sure than what did so often
_PATIENCE = 20.0  # expected acceptances after which what was seen weighs as much as what was assumed

Trails = tuple[Trail, ...]  # one for each text of a drafter


@dataclass
class Node:
    """A proposed token behind its parent (a number in the tree; -1: behind the newest token)."""

    token: int
    parent: int
    source: str  # the one that speaks for it most
    sureness: int  # of the source, in steps: what trust is kept by
    share: float  # how likely the source said it to be, its parents being right


@dataclass(frozen=True)
class _Guess:
    """What one source says of the next token: how likely it is right, and of its tokens each one's share of that."""

    source: str
    sureness: int
    weight: float
    followers: Sequence[tuple[int, float]]

    def without(self, forbidden: NDArray[np.bool_]) -> _Guess:
        return replace(self, followers=[(token, share) for token, share in self.followers if not forbidden[token]])


@dataclass
class DraftTree:
    """Nodes, parents before children."""

    nodes: list[Node] = field(default_factory=list)

    def children(self, parent: int) -> list[tuple[int, Node]]:
        return [(number, node) for number, node in enumerate(self.nodes) if node.parent == parent]


class Trust:
    """How the proposals of each source fare, by how sure it was: what it says of itself is corrected by what was kept."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, int], float] = {}
        self._kept: dict[tuple[str, int], float] = {}

    def corrected(self, source: str, sureness: int, share: float) -> float:
        key = source, sureness
        return min(1.0, share * (_PATIENCE + self._kept.get(key, 0.0)) / (_PATIENCE + self._expected.get(key, 0.0)))

    def learn(self, node: Node, kept: bool) -> None:
        key = node.source, node.sureness
        self._expected[key] = self._expected.get(key, 0.0) + node.share
        self._kept[key] = self._kept.get(key, 0.0) + kept


@dataclass(frozen=True)
class Drafter:
    """The sources of one request. `texts` are looked up in, each with the source's name; `table` is left out if it is None."""

    texts: tuple[tuple[str, Text], ...]
    table: TrigramTable | None
    trust: Trust = field(default_factory=Trust)
    least_chance: float = LEAST_CHANCE
    silent: frozenset[str] = frozenset()  # sources among the texts that propose nothing

    def tree(
        self,
        ending: Sequence[int],
        trails: Trails,
        slots: Sequence[tuple[int, float]],
        most: int,
        forbidden: NDArray[np.bool_] | None = None,
    ) -> DraftTree:
        """The likeliest continuations of a text that ends in these two tokens, at most `most` nodes.

        `trails` are what each text knows of it, `slots` what a canvas says: a token and its probability each;
        `forbidden` tokens cannot stand first.
        """
        tree = DraftTree()
        # Best first: (minus the chance, order, parent, depth, token before, node, trails before the token)
        open_nodes: list[tuple[float, int, int, int, int, Node, Trails]] = []
        order = 0

        def expand(parent: int, depth: int, first: int, second: int, trails: Trails, chance: float) -> None:
            nonlocal order
            guesses = self._guesses(depth, first, second, trails, slots)
            if depth == 0 and forbidden is not None:
                guesses = [guess.without(forbidden) for guess in guesses]
            for share, node in self._proposed(parent, guesses):
                if chance * share >= self.least_chance:
                    order += 1
                    heapq.heappush(open_nodes, (-chance * share, order, parent, depth, second, node, trails))

        first, second = [-1, -1, *ending][-2:]
        expand(-1, 0, first, second, trails, 1.0)
        while open_nodes and len(tree.nodes) < min(most, MOST_NODES):
            chance, _, _, depth, before, node, above = heapq.heappop(open_nodes)
            tree.nodes.append(node)
            expand(len(tree.nodes) - 1, depth + 1, before, node.token, tuple(trail.after(node.token) for trail in above), -chance)
        return tree

    def _proposed(self, parent: int, guesses: Sequence[_Guess]) -> Iterator[tuple[float, Node]]:
        """Nodes with how likely each is: each guess has its say to the extent that those before it may be wrong."""
        blended: dict[int, float] = defaultdict(float)
        most: dict[int, tuple[float, Node]] = {}
        rest = 1.0
        for guess in guesses:
            if not guess.followers:
                continue
            weight = self.trust.corrected(guess.source, guess.sureness, guess.weight)
            for token, share in guess.followers:
                part = rest * weight * share
                blended[token] += part
                if token not in most or part > most[token][0]:
                    most[token] = part, Node(token, parent, guess.source, guess.sureness, rest * guess.weight * share)
            rest *= 1 - weight
        return ((share, most[token][1]) for token, share in blended.items())

    def _guesses(
        self, depth: int, first: int, second: int, trails: Trails, slots: Sequence[tuple[int, float]]
    ) -> Sequence[_Guess]:
        """The surest first, and the table last: a pair says more than a token alone."""
        found = []
        for (source, _), trail in zip(self.texts, trails, strict=True):
            if source not in self.silent:
                followers = trail.followers()
                total = followers.counts.total()
                shares = [(token, count / total) for token, count in followers.counts.most_common(MOST_FOLLOWERS)]
                found.append(
                    _Guess(source, followers.match, COPY_TRUST[followers.match] * total / (total + _ONE_MAY_ERR), shares)
                )
        if depth < len(slots):
            token, share = slots[depth]
            found.append(_Guess(CANVAS, int(share * 8), share, [(token, 1.0)]))
        found.sort(key=lambda guess: -guess.weight)
        if self.table is not None and first >= 0:
            found.append(_Guess(TABLE, 2, PAIR_TRUST, self.table.followers(first, second)))
        if self.table is not None and second >= 0:
            found.append(_Guess(TABLE, 1, 1.0, self.table.followers_of_one(second)))
        return found
