"""What every request passes before it is read: who asks, how much is under way, how long its body is; and how long it took.

Knows HTTP's outer side: paths, headers, status codes. Knows no messages and no engine. The log gets no word of what a client
sent: an exception's message may quote it, so of an unexpected one only its kind and its place are written.
"""

from __future__ import annotations

import logging
import time
import traceback

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lsp_server.gateway.access import is_for_loopback, owner_of
from lsp_server.gateway.metrics import Metrics
from lsp_server.gateway.options import Options

log = logging.getLogger(__name__)

OPEN = ("/healthz", "/readyz")  # what anyone may ask
TO_THE_MODEL = ("/v1/completions", "/v1/infill", "/infill")  # what is counted and refused when there is too much of it
BUSY = "server busy: too many requests are under way"
CLIENT_LEFT = 499  # what nobody reads: the status of a request whose client has gone
DISCARDED = 16  # times the longest body that is read and thrown away, so that the client gets to read the refusal


def refusal(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in the shape that OpenAI's clients read."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status, headers)


class Gate:
    def __init__(self, app: ASGIApp, options: Options, metrics: Metrics) -> None:
        self._app, self._options, self._metrics = app, options, metrics
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = CLIENT_LEFT

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope.setdefault("state", {})["arrived"] = began
        counted = scope["path"] in TO_THE_MODEL
        try:
            answer = self._refused(scope, counted)
            if answer is not None:
                await self._discard(receive)
                await answer(scope, receive, sent)
            elif counted:
                await self._counted(scope, receive, sent)
            else:
                await self._app(scope, self._limited(receive), sent)
        except Exception as error:
            place = "".join(traceback.format_tb(error.__traceback__))
            log.error("a request to %s failed: %s\n%s", _route(scope), type(error).__name__, place)
            if status != CLIENT_LEFT:
                raise ConnectionAbortedError("the answer broke off") from None
            await refusal(500, "the server made a mistake; its log says where")(scope, receive, sent)
        finally:
            self._metrics.seconds.labels(_route(scope), str(status)).observe(time.perf_counter() - began)

    def _refused(self, scope: Scope, counted: bool) -> Response | None:
        headers = Headers(scope=scope)
        if scope["path"] not in OPEN:
            owner = owner_of(headers.get("authorization"), self._options.tokens)
            if owner is None:
                message = "a bearer token that the server knows is needed"
                return refusal(401, message, "invalid_api_key", {"WWW-Authenticate": 'Bearer realm="quickfill"'})
            scope["state"]["owner"] = owner
        on_tcp = bool(scope.get("server") and scope["server"][1])
        if on_tcp and not self._options.tokens and not is_for_loopback(headers.get("host", "")):
            return refusal(403, "without tokens the server answers to localhost only")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._options.max_body:
            return refusal(413, self._too_large())
        if counted and self._in_flight >= self._options.max_waiting:
            return refusal(429, BUSY, "busy", {"Retry-After": "1"})
        return None

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            await self._app(scope, self._limited(receive), send)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)

    def _limited(self, receive: Receive) -> Receive:
        """For bodies that come in chunks and do not say how long they will be."""
        length = 0

        async def counted() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > self._options.max_body:
                await self._discard(receive)
                raise HTTPException(413, self._too_large())
            return message

        return counted

    async def _discard(self, receive: Receive) -> None:
        length, more = 0, True
        while more and length < DISCARDED * self._options.max_body:
            message = await receive()
            length += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)

    def _too_large(self) -> str:
        return f"the body is longer than {self._options.max_body:,} bytes"


def _route(scope: Scope) -> str:
    """The path's pattern, not the path: that holds names, and there is no end of them."""
    return str(getattr(scope.get("route"), "path", "other"))
