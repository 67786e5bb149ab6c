"""A team's engine, and while it is away the one of this machine.

Knows two engines and when the first one failed last. Knows no editor, no protocol and no socket.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from lsp_server.engine import Infiller, ServerAway
from model.infilling.request import Infilling, InfillRequest

log = logging.getLogger(__name__)

AWAY_SECONDS = 5.0  # for which nobody asks a server that was away: every key would wait for it


class FallbackEngine:
    """Thread-safe. The engine of this machine is loaded when it is needed first."""

    def __init__(self, server: Infiller, load: Callable[[], Infiller], clock: Callable[[], float] = time.monotonic) -> None:
        self._server, self._load, self._clock = server, load, clock
        self._lock = threading.Lock()
        self._local: Future[Infiller] | None = None
        self._away: tuple[float, str] | None = None  # until when, and why

    @property
    def name(self) -> str:
        reason = self._why_away()
        if reason is None or self._local is None or not self._local.done() or self._local.exception():
            return self._server.name
        return f"{self._local.result().name} on this machine, while the server is away ({reason})"

    def infill(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Infilling:
        """Raises what the engines raise; ServerAway only where this machine's engine is not there either, or not yet."""
        if self._why_away() is None:
            try:
                found = self._server.infill(request, session, cancelled)
                self._away = None  # when it leaves again, that is news
                return found
            except ServerAway as error:
                self._is_away(str(error))
        return self._on_this_machine().infill(request, session, cancelled)

    def submit(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Future[Infilling]:
        """To the engine whose turn it is; one that fails is not asked in its place again."""
        return self._engine().submit(request, session, cancelled)

    def warm(
        self, session: str, parts: tuple[str, ...], other_files: tuple[str, ...] = (), context_tokens: int = 1024
    ) -> Future[None]:
        return self._engine().warm(session, parts, other_files, context_tokens)

    def tell(self, project: str, texts: Mapping[str, str], gone: Sequence[str] = (), whole: bool = False) -> Future[None]:
        return self._engine().tell(project, texts, gone, whole)

    def forget(self, session: str) -> None:
        for engine in self._known():
            engine.forget(session)

    def close(self) -> None:
        for engine in self._known():
            engine.close()

    def _known(self) -> list[Infiller]:
        local = self._local
        return [self._server, *([local.result()] if local and local.done() and not local.exception() else [])]

    def _engine(self) -> Infiller:
        return self._server if self._why_away() is None else self._on_this_machine()

    def _why_away(self) -> str | None:
        away = self._away
        return away[1] if away is not None and self._clock() < away[0] else None

    def _is_away(self, reason: str) -> None:
        with self._lock:
            if self._away is None:
                log.warning("%s; the model of this machine takes its place", reason)
            self._away = (self._clock() + AWAY_SECONDS, reason)
            if self._local is None:
                self._local = Future()
                threading.Thread(target=self._begin, args=(self._local,), name="fallback", daemon=True).start()

    def _begin(self, local: Future[Infiller]) -> None:
        try:
            local.set_result(self._load())
        except Exception as error:  # whatever stands in a model's folder
            local.set_exception(error)

    def _on_this_machine(self) -> Infiller:
        reason, local = self._why_away() or "the server is away", self._local
        if local is None or not local.done():
            raise ServerAway(f"{reason}; the model of this machine is being loaded")
        if (error := local.exception()) is not None:
            raise ServerAway(f"{reason}; and the model of this machine cannot be loaded: {error}")
        return local.result()
