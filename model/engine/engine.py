"""The engine: owns the model and the sessions, and answers requests with candidates.

Knows requests, sessions and the machine. Knows no decoding, no editor, no files and no protocol. Whose pass is next is the
scheduler's matter.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from model.checkpoints.calibration import Calibration
from model.checkpoints.store import Model, load_model
from model.engine.job import LEFT_TO_FIRST_PASS, Filling, Job, Resources, Watch, Work
from model.engine.scheduler import Scheduler, Task
from model.engine.session import Session, Sessions
from model.infilling.deadline import Deadline
from model.infilling.layout import encode_visible
from model.infilling.passes import Passes, text_segment
from model.infilling.request import Candidate, Infilling, InfillRequest
from model.tokenization.agreement import common_length
from model.tokenization.healing import split_partial_word

CACHE_BYTES = 512 << 20  # of all sessions; one that fills a context of 1,024 tokens takes 10 MB with the bundled model
HOLDS = 0.5  # calibrated confidence that the part of a line must have which leaves when the deadline strikes
CALIBRATION = ((1, 0), (16, 0), (48, 0), (16, 512), (16, 1024), (1, 1024))  # rows and keys of the passes that are timed
TIMES = 3  # each of them
WORTH_THREADS = 0.8  # of the time that one thread takes must do if small passes are to be spread over several


@dataclass
class Statistics:
    """Totals since the engine began, and what it holds now."""

    waiting: int = 0
    running: int = 0
    sessions: int = 0
    cache_bytes: int = 0
    requests: int = 0
    cancelled: int = 0
    late: int = 0  # answered after their deadline
    visible_tokens: int = 0
    encoded_tokens: int = 0  # visible ones that were in no cache
    passes: int = 0
    rows: int = 0
    written_tokens: int = 0
    drafted: Counter[str] = field(default_factory=Counter)  # tokens, by who proposed them
    accepted: Counter[str] = field(default_factory=Counter)
    prefill_seconds: float = 0.0
    denoise_seconds: float = 0.0


class NoDevice(ValueError):
    """The device that was asked for cannot be had; the message says why in one line."""


class Engine:
    """Thread-safe: requests share passes. The owner of every session."""

    def __init__(self, model: Model, threads: int | None = None, cache_bytes: int = CACHE_BYTES) -> None:
        self.model = model
        self._resources = Resources(model)
        self._sessions = Sessions(model.network, cache_bytes)
        self._scheduler = Scheduler(self._resources.network, self._resources.costs, threads)
        self._totals = Statistics()
        self._counting = threading.Lock()
        self._closing = weakref.finalize(self, self._scheduler.close)

    @classmethod
    def load(
        cls,
        model: Path | str | None = None,
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        device: str = "cpu",
    ) -> Engine:
        """The engine with the model in a folder (None: the bundled one), on `cpu` or this machine's accelerator, say `cuda`.

        Raises CheckpointError; NoDevice for one that is not there.
        """
        check_device(device)
        found = load_model(model, fastest_dtype() if device == "cpu" else torch.bfloat16)
        found.network.to(device)
        return cls(found, threads, cache_bytes)

    @property
    def name(self) -> str:
        return self.model.card.name

    def close(self) -> None:
        """Stops the engine's threads. Requests under way are cancelled, later ones refused (RuntimeError)."""
        self._closing()
        self._resources.projects.close()

    def warm_up(self) -> None:
        """Pays now for what the first pass on a machine costs (kernels chosen, memory mapped), and times passes."""
        self._scheduler.submit(Task(self._calibrated())).result()
        self.infill(InfillRequest(("def warm():\n    return ", "\n"), max_tokens=4))

    def warm(
        self,
        session: str,
        parts: tuple[str, ...],
        other_files: tuple[str, ...] = (),
        context_tokens: int = 1024,
        owner: str = "",
    ) -> Future[None]:
        """Fills the cache of a file that was opened or edited, in chunks that give way to requests; one for this file ends it.

        A few new tokens are left to the next request, whose first pass reads them anyway.
        """
        return self._scheduler.submit(
            Task(self._read_ahead(session, owner, parts, other_files, context_tokens), session, background=True)
        )

    def tell(self, project: str, texts: Mapping[str, str], gone: Sequence[str] = (), whole: bool = False) -> Future[None]:
        """Texts of a project, by name, that its requests copy from: those that are new or other than they were, and the names
        of those that are gone. With `whole`, these are all there are.
        """
        return self._resources.projects.tell(project, texts, gone, whole)

    def forget(self, session: str) -> None:
        """The file was closed: frees its cache."""
        self._sessions.forget(session)

    def infill(
        self,
        request: InfillRequest,
        session: str = "",
        cancelled: Callable[[], bool] | None = None,
        watch: Watch | None = None,
    ) -> Infilling:
        """Fills the holes. Raises Cancelled within one pass after `cancelled()` is true; ValueError for a bad request."""
        return self.submit(request, session, cancelled, watch).result()

    def submit(
        self,
        request: InfillRequest,
        session: str = "",
        cancelled: Callable[[], bool] | None = None,
        watch: Watch | None = None,
        owner: str = "",
    ) -> Future[Infilling]:
        """As `infill`, without waiting. A newer request of a session takes the older one's place, which raises Cancelled.

        `watch` is called on the engine's thread. What the texts of an `owner` begin with is read once, also in requests that
        name no session; of nobody else's anything is reused.
        """
        request.check()
        began = time.perf_counter()
        at = None if request.deadline_ms is None else began + request.deadline_ms / 1000
        task = Task(
            self._answer(request, session, owner, began, at, watch),
            session,
            float("inf") if at is None else at,
            cancelled=cancelled or (lambda: False),
        )
        with self._counting:
            self._totals.requests += 1
        return self._scheduler.submit(task)

    def statistics(self) -> Statistics:
        with self._counting:
            return replace(
                self._totals,
                waiting=self._scheduler.waiting,
                running=self._scheduler.running,
                sessions=len(self._sessions),
                cache_bytes=self._sessions.nbytes,
                passes=self._scheduler.passes,
                rows=self._scheduler.rows,
                drafted=Counter(self._totals.drafted),
                accepted=Counter(self._totals.accepted),
            )

    def _answer(
        self, request: InfillRequest, name: str, owner: str, began: float, at: float | None, watch: Watch | None
    ) -> Passes[Infilling]:
        deadline = Deadline(self._resources.costs, at, request.passes)
        job = Job(self._resources, self._sessions.get(name, owner), request, deadline, watch)
        done = False
        try:
            fillings = yield from job.run()
            done = True
        finally:
            self._sessions.shrink()
            self._count(job.work, done, at)
        before = time.perf_counter()
        calibration = self.model.calibration if request.checked else None
        if request.given:
            candidates, doubted = [Candidate(tuple(one.texts), sum(one.scores)) for one in fillings], None
        else:
            ranked, doubted = _ranked(fillings, calibration, request.min_confidence)
            candidates = _chosen(ranked, request.candidates, fillings)
        reason = None if candidates else _why_nothing(request, fillings, doubted, deadline.is_over)
        end = time.perf_counter()
        timings = {**job.work.seconds, "filter": end - before, "total": end - began}
        return Infilling(
            tuple(candidates),
            reason,
            steps=job.work.steps,
            forward_passes=job.work.forward_passes,
            timings_ms={part: round(seconds * 1000, 3) for part, seconds in timings.items()},
            model=self.model.card.name,
            encoded_tokens=job.work.encoded,
            knows_project=not request.project[0] or self._resources.projects.index_of(request.project[0]) is not None,
        )

    def _read_ahead(
        self, name: str, owner: str, parts: tuple[str, ...], other_files: tuple[str, ...], context_tokens: int
    ) -> Passes[None]:
        prefix, _ = split_partial_word(parts[0])
        visible = encode_visible(self.model.tokenizer, (prefix, *parts[1:]), other_files, context_tokens)
        session = self._sessions.get(name, owner)
        # What the first pass of a request reads beside its drafts is left to it: a key more must not make anyone wait.
        if len(visible) - common_length(session.tokens, visible) > LEFT_TO_FIRST_PASS:
            yield from session.encode(visible)
            self._sessions.shrink()

    def _calibrated(self) -> Passes[None]:
        """Times passes over rows that mean nothing."""
        session = Session(self.model.network)
        session.cache.reserve(max(rows + keys for rows, keys in CALIBRATION))

        def timed(rows: int, keys: int) -> Passes[float]:
            times = []
            for _ in range(TIMES + 1):
                began = time.perf_counter()
                yield replace(text_segment([0] * rows, session.cache, keys), asked=range(rows))
                times.append(time.perf_counter() - began)
            return sorted(times[1:])[TIMES // 2]

        scheduler, typical = self._scheduler, (16, 1024)
        if scheduler.threads > 1 and session.cache.device.type == "cpu":
            alone = yield from timed(*typical)
            scheduler.narrow_threads = scheduler.threads
            together = yield from timed(*typical)
            if together > WORTH_THREADS * alone:
                scheduler.narrow_threads = 1
        measured = []
        for rows, keys in CALIBRATION:
            measured.append((rows, keys, (yield from timed(rows, keys))))
        self._resources.costs.calibrate(measured)

    def _count(self, work: Work, done: bool, deadline: float | None) -> None:
        with self._counting:
            totals = self._totals
            totals.cancelled += not done
            totals.late += done and deadline is not None and time.perf_counter() > deadline
            totals.visible_tokens += work.visible
            totals.encoded_tokens += work.encoded
            totals.written_tokens += work.written
            totals.drafted += work.drafted
            totals.accepted += work.accepted
            totals.prefill_seconds += work.seconds["prefill"]
            totals.denoise_seconds += work.seconds["denoise"]


def _ranked(fillings: Sequence[Filling], calibration: Calibration | None, minimum: float) -> tuple[list[Candidate], float | None]:
    """One candidate for each set of texts, that first of which most characters are right in the mean; and the best confidence
    held back. What is worth less than to write nothing is left out.

    What is not as likely to be right as `minimum`, or was not written to its end, or not checked for want of time, is cut to the
    longest part that holds: of all texts' parts, the longest comes first.
    """
    whole: dict[tuple[str, ...], Candidate] = {}
    parts: dict[tuple[str, ...], Candidate] = {}
    doubted: list[float] = []
    for filling in sorted(fillings, key=lambda filling: -filling.worth):
        candidate = _candidate(filling, calibration)
        unfinished = filling.cut or filling.hurried
        known = candidate.confidence is not None or not unfinished
        held = candidate.held(minimum or HOLDS * unfinished) if known else None
        if held is candidate and not any(held.texts):
            break
        if held is not None and any(held.texts):
            (whole if held is candidate else parts).setdefault(held.texts, held)
        elif calibration is not None and (filling.cut or any(candidate.texts)):
            # Of a line that was given up: as likely as it could still have come to be.
            likely = [calibration.whole.confidence(candidate.score), *(part.confidence or 0.0 for part in candidate.parts)]
            doubted += [confidence for confidence in likely if confidence < (minimum or HOLDS)]
    cut = sorted((held for texts, held in parts.items() if texts not in whole), key=lambda held: -len(held.text))
    return [*whole.values(), *cut], max(doubted, default=None)


def _chosen(ranked: Sequence[Candidate], count: int, fillings: Sequence[Filling]) -> list[Candidate]:
    """The first ones; of several the last is the greedy one, if it is not among them: it follows one thought to its end."""
    chosen = list(ranked[:count])
    greedy = next((candidate for candidate in ranked[count:] if candidate.texts == tuple(fillings[0].texts)), None)
    return [*chosen[:-1], greedy] if greedy and count > 1 else chosen


def _candidate(filling: Filling, calibration: Calibration | None) -> Candidate:
    score = filling.likely
    if calibration is None:
        return Candidate(tuple(filling.texts), score, parts=filling.parts, whole=not filling.broken_off)
    parts = tuple(replace(part, confidence=calibration.parts.confidence(part.score)) for part in filling.parts)
    confidence = 0.0 if filling.cut else calibration.whole.confidence(score)
    return Candidate(tuple(filling.texts), score, confidence, parts, not filling.broken_off)


def _why_nothing(request: InfillRequest, fillings: Sequence[Filling], doubted: float | None, late: bool) -> str:
    if late and not any(filling.complete and not filling.hurried for filling in fillings):
        return "the deadline struck before a line was complete"
    if doubted is not None:
        return f"below confidence: {doubted:.2f} < {request.min_confidence or HOLDS:.2f}"
    if all(filling.complete for filling in fillings):
        return "the model suggests nothing here"
    return f"{request.max_tokens} tokens were written before a line was complete"


def devices() -> list[str]:
    """What an engine can run on here."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else ["cpu", accelerator.type]


def check_device(device: str) -> None:
    """Raises NoDevice for one that is not there."""
    if device not in (there := devices()):
        raise NoDevice(f"device must be {' or '.join(there)} on this machine, got {device!r}")


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, float32 elsewhere."""
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_units() else torch.float32


def _has_bf16_units() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())
