"""Greedy decoding one token at a time, everything recomputed at each: slow, simple, and what checked decoding must equal.

Knows tokens. Knows no cache and no drafts.
"""

from __future__ import annotations

import torch

from model.architecture.network import Network
from model.architecture.rows import causal_bias
from model.infilling.checked import Limits
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer


@torch.no_grad()
def greedy(
    network: Network, tokenizer: Tokenizer, visible: list[int], limits: Limits, owed: bytes = b""
) -> tuple[list[int], int]:
    """The hole's tokens, `<eos>` included where the model writes it, and the number of passes: one for each token."""
    healing = Healing(tokenizer)
    written: list[int] = []
    while len(written) < limits.max_tokens:
        logits = next_logits(network, [*visible, *written])
        forbidden = torch.zeros(tokenizer.size, dtype=torch.bool)
        forbidden[tokenizer.ordinary :] = True
        at_start = not written and not limits.allow_empty
        forbidden[tokenizer.eos] = at_start
        if at_start and limits.single_line:
            forbidden |= torch.from_numpy(healing.line_breaks)
        if owed:
            forbidden |= torch.from_numpy(healing.forbidden(owed))
        token = int(logits.masked_fill(forbidden, float("-inf")).argmax())
        owed = healing.owed_after(owed, token)
        written.append(token)
        if token == tokenizer.eos or limits.ends_line(tokenizer, written):
            break
    return written, len(written)


@torch.no_grad()
def next_logits(network: Network, tokens: list[int]) -> torch.Tensor:
    """Logits of the token after these, computed from nothing."""
    x = network.embed(torch.tensor([tokens]))
    positions = torch.arange(len(tokens))[None]
    hidden = network(x, positions, causal_bias(len(tokens), 0, x))
    return network.logits(hidden[0, -1]).float()
