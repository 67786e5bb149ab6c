"""Unchecked decoding: pure masked diffusion over one canvas for each hole, all holes together.

Knows slots and commits. Knows no text. The length comes from the first pass, in which every slot is masked; then slots are
committed, most certain first, while the joint-error bound stays under gamma (entropy-bounded unmasking, Ben-Hamu et al. 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.infilling.deadline import Deadline
from model.infilling.passes import Continuation, Passes, Row
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer

LONGEST = 32  # slots of a canvas: the longest that training shows
GAMMAS = ((6, 0.3), (4, 0.6), (3, 1.0), (2, 2.0), (0, 1e9))  # passes that are left, and what one of them may risk, in nats


@dataclass(frozen=True)
class Filled:
    """One hole's tokens, without `<eos>`, their log probabilities at commit, and whether every slot was committed."""

    tokens: list[int]
    scores: list[float]
    complete: bool


@dataclass
class _Canvas:
    mark: int
    owed: bytes  # what its first tokens must spell: letters that stand before the hole and were taken back
    tokens: list[int]  # committed ones; the mask elsewhere
    scores: list[float]


def fill_unchecked(
    continuation: Continuation,
    tokenizer: Tokenizer,
    healing: Healing,
    owed: Sequence[bytes],
    max_tokens: int,
    gamma: float | None,
    deadline: Deadline,
    watch: Callable[[list[list[int]]], None] | None = None,
    shortest: int = 0,
    single_line: bool = False,
) -> Passes[list[Filled]]:
    """Fills all holes jointly. `watch` is shown the canvases (mask where nothing is committed) after each step.

    Where `gamma` is None, each step risks as much as the time that is left demands.
    `owed` has for each hole the bytes that its text must begin with; while some are left after a commit, that hole's next
    slot is the only one that is committed. With `single_line`, a token that spells a line break ends a hole as `<eos>` does.
    """
    size = min(LONGEST, max_tokens + 1)
    canvases = [
        _Canvas(mark, spelling, [tokenizer.mask] * size, [0.0] * size)
        for mark, spelling in zip(tokenizer.holes, owed, strict=False)
    ]
    first = True
    breaks = None
    if single_line:
        breaks = torch.from_numpy(healing.line_breaks).to(continuation.cache.device)
    while any(tokenizer.mask in canvas.tokens for canvas in canvases):
        rows = sum(len(canvas.tokens) for canvas in canvases)
        left = deadline.passes_left(continuation.passes, rows, continuation.keys)
        if not first and left == 0:
            break
        scores = yield from _read(continuation, tokenizer, canvases, breaks)
        if first:
            scores = _set_lengths(canvases, scores, tokenizer, shortest)
            first = False
        for canvas, own in zip(canvases, scores, strict=True):
            if canvas.owed and tokenizer.mask in canvas.tokens:
                _spell(canvas, own, tokenizer, healing, shortest)
            if not canvas.owed:
                _commit(canvas, own, tokenizer, _gamma(left) if gamma is None else gamma)
        if watch is not None:
            watch([list(canvas.tokens) for canvas in canvases])
    filled = []
    for canvas in canvases:
        complete = tokenizer.mask not in canvas.tokens and not first
        end = canvas.tokens.index(tokenizer.mask) if tokenizer.mask in canvas.tokens else len(canvas.tokens)
        filled.append(Filled(canvas.tokens[:end], canvas.scores[:end], complete))
    return filled


def _gamma(passes_left: int) -> float:
    """The joint-error budget, in nats, of one of the passes that are left: the fewer, the more each must commit."""
    return next(gamma for least, gamma in GAMMAS if passes_left >= least)


def _read(
    continuation: Continuation, tokenizer: Tokenizer, canvases: list[_Canvas], line_breaks: Tensor | None
) -> Passes[list[Tensor]]:
    """Log probabilities of each canvas's slots, (slots, vocabulary): ordinary tokens and `<eos>` only."""
    total = sum(len(canvas.tokens) for canvas in canvases)
    everyone = range(continuation.rows, continuation.rows + total)
    rows = [
        Row(token, continuation.base + slot, everyone, canvas.mark)
        for canvas in canvases
        for slot, token in enumerate(canvas.tokens)
    ]
    logits = (yield from continuation.read(rows, range(total))).logits
    continuation.rows -= total  # the next step reads the slots anew
    eos = logits[:, tokenizer.eos].clone()
    logits[:, tokenizer.ordinary :] = float("-inf")
    logits[:, tokenizer.eos] = eos
    scores = torch.log_softmax(logits, -1)
    if line_breaks is not None:
        ends = line_breaks.clone()
        ends[tokenizer.eos] = True
        scores[:, tokenizer.eos] = torch.logsumexp(scores[:, ends], -1)
        scores[:, line_breaks] = float("-inf")
    return list(torch.split(scores, [len(canvas.tokens) for canvas in canvases]))


def _set_lengths(canvases: list[_Canvas], scores: list[Tensor], tokenizer: Tokenizer, shortest: int) -> list[Tensor]:
    """Cuts each canvas where `<eos>` most probably stands first; never before what is owed."""
    kept = []
    for canvas, own in zip(canvases, scores, strict=True):
        ends = own[:, tokenizer.eos].clone()
        ends[: max(shortest, bool(canvas.owed))] = float("-inf")
        goes_on = torch.log1p(-ends.exp().clamp(max=1 - 1e-6))
        length = int((ends + goes_on.cumsum(0) - goes_on).argmax())
        canvas.tokens, canvas.scores = canvas.tokens[:length], canvas.scores[:length]
        kept.append(own[:length])
    return kept


def _spell(canvas: _Canvas, scores: Tensor, tokenizer: Tokenizer, healing: Healing, shortest: int) -> None:
    """Commits the first masked slot to the likeliest token that spells what is owed or goes on behind it.

    Where the canvas would end before all is spelled, or at once behind it though the hole may not be empty, it grows.
    """
    slot = canvas.tokens.index(tokenizer.mask)
    own = scores[slot].clone()
    own[torch.from_numpy(healing.forbidden(canvas.owed)).to(own.device)] = float("-inf")
    if canvas.owed.isspace():
        own[torch.from_numpy(healing.blanks).to(own.device)] = float("-inf")  # a space was typed for something to follow
    value, token = torch.log_softmax(own, -1).max(-1)
    canvas.tokens[slot], canvas.scores[slot] = int(token), float(value)
    nothing_more = tokenizer.bytes_of(int(token)) == canvas.owed
    canvas.owed = healing.owed_after(canvas.owed, int(token))
    if tokenizer.mask not in canvas.tokens and (canvas.owed or (nothing_more and shortest)):
        canvas.tokens.append(tokenizer.mask)
        canvas.scores.append(0.0)


def _commit(canvas: _Canvas, scores: Tensor, tokenizer: Tokenizer, gamma: float) -> None:
    """Commits masked slots in the order of their entropy while the sum without the largest stays under gamma."""
    # A slot that was just added to the canvas is first read in the next step.
    open_slots = [slot for slot, token in enumerate(canvas.tokens[: len(scores)]) if token == tokenizer.mask]
    if not open_slots:
        return
    own = scores[open_slots].clone()
    own[:, tokenizer.eos] = float("-inf")  # the length is settled
    own = torch.log_softmax(own, -1)
    entropy = -(own.exp() * own.clamp(min=-1e4)).sum(-1)
    spent = 0.0
    for rank, index in enumerate(entropy.argsort().tolist()):
        # Sum of all but the largest entropy: ascending order makes the newest the largest.
        if rank and spent > gamma:
            break
        spent += float(entropy[index])
        value, token = own[index].max(-1)
        canvas.tokens[open_slots[index]] = int(token)
        canvas.scores[open_slots[index]] = float(value)
