"""Sessions that copy from each other, through very many random edits: not one row of a cache differs from recomputation.

A sample runs with the tests; QUICKFILL_EDITS=1000000 asks for a million (about half an hour).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
import torch
from conftest import random_network
from torch import Tensor

from model.architecture.inference import InferenceNetwork
from model.checkpoints.store import BUNDLED
from model.engine.engine import Engine, devices, fastest_dtype
from model.engine.session import Session, Sessions
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation, Row, run_alone
from model.tokenization.tokenizer import Tokenizer

EDITS = int(os.environ.get("QUICKFILL_EDITS", "3000"))
COMPARED_EVERY = 100  # edits; a wrong row stays in the cache until something before it changes
LINES = ["import os\n", "def f(a, b):\n", "    return a + b\n", "\n", "x = [1, 2, {'k': 'v'}]\n", "# a comment\n", "é = '日本'\n"]


def edited(text: str, cursor: int, chance: random.Random) -> tuple[str, int]:
    """What a person may do next: type, delete, paste, jump, or open another file."""
    kind = chance.random()
    if kind < 0.55:
        typed = chance.choice([*"abc_(). =\n'", "self", "    "])
        return text[:cursor] + typed + text[cursor:], cursor + len(typed)
    if kind < 0.8:
        start = max(0, cursor - chance.choice([1, 1, 1, 4, 20]))
        return text[:start] + text[cursor:], start
    if kind < 0.87:
        pasted = "".join(chance.choices(LINES, k=chance.randint(1, 6)))
        return (text[:cursor] + pasted + text[cursor:])[:4000], min(4000, cursor + len(pasted))
    if kind < 0.995:
        return text, min(len(text), max(0, cursor + chance.randint(-300, 300)))
    fresh = "".join(chance.choices(LINES, k=40))
    return fresh, len(fresh) // 2


def caches_and_recomputations(
    reader: InferenceNetwork, edits: int, compared_every: int, budget: int = 256
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each layer's rows in the cache of a session that was edited so often, and the same rows read from nothing."""
    tokenizer = Tokenizer.load(BUNDLED / "tokenizer.json")
    network, sessions, chance = reader.network, Sessions(reader.network, 1 << 26), random.Random(1)
    session = sessions.get("", "me")
    text, cursor = "".join(LINES) * max(8, budget // 50), 200
    with torch.inference_mode():
        for number in range(1, edits + 1):
            text, cursor = edited(text, cursor, chance)
            if chance.random() < 0.05:  # another window, or a client that names no session
                session = sessions.get(chance.choice(["", "one", "two"]), "me")
            visible = encode_visible(tokenizer, (text[:cursor], text[cursor:]), budget=budget)
            run_alone(reader, session.encode(visible, chance.choice([0, 1, 8])))
            unread = visible[len(session.tokens) :]
            if unread:  # a request reads them, and drafts that leave rows behind
                base, drafts = len(session.tokens), chance.randint(0, 6)
                rows = [Row(token, base + n, range(n + 1)) for n, token in enumerate([*unread, *[5] * drafts])]
                run_alone(reader, Continuation(reader, session.cache, base).read(rows, ()))
                session.adopt(unread)
            assert session.tokens == visible
            if number % compared_every == 0:
                fresh = Session(network)
                run_alone(reader, fresh.encode(visible))
                yield session.cache.keys[:, :, : len(visible)], fresh.cache.keys[:, :, : len(visible)]
                yield session.cache.values[:, :, : len(visible)], fresh.cache.values[:, :, : len(visible)]


def test_no_edit_leaves_a_wrong_row_behind() -> None:
    for mine, right in caches_and_recomputations(InferenceNetwork(random_network(torch.float64)), EDITS, COMPARED_EVERY):
        assert torch.allclose(mine, right, rtol=0, atol=1e-10)


@pytest.mark.parametrize("device", devices())
def test_wherever_the_network_runs(device: str) -> None:
    reader = InferenceNetwork(random_network(torch.float32).to(device))
    for mine, right in caches_and_recomputations(reader, EDITS // 30, COMPARED_EVERY // 25):
        assert torch.allclose(mine, right, rtol=0, atol=1e-3)


@pytest.mark.skipif(fastest_dtype() != torch.bfloat16, reason="float32 rounds by how many rows there are")
@pytest.mark.parametrize("budget", [900, 2000], ids=["in the window", "beyond"])
def test_in_bfloat16_not_one_bit_differs(budget: int) -> None:
    reader = InferenceNetwork(Engine.load().model.network)
    for mine, right in caches_and_recomputations(reader, EDITS // 25, COMPARED_EVERY // 25, budget):
        assert torch.equal(mine, right)
