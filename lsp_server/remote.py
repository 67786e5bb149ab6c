"""An engine in another process: the same interface, over HTTP on a Unix socket or TCP.

Knows the session protocol from the client's side. What it last sent, and the server is known to have, is kept for each session,
so that a keystroke sends an edit. Knows no editor, and nothing of what the server does.
"""

from __future__ import annotations

import json
import secrets
import selectors
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from pydantic import JsonValue, ValidationError

from lsp_server.engine import ServerAway
from lsp_server.gateway.mirror import Sections, changes, fingerprint
from lsp_server.gateway.wire import SUPERSEDED, cuts_of, infillings, options_of, sections_of
from model.infilling.request import Cancelled, Infilling, InfillRequest

CONNECT = 2.0  # seconds to wait for a connection
PATIENCE = 15.0  # seconds beyond the deadline: a server that was killed takes some of them to load its model again
LOOKS = 0.02  # seconds between two looks at whether the answer is still wanted
PAUSE = 0.05  # seconds before the second attempt after a connection broke
THREADS = 8  # of requests that are waited for at once
SESSIONS = 256  # whose last text is kept
PIECE = 500_000  # characters of a project in one message


@dataclass
class _Sent:
    """One session: the newest version that was sent, and the newest that the server is known to have."""

    id: str
    version: int = 0
    acknowledged: int | None = None
    sections: Sections = ()


@dataclass(frozen=True)
class _Ticket:
    """A place in the order of a session's requests."""

    sent: _Sent
    version: int


@dataclass(frozen=True)
class _Message:
    """What a session's text has become, and what is asked about it."""

    path: str
    sections: Sections
    around: Mapping[str, JsonValue]

    def encoded(self, ticket: _Ticket, base: int | None, old: Sections) -> bytes:
        """As edits of the old sections."""
        origins, edits = changes(old, self.sections)
        turn: dict[str, JsonValue] = {
            "version": ticket.version,
            "sha256": fingerprint(self.sections),
            "edits": [[*edit] for edit in edits],
        }
        if ticket.sent.id:
            turn["session"] = ticket.sent.id
        if base is not None:
            turn["base"] = base
        if origins != tuple(range(len(old))):
            turn["origins"] = [*origins]
        message = {"turn": turn, **self.around}
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes

    def error(self) -> tuple[str, str | None]:
        """The server's own words and their code; what stands in between may answer in another shape."""
        with suppress(ValueError, TypeError, KeyError):
            error = json.loads(self.body)["error"]
            return str(error["message"]), error.get("code")
        return f"it answered with status {self.status}", None


class UnixConnection(HTTPConnection):
    """HTTP to whoever listens on a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class RemoteEngine:
    """Thread-safe. Nothing is connected before something is asked."""

    def __init__(self, address: str, token: str | None = None) -> None:
        """`address` is http://HOST:PORT, https://HOST:PORT or unix:PATH. Raises ValueError for another."""
        self._address = address
        self._connect = _connector(address)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = secrets.token_hex(6)  # two clients' sessions never meet
        self._sessions: OrderedDict[str, _Sent] = OrderedDict()
        self._idle: list[HTTPConnection] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, "remote")
        self._model = ""

    @property
    def name(self) -> str:
        return f"{self._model or 'a model'} at {self._address}"

    def submit(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Future[Infilling]:
        return self._pool.submit(self._infill, request, self._ticket(session), cancelled)

    def infill(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Infilling:
        """Raises Cancelled, ServerAway; ValueError for a request that the server refuses as bad."""
        return self._infill(request, self._ticket(session), cancelled)

    def warm(
        self, session: str, parts: tuple[str, ...], other_files: tuple[str, ...] = (), context_tokens: int = 1024
    ) -> Future[None]:
        """Has the server read a file that was opened. The future may raise what `infill` raises."""
        around: dict[str, JsonValue] = {"cuts": [*cuts_of(parts)], "context_tokens": context_tokens}
        message = _Message("/v1/warm", sections_of(parts, other_files), around)
        ticket = self._ticket(session)

        def work() -> None:
            self._send(message, ticket, None, PATIENCE)

        return self._pool.submit(work)

    def tell(self, project: str, texts: Mapping[str, str], gone: Sequence[str] = (), whole: bool = False) -> Future[None]:
        """Texts of a project that its requests copy from, in as many messages as it takes: the first one begins anew if these are
        the `whole`. The future may raise what `infill` raises.
        """

        def work() -> None:
            for number, some in enumerate(_in_pieces(texts)):
                anew = whole and number == 0
                message = {"project": project, "texts": some, "gone": [] if number else [*gone], "whole": anew}
                body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
                reply = self._exchange("POST", "/v1/project", body, None, PATIENCE)
                if reply.status >= 300:
                    raise _refused(reply)

        return self._pool.submit(work)

    def forget(self, session: str) -> None:
        """The file was closed. Whether the server hears of it does not matter: it forgets what is not used."""
        with self._lock:
            sent = self._sessions.pop(session, None)

        def work(path: str) -> None:
            with suppress(ServerAway):
                self._exchange("DELETE", path, b"", None, CONNECT)

        if sent is not None:
            self._pool.submit(work, f"/v1/sessions/{sent.id}")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._drop_idle()

    def _infill(self, request: InfillRequest, ticket: _Ticket, cancelled: Callable[[], bool] | None) -> Infilling:
        around: dict[str, JsonValue] = {"cuts": [*cuts_of(request.parts)]}
        if options := options_of(request):
            around["options"] = options
        sections = sections_of(request.parts, request.other_files)
        message = _Message("/v1/infill", sections, around)
        reply = self._send(message, ticket, cancelled, PATIENCE + (request.deadline_ms or 0.0) / 1000)
        try:
            found = infillings.validate_json(reply.body)
        except ValidationError:
            raise ServerAway(f"server is away: what answers at {self._address} is no Quickfill server") from None
        self._model = found.model
        return found

    def _send(self, message: _Message, ticket: _Ticket, cancelled: Callable[[], bool] | None, patience: float) -> _Reply:
        """Sends what changed; and the whole text, once, if the server does not have what the changes are based on."""
        sent = ticket.sent
        with self._lock:
            base, old = sent.acknowledged, sent.sections
        reply = self._exchange("POST", message.path, message.encoded(ticket, base, old), cancelled, patience)
        if reply.status == 409 and reply.error()[1] != SUPERSEDED:
            reply = self._exchange("POST", message.path, message.encoded(ticket, None, ()), cancelled, patience)
        if reply.status >= 300:
            raise _refused(reply)
        with self._lock:
            if sent.id and ticket.version > (sent.acknowledged or 0):
                sent.acknowledged, sent.sections = ticket.version, message.sections
        return reply

    def _ticket(self, session: str) -> _Ticket:
        """Taken when something is asked, not when it is sent: of two requests the one that was asked later is the newer."""
        with self._lock:
            sent = self._sent(session)
            sent.version += 1
            return _Ticket(sent, sent.version)

    def _sent(self, session: str) -> _Sent:
        if not session:
            return _Sent("")
        if session not in self._sessions:
            self._sessions[session] = _Sent(f"{self._client}-{secrets.token_hex(4)}")
        self._sessions.move_to_end(session)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return self._sessions[session]

    def _exchange(self, method: str, path: str, body: bytes, cancelled: Callable[[], bool] | None, patience: float) -> _Reply:
        """One request and its answer. A connection that breaks (the server was killed, or had closed it) is tried once more."""
        until = time.monotonic() + patience
        try:
            return self._attempt(method, path, body, cancelled, until)
        except (ConnectionRefusedError, FileNotFoundError, TimeoutError, socket.gaierror) as error:
            raise self._away(error) from None
        except (OSError, HTTPException):
            self._drop_idle()
            time.sleep(PAUSE)
        try:
            return self._attempt(method, path, body, cancelled, until)
        except (OSError, HTTPException) as error:
            raise self._away(error) from None

    def _attempt(self, method: str, path: str, body: bytes, cancelled: Callable[[], bool] | None, until: float) -> _Reply:
        if cancelled is not None and cancelled():
            raise Cancelled
        with self._lock:
            connection = self._idle.pop() if self._idle else self._connect()
        done = False
        try:
            connection.request(method, path, body, self._headers)
            _wait(connection, cancelled, until)
            response = connection.getresponse()
            reply = _Reply(response.status, response.read())
            done = not response.will_close
        finally:
            if done:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()  # which tells the server that nobody waits
        return reply

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _away(self, error: OSError | HTTPException) -> ServerAway:
        why = "no answer in time" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        return ServerAway(f"server is away: {self._address}: {why or type(error).__name__}")


def _in_pieces(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """At least one, of no more than `PIECE` characters each; a longer text has one of its own."""
    some: dict[str, str] = {}
    size = 0
    for name, text in texts.items():
        if some and size + len(text) > PIECE:
            yield some
            some, size = {}, 0
        some[name] = text
        size += len(text)
    yield some


def _connector(address: str) -> Callable[[], HTTPConnection]:
    if address.startswith("unix:"):
        path = address.removeprefix("unix:").removeprefix("//")
        if path:
            return lambda: UnixConnection(path, CONNECT)
    url = urlsplit(address)
    with suppress(ValueError):  # of a port that is none
        host, port = url.hostname, url.port
        if host and url.path in ("", "/") and not (url.query or url.fragment or url.username):
            if url.scheme == "http":
                return lambda: HTTPConnection(host, port, timeout=CONNECT)
            if url.scheme == "https":
                return lambda: HTTPSConnection(host, port, timeout=CONNECT)
    raise ValueError(f"a server's address is http://HOST:PORT, https://HOST:PORT or unix:PATH, got {address!r}")


def _wait(connection: HTTPConnection, cancelled: Callable[[], bool] | None, until: float) -> None:
    """Until the answer begins. Raises Cancelled, TimeoutError."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        while not selector.select(LOOKS):
            if cancelled is not None and cancelled():
                raise Cancelled
            if time.monotonic() > until:
                raise TimeoutError


def _refused(reply: _Reply) -> Exception:
    message, code = reply.error()
    if code == SUPERSEDED:
        return Cancelled()
    if reply.status == 429:
        return ServerAway("server busy")
    if reply.status in (400, 413, 422):
        return ValueError(message)
    return ServerAway(f"server is away: {message}")
