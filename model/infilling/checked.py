"""Checked decoding: drafts are re-read causally, and the longest run the model itself would have written is kept.

Knows the tokens of one hole, drafts and acceptance. Knows no text cache's upkeep and no deadline policy. What it writes is,
token for token, what greedy decoding one token at a time writes (tested against `reference.py`); drafts only change how many
passes it takes. Speculative sampling's greedy case (Leviathan et al. 2023; Stern et al. 2018), with the model as its own
drafter (TiDAR, 2025).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.infilling.copies import SHORT_MATCH, Copies
from model.infilling.passes import Continuation, Row
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer

SLOTS = 3  # of a drafting canvas: the first repeats the check, the fourth is nearly never right at this model's size


@dataclass(frozen=True)
class Limits:
    """Where the text of a hole ends at the latest, and which drafts are made."""

    max_tokens: int
    single_line: bool  # the first line break ends the hole
    stop_after_line: bool = False  # the first one behind text does
    allow_empty: bool = True  # False: the hole may not end before it began
    canvas_drafts: bool = True
    copy_drafts: bool = True

    def ends_line(self, tokenizer: Tokenizer, written: list[int]) -> bool:
        """Whether the last of the tokens written so far ends the hole with a line break."""
        if not (self.single_line or self.stop_after_line) or b"\n" not in tokenizer.bytes_of(written[-1]):
            return False
        return self.single_line or bool(tokenizer.decode_bytes(written).strip())


@dataclass
class Chain:
    """One candidate as it grows: `tokens`, `<eos>` included where the model wrote it, and their log probabilities."""

    owed: bytes
    tokens: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # continuation rows that hold its tokens
    draft: list[int] = field(default_factory=list)
    complete: bool = False  # it ended by itself: at `<eos>` or at the end of a line
    growing: bool = True  # neither complete nor out of tokens


class CheckedDecoder:
    def __init__(self, tokenizer: Tokenizer, healing: Healing, limits: Limits) -> None:
        self._tokenizer, self._healing, self._limits = tokenizer, healing, limits

    def run(
        self,
        continuation: Continuation,
        visible: list[int],
        opener: Tensor,
        owed: bytes,
        candidates: int,
        keep_going: Callable[[], bool],
        watch: Callable[[list[int]], None] | None = None,
    ) -> list[Chain]:
        """Chains for the `candidates` likeliest first tokens, the greedy one first.

        `opener` is the hidden state of the last visible row. `keep_going` is asked before each pass. `watch` is shown what
        the greedy chain has written after each pass.
        """
        copies = Copies(visible, self._tokenizer.ordinary, self._tokenizer.eos)
        chains = self._first_tokens(continuation, opener, owed, candidates)
        for chain in chains:
            if self._limits.copy_drafts and chain.growing:
                chain.draft = copies.draft(chain.tokens)[0]
        while growing := [chain for chain in chains if chain.growing]:
            if watch is not None:
                watch(chains[0].tokens)
            if not keep_going():
                break
            self._step(continuation, copies, growing)
        if watch is not None and chains:
            watch(chains[0].tokens)
        return chains

    def _first_tokens(self, continuation: Continuation, opener: Tensor, owed: bytes, candidates: int) -> list[Chain]:
        logits = continuation.network.logits(opener[None])[0].float()
        scores = torch.log_softmax(logits, -1)
        self._forbid(scores, owed, at_start=True)
        best = torch.topk(scores, candidates)
        chains = []
        for score, token in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if score == float("-inf"):
                break
            chain = Chain(owed)
            self._write(chain, token, score)
            chains.append(chain)
        return chains

    def _forbid(self, scores: Tensor, owed: bytes, at_start: bool = False) -> None:
        """-inf for what can not stand here: marks, tokens that do not spell what is owed, an end at the start."""
        eos = scores[..., self._tokenizer.eos].clone()
        scores[..., self._tokenizer.ordinary :] = float("-inf")
        scores[..., self._tokenizer.eos] = eos
        if at_start and not self._limits.allow_empty:
            scores[..., self._tokenizer.eos] = float("-inf")
            if self._limits.single_line:
                scores[..., torch.from_numpy(self._healing.line_breaks).to(scores.device)] = float("-inf")
        if owed:
            scores[..., torch.from_numpy(self._healing.forbidden(owed)).to(scores.device)] = float("-inf")

    def _write(self, chain: Chain, token: int, score: float) -> None:
        chain.tokens.append(token)
        chain.scores.append(score)
        chain.owed = self._healing.owed_after(chain.owed, token)
        chain.complete = token == self._tokenizer.eos or self._limits.ends_line(self._tokenizer, chain.tokens)
        chain.growing = not chain.complete and len(chain.tokens) < self._limits.max_tokens

    def _step(self, continuation: Continuation, copies: Copies, chains: list[Chain]) -> None:
        """One pass for all chains: reads the newest and the drafted tokens and the canvases behind them, then accepts."""
        rows: list[Row] = []
        spans: list[range] = []  # for each chain: its text rows
        canvases: dict[int, int] = {}  # text row -> first slot of the canvas behind it
        for chain in chains:
            first = len(rows)
            position = continuation.base + len(chain.rows)
            sees = list(chain.rows)
            for offset, token in enumerate([chain.tokens[-1], *chain.draft]):
                sees.append(continuation.rows + len(rows))
                rows.append(Row(token, position + offset, tuple(sees)))
            spans.append(range(first, len(rows)))
        wanted = [row for span in spans for row in span]
        for row in wanted if self._limits.canvas_drafts else ():
            canvases[row] = len(rows)
            own = range(continuation.rows + len(rows), continuation.rows + len(rows) + SLOTS)
            for offset in range(1, SLOTS + 1):
                sees_too = (*rows[row].sees, *own)
                rows.append(Row(self._tokenizer.mask, rows[row].position + offset, sees_too, self._tokenizer.holes[0]))
        start = continuation.rows
        hidden = continuation.read(rows)
        scores = torch.log_softmax(continuation.network.logits(hidden[wanted]).float(), -1)
        self._forbid(scores, b"")
        values, indices = scores.max(-1)
        best = dict(zip(wanted, zip(values.tolist(), indices.tolist(), scores, strict=True), strict=True))
        for chain, span in zip(chains, spans, strict=True):
            row = self._accept(chain, start, span, best)
            if chain.growing:
                slot = canvases.get(row)
                slots = None if slot is None else hidden[slot + 1 : slot + SLOTS]  # the first one repeats the check
                chain.draft = self._draft(continuation, copies, chain, slots)

    def _accept(self, chain: Chain, start: int, span: range, best: dict[int, tuple[float, int, Tensor]]) -> int:
        """Keeps the drafted tokens that the check would have written, and the one it writes behind them. Returns its row."""
        row = span.start
        for drafted in [*chain.draft, None]:
            chain.rows.append(start + row)
            score, token, all_scores = best[row]
            if chain.owed:
                self._forbid(all_scores, chain.owed)
                score, token = float(all_scores.max()), int(all_scores.argmax())
            self._write(chain, token, score)
            if token != drafted or not chain.growing:
                break
            row += 1
        return row

    def _draft(self, continuation: Continuation, copies: Copies, chain: Chain, slots: Tensor | None) -> list[int]:
        """What may follow: a copy if the match is long enough to trust it, else the canvas's tokens."""
        drafted, match = copies.draft(chain.tokens) if self._limits.copy_drafts else ([], 0)
        if match <= SHORT_MATCH and slots is not None:
            logits = continuation.network.logits(slots)
            logits[:, self._tokenizer.ordinary :] = float("-inf")
            drafted = logits.argmax(-1).tolist()
        return drafted[: self._limits.max_tokens - len(chain.tokens)]
