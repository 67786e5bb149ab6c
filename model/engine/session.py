"""A session: the cached rows of one open file. Encodes only what changed since the last request.

Knows token ids, the longest common part of two texts and how much memory all sessions may take. Knows no text and no decoding.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from model.architecture.network import Network
from model.architecture.rows import RowCache
from model.infilling.drafts import Trust
from model.infilling.passes import Passes, text_segment
from model.tokenization.agreement import common_length

CHUNK = 128  # rows of visible text read in one pass: longer ones would keep other requests waiting, and are hardly faster


class Session:
    """`tokens` are the ones whose rows are valid: always rows 0 to len(tokens) of the cache."""

    def __init__(self, network: Network) -> None:
        self.cache = RowCache(network)
        self.tokens: list[int] = []
        self.written: list[int] = []  # the last answer's tokens: what comes next is often like it
        self.trust = Trust()  # its own, so that what it is answered, to the last bit, depends on no other session

    def encode(self, tokens: Sequence[int], leave: int = 0) -> Passes[int]:
        """Makes the session hold these tokens. Results in how many were encoded.

        If it is given up between two passes, what was encoded until then stays valid. With `leave`, the last token is left to
        the caller, and with it all others that are new if they are at most `leave`: the pass that continues the text can read
        them (`adopt` them then).
        """
        kept = min(common_length(self.tokens, list(tokens)), len(tokens) - 1)
        del self.tokens[kept:]
        end = len(tokens) if not leave else kept if len(tokens) - kept <= leave else len(tokens) - 1
        self.cache.reserve(len(tokens))
        for start in range(kept, end, CHUNK):
            chunk = list(tokens[start : min(end, start + CHUNK)])
            yield text_segment(chunk, self.cache, start)
            self.tokens += chunk
        return end - kept

    def adopt(self, tokens: Sequence[int]) -> None:
        """The rows behind the session's own have come to hold these tokens."""
        self.tokens += tokens


class Sessions:
    """The sessions by name, under a memory limit: those that were not asked for longest go first. Thread-safe."""

    def __init__(self, network: Network, most_bytes: int) -> None:
        self._network, self._most_bytes = network, most_bytes
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Session:
        """The session of this name, new if there is none. The nameless one is nobody's: it is always new, and not kept."""
        if not name:
            return Session(self._network)
        with self._lock:
            session = self._sessions.pop(name, None) or Session(self._network)
            self._sessions[name] = session
            return session

    def shrink(self) -> None:
        """Forgets sessions until those that are left fit. One that is too large by itself goes as well: it starts anew."""
        with self._lock:
            total = self._nbytes()
            while total > self._most_bytes and self._sessions:
                total -= self._sessions.popitem(last=False)[1].cache.nbytes

    def forget(self, name: str) -> None:
        with self._lock:
            self._sessions.pop(name, None)

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def nbytes(self) -> int:
        with self._lock:
            return self._nbytes()

    def _nbytes(self) -> int:
        return sum(session.cache.nbytes for session in self._sessions.values())
