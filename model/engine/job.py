"""One request on its way through the model: from parts of a text to the fillings of its holes.

Knows a request, a session, its clock and both ways of decoding. Knows neither the other sessions nor whose turn it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from model.checkpoints.store import Model
from model.engine.session import CHUNK, Session
from model.infilling.checked import CheckedDecoder, Limits, Sources
from model.infilling.confidence import leading_parts
from model.infilling.copies import CopyGate
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation
from model.infilling.request import Cancelled, InfillRequest, Part
from model.infilling.seam import landmark, without_seam
from model.infilling.unchecked import fill_unchecked
from model.tokenization.healing import Healing, split_partial_word

Watch = Callable[[list[list[int]]], None]  # shown the tokens of each hole as they stand after a pass; the mask where none is
LEFT_TO_FIRST_PASS = 32  # new visible tokens that the first pass reads along with its drafts
WAY_OUT_PASSES = 6
WAYS_OUT = 4  # beginnings that are tried where the likeliest one leads to no end of the line
_FOREVER = 86_400.0  # seconds


@dataclass
class Filling:
    """What was written into the holes so far: tokens without `<eos>`, texts, log probabilities; and whether all are whole.

    `parts` are leading parts of the text of a checked hole, shortest first; none once several holes are filled.
    """

    tokens: list[list[int]]
    texts: list[str]
    scores: list[float]
    complete: bool
    parts: tuple[Part, ...] = ()


class Job:
    def __init__(
        self,
        model: Model,
        healing: Healing,
        session: Session,
        request: InfillRequest,
        cancelled: Callable[[], bool],
        watch: Watch | None,
    ) -> None:
        self._began = time.perf_counter()
        self._deadline = self._began + (_FOREVER if request.deadline_ms is None else request.deadline_ms / 1000)
        self._model, self._healing, self._session, self._request = model, healing, session, request
        self._cancelled, self._watch = cancelled, watch
        gate = model.card.copy_gate
        self._copy_gate = None if gate is None else CopyGate(gate)
        self.seconds = dict.fromkeys(("context", "prefill", "denoise"), 0.0)
        self.encoded = 0  # visible tokens that were not in the session's cache
        self.steps = 0  # passes that drafted or checked something
        self.forward_passes = 0

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    @property
    def out_of_time(self) -> bool:
        return time.perf_counter() >= self._deadline

    def run(self) -> list[Filling]:
        """Fillings of all holes, the greedy one first. Raises Cancelled."""
        return self._checked() if self._request.checked else [self._unchecked()]

    def _checked(self) -> list[Filling]:
        """Hole by hole, each read as the first of those that are left: what stands in the earlier ones is text to it."""
        fillings = self._first_hole(self._request.parts, self._request.candidates, [])
        for filling in fillings:
            parts = self._request.parts
            for _ in range(len(parts) - 2):
                parts = (parts[0] + filling.texts[-1] + parts[1], *parts[2:])
                found = self._first_hole(parts, 1, filling.tokens) if self._keep_going() else []
                after = found[0] if found else Filling([[]], [""], [], False)
                filling.tokens += after.tokens
                filling.texts += after.texts
                filling.scores += after.scores
                filling.complete &= after.complete
                filling.parts = ()
        return fillings

    def _first_hole(self, parts: tuple[str, ...], candidates: int, earlier: list[list[int]]) -> list[Filling]:
        request, tokenizer = self._request, self._model.tokenizer
        prefix, owed = split_partial_word(parts[0])
        continuation, visible, unread = self._read_visible((prefix, *parts[1:]), LEFT_TO_FIRST_PASS)
        one_line = request.single_line or request.stop_after_line
        ahead = None if one_line else landmark(parts[1])
        limits = Limits(
            request.max_tokens,
            request.single_line,
            request.stop_after_line,
            request.allow_empty,
            ahead.encode() if ahead else None,
            request.passes,
        )
        sources = Sources(table=self._model.trigrams) if request.drafts else Sources(copies=False)
        decoder = CheckedDecoder(tokenizer, self._healing, limits, visible, self._copy_gate, sources)
        later = len(request.parts) - 2 - len(earlier)

        def watch(tokens: list[int]) -> None:
            if self._watch is not None:
                self._watch([*earlier, [t for t in tokens if t != tokenizer.eos], *([tokenizer.mask] for _ in range(later))])

        with self._timed("denoise"):
            chains = decoder.run(continuation, unread, owed.encode(), candidates, self._keep_going, watch)
            self._session.adopt(unread)
            stuck = one_line and not any(chain.complete for chain in chains)
            if stuck and request.passes is None and not self.out_of_time:
                # A small model can go round in circles; what begins otherwise often does not.
                hurried = replace(limits, passes=WAY_OUT_PASSES)
                more = CheckedDecoder(tokenizer, self._healing, hurried, visible, self._copy_gate, sources)
                again = Continuation(self._model.network, self._session.cache, len(visible) - 1)
                chains = more.run(again, visible[-1:], owed.encode(), WAYS_OUT, self._keep_going, watch)
                chains = sorted(chains, key=lambda chain: not chain.complete)[:candidates]
                continuation.passes += again.passes
        self.forward_passes += continuation.passes
        self.steps += continuation.passes
        fillings = []
        for chain in chains:
            tokens = [token for token in chain.tokens if token != tokenizer.eos]
            text = self._text(tokens, chain.complete, owed, parts[1])
            leading = leading_parts(tokenizer, tokens, chain.scores, owed.encode())
            shorter = tuple(Part(part, score) for part, score in leading if text.startswith(part))
            fillings.append(Filling([tokens], [text], chain.scores, chain.complete, shorter))
        return fillings

    def _unchecked(self) -> Filling:
        request = self._request
        cuts = [split_partial_word(part) for part in request.parts[:-1]]
        continuation, _, _ = self._read_visible((*(part for part, _ in cuts), request.parts[-1]), 0)
        with self._timed("denoise"):
            holes = fill_unchecked(
                continuation,
                self._model.tokenizer,
                self._healing,
                [owed.encode() for _, owed in cuts],
                request.max_tokens,
                request.gamma,
                self._keep_going,
                self._watch,
                0 if request.allow_empty else 1,
                request.single_line,
            )
        self.forward_passes += continuation.passes
        self.steps += continuation.passes
        return Filling(
            [hole.tokens for hole in holes],
            [
                self._text(hole.tokens, hole.complete, owed, behind)
                for hole, (_, owed), behind in zip(holes, cuts, request.parts[1:], strict=True)
            ],
            [score for hole in holes for score in hole.scores],
            all(hole.complete for hole in holes),
        )

    def _read_visible(self, parts: tuple[str, ...], leave: int) -> tuple[Continuation, list[int], list[int]]:
        """What continues the visible text, its tokens, and those of them that the continuation is to read first."""
        with self._timed("context"):
            visible = encode_visible(self._model.tokenizer, parts, self._request.other_files, self._request.context_tokens)
        with self._timed("prefill"):
            encoded = self._session.encode(self._model.network, visible, self._check_wanted, leave)
        self.forward_passes += -(-encoded // CHUNK)
        base = len(self._session.tokens)
        self.encoded += encoded + len(visible) - base
        return Continuation(self._model.network, self._session.cache, base), visible, visible[base:]

    def _text(self, tokens: list[int], complete: bool, owed: str, behind: str) -> str:
        """Text of one hole without what healing wrote again, nor what stands `behind` it; never a cut-off line."""
        raw = self._model.tokenizer.decode_bytes(tokens)
        if not raw.startswith(owed.encode()):
            return ""
        text = raw[len(owed.encode()) :].decode("utf-8", "replace")
        if self._request.stop_after_line and text.strip():
            lead = len(text) - len(text.lstrip("\n"))
            line, found, _ = text[lead:].partition("\n")
            return text[:lead] + line + found if complete or found else ""
        if self._request.single_line:
            line, found, _ = text.partition("\n")
            return line if complete or found else ""
        return without_seam(text, behind) if complete else text[: text.rfind("\n") + 1]

    def _check_wanted(self) -> None:
        if self._cancelled():
            raise Cancelled

    def _keep_going(self) -> bool:
        self._check_wanted()
        return not self.out_of_time

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - start
