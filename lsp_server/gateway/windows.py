"""Who holds an engine that several windows share: how many, and for how long nobody has.

Knows numbers and a clock. Knows neither the windows nor what they ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Windows:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alone_since = clock()
        self.count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
            self._alone_since = self._clock()

    @property
    def seconds_alone(self) -> float:
        return 0.0 if self.count else self._clock() - self._alone_since
