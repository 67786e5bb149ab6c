"""The engine that all windows of a user share on this machine: found or started, and started again if it ends.

Knows where its socket is, and how its process begins and ends. What it is asked, `RemoteEngine` sends. While a window holds a
connection to it open, it stays; a while after the last one is closed, however that came, it leaves.
"""

from __future__ import annotations

import hashlib
import logging
import os
import selectors
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter

from lsp_server.engine import ServerAway
from lsp_server.gateway.options import Options
from lsp_server.remote import RemoteEngine, UnixConnection
from model.infilling.request import Infilling, InfillRequest

log = logging.getLogger(__name__)

LINGER = 30.0  # seconds: who reloads a window finds the engine warm
DRAIN = 2.0  # seconds for what is under way when it is told to stop
START = 60.0  # seconds that a start may take
CONNECT = 5.0
LOOKS = 0.02  # seconds between two looks for its socket, or at its readiness
MOST_STARTS, WITHIN = 3, 60.0  # so many within so many seconds: it ends again and again, and is left alone
LONGEST_PATH = 100  # bytes of a socket's path that every Unix system takes
MOST_LOG = 1 << 20  # bytes after which its log begins anew

_ready = TypeAdapter(dict[str, str | int])


class CannotShare(Exception):
    """There is no shared engine, and no other attempt would have one; the message says why."""


class SharedEngine:
    """Thread-safe. There is one as soon as it is made."""

    def __init__(
        self,
        model: Path | str | None = None,
        threads: int | None = None,
        device: str = "cpu",
        linger_s: float = LINGER,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        """Returns when the engine has its model. `renewed` is called when another has taken its place: it knows nothing yet.

        Raises CannotShare.
        """
        self._socket = _place() / f"engine-{_identity(model, threads, device)}.sock"
        if len(os.fsencode(self._socket)) > LONGEST_PATH:
            raise CannotShare(f"the path of its socket is too long: {self._socket}")
        folder = None if model is None else str(Path(model).absolute())
        self._options = Options(model=folder, threads=threads, device=device, drain_s=DRAIN, linger_s=linger_s)
        self._remote = RemoteEngine(f"unix:{self._socket}")
        self._lock = threading.Lock()
        self._held: HTTPConnection | None = None
        self._starts: list[float] = []
        self._renewed = renewed
        self.name = ""
        self._join()

    def infill(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Infilling:
        """Raises what `RemoteEngine` raises."""
        self._join_again()
        try:
            return self._remote.infill(request, session, cancelled)
        except ServerAway:
            if self._is_held():
                raise
        self._join_again()
        return self._remote.infill(request, session, cancelled)

    def submit(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Future[Infilling]:
        """Of an engine that has ended nothing comes: the next `infill` starts another."""
        return self._remote.submit(request, session, cancelled)

    def warm(
        self, session: str, parts: tuple[str, ...], other_files: tuple[str, ...] = (), context_tokens: int = 1024
    ) -> Future[None]:
        return self._remote.warm(session, parts, other_files, context_tokens)

    def tell(self, project: str, texts: Mapping[str, str], gone: Sequence[str] = (), whole: bool = False) -> Future[None]:
        return self._remote.tell(project, texts, gone, whole)

    def forget(self, session: str) -> None:
        self._remote.forget(session)

    def close(self) -> None:
        self._remote.close()
        if self._held is not None:
            self._held.close()

    def _join_again(self) -> None:
        """Where the engine has ended meanwhile. Raises ServerAway."""
        if self._is_held():
            return
        with self._lock:
            if self._is_held():
                return  # another thread was here before
            log.warning("the engine that the windows of this machine share has ended")
            try:
                self._join()
            except CannotShare as error:
                raise ServerAway(f"the engine of this machine has ended: {error}") from None
        self._renewed()

    def _join(self) -> None:
        """Holds the engine that is there, or one that is started now, and waits for its model. Raises CannotShare."""
        until = time.monotonic() + START
        process: subprocess.Popen[bytes] | None = None
        while not self._holds():
            if process is None:
                process = self._start()
            elif (code := process.poll()) is not None:
                from lsp_server.gateway.shared import TAKEN  # where there are no Unix sockets this cannot be imported

                if code != TAKEN:
                    raise CannotShare(self._last_words())
                process = None  # another window's is starting, or the last one is leaving
            _wait(until)
        while not self._is_ready():
            if not self._is_held():
                raise CannotShare(self._last_words())
            _wait(until)

    def _holds(self) -> bool:
        connection = UnixConnection(str(self._socket), CONNECT)
        try:
            connection.request("GET", "/v1/presence")
            if connection.getresponse().status != 200:
                raise CannotShare(f"what answers at {self._socket} is no engine")
        except (OSError, HTTPException):
            connection.close()
            return False
        self._held = connection
        return True

    def _is_held(self) -> bool:
        """Whether the process is there: the connection that says nothing has not ended either."""
        if self._held is None or self._held.sock is None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._held.sock, selectors.EVENT_READ)
            return not selector.select(0)

    def _is_ready(self) -> bool:
        connection = UnixConnection(str(self._socket), CONNECT)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
        if response.status == 200:
            self.name = str(_ready.validate_json(body)["model"])
        return response.status == 200

    def _start(self) -> subprocess.Popen[bytes]:
        now = time.monotonic()
        self._starts = [*(then for then in self._starts if now - then < WITHIN), now]
        if len(self._starts) > MOST_STARTS:
            raise CannotShare(f"it was started {MOST_STARTS} times within a minute")
        with suppress(OSError):
            if self._log.stat().st_size > MOST_LOG:
                self._log.unlink()
        try:
            with open(os.open(self._log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as errors:
                # -P: the folder that the editor was started in is nobody's to import from.
                return subprocess.Popen(
                    [sys.executable, "-P", "-m", "lsp_server.gateway.shared", str(self._socket), self._options.model_dump_json()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    cwd=self._socket.parent,
                    start_new_session=True,
                )
        except OSError as error:
            raise CannotShare(f"it cannot be started: {error.strerror or error}") from None

    @property
    def _log(self) -> Path:
        return self._socket.with_suffix(".log")

    def _last_words(self) -> str:
        lines = []
        with suppress(OSError):
            lines = self._log.read_text("utf-8", "replace").splitlines()
        return lines[-1].removeprefix("quickfill: ") if lines else "it ended at its start"


def running() -> list[str]:
    """What runs on this machine for this user, a line each: the model, and how many windows hold its engine."""
    found = []
    with suppress(CannotShare, OSError):
        for path in sorted(_place().glob("engine-*.sock")):
            connection = UnixConnection(str(path), CONNECT)
            with suppress(OSError, HTTPException):
                connection.request("GET", "/readyz")
                state = _ready.validate_json(connection.getresponse().read())
                found.append(f"{state.get('model', 'a model that is being loaded')}, windows: {state['windows']}")
            connection.close()
    return found


def _place() -> Path:
    """The folder of the sockets, which is the user's alone. Raises CannotShare."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(os, "getuid"):
        raise CannotShare("this system has no Unix sockets")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "quickfill" if runtime else Path.home() / ".cache" / "quickfill" / "engines"
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise CannotShare(f"{folder}: {error.strerror or error}") from None
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise CannotShare(f"{folder} is not this user's alone")
    return folder


def _identity(model: Path | str | None, threads: int | None, device: str) -> str:
    """Windows share an engine if they mean the same one: the program, the model as it is now, the threads and the device."""
    import model.checkpoints as checkpoints  # what loads them imports torch, for seconds

    folder = Path(checkpoints.__path__[0]) / "bundled" if model is None else Path(model).absolute()
    changed = sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*") if file.is_file())
    parts = (version("quickfill"), __file__, sys.executable, str(folder), changed, threads, device)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _wait(until: float) -> None:
    if time.monotonic() > until:
        raise CannotShare(f"it was not ready within {START:.0f} seconds")
    time.sleep(LOOKS)
