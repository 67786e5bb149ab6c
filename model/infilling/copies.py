"""Copying from the visible text: what followed the longest earlier occurrence of the last tokens, and how far to trust it.

Knows token ids and log probabilities. Knows no network. A pointer to the context mixed into the model's own distribution is
the old remedy of small models (Merity et al. 2017, with an n-gram match in the place of their attention).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

LONGEST_MATCH = 8  # tokens
FEATURES = 14


@dataclass(frozen=True)
class Followers:
    """How often each token stood behind the longest match, which is `match` tokens long."""

    match: int
    counts: Counter[int]


class Trail(Protocol):
    """The end of what is written, as a text that may be copied from knows it."""

    def after(self, token: int) -> Trail:
        """With one more token at its end."""
        ...

    def followers(self) -> Followers: ...


class Text(Protocol):
    """What can be copied from."""

    def trail(self, tokens: Sequence[int]) -> Trail: ...


class Copies:
    """The visible tokens, indexed. Ids from `ordinary` on are marks, which nobody copies."""

    def __init__(self, tokens: Sequence[int], ordinary: int) -> None:
        self.tokens, self.ordinary = list(tokens), ordinary
        self.places: dict[int, list[int]] = defaultdict(list)
        for place, token in enumerate(self.tokens[:-1]):
            self.places[token].append(place)

    @property
    def ending(self) -> list[int]:
        """The last two visible tokens, or what there is."""
        return self.tokens[-2:]

    def trail(self, tokens: Sequence[int]) -> Trail:
        found: Trail = _Matches(self, {})
        for token in tokens[-LONGEST_MATCH:]:
            found = found.after(token)
        return found


@dataclass(frozen=True)
class _Matches:
    """For each place whose token is the last one: how many tokens before it agree as well, itself included."""

    text: Copies
    lengths: dict[int, int]

    def after(self, token: int) -> _Matches:
        places = self.text.places.get(token, ())
        return _Matches(self.text, {place: min(LONGEST_MATCH, 1 + self.lengths.get(place - 1, 0)) for place in places})

    def followers(self) -> Followers:
        longest = max(self.lengths.values(), default=0)
        behind = (self.text.tokens[place + 1] for place, length in self.lengths.items() if length == longest)
        return Followers(longest, Counter(token for token in behind if token < self.text.ordinary))


@dataclass(frozen=True)
class CopyGate:
    """How much of the distribution is copied: a logistic regression over `features`, fitted after training."""

    weights: tuple[float, ...]

    def mixed(self, scores: Tensor, followers: Followers) -> Tensor:
        """The model's log probabilities (vocabulary,), some -inf, with the followers among the others mixed in."""
        found = self._copied(scores, followers, int(scores.argmax()))
        if found is None:
            return scores
        rest, copied = found
        mixed = scores + rest
        mixed[torch.tensor(list(copied))] = torch.tensor(list(copied.values())).to(scores)
        return mixed

    def likeliest(self, scores: Tensor, followers: Followers) -> tuple[float, int]:
        """The greatest of what `mixed` gives, and its token: for that hardly any tensor is needed."""
        best = int(scores.argmax())
        found = self._copied(scores, followers, best)
        if found is None:
            return float(scores[best]), best
        rest, copied = found
        copied.setdefault(best, float(scores[best]) + rest)
        token = max(copied, key=lambda token: (copied[token], -token))
        return copied[token], token

    def _copied(self, scores: Tensor, followers: Followers, best: int) -> tuple[float, dict[int, float]] | None:
        """What is added to all log probabilities, and what becomes of those of the followers; None without any."""
        tokens = list(followers.counts)
        if not tokens:
            return None
        own = {token: score for token, score in zip(tokens, scores[tokens].tolist(), strict=True) if score > float("-inf")}
        if not own:
            return None
        allowed = Followers(followers.match, Counter({token: followers.counts[token] for token in own}))
        found = features(allowed, own, best, float(scores[best]))
        share = 1 / (1 + math.exp(-sum(w * f for w, f in zip(self.weights, found, strict=True))))
        rest, total = math.log1p(-share), allowed.counts.total()
        return rest, {
            token: _log_sum(score + rest, math.log(share * allowed.counts[token] / total)) for token, score in own.items()
        }


def features(followers: Followers, scores: Mapping[int, float], best: int, best_score: float) -> list[float]:
    """What the gate looks at (`FEATURES` numbers): the match, whether its followers agree, what the model thinks of them.

    `scores` are the model's log probabilities of the followers; `best` is the token that it finds likeliest.
    """
    total = followers.counts.total()
    token, most = followers.counts.most_common(1)[0]
    return [
        1.0,
        *(float(followers.match >= length) for length in range(2, LONGEST_MATCH + 1)),
        float(len(followers.counts) == 1),
        math.log1p(total),
        most / total,
        math.exp(scores[token]),
        math.exp(best_score),
        float(token == best),
    ]


def _log_sum(left: float, right: float) -> float:
    """log(exp(left) + exp(right))."""
    greater, less = max(left, right), min(left, right)
    return greater + math.log1p(math.exp(less - greater))
