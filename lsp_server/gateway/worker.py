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
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from lsp_server.gateway.app import create_app
from lsp_server.gateway.options import Options
from lsp_server.gateway.windows import Windows

if TYPE_CHECKING:
    from model.engine.engine import Engine, Statistics

log = logging.getLogger(__name__)

CANNOT_START = 2  # exit code: another try would end the same way
STUCK = 60.0  # seconds without a pass although there is something to do: the engine's thread has died
KEEP_ALIVE = 300  # seconds: a person who thinks for a while need not connect again


def main() -> None:
    options = Options.model_validate_json(sys.stdin.buffer.readline())
    listener = socket.socket(fileno=int(sys.argv[1]))
    prepare_process(options)
    threading.Thread(target=_end_with_the_owner, daemon=True).start()
    sys.exit(asyncio.run(serve(options, listener)))


def prepare_process(options: Options) -> None:
    """The log, and who goes first where memory runs out."""
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="quickfill: %(levelname)s: %(message)s", force=True
    )
    _be_the_first_to_go()


async def serve(options: Options, listener: socket.socket) -> int:
    """Until told to stop, or, with `linger_s`, for so long after the last window has left. The exit code."""
    windows = Windows()
    loop = asyncio.get_running_loop()
    loading = asyncio.ensure_future(loop.run_in_executor(ThreadPoolExecutor(1, "load"), _load, options))
    config = uvicorn.Config(
        create_app(options, loading, windows),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(options.drain_s)),
    )
    server = uvicorn.Server(config)

    async def mind_the_engine() -> None:
        try:
            engine = await asyncio.shield(loading)
        except Exception:  # said below
            server.should_exit = True
            return
        await until_stuck(engine.statistics, STUCK)
        log.error("the engine has not moved for %d seconds", STUCK)
        os._exit(1)

    async def leave_when_alone(linger: float) -> None:
        while windows.seconds_alone < linger:
            await asyncio.sleep(min(1.0, linger / 4))
        server.should_exit = True

    minding = [asyncio.create_task(mind_the_engine())]
    if options.linger_s is not None:
        minding.append(asyncio.create_task(leave_when_alone(options.linger_s)))
    await server.serve([listener])
    for task in minding:
        task.cancel()
    error = loading.exception() if loading.done() else None
    if error is not None:
        print(f"quickfill: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return CANNOT_START
    return 0


async def until_stuck(statistics: Callable[[], Statistics], patience: float) -> None:
    """Returns when there was something to do for so many seconds, and no pass was made."""
    passes, since = -1, time.monotonic()
    while time.monotonic() - since < patience:
        await asyncio.sleep(patience / 10)
        now = statistics()
        if now.passes != passes or not (now.waiting or now.running):
            passes, since = now.passes, time.monotonic()


def _load(options: Options) -> Engine:
    from model.engine.engine import Engine

    engine = Engine.load(options.model, options.threads, options.cache_mb << 20, options.device)
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
