"""Checked decoding: drafts are re-read causally, and the longest run the model itself would have written is kept.

Knows tokens, drafts and acceptance. Knows no text cache's upkeep and no deadline policy. What it writes is, token for token, what
greedy decoding one token at a time writes (tested against `reference.py`); drafts only change how many passes that takes.
Speculative sampling's greedy case (Leviathan et al. 2023; Stern et al. 2018), with the model as its own drafter (TiDAR, 2025).
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

Watch = Callable[[list[list[int]]], None]  # shown the tokens of each hole as they stand after a pass

SLOTS = 3  # of a drafting canvas: the first repeats the check, the fourth is nearly never right at this model's size


@dataclass(frozen=True)
class Limits:
    holes: int
    max_tokens: int  # of one hole
    single_line: bool  # the first line break ends a hole
    stop_after_line: bool = False  # the first one behind text does
    allow_empty: bool = True  # False: no hole may end before it began
    canvas_drafts: bool = True
    copy_drafts: bool = True

    def ends_line(self, tokenizer: Tokenizer, hole: list[int]) -> bool:
        """Whether the last of a hole's tokens so far ends it with a line break."""
        if not (self.single_line or self.stop_after_line) or b"\n" not in tokenizer.bytes_of(hole[-1]):
            return False
        return self.single_line or bool(tokenizer.decode_bytes(hole).strip())


@dataclass
class Chain:
    """One candidate as it grows. `tokens` and `scores` (log probabilities) are those of all holes, `<eos>` included."""

    owed: bytes
    tokens: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # continuation rows that hold its tokens
    pending: list[int] = field(default_factory=list)  # written, but not read yet
    draft: list[int] = field(default_factory=list)
    hole: int = 0
    in_hole: int = 0  # tokens of the current hole
    ended: list[bool] = field(default_factory=list)  # for each finished hole: by the model (False: it ran out of tokens)
    cut: bool = False  # the caller stopped it

    @property
    def done(self) -> bool:
        return not self.pending

    def by_hole(self, eos: int, holes: int) -> list[list[int]]:
        """The tokens of each hole, without `<eos>`; nothing yet for those not reached."""
        found: list[list[int]] = [[]]
        for token in self.tokens:
            if token == eos:
                found.append([])
            else:
                found[-1].append(token)
        return [*found, *([[]] * (holes - len(found)))][:holes]


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
        watch: Watch | None = None,
    ) -> list[Chain]:
        """Chains for the `candidates` likeliest first tokens, the greedy one first.

        `opener` is the hidden state of the last visible row. `keep_going` is asked before each pass. `watch` is shown what
        the greedy chain has written in each hole, after each pass.
        """
        copies = Copies(visible, self._tokenizer.ordinary, self._tokenizer.eos)
        chains = self._first_tokens(continuation, opener, owed, candidates)
        for chain in chains:
            if self._limits.copy_drafts and chain.pending:
                chain.draft = copies.draft(self._written(chain))[0]
        while any(not chain.done for chain in chains):
            if watch is not None:
                watch(chains[0].by_hole(self._tokenizer.eos, self._limits.holes))
            if not keep_going():
                for chain in chains:
                    chain.cut = not chain.done
                break
            self._step(continuation, copies, [chain for chain in chains if not chain.done])
        if watch is not None and chains:
            watch(chains[0].by_hole(self._tokenizer.eos, self._limits.holes))
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
        """Adds a token and says what is to be read next: it, the next hole's mark behind it, or nothing."""
        eos = self._tokenizer.eos
        chain.tokens.append(token)
        chain.scores.append(score)
        chain.owed = self._healing.owed_after(chain.owed, token)
        chain.in_hole += 1
        line_end = self._limits.ends_line(self._tokenizer, chain.tokens[-chain.in_hole :])
        full = chain.in_hole >= self._limits.max_tokens
        chain.pending = [token]
        if token == eos or line_end or full:
            chain.ended.append(token == eos or line_end)
            if token != eos:
                chain.tokens.append(eos)
                chain.pending.append(eos)
            chain.hole += 1
            chain.in_hole = 0
            if chain.hole == self._limits.holes:
                chain.pending = []
            else:
                chain.pending.append(self._tokenizer.holes[chain.hole])

    def _written(self, chain: Chain) -> list[int]:
        """The tokens behind the visible ones, the marks of the holes included."""
        written, number = [], 0
        for token in chain.tokens:
            written.append(token)
            if token == self._tokenizer.eos:
                number += 1
                if number < self._limits.holes:
                    written.append(self._tokenizer.holes[number])
        return written

    def _step(self, continuation: Continuation, copies: Copies, chains: list[Chain]) -> None:
        """One pass for all chains: reads pending and drafted tokens and the canvases behind them, then accepts."""
        rows: list[Row] = []
        spans: list[tuple[int, int]] = []  # for each chain: first row, number of text rows
        canvases: list[dict[int, int]] = []  # for each chain: text row -> first slot
        for chain in chains:
            first = len(rows)
            position = continuation.base + len(chain.rows)
            sees = list(chain.rows)
            for offset, token in enumerate([*chain.pending, *chain.draft]):
                sees.append(continuation.rows + len(rows))
                rows.append(Row(token, position + offset, tuple(sees)))
            spans.append((first, len(chain.pending) + len(chain.draft)))
        for chain, (first, count) in zip(chains, spans, strict=True):
            found = {}
            for row in range(first + len(chain.pending) - 1, first + count) if self._limits.canvas_drafts else ():
                found[row] = len(rows)
                own = range(continuation.rows + len(rows), continuation.rows + len(rows) + SLOTS)
                anchor = rows[row]
                mark = self._tokenizer.holes[chain.hole]
                for offset in range(1, SLOTS + 1):
                    rows.append(Row(self._tokenizer.mask, anchor.position + offset, (*anchor.sees, *own), mark))
            canvases.append(found)
        start = continuation.rows
        hidden = continuation.read(rows)
        wanted = [
            row
            for chain, (first, n) in zip(chains, spans, strict=True)
            for row in range(first + len(chain.pending) - 1, first + n)
        ]
        scores = torch.log_softmax(continuation.network.logits(hidden[wanted]).float(), -1)
        self._forbid(scores, b"")
        values, indices = scores.max(-1)
        best = dict(zip(wanted, zip(values.tolist(), indices.tolist(), scores, strict=True), strict=True))
        for chain, (first, _), canvas in zip(chains, spans, canvases, strict=True):
            self._accept(continuation, copies, chain, start, first, best, canvas, hidden)

    def _accept(
        self,
        continuation: Continuation,
        copies: Copies,
        chain: Chain,
        start: int,
        first: int,
        best: dict[int, tuple[float, int, Tensor]],
        canvas: dict[int, int],
        hidden: Tensor,
    ) -> None:
        row = first + len(chain.pending) - 1
        chain.rows += range(start + first, start + row + 1)
        draft, chain.draft = chain.draft, []
        hole = chain.hole
        for drafted in [*draft, None]:
            score, token, all_scores = best[row]
            if chain.owed or not chain.in_hole:
                self._forbid(all_scores, chain.owed, at_start=not chain.in_hole)
                score, token = float(all_scores.max()), int(all_scores.argmax())
            self._write(chain, token, score)
            if token != drafted or chain.done or chain.hole != hole:
                break
            row += 1
            chain.rows.append(start + row)
        if chain.done or chain.hole != hole:
            return
        drafted_next, match = copies.draft(self._written(chain)) if self._limits.copy_drafts else ([], 0)
        if match <= SHORT_MATCH and row in canvas and SLOTS > 1:
            slots = hidden[canvas[row] + 1 : canvas[row] + SLOTS]
            logits = continuation.network.logits(slots)
            logits[:, self._tokenizer.ordinary :] = float("-inf")
            drafted_next = logits.argmax(-1).tolist()
        room = self._limits.max_tokens - chain.in_hole
        chain.draft = drafted_next[:room]
