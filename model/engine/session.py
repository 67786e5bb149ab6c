"""A session: the cached rows of one open file. Encodes only what changed since the last request, and what no other one holds.

Knows token ids, the longest common part of two texts, whose a session is and how much memory all of them may take. Knows no text
and no decoding.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count

from model.architecture.network import Network
from model.architecture.rows import RowCache
from model.infilling.drafts import Trust
from model.infilling.passes import Passes, text_segment
from model.tokenization.agreement import common_length

CHUNK = 128  # rows of visible text read in one pass: longer ones would keep other requests waiting, and are hardly faster
WORTH_COPYING = 32  # rows of another session: fewer are read as fast
KEPT_UNNAMED = 4  # sessions of an owner's requests that named none

Like = Callable[["Session", list[int], int], "Session | None"]


class Session:
    """`tokens` are the ones whose rows are valid: always rows 0 to len(tokens) of the cache.

    `like` finds a session whose rows may be copied instead of computed; None: there is none.
    """

    def __init__(self, network: Network, owner: str = "", like: Like | None = None) -> None:
        self.cache = RowCache(network)
        self.owner = owner
        self._like = like
        self.tokens: list[int] = []
        self.written: list[int] = []  # the last answer's tokens: what comes next is often like it
        self.trust = Trust()  # its own, so that what it is answered, to the last bit, depends on no other session

    def encode(self, tokens: Sequence[int], leave: int = 0) -> Passes[int]:
        """Makes the session hold these tokens. Results in how many were encoded.

        If it is given up between two passes, what was encoded until then stays valid. With `leave`, the last token is left to
        the caller, and with it all others that are new if they are at most `leave`: the pass that continues the text can read
        them (`adopt` them then).
        """
        kept = self._keep(list(tokens))
        end = len(tokens) if not leave else kept if len(tokens) - kept <= leave else len(tokens) - 1
        for start in range(kept, end, CHUNK):
            chunk = list(tokens[start : min(end, start + CHUNK)])
            yield text_segment(chunk, self.cache, start)
            self.tokens += chunk
        return end - kept

    def _keep(self, tokens: list[int]) -> int:
        """How many of these tokens the session holds, copied ones included; it forgets all others. The last one is read anew."""
        kept = min(common_length(self.tokens, tokens), len(tokens) - 1)
        self.cache.reserve(len(tokens))
        del self.tokens[kept:]
        other = self._like(self, tokens, kept + WORTH_COPYING) if self._like is not None else None
        if other is not None:
            held = min(common_length(other.tokens, tokens), len(tokens) - 1)
            self.cache.copy(other.cache, kept, held)
            self.tokens += tokens[kept:held]
        return len(self.tokens)

    def adopt(self, tokens: Sequence[int]) -> None:
        """The rows behind the session's own have come to hold these tokens."""
        self.tokens += tokens


class Sessions:
    """The sessions by name, under a memory limit: those that were not asked for longest go first. Thread-safe.

    Those of one owner copy from each other what they have in common. Without an owner nothing is shared.
    """

    def __init__(self, network: Network, most_bytes: int) -> None:
        self._network, self._most_bytes = network, most_bytes
        self._sessions: OrderedDict[str | int, Session] = OrderedDict()  # those that nobody named have a number
        self._numbers = count()
        self._lock = threading.Lock()

    def get(self, name: str, owner: str = "") -> Session:
        """The session of this name, new if there is none. Without a name it is new, and lasts until newer ones are as useful."""
        with self._lock:
            found = self._sessions.pop(name, None) or Session(self._network, owner, self._like if owner else None)
            if name or owner:
                self._sessions[name or next(self._numbers)] = found
            unnamed = [key for key, own in self._sessions.items() if isinstance(key, int) and own.owner == owner]
            for key in unnamed[:-KEPT_UNNAMED]:
                del self._sessions[key]
            return found

    def _like(self, asking: Session, tokens: list[int], least: int) -> Session | None:
        """Of the same owner's, the one that holds the most of these tokens; at least so many."""
        with self._lock:
            own = [other for other in self._sessions.values() if other.owner == asking.owner and other is not asking]
        rest = [other for other in own if other.tokens[:least] == tokens[:least]]
        return max(rest, key=lambda other: common_length(other.tokens, tokens), default=None)

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
