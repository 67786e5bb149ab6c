"""The process that has the model: serves on a socket that it was given, while the model loads already.

Knows one engine and one listening socket. Knows nothing of being restarted. Its options come in one line of standard input, which
then stays open for as long as the owner of the socket lives; when it ends, so does this process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from lsp_server.gateway.app import create_app
from lsp_server.gateway.options import Options

if TYPE_CHECKING:
    from model.engine.engine import Engine

CANNOT_START = 2  # exit code: another try would end the same way
KEEP_ALIVE = 300  # seconds: a person who thinks for a while need not connect again


def main() -> None:
    options = Options.model_validate_json(sys.stdin.buffer.readline())
    listener = socket.socket(fileno=int(sys.argv[1]))
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="quickfill: %(levelname)s: %(message)s", force=True
    )
    _be_the_first_to_go()
    threading.Thread(target=_end_with_the_owner, daemon=True).start()
    sys.exit(asyncio.run(_serve(options, listener)))


async def _serve(options: Options, listener: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    loading = asyncio.ensure_future(loop.run_in_executor(ThreadPoolExecutor(1, "load"), _load, options))
    config = uvicorn.Config(
        create_app(options, loading),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(options.drain_s)),
    )
    server = uvicorn.Server(config)

    def loaded(engine: asyncio.Future[Engine]) -> None:
        server.should_exit = server.should_exit or engine.exception() is not None
        if not server.should_exit:
            logging.info("the model is ready")

    loading.add_done_callback(loaded)
    await server.serve([listener])
    error = loading.exception() if loading.done() else None
    if error is not None:
        print(f"quickfill: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return CANNOT_START
    return 0


def _load(options: Options) -> Engine:
    from model.engine.engine import Engine

    engine = Engine.load(options.model, options.threads, options.cache_mb << 20)
    engine.warm_up()
    return engine


def _be_the_first_to_go() -> None:
    """Where memory runs out the system ends this process, and not the one that would start it again."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _end_with_the_owner() -> None:
    while os.read(0, 1024):  # not through sys.stdin: its lock, held by a thread, breaks the interpreter's own end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
