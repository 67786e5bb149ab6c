"""What may follow: proposals of every source as one tree, the likeliest nodes first, that a single pass of the check reads.

Knows tokens, sources and how far to trust each. Knows no network and no acceptance: a wrong proposal costs a row, never
quality. Reading several proposals in one pass as a tree is Miao et al. 2023 (SpecInfer).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.checkpoints.trigrams import TrigramTable
from model.infilling.copies import Text, Trail

COPY, ELSEWHERE, PREVIOUS, SIBLING, TABLE, CANVAS = "copy", "elsewhere", "previous", "sibling", "table", "canvas"  # the sources
MOST_NODES = 16  # of one pass: on a CPU a pass over a dozen rows costs little more than one over a single row
LEAST_CHANCE = 0.02  # of a node to be accepted, where no costs are known: below it its row is not worth reading
# How likely a copied token is to be kept, by the length of the match: where `Trust` begins.
COPY_TRUST = (0.0, 0.3, 0.45, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85)
_PATIENCE = 20.0  # expected acceptances after which what was seen weighs as much as what was assumed

Trails = tuple[Trail, ...]  # one for each text of a drafter


@dataclass
class Node:
    """A proposed token behind its parent (a number in the tree; -1: behind the newest token)."""

    token: int
    parent: int
    source: str
    sureness: int  # of the source, in steps: what trust is kept by
    share: float  # how likely it was said to be, its parents being right


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
            found: dict[int, tuple[float, Node]] = {}
            for token, share, source, sureness in self._proposals(depth, first, second, trails, slots):
                trusted = self.trust.corrected(source, sureness, share)
                if token not in found or trusted > found[token][0]:
                    found[token] = trusted, Node(token, parent, source, sureness, share)
            for token, (share, node) in found.items():
                if depth == 0 and forbidden is not None and forbidden[token]:
                    continue
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

    def _proposals(
        self, depth: int, first: int, second: int, trails: Trails, slots: Sequence[tuple[int, float]]
    ) -> list[tuple[int, float, str, int]]:
        """Tokens with the share that a source gives them, the source, and how sure it is."""
        found: list[tuple[int, float, str, int]] = []
        if self.table is not None and first >= 0:
            found += [(token, share, TABLE, int(share * 8)) for token, share in self.table.followers(first, second)]
        if depth < len(slots):
            token, share = slots[depth]
            found.append((token, share, CANVAS, int(share * 8)))
        for (source, _), trail in zip(self.texts, trails, strict=True):
            if source not in self.silent:
                followers = trail.followers()
                trust, total = COPY_TRUST[followers.match], followers.counts.total()
                for token, count in followers.counts.most_common(2):
                    found.append((token, trust * count / total, source, followers.match))
        return found
