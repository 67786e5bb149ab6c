"""Decoding one token at a time, everything recomputed at each: slow, simple, and what checked decoding must equal.

Knows tokens. Knows no cache and no drafts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from model.architecture.network import Network
from model.architecture.rows import causal_bias
from model.infilling.checked import Limits, Next, is_bare
from model.infilling.copies import Copies, CopyGate, Text
from model.infilling.ngrams import Elsewhere
from model.infilling.search import ALTERNATIVES, AT_ONCE
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class Written:
    """`tokens` with `<eos>` where the model writes it, the log probability of each, and at each place the tokens that come
    behind the likeliest one, with theirs. `whole` says that it ended by itself."""

    tokens: list[int]
    scores: list[float]
    others: list[list[tuple[float, int]]]
    whole: bool


@dataclass(frozen=True)
class Reference:
    """Writes into the hole in which the `visible` tokens end."""

    network: Network
    tokenizer: Tokenizer
    visible: list[int]
    limits: Limits
    owed: bytes = b""
    gate: CopyGate | None = None
    elsewhere: Elsewhere | None = None

    def greedy(self, beginning: Sequence[int] = ()) -> Written:
        """The likeliest token at each place; behind a beginning that is given."""
        healing, ordinary = Healing(self.tokenizer), self.tokenizer.ordinary
        follows = Next(self.tokenizer, healing, self.limits, self.gate, self.elsewhere)
        texts: tuple[Text, ...] = (Copies(self.visible[:-1], ordinary),)
        if self.elsewhere is not None:
            texts = (*texts, self.elsewhere.texts)
        trails = tuple(text.trail(self.visible[:-1]) for text in texts)
        owed, bare, whole = self.owed, True, False
        tokens: list[int] = []
        scores: list[float] = []
        others: list[list[tuple[float, int]]] = []
        while not whole and not self.limits.gives_up(tokens):
            logits = next_logits(self.network, [*self.visible, *tokens])
            found = follows.scores(logits, trails, owed, bare)
            best = torch.topk(found, ALTERNATIVES)
            token = beginning[len(tokens)] if len(tokens) < len(beginning) else int(best.indices[0])
            others.append([(float(found[other]), other) for other in best.indices[1:].tolist()])
            scores.append(float(found[token]))
            bare = bare and is_bare(self.tokenizer, token, owed)
            owed = healing.owed_after(owed, token)
            trails = tuple(trail.after(token) for trail in trails)
            tokens.append(token)
            whole = token == self.tokenizer.eos
            whole = whole or self.limits.ends_line(self.tokenizer, tokens) or self.limits.goes_too_far(self.tokenizer, tokens)
        return Written(tokens, scores, others, whole)

    def likeliest(self, branches: int, wanted: int = 1) -> list[Written]:
        """The `wanted` likeliest whole texts of a best-first search, best first."""
        written = [(0, self.greedy())]  # with how many tokens of it are given
        ways: list[tuple[float, int, list[int]]] = []  # with minus the log probability, and the order in which they were found
        count = 0
        whole: dict[bytes, Written] = {}
        while True:
            for given, text in written:
                for place in range(given, len(text.tokens)):
                    for score, other in text.others[place]:
                        count += 1
                        ways.append((-sum(text.scores[:place]) - score, count, [*text.tokens[:place], other]))
                spelled = self.tokenizer.decode_bytes(text.tokens)
                if text.whole and (spelled not in whole or sum(text.scores) > sum(whole[spelled].scores)):
                    whole[spelled] = text
            best = sorted(whole.values(), key=self._score, reverse=True)[:wanted]
            bar = self._score(best[-1]) if len(best) == wanted else float("-inf")
            ways.sort()
            taken = [beginning for cost, _, beginning in ways[: min(AT_ONCE, branches)] if -cost > bar]
            if not taken:
                return best
            ways, branches = ways[len(taken) :], branches - len(taken)
            written = [(len(beginning), self.greedy(beginning)) for beginning in taken]

    def _score(self, text: Written) -> float:
        return sum(text.scores) - self.limits.doubt(self.tokenizer, text.tokens)


@torch.no_grad()
def next_logits(network: Network, tokens: list[int]) -> torch.Tensor:
    """Logits of the token after these, computed from nothing."""
    x = network.embed(torch.tensor([tokens]))
    positions = torch.arange(len(tokens))[None]
    hidden = network(x, positions, causal_bias(len(tokens), x))
    return network.logits(hidden[0, -1]).float()
