"""What a server is started with, as the process that owns the socket tells it to the one that has the model.

Knows names, limits and defaults. Knows no sockets and no requests.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """`tokens` are SHA-256 of the bearer tokens, in hexadecimal; without any, whoever reaches the socket may ask."""

    model_config = ConfigDict(frozen=True)

    model: str | None = None
    threads: int | None = None
    device: str = "cpu"
    cache_mb: int = 512  # of the engine's sessions
    documents_mb: int = 64  # of the copies of what clients have open
    max_body: int = 4 << 20  # bytes of one request
    max_waiting: int = 64  # requests in flight; one more is refused
    drain_s: float = 10.0  # for what is under way when the server is told to stop
    linger_s: float | None = None  # after the last window has left; None: the server stays until it is told to stop
    tokens: tuple[str, ...] = ()
    log_level: str = "warning"
