"""Greedy decoding one token at a time, everything recomputed at each: slow, simple, and what checked decoding must equal.

Knows tokens. Knows no cache and no drafts.
"""

from __future__ import annotations

import torch

from model.architecture.network import Network
from model.architecture.rows import causal_bias
from model.infilling.checked import Limits, Next, is_bare
from model.infilling.copies import Copies, CopyGate, Text
from model.infilling.ngrams import Elsewhere
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer


@torch.no_grad()
def greedy(
    network: Network,
    tokenizer: Tokenizer,
    visible: list[int],
    limits: Limits,
    owed: bytes = b"",
    gate: CopyGate | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[list[int], int]:
    """The hole's tokens, `<eos>` included where the model writes it, and the number of passes: one for each token."""
    healing, copies = Healing(tokenizer), Copies(visible[:-1], tokenizer.ordinary)
    follows = Next(tokenizer, healing, limits, gate, elsewhere)
    written: list[int] = []
    texts: tuple[Text, ...] = (copies,) if elsewhere is None else (copies, elsewhere.texts)
    trails = tuple(text.trail(visible[:-1]) for text in texts)
    bare = True
    while not limits.gives_up(written):
        logits = next_logits(network, [*visible, *written])
        token = int(follows.scores(logits, trails, owed, bare).argmax())
        bare = bare and is_bare(tokenizer, token, owed)
        owed = healing.owed_after(owed, token)
        trails = tuple(trail.after(token) for trail in trails)
        written.append(token)
        if token == tokenizer.eos or limits.ends_line(tokenizer, written) or limits.goes_too_far(tokenizer, written):
            break
    return written, len(written)


@torch.no_grad()
def next_logits(network: Network, tokens: list[int]) -> torch.Tensor:
    """Logits of the token after these, computed from nothing."""
    x = network.embed(torch.tensor([tokens]))
    positions = torch.arange(len(tokens))[None]
    hidden = network(x, positions, causal_bias(len(tokens), x))
    return network.logits(hidden[0, -1]).float()
