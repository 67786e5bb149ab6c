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
from model.infilling.copies import Copies, Matches

COPY, TABLE, CANVAS = "copy", "table", "canvas"  # the sources
MOST_NODES = 16  # of one pass: on a CPU a pass over a dozen rows costs little more than one over a single row
LEAST_CHANCE = 0.02  # of a node to be accepted; below it its row is not worth reading
# How likely a copied token is to be kept, by the length of the match: set by hand, and all it does is order the rows.
COPY_TRUST = (0.0, 0.3, 0.45, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85)


@dataclass
class Node:
    """A proposed token behind its parent (a number in the tree; -1: behind the newest token)."""

    token: int
    parent: int
    source: str


@dataclass
class DraftTree:
    """Nodes, parents before children."""

    nodes: list[Node] = field(default_factory=list)

    def child(self, parent: int, token: int) -> int | None:
        for number, node in enumerate(self.nodes):
            if node.parent == parent and node.token == token:
                return number
        return None


@dataclass(frozen=True)
class Drafter:
    """The sources of one request; each is left out if it is None."""

    copies: Copies | None
    table: TrigramTable | None

    def tree(
        self,
        ending: Sequence[int],
        matches: Matches,
        slots: Sequence[tuple[int, float]],
        most: int,
        forbidden: NDArray[np.bool_] | None = None,
    ) -> DraftTree:
        """The likeliest continuations of a text that ends in these two tokens, at most `most` nodes.

        `matches` are the places that `copies` knows for it, `slots` what a canvas says: a token and its probability each;
        `forbidden` tokens cannot stand first.
        """
        tree = DraftTree()
        # Best first: (minus the chance, order, parent, depth, token before, token, source, matches before the token)
        open_nodes: list[tuple[float, int, int, int, int, int, str, Matches]] = []
        order = 0

        def expand(parent: int, depth: int, first: int, second: int, matches: Matches, chance: float) -> None:
            nonlocal order
            found: dict[int, tuple[float, str]] = {}
            if self.table is not None and first >= 0:
                for token, share in self.table.followers(first, second):
                    found[token] = (share, TABLE)
            if depth < len(slots):
                token, share = slots[depth]
                if share > found.get(token, (0.0,))[0]:
                    found[token] = (share, CANVAS)
            if self.copies is not None:
                followers = self.copies.followers(matches)
                total = followers.counts.total()
                for token, count in followers.counts.most_common(2):
                    share = COPY_TRUST[followers.match] * count / total
                    if share > found.get(token, (0.0,))[0]:
                        found[token] = (share, COPY)
            for token, (share, source) in found.items():
                if depth == 0 and forbidden is not None and forbidden[token]:
                    continue
                order += 1
                heapq.heappush(open_nodes, (-chance * share, order, parent, depth, second, token, source, matches))

        first, second = [-1, -1, *ending][-2:]
        expand(-1, 0, first, second, matches, 1.0)
        while open_nodes and len(tree.nodes) < min(most, MOST_NODES):
            chance, _, parent, depth, before, token, source, above = heapq.heappop(open_nodes)
            if -chance < LEAST_CHANCE:
                break
            tree.nodes.append(Node(token, parent, source))
            deeper = {} if self.copies is None else self.copies.extended(above, token)
            expand(len(tree.nodes) - 1, depth + 1, before, token, deeper, -chance)
        return tree
