"""The engine: owns the sessions and carries a request from text to candidates.

Knows requests, sessions, deadlines and the model. Knows no editor, no files and no protocol.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from model.checkpoints.store import Model, load_model
from model.engine.session import Session
from model.infilling.checked import Chain, CheckedDecoder, Limits, Watch
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation
from model.infilling.request import Cancelled, Candidate, Infilling, InfillRequest
from model.infilling.unchecked import Filled, fill_unchecked
from model.tokenization.healing import Healing, split_partial_word

SESSIONS = 16  # open files whose cache is kept; the one not used for longest goes first


class Engine:
    """Thread-safe: requests take turns. The owner of every session."""

    def __init__(self, model: Model, threads: int | None = None) -> None:
        self.model = model
        self._healing = Healing(model.tokenizer)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._turn = threading.Lock()
        self._threads = threads

    @classmethod
    def load(cls, model: Path | str | None = None, threads: int | None = None) -> Engine:
        """The engine with the model in a folder (None: the bundled one). Raises CheckpointError."""
        return cls(load_model(model, fastest_dtype()), threads)

    def warm_up(self) -> None:
        """Pays now for what the first pass on a machine costs (kernels chosen, memory mapped)."""
        self.infill(InfillRequest(("def warm():\n    return ", "\n"), max_tokens=4), "warm-up")
        self.forget("warm-up")

    def forget(self, session: str) -> None:
        """The file was closed: frees its cache."""
        with self._turn:
            self._sessions.pop(session, None)

    def infill(
        self,
        request: InfillRequest,
        session: str = "",
        cancelled: Callable[[], bool] | None = None,
        watch: Watch | None = None,
    ) -> Infilling:
        """Fills the holes. Raises Cancelled within one pass after `cancelled()` is true; ValueError for a bad request."""
        if request.candidates < 1 or request.max_tokens < 1:
            raise ValueError("candidates and max_tokens must be at least 1")
        with self._turn, torch.inference_mode():
            if self._threads:  # a setting of the calling thread, and callers come from a pool
                torch.set_num_threads(self._threads)
            return self._infill(request, session, cancelled or (lambda: False), watch)

    def _infill(self, request: InfillRequest, name: str, cancelled: Callable[[], bool], watch: Watch | None) -> Infilling:
        began = time.perf_counter()
        deadline = began + (request.deadline_ms or 86_400_000) / 1000

        def wanted() -> None:
            if cancelled():
                raise Cancelled

        def keep_going() -> bool:
            wanted()
            return time.perf_counter() < deadline

        wanted()
        tokenizer, network = self.model.tokenizer, self.model.network
        prefix, owed = split_partial_word(request.parts[0]) if request.checked else (request.parts[0], "")
        visible = encode_visible(tokenizer, (prefix, *request.parts[1:]), request.other_files, request.context_tokens)
        holes = len(request.parts) - 1
        session = self._session(name)
        encoding = time.perf_counter()
        hidden, encoded = session.encode(network, visible, wanted)
        denoising = time.perf_counter()
        continuation = Continuation(network, session.cache, len(visible))
        if request.checked:
            limits = Limits(holes, request.max_tokens, request.single_line, request.stop_after_line, request.allow_empty)
            decoder = CheckedDecoder(tokenizer, self._healing, limits)
            chains = decoder.run(continuation, visible, hidden, owed.encode(), request.candidates, keep_going, watch)
            found = [self._candidate(chain, holes, owed, request) for chain in chains]
            unfinished = [chain.cut or not all(chain.ended) for chain in chains]
        else:
            filled = fill_unchecked(
                continuation,
                tokenizer,
                holes,
                request.max_tokens,
                request.gamma,
                keep_going,
                watch,
                0 if request.allow_empty else 1,
                self._healing.line_breaks if request.single_line else None,
            )
            found = [self._filled_candidate(filled, request)]
            unfinished = [not all(hole.complete for hole in filled)]
        filtering = time.perf_counter()
        candidates = _distinct([candidate for candidate in found if any(candidate.texts)])
        reason = None
        if not candidates and any(unfinished):
            out_of_time = filtering >= deadline
            limit = "the deadline struck" if out_of_time else f"{request.max_tokens} tokens were written"
            reason = f"{limit} before a line was complete"
        elif not candidates:
            reason = "the model suggests nothing here"
        end = time.perf_counter()
        timings = {
            "context": encoding - began,
            "prefill": denoising - encoding,
            "denoise": filtering - denoising,
            "filter": end - filtering,
            "total": end - began,
        }
        return Infilling(
            tuple(candidates),
            reason,
            steps=continuation.passes + (1 if request.checked else 0),
            forward_passes=continuation.passes + -(-encoded // 256),
            timings_ms={part: round(seconds * 1000, 3) for part, seconds in timings.items()},
            model=self.model.card.name,
            encoded_tokens=encoded,
        )

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            self._sessions[name] = Session(self.model.network)
        self._sessions.move_to_end(name)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return self._sessions[name]

    def _candidate(self, chain: Chain, holes: int, owed: str, request: InfillRequest) -> Candidate:
        texts: list[str] = []
        for number, tokens in enumerate(chain.by_hole(self.model.tokenizer.eos, holes)):
            complete = number < len(chain.ended) and chain.ended[number]
            texts.append(self._text(tokens, complete, request, owed if number == 0 else ""))
        return Candidate(tuple(texts), sum(chain.scores) / max(1, len(chain.scores)))

    def _filled_candidate(self, filled: Sequence[Filled], request: InfillRequest) -> Candidate:
        texts = [self._text(hole.tokens, hole.complete, request, "") for hole in filled]
        scores = [score for hole in filled for score in hole.scores]
        return Candidate(tuple(texts), sum(scores) / max(1, len(scores)))

    def _text(self, tokens: list[int], complete: bool, request: InfillRequest, owed: str) -> str:
        """Text of one hole without what healing wrote again; never a cut-off line."""
        raw = self.model.tokenizer.decode_bytes(tokens)
        if not raw.startswith(owed.encode()):
            return ""
        text = raw[len(owed.encode()) :].decode("utf-8", "replace")
        if request.stop_after_line and text.strip():
            lead = len(text) - len(text.lstrip("\n"))
            line, found, _ = text[lead:].partition("\n")
            return text[:lead] + line + found if complete or found else ""
        if request.single_line:
            line, found, _ = text.partition("\n")
            return line if complete or found else ""
        return text if complete else text[: text.rfind("\n") + 1]


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of each text; the greedy candidate stays first, the others follow by score."""
    first: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.texts, candidate)
    kept = list(first.values())
    return kept[:1] + sorted(kept[1:], key=lambda candidate: -candidate.score)


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, float32 elsewhere."""
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_units() else torch.float32


def _has_bf16_units() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())
