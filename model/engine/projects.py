"""The projects whose texts the engine was told: tokens of each text, and the index of all.

Knows names, texts and how much of them is kept. Knows no files, no sessions and no decoding. Texts are encoded and sorted on a
thread of its own, so that nobody who waits for a suggestion waits for that.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from model.infilling.ngrams import NgramIndex
from model.tokenization.tokenizer import Tokenizer

MOST_TOKENS = 2_000_000  # of a project: 28 MB. The texts that were told first count
REST = 4.0  # times as long as a text took: who types meanwhile must not wait for it
KEPT = 4  # projects; that which nobody asked for longest goes first


class Projects:
    """Thread-safe."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._texts: dict[str, dict[str, NDArray[np.uint16]]] = {}  # the worker's alone
        self._indices: OrderedDict[str, NgramIndex] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._worker = ThreadPoolExecutor(1, "projects")

    def tell(self, project: str, texts: Mapping[str, str], gone: Sequence[str] = (), whole: bool = False) -> Future[None]:
        """Texts of a project that are new or other than they were, and names of those that are gone; with `whole`, these are all.

        What changes a project that is not known is ignored: its whole is wanted.
        """
        return self._worker.submit(self._learn, project, dict(texts), tuple(gone), whole)

    def index_of(self, project: str) -> NgramIndex | None:
        if not project:
            return None
        with self._lock:
            index = self._indices.get(project)
            if index is not None:
                self._indices.move_to_end(project)
            return index

    def close(self) -> None:
        self._closed.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _learn(self, project: str, texts: Mapping[str, str], gone: Sequence[str], whole: bool) -> None:
        known = {} if whole else self._texts.get(project)
        if known is None:
            return
        for name in gone:
            known.pop(name, None)
        room = MOST_TOKENS - sum(map(len, known.values()))
        for name, text in texts.items():
            room += len(known.pop(name, ()))
            if room <= 0:
                break
            began = time.perf_counter()
            tokens = np.array(self._tokenizer.encode_once(text)[:room], np.uint16)
            if self._closed.wait(REST * (time.perf_counter() - began)):
                return
            room -= len(tokens)
            known[name] = tokens
        index = NgramIndex(known, self._tokenizer.ordinary)
        self._texts[project] = known
        with self._lock:
            self._indices[project] = index
            self._indices.move_to_end(project)
            while len(self._indices) > KEPT:
                self._texts.pop(self._indices.popitem(last=False)[0], None)
