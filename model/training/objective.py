"""The training objective: next-token loss on every text row and masked-token loss on canvases, in one forward pass.

Knows windows, canvases and losses. Knows no files, no optimizer and no decoding. Text rows never see a canvas, so the
causal reading that is trained here is the one that serving caches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.architecture.network import Network
from model.tokenization.tokenizer import Tokenizer
from model.training.examples import Windows

CANVAS_WEIGHT = 0.15  # of the masked-token loss against the next-token loss
SIZES = (8, 8, 8, 8, 8, 8, 16, 16, 16, 32)  # slots of the canvases for each 512 tokens: a quarter of the text rows
IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Token ids and index arrays, (batch, rows). Canvas arrays have no rows where only next tokens are trained."""

    tokens: Tensor
    positions: Tensor
    segment: Tensor
    next_tokens: Tensor  # IGNORED where nothing is to be predicted
    in_hole: Tensor  # bool: the next token is a hole's text or `<eos>`
    slots: Tensor  # mask or revealed token
    marks: Tensor  # the hole's mark
    anchors: Tensor  # index of the last text row a slot sees; -1 for a canvas that is not used
    slot_positions: Tensor
    groups: Tensor  # slots of one group see each other
    slot_targets: Tensor

    def to(self, device: torch.device) -> Batch:
        if device.type == "cuda":  # only from pinned memory does a copy run beside the computation
            return Batch(**{name: value.pin_memory().to(device, non_blocking=True) for name, value in vars(self).items()})
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Sight:
    """Which rows see which, and the rotary positions of all: what is the same in every layer of a pass."""

    bias: Tensor  # (batch, 1, rows, rows), in the dtype of the computation: 0 where a row may look, -inf elsewhere
    rotation: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Losses:
    """`next_token`, `hole` and `canvas` are mean nats: of all next tokens, of those in holes, of the masked slots (0 without)."""

    next_token: Tensor
    hole: Tensor
    canvas: Tensor

    @property
    def total(self) -> Tensor:
        return self.next_token + CANVAS_WEIGHT * self.canvas


def make_batch(
    windows: Windows, rows: NDArray[np.int64], tokenizer: Tokenizer, rng: np.random.Generator, canvases: bool
) -> Batch:
    """The windows with these numbers; with canvases at random anchors, half of them in holes."""
    tokens = windows.tokens[rows].astype(np.int64)
    segment = windows.segment[rows].astype(np.int64)
    hole = windows.hole[rows].astype(np.int64)
    batch, length = tokens.shape
    starts = np.zeros_like(segment)
    starts[:, 1:] = np.where(segment[:, 1:] != segment[:, :-1], np.arange(1, length), 0)
    positions = np.arange(length) - np.maximum.accumulate(starts, 1)
    following = np.full_like(tokens, IGNORED)
    same = (segment[:, 1:] == segment[:, :-1]) & (segment[:, 1:] > 0)
    following[:, :-1] = np.where(same, tokens[:, 1:], IGNORED)
    # The layout says where a section or a hole begins: those marks are never to be predicted.
    marks_at = (following >= tokenizer.ordinary) & (following != tokenizer.eos)
    following[marks_at] = IGNORED
    filling = np.zeros(tokens.shape, bool)
    filling[:, :-1] = (hole[:, 1:] > 0) & (following[:, :-1] != IGNORED)

    sizes = SIZES * (length // 512) if canvases else ()
    total = sum(sizes)
    slots = np.full((batch, total), tokenizer.mask, np.int64)
    marks = np.full((batch, total), tokenizer.holes[0], np.int64)
    anchors = np.full((batch, total), -1, np.int64)
    targets = np.full((batch, total), IGNORED, np.int64)
    groups = np.zeros((batch, total), np.int64)
    for row in range(batch):
        at = 0
        in_hole = np.flatnonzero(hole[row] > 0)
        in_hole = in_hole[tokens[row, in_hole] != tokenizer.eos]
        anywhere = np.flatnonzero((segment[row] > 0) & (hole[row] == 0))
        openers = np.flatnonzero(tokens[row] == tokenizer.holes[0])
        joint = [a for a in openers if (hole[row][segment[row] == segment[row, a]] > 1).any()]
        pending: list[tuple[int, int]] = []  # (anchor, hole) of a joint group whose canvases come next
        group = 0
        for size in sizes:
            where = slice(at, at + size)
            at += size
            if size == 16 and not pending and joint and rng.random() < 0.5:
                anchor = int(joint[int(rng.integers(len(joint)))])
                own = hole[row][segment[row] == segment[row, anchor]]
                pending = [(anchor, number) for number in range(1, min(3, int(own.max())) + 1)]
                group += 1
            if pending and size == 16:
                anchor, number = pending.pop(0)
                text = _hole_text(tokens[row], hole[row], segment[row], anchor, number, tokenizer)
            else:
                group += 1
                inside = size == 32 or rng.random() < 0.5
                choices = (
                    openers if inside and len(openers) and (size > 8 or rng.random() < 0.4) else in_hole if inside else anywhere
                )
                if not len(choices):
                    continue
                anchor = int(choices[int(rng.integers(len(choices)))])
                number = int(hole[row, anchor])
                text = _text_after(tokens[row], hole[row], segment[row], anchor)
            wanted = np.full(size, tokenizer.eos if number else IGNORED, np.int64)
            wanted[: min(size, len(text))] = text[:size]
            hidden = _noise(size, rng)
            hidden[wanted == IGNORED] = True
            slots[row, where] = np.where(hidden, tokenizer.mask, wanted)
            targets[row, where] = np.where(hidden, wanted, IGNORED)
            marks[row, where] = tokenizer.holes[max(0, number - 1)]
            anchors[row, where] = anchor
            groups[row, where] = group
    at_anchor = np.take_along_axis(positions, np.maximum(anchors, 0), 1) if total else anchors
    offset = np.concatenate([np.arange(size) for size in sizes]) if total else np.zeros(0, np.int64)
    arrays = (tokens, positions, segment, following, filling, slots, marks, anchors, at_anchor + 1 + offset, groups, targets)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))


def _text_after(tokens: NDArray[np.int64], hole: NDArray[np.int64], segment: NDArray[np.int64], anchor: int) -> NDArray[np.int64]:
    """Tokens behind the anchor up to the end of its hole, or of the visible section it is in."""
    end = anchor + 1
    while end < len(tokens) and segment[end] == segment[anchor] and hole[end] == hole[anchor]:
        end += 1
    return tokens[anchor + 1 : end]


def _hole_text(
    tokens: NDArray[np.int64],
    hole: NDArray[np.int64],
    segment: NDArray[np.int64],
    anchor: int,
    number: int,
    tokenizer: Tokenizer,
) -> NDArray[np.int64]:
    found: NDArray[np.int64] = tokens[(segment == segment[anchor]) & (hole == number) & (tokens != tokenizer.holes[number - 1])]
    return found


def _noise(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which slots are masked: mostly all, sometimes a random part, sometimes all but the leftmost."""
    draw = rng.random()
    if draw < 0.7:
        return np.ones(size, bool)
    if draw < 0.85:
        return rng.random(size) < rng.random()
    return np.arange(size) >= int(rng.integers(size))


def sight(network: Network, batch: Batch, dtype: torch.dtype) -> Sight:
    """What the network's pass over a batch needs, text rows before canvas rows. Made before a compiled pass, not in it."""
    length, slots = batch.tokens.shape[1], batch.slots.shape[1]
    device = batch.tokens.device
    index = torch.arange(length, device=device)
    same = batch.segment[:, :, None] == batch.segment[:, None, :]
    sees = torch.zeros(len(batch.tokens), length + slots, length + slots, dtype=torch.bool, device=device)
    sees[:, :length, :length] = same & (index[None, :, None] >= index[None, None, :])
    if slots:
        owner = torch.gather(batch.segment, 1, batch.anchors.clamp(min=0))
        sees[:, length:, :length] = (owner[:, :, None] == batch.segment[:, None, :]) & (index <= batch.anchors[:, :, None])
        sees[:, length:, length:] = batch.groups[:, :, None] == batch.groups[:, None, :]
    bias = torch.zeros(sees.shape, dtype=dtype, device=device).masked_fill(~sees, float("-inf"))[:, None]
    return Sight(bias, network.rotation(_positions(batch), dtype))


def _positions(batch: Batch) -> Tensor:
    """Of text rows and canvas rows."""
    return torch.cat([batch.positions, batch.slot_positions], 1)


def losses(network: Network, batch: Batch, seen: Sight) -> tuple[Losses, Tensor, Tensor]:
    """The losses, and which next tokens and which slots the network gets right (bool, for the two target arrays).

    No shape depends on the data: this can be compiled.
    """
    length = batch.tokens.shape[1]
    x, targets = network.embed(batch.tokens), batch.next_tokens
    if batch.slots.shape[1]:
        x = torch.cat([x, network.embed_slots(batch.slots, batch.marks)], 1)
        targets = torch.cat([targets, batch.slot_targets], 1)
    hidden = network(x.to(seen.bias.dtype), _positions(batch), seen.bias, causal_rows=length, rotation=seen.rotation)
    logits = network.logits(hidden).float()
    wanted = targets != IGNORED
    chosen = torch.gather(logits, 2, targets.clamp(min=0)[:, :, None])[:, :, 0]
    each = torch.where(wanted, torch.logsumexp(logits, -1) - chosen, 0.0)
    right = wanted & (chosen >= logits.detach().amax(-1))
    text, in_hole, asked = each[:, :length], batch.in_hole, wanted[:, :length]
    next_token = text.sum() / asked.sum().clamp(min=1)
    hole = (text * in_hole).sum() / in_hole.sum().clamp(min=1)
    canvas = each[:, length:].sum() / wanted[:, length:].sum().clamp(min=1)
    return Losses(next_token, hole, canvas), right[:, :length], right[:, length:]
