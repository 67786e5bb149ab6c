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
    """Tokens of all holes, each hole's `<eos>` included, and the number of forward passes: one for each token."""
    healing = Healing(tokenizer)
    text, written, passes = list(visible), list[int](), 0
    for hole in range(limits.holes):
        if hole:
            text.append(tokenizer.holes[hole])
        for count in range(1, limits.max_tokens + 1):
            logits = next_logits(network, text)
            passes += 1
            forbidden = torch.zeros(tokenizer.size, dtype=torch.bool)
            forbidden[tokenizer.ordinary :] = True
            at_start = count == 1 and not limits.allow_empty
            forbidden[tokenizer.eos] = at_start
            if at_start and limits.single_line:
                forbidden |= torch.from_numpy(healing.line_breaks)
            if owed:
                forbidden |= torch.from_numpy(healing.forbidden(owed))
            token = int(logits.masked_fill(forbidden, float("-inf")).argmax())
            owed = healing.owed_after(owed, token)
            text.append(token)
            written.append(token)
            line_end = limits.ends_line(tokenizer, text[-count:])
            if token != tokenizer.eos and (line_end or count == limits.max_tokens):
                text.append(tokenizer.eos)
                written.append(tokenizer.eos)
            if written[-1] == tokenizer.eos:
                break
    return written, passes


@torch.no_grad()
def next_logits(network: Network, tokens: list[int]) -> torch.Tensor:
    """Logits of the token after these, computed from nothing."""
    x = network.embed(torch.tensor([tokens]))
    positions = torch.arange(len(tokens))[None]
    hidden = network(x, positions, causal_bias(len(tokens), 0, x))
    return network.logits(hidden[0, -1]).float()
