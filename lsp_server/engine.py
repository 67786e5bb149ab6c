"""What the language server needs of an engine, be it in this process or behind a socket.

Knows the interface. Knows neither of the two that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from model.infilling.request import Infilling, InfillRequest


class ServerAway(Exception):
    """The engine's server gave no answer; the message says why, in words for a person who waits for a suggestion."""


class EngineFailed(Exception):
    """There is no engine: the message says why its model could not be loaded."""


class Infiller(Protocol):
    """`model.engine.engine.Engine`, or `lsp_server.remote.RemoteEngine`, which raises ServerAway, too."""

    @property
    def name(self) -> str: ...

    def infill(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Infilling: ...

    def submit(
        self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None
    ) -> Future[Infilling]: ...

    def warm(
        self, session: str, parts: tuple[str, ...], other_files: tuple[str, ...] = (), context_tokens: int = 1024
    ) -> Future[None]: ...

    def tell(self, project: str, texts: Mapping[str, str], gone: Sequence[str] = (), whole: bool = False) -> Future[None]: ...

    def forget(self, session: str) -> None: ...

    def close(self) -> None: ...
