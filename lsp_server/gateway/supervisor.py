"""The process that owns the listening socket: starts the one with the model, and starts it again when it ends.

Knows processes, signals and sockets. Knows no requests and no model, so that there is little here that could fail. While there
is no worker, connections wait in the socket's queue: a client sees at most the end of the request that was under way.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lsp_server.gateway.options import Options

log = logging.getLogger(__name__)

DELAYS = (0.0, 0.5, 1.0, 2.0)  # seconds before each new start of a worker that soon ended; then it is given up
SOON = 30.0  # seconds: who lived longer did not fail at its start
CANNOT_START = 2  # exit code of a worker whose next start would fail, too; it has said why
LOOKS = 0.5  # seconds between two looks at the worker's memory
AFTER_DRAINING = 5.0  # seconds that a worker gets beyond the time to drain


class CannotListen(Exception):
    """The address is taken, or cannot be had; the message is the one line to show."""


def listen_on_tcp(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def listen_on_unix(path: Path) -> socket.socket:
    """A socket that the user alone can connect to. A lock beside it tells a server that lives from what one left behind."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)  # held until this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise CannotListen(f"cannot listen on {path}: another server does") from None
        if path.exists():
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise CannotListen(f"cannot listen on {path}: there is a file that is no socket")
            path.unlink()
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(512)
        return listener
    except OSError as error:
        raise CannotListen(f"cannot listen on {path}: {error.strerror or error}") from None


def address_of(listener: socket.socket) -> str:
    """What a client is to be given."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


def supervise(listener: socket.socket, options: Options, memory_mb: int | None) -> int:
    """Serves until told to stop (SIGTERM, SIGINT: what is under way is finished; a second one: at once). The exit code."""
    path = Path(listener.getsockname()) if listener.family == socket.AF_UNIX else None
    try:
        return asyncio.run(Supervisor(listener, options, memory_mb).run())
    finally:
        listener.close()
        if path is not None:
            path.unlink(missing_ok=True)


@dataclass
class Supervisor:
    listener: socket.socket
    options: Options
    memory_mb: int | None  # of the worker: physical memory; one that holds more is ended and started again
    worker: Process | None = None
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    ended_soon: int = 0  # workers one after another that did not live long

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)
        while not self.leaving.is_set():
            began = loop.time()
            code = await self._one_worker()
            if self.leaving.is_set():
                break
            if code == CANNOT_START:
                return CANNOT_START
            self.ended_soon = 1 if loop.time() - began > SOON else self.ended_soon + 1
            if self.ended_soon > len(DELAYS):
                log.error("the engine's process ended %d times soon after its start (%s); giving up", self.ended_soon, _how(code))
                return CANNOT_START
            log.warning("the engine's process ended (%s); starting it again", _how(code))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), DELAYS[self.ended_soon - 1])
        return 0

    def _told_to_stop(self) -> None:
        first = not self.leaving.is_set()
        self.leaving.set()
        if first:
            self.listener.close()
        self._signal(Process.terminate if first else Process.kill)

    def _signal(self, send: Callable[[Process], None]) -> None:
        if self.worker is not None:
            with suppress(ProcessLookupError):
                send(self.worker)

    async def _one_worker(self) -> int:
        """Starts one and waits for its end. It is not in this process's group: a key that stops all stops it through us."""
        number = self.listener.fileno()
        command = [sys.executable, "-P", "-m", "lsp_server.gateway.worker", str(number)]
        worker = await asyncio.create_subprocess_exec(*command, stdin=PIPE, pass_fds=[number], start_new_session=True)
        self.worker = worker
        if self.leaving.is_set():  # told so while it was being started
            self._signal(Process.terminate)
        watching = asyncio.create_task(self._watch(worker))
        try:
            if worker.stdin is not None:
                worker.stdin.write(self.options.model_dump_json().encode() + b"\n")
            return await worker.wait()
        finally:
            watching.cancel()
            self.worker = None

    async def _watch(self, worker: Process) -> None:
        """Ends a worker that holds too much memory, or goes on for too long after it was told to stop."""
        patience = self.options.drain_s + AFTER_DRAINING
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            process = psutil.Process(worker.pid)
            while patience > 0:
                await asyncio.sleep(LOOKS)
                held = process.memory_info().rss >> 20
                if self.memory_mb is not None and held > self.memory_mb:
                    log.warning("the engine's process holds %d MB, and --memory-mb allows %d", held, self.memory_mb)
                    break
                if self.leaving.is_set():
                    patience -= LOOKS
            worker.kill()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
