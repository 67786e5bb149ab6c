"""The engine: owns the model and the sessions, lets requests take turns, and answers them with candidates.

Knows requests, sessions and the machine. Knows no decoding, no editor, no files and no protocol.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from model.checkpoints.calibration import Calibration
from model.checkpoints.store import Model, load_model
from model.engine.job import Filling, Job, Watch
from model.engine.session import Session
from model.infilling.request import Cancelled, Candidate, Infilling, InfillRequest
from model.tokenization.healing import Healing

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
        if request.passes is not None and request.passes < 2:
            raise ValueError("passes must be at least 2: one reads the text, the last one writes the rest")
        with self._turn, torch.inference_mode():
            if self._threads:  # a setting of the calling thread, and callers come from a pool
                torch.set_num_threads(self._threads)
            return self._infill(request, session, cancelled or (lambda: False), watch)

    def _infill(self, request: InfillRequest, session: str, cancelled: Callable[[], bool], watch: Watch | None) -> Infilling:
        if cancelled():
            raise Cancelled
        job = Job(self.model, self._healing, self._session(session), request, cancelled, watch)
        fillings = job.run()
        out_of_time, before = job.out_of_time, job.elapsed
        candidates = _ranked(fillings, self.model.calibration if request.checked else None)
        reason = None
        if not candidates and not all(filling.complete for filling in fillings):
            limit = "the deadline struck" if out_of_time else f"{request.max_tokens} tokens were written"
            reason = f"{limit} before a line was complete"
        elif not candidates:
            reason = "the model suggests nothing here"
        timings = {**job.seconds, "filter": job.elapsed - before, "total": job.elapsed}
        return Infilling(
            tuple(candidates),
            reason,
            steps=job.steps,
            forward_passes=job.forward_passes,
            timings_ms={part: round(seconds * 1000, 3) for part, seconds in timings.items()},
            model=self.model.card.name,
            encoded_tokens=job.encoded,
        )

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            self._sessions[name] = Session(self.model.network)
        self._sessions.move_to_end(name)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return self._sessions[name]


def _ranked(fillings: Sequence[Filling], calibration: Calibration | None) -> list[Candidate]:
    """One candidate for each set of texts that is not all empty, the likeliest first.

    The greedy one is the likeliest at each token, and often not as a whole.
    """
    found: dict[tuple[str, ...], Candidate] = {}
    for filling in sorted(fillings, key=lambda filling: -sum(filling.scores)):
        score = sum(filling.scores)
        candidate = Candidate(tuple(filling.texts), score, parts=filling.parts)
        if calibration is not None:
            parts = tuple(replace(part, confidence=calibration.confidence(part.score)) for part in filling.parts)
            candidate = replace(candidate, confidence=calibration.confidence(score), parts=parts)
        if any(candidate.texts):
            found.setdefault(candidate.texts, candidate)
    return list(found.values())


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, float32 elsewhere."""
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_units() else torch.float32


def _has_bf16_units() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())
