"""The scheduler: one pass after another, each over rows of as many tasks as fit, earliest deadline first.

Knows tasks as generators of passes, their deadlines and who takes whose place. Knows no requests, no sessions and no decoding.
The batch is formed anew for every pass (continuous batching: Yu et al. 2022, Orca), so that a task leaves when it is done, joins
when it comes, and is dropped within a pass when nobody wants it any more. What a task finds does not depend on its neighbours.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from model.architecture.inference import InferenceNetwork, Reading, Segment
from model.infilling.deadline import PassCosts
from model.infilling.passes import Passes
from model.infilling.request import Cancelled

log = logging.getLogger(__name__)

ROWS = 160  # of a pass over several tasks, at most: a chunk of visible text and the drafts of two requests
WIDE_ROWS = 64  # passes over so many rows are spread over all threads; in smaller ones threads mostly wait for each other
CROWDED = 1.5  # times what one thread would take: another process has the other cores, and threads wait for it in every product
ALONE_FOR = 10.0  # seconds for which a crowded engine keeps to one thread

Result = TypeVar("Result")


@dataclass(eq=False)
class Task(Generic[Result]):
    """Passes that lead to a result. Of two tasks with the same `name` (unless it is empty) the newer one replaces the older."""

    passes: Passes[Result]
    name: str = ""
    deadline: float = float("inf")  # seconds of `time.perf_counter`
    background: bool = False  # it waits while any other task is there
    cancelled: Callable[[], bool] = field(default=lambda: False)
    future: Future[Result] = field(default_factory=Future)
    segment: Segment | None = None  # what it wants read next; None: it has not begun


class Scheduler:
    """Its thread runs the tasks, their generators included."""

    def __init__(self, network: InferenceNetwork, costs: PassCosts, threads: int | None) -> None:
        self._network, self._costs = network, costs
        self.threads = threads or torch.get_num_threads()
        self.narrow_threads = 1  # of passes over fewer than `WIDE_ROWS`
        self._arrived: list[Task[object]] = []
        self._tasks: list[Task[object]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._crowded_until = 0.0
        self.passes = 0
        self.rows = 0

    def submit(self, task: Task[Result]) -> Future[Result]:
        """Raises RuntimeError once the scheduler is closed."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the engine is closed")
            # From now on the future cannot be cancelled, which would forbid to set its result: `cancelled` is the way.
            task.future.set_running_or_notify_cancel()
            self._arrived.append(task)  # type: ignore[arg-type]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                self._thread.start()
            self._changed.notify()
        return task.future

    def close(self) -> None:
        """What is under way is cancelled."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Tasks whose first pass has not begun."""
        with self._changed:
            return len(self._arrived) + sum(task.segment is None for task in self._tasks)

    @property
    def running(self) -> int:
        with self._changed:
            return sum(task.segment is not None for task in self._tasks)

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                self._drop_unwanted()
                for task in self._tasks:
                    if task.segment is None and not (task.background and self._is_busy()):
                        self._advance(task, None)
                self._tasks = [task for task in self._tasks if not task.future.done()]
                if batch := self._batch():
                    self._pass(batch)
                self._tasks = [task for task in self._tasks if not task.future.done()]
        for task in self._tasks:
            self._fail(task, Cancelled())

    def _wait(self) -> bool:
        """Takes in what has arrived, and waits while there is nothing to do. False: it is over."""
        with self._changed:
            while not (self._arrived or self._tasks or self._closed):
                self._changed.wait()
            arrived, self._arrived = self._arrived, []
            for task in arrived:
                rivals = [other for other in self._tasks if task.name and other.name == task.name]
                if task.background and any(not other.background for other in rivals):
                    task.future.set_exception(Cancelled())
                    continue
                for other in rivals:
                    self._fail(other, Cancelled())
                    self._tasks.remove(other)
                self._tasks.append(task)
            return not self._closed

    def _drop_unwanted(self) -> None:
        for task in self._tasks:
            try:
                unwanted = task.cancelled()
            except Exception as error:  # the asker's, and no reason to stop for others
                self._fail(task, error)
                continue
            if unwanted:
                self._fail(task, Cancelled())
        self._tasks = [task for task in self._tasks if not task.future.done()]

    def _is_busy(self) -> bool:
        return any(not task.background for task in self._tasks)

    def _batch(self) -> list[Task[object]]:
        """The tasks of the next pass: the most urgent one, and whoever else fits beside it."""
        begun = [task for task in self._tasks if task.segment is not None]
        if any(not task.background for task in begun):
            begun = [task for task in begun if not task.background]
        batch: list[Task[object]] = []
        rows = 0
        for task in sorted(begun, key=lambda task: task.deadline):
            own = len(task.segment.tokens) if task.segment is not None else 0
            if not batch or rows + own <= ROWS:
                batch.append(task)
                rows += own
        return batch

    def _pass(self, batch: list[Task[object]]) -> None:
        segments = [task.segment for task in batch if task.segment is not None]
        rows = sum(len(segment.tokens) for segment in segments)
        keys = sum(len(segment.tokens) * min(segment.at, segment.cache.window) for segment in segments) // rows
        began = time.perf_counter()
        threads = self._threads_for(rows, began)
        try:
            readings = self._network.read(segments)
        except Exception as error:  # out of memory, most likely: whoever took part has no answer, all others go on
            log.exception("a pass failed")
            for task in batch:
                self._fail(task, error)
            return
        seconds = time.perf_counter() - began
        if threads == self.narrow_threads:
            self._costs.observe(rows, keys, seconds)
        if threads > 1 and seconds > CROWDED * self._costs.of(rows, keys):
            self._crowded_until = began + ALONE_FOR
        self.passes += 1
        self.rows += rows
        for task, reading in zip(batch, readings, strict=True):
            self._advance(task, reading)

    def _advance(self, task: Task[object], reading: Reading | None) -> None:
        try:
            task.segment = next(task.passes) if reading is None else task.passes.send(reading)
        except StopIteration as end:
            task.future.set_result(end.value)
        except Exception as error:  # it is the asker's to see
            task.future.set_exception(error)

    def _fail(self, task: Task[object], error: Exception) -> None:
        task.passes.close()
        task.future.set_exception(error)

    def _threads_for(self, rows: int, now: float) -> int:
        threads = self.threads if rows >= WIDE_ROWS else self.narrow_threads
        if now < self._crowded_until:
            threads = 1
        torch.set_num_threads(threads)  # of this, the engine's thread; takes a microsecond
        return threads
