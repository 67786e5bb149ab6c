"""Fits, after training, how much of the next token's distribution is copied from the visible text.

Knows training documents, holes and the gate. Knows no optimizer of the network: its weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.architecture.network import Network
from model.architecture.rows import causal_bias
from model.infilling.copies import FEATURES, Copies, CopyGate, features
from model.infilling.layout import continuation, encode_visible
from model.tokenization.tokenizer import Tokenizer
from model.training.documents import Document
from model.training.examples import sample_example

CASES = 600  # holes
MOST_TOKENS = 48  # of a hole that are looked at
SHRINKAGE = 1e-3  # of the squared weights, in nats per token


@torch.no_grad()
def fit_copy_gate(network: Network, tokenizer: Tokenizer, documents: Sequence[Document], seed: int = 0) -> CopyGate:
    """The gate under which the holes' true tokens are likeliest, by logistic regression on the mixture's log likelihood.

    A token whose context has no match says nothing about the gate and is left out.
    """
    rng = np.random.default_rng(seed)
    found: list[list[float]] = []
    modelled: list[float] = []  # probability of the true token
    copied: list[float] = []
    cases = 0
    while cases < CASES:
        example = sample_example(documents[int(rng.integers(len(documents)))], rng)
        if example is None or len(example.middles) > 1:
            continue
        cases += 1
        visible = encode_visible(tokenizer, example.parts)
        hole = continuation(tokenizer, example.middles)[:MOST_TOKENS]
        scores = _teacher_forced(network, tokenizer, visible, hole)
        copies = Copies(visible[:-1], tokenizer.ordinary)
        matches = copies.matches
        for row, token in zip(scores, hole, strict=True):
            followers = copies.followers(matches)
            if followers.counts:
                own, best = {token: float(row[token]) for token in followers.counts}, int(row.argmax())
                found.append(features(followers, own, best, float(row[best])))
                modelled.append(float(row[token].exp()))
                copied.append(followers.counts[token] / followers.counts.total())
            matches = copies.extended(matches, token)
    return CopyGate(_fit(torch.tensor(found), torch.tensor(modelled), torch.tensor(copied)))


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
