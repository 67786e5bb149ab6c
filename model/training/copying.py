"""Fits, after training, how much of the next token's distribution is copied: from the visible text, and from other texts.

Knows training documents, holes and the gate. Knows no optimizer of the network: its weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from model.architecture.network import Network
from model.architecture.rows import causal_bias
from model.infilling.alike import names_in
from model.infilling.copies import FEATURES, Copies, CopyGate, Followers, features
from model.infilling.layout import continuation, encode_visible
from model.infilling.ngrams import NgramIndex, OtherTexts
from model.tokenization.tokenizer import Tokenizer
from model.training.documents import Document
from model.training.examples import Example, Sibling, sample_example

CASES = 600  # holes
MOST_TOKENS = 48  # of a hole that are looked at
SHRINKAGE = 1e-3  # of the squared weights, in nats per token
LEAST_FILES, MOST_FILES = 8, 100  # of a package that is taken for a project
CASES_OF_PACKAGE = 3  # in a row: a package's texts are indexed once for them


@dataclass
class _Seen:
    """What a gate learns from, a token each: its features, and both probabilities of the true token."""

    features: list[list[float]] = field(default_factory=list)
    modelled: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)

    def add(self, followers: Followers, scores: Tensor, token: int) -> None:
        """A token whose context has no match says nothing about the gate and is left out."""
        if not followers.counts:
            return
        best = int(scores.argmax())
        own = {follower: float(scores[follower]) for follower in followers.counts}
        self.features.append(features(followers, own, best, float(scores[best])))
        self.modelled.append(float(scores[token].exp()))
        self.copied.append(followers.counts[token] / followers.counts.total())

    def gate(self) -> CopyGate:
        """The one under which the true tokens are likeliest, by logistic regression on the mixture's log likelihood."""
        return CopyGate(_fit(torch.tensor(self.features), torch.tensor(self.modelled), torch.tensor(self.copied)))


@torch.no_grad()
def fit_copy_gate(network: Network, tokenizer: Tokenizer, documents: Sequence[Document], seed: int = 0) -> CopyGate:
    """How much of the visible text is to be copied, learned from holes in these documents."""
    rng = np.random.default_rng(seed)
    seen, cases = _Seen(), 0
    while cases < CASES:
        example = sample_example(documents[int(rng.integers(len(documents)))], rng)
        if example is None or len(example.middles) > 1:
            continue
        cases += 1
        visible, hole = _tokens(tokenizer, example)
        trail = Copies(visible[:-1], tokenizer.ordinary).trail(visible[:-1])
        for row, token in zip(_teacher_forced(network, tokenizer, visible, hole), hole, strict=True):
            seen.add(trail.followers(), row, token)
            trail = trail.after(token)
    return seen.gate()


@torch.no_grad()
def fit_project_gate(
    network: Network, tokenizer: Tokenizer, documents: Sequence[Document], gate: CopyGate, seed: int = 0
) -> CopyGate | None:
    """How much of a project's other texts is to be copied, where `gate` has mixed the visible one in: a package is a project.

    None where no package has enough files.
    """
    rng = np.random.default_rng(seed)
    packages: dict[str, list[Document]] = {}
    for document in documents:
        packages.setdefault(document.package, []).append(document)
    projects = [own for own in packages.values() if len(own) >= LEAST_FILES]
    if not projects:
        return None
    seen, cases = _Seen(), 0
    while cases < CASES:
        own = projects[int(rng.integers(len(projects)))]
        files = [own[number] for number in rng.permutation(len(own))[:MOST_FILES]]
        siblings = [Sibling(document, names_in(document.text)) for document in files]
        index = NgramIndex(
            {document.path: np.array(tokenizer.encode_once(document.text), np.uint16) for document in files}, tokenizer.ordinary
        )
        for _ in range(CASES_OF_PACKAGE):
            cases += 1
            document = files[int(rng.integers(len(files)))]
            example = sample_example(document, rng, siblings)
            if example is None or len(example.middles) > 1:
                continue
            visible, hole = _tokens(tokenizer, example)
            near = Copies(visible[:-1], tokenizer.ordinary).trail(visible[:-1])
            far = OtherTexts(index, document.path).trail(visible[:-1])
            for row, token in zip(_teacher_forced(network, tokenizer, visible, hole), hole, strict=True):
                seen.add(far.followers(), gate.mixed(row, near.followers()), token)
                near, far = near.after(token), far.after(token)
    return seen.gate()


def _tokens(tokenizer: Tokenizer, example: Example) -> tuple[list[int], list[int]]:
    """The visible ones, and those of the hole that are looked at."""
    visible = encode_visible(tokenizer, example.parts, example.other_files)
    return visible, continuation(tokenizer, example.middles)[:MOST_TOKENS]


def _teacher_forced(network: Network, tokenizer: Tokenizer, visible: list[int], hole: Sequence[int]) -> Tensor:
    """Log probabilities (tokens of the hole, vocabulary) of what may stand in a hole."""
    tokens = [*visible, *hole[:-1]]
    x = network.embed(torch.tensor([tokens]))
    hidden = network(x, torch.arange(len(tokens))[None], causal_bias(len(tokens), x))[0, len(visible) - 1 :]
    logits = network.logits(hidden).float()
    ends = logits[:, tokenizer.eos].clone()
    logits[:, tokenizer.ordinary :] = float("-inf")
    logits[:, tokenizer.eos] = ends
    return torch.log_softmax(logits, -1)


@torch.enable_grad()
def _fit(found: Tensor, modelled: Tensor, copied: Tensor) -> tuple[float, ...]:
    weights = torch.zeros(FEATURES, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        share = torch.sigmoid(found @ weights)
        likelihood = share * copied + (1 - share) * modelled
        value = -likelihood.clamp(min=1e-6).log().mean() + SHRINKAGE * weights.square().sum()
        torch.autograd.backward(value)
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return tuple(round(weight, 4) for weight in weights.tolist())
