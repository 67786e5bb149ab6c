"""The HTTP application: routes, and the way of a request to the engine and back.

Knows messages, sessions' copies and the engine's interface. Knows no sockets, no processes and no signals.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from lsp_server.completion.complete import completion_of
from lsp_server.gateway import completions, llama
from lsp_server.gateway.completions import CompletionBody
from lsp_server.gateway.gate import BUSY, CLIENT_LEFT, Gate, refusal
from lsp_server.gateway.metrics import Metrics
from lsp_server.gateway.mirror import Mirrors, OutOfStep, Sections, TooLarge
from lsp_server.gateway.options import Options
from lsp_server.gateway.windows import Windows
from lsp_server.gateway.wire import SUPERSEDED, Asking, Telling, Turn, Warming, complaint, infillings, parts_of, request_of
from model.infilling.request import Cancelled, Infilling, InfillRequest

if TYPE_CHECKING:  # the engine imports torch, and the server is to be there at once
    from model.engine.engine import Engine

log = logging.getLogger(__name__)

Body = TypeVar("Body", bound=BaseModel)


class ClientLeft(Exception):
    """Nobody waits for the answer."""


@dataclass
class Service:
    """What the routes share. The engine comes when it is loaded; requests wait for it."""

    options: Options
    engine: asyncio.Future[Engine]
    mirrors: Mirrors

    @property
    def loaded(self) -> Engine | None:
        return self.engine.result() if self.engine.done() and not self.engine.exception() else None


def create_app(options: Options, engine: asyncio.Future[Engine], windows: Windows | None = None) -> FastAPI:
    present = windows or Windows()
    service = Service(options, engine, Mirrors(options.documents_mb << 20, options.max_body))
    chunks = llama.Chunks()
    metrics = Metrics(lambda: service.loaded.statistics() if service.loaded else None, service.mirrors)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if service.loaded:
            service.loaded.close()

    # No page of documentation: it would load scripts from elsewhere.
    app = FastAPI(title="quickfill", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(Gate, options=options, metrics=metrics)
    _add_errors(app, metrics)

    @app.get("/healthz")
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def ready() -> Response:
        loaded = service.loaded
        if loaded is None:
            return JSONResponse({"status": "starting", "windows": present.count}, 503, {"Retry-After": "1"})
        return JSONResponse({"status": "ready", "model": loaded.model.card.name, "windows": present.count})

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/presence")
    async def presence(request: Request) -> Response:
        """For as long as the client holds the connection: nothing."""

        async def silence() -> AsyncIterator[bytes]:
            with present.one_more():
                await _disconnected(request)
            yield b""

        return StreamingResponse(silence(), media_type="text/plain")

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        card = (await asyncio.shield(service.engine)).model.card
        return {"object": "list", "data": [{"id": card.name, "object": "model", "created": 0, "owned_by": "quickfill"}]}

    @app.post("/v1/completions")
    async def complete(request: Request) -> Response:
        body = await _read(request, CompletionBody)
        asked, newline = completions.request_for(body)
        found = await _answered(service, request, asked, "")
        tokenizer = (await asyncio.shield(service.engine)).model.tokenizer
        answer = completions.answer_to(body, newline, found, lambda text: len(tokenizer.encode(text)))
        if body.stream:
            events = answer.events(bool(body.stream_options and body.stream_options.include_usage))
            return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        return JSONResponse(answer.whole())

    @app.post("/infill")
    async def infill_as_llama(request: Request) -> Response:
        body = await _read(request, llama.InfillBody)
        found = None
        if body.n_predict != 0:
            name = _session(request, body.session)
            asked = await asyncio.to_thread(lambda: llama.request_for(body, chunks.other_files(body, name)))
            found = completion_of(asked, await _answered(service, request, asked.request, name))
        tokenizer = (await asyncio.shield(service.engine)).model.tokenizer
        answer = llama.answer_to(body, found, lambda text: len(tokenizer.encode(text)))
        if body.stream:
            return StreamingResponse(iter([llama.event(answer)]), media_type="text/event-stream")
        return JSONResponse(answer)

    @app.post("/v1/infill")
    async def infill(request: Request) -> Response:
        asking = await _read(request, Asking)
        name = _session(request, asking.turn.session)
        sections = _caught_up(service, name, asking.turn)
        asked = request_of(asking, sections)
        if asked.project[0]:
            asked = replace(asked, project=(_session(request, asked.project[0]), asked.project[1]))
        found = await _answered(service, request, asked, name)
        return Response(infillings.dump_json(found), media_type="application/json")

    @app.post("/v1/warm")
    async def warm(request: Request) -> Response:
        warming = await _read(request, Warming)
        name = _session(request, warming.turn.session)
        sections = _caught_up(service, name, warming.turn)
        parts, others = parts_of(sections[0], warming.cuts), sections[1:]
        engine = await _engine(service, request)
        if engine.statistics().waiting >= options.max_waiting:
            return refusal(429, BUSY, "busy", {"Retry-After": "1"})
        engine.warm(name, parts, others, warming.context_tokens, _owner(request))
        return Response(status_code=202)

    @app.post("/v1/project")
    async def tell(request: Request) -> Response:
        telling = await _read(request, Telling)
        engine = await _engine(service, request)
        engine.tell(_session(request, telling.project), telling.texts, telling.gone, telling.whole)
        return Response(status_code=202)

    @app.delete("/v1/sessions/{session}")
    async def forget(request: Request, session: str) -> Response:
        name = _session(request, session)
        service.mirrors.forget(name)
        if service.loaded:
            service.loaded.forget(name)
        return Response(status_code=204)

    return app


def _add_errors(app: FastAPI, metrics: Metrics) -> None:
    @app.exception_handler(OutOfStep)
    async def out_of_step(_: Request, error: OutOfStep) -> Response:
        if error.code != SUPERSEDED:
            metrics.resynchronised.labels(error.code).inc()
        return refusal(409, str(error), error.code)

    @app.exception_handler(Cancelled)
    async def superseded(_: Request, __: Cancelled) -> Response:
        return refusal(409, "a newer request of this session took this one's place", SUPERSEDED)

    @app.exception_handler(ClientLeft)
    async def left(_: Request, __: ClientLeft) -> Response:
        return Response(status_code=CLIENT_LEFT)

    @app.exception_handler(TooLarge)
    async def too_large(_: Request, error: TooLarge) -> Response:
        return refusal(413, str(error))

    @app.exception_handler(ValueError)
    async def bad_request(_: Request, error: ValueError) -> Response:
        return refusal(400, complaint(error) if isinstance(error, ValidationError) else str(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _read(request: Request, kind: type[Body]) -> Body:
    return kind.model_validate_json(await request.body())


def _session(request: Request, name: str) -> str:
    """The engine's name of a session, or of a project: nobody can name another's."""
    return f"{request.state.owner}/{name}" if name else ""


def _owner(request: Request) -> str:
    """The engine's name of whoever asks: texts that begin alike are read once for each."""
    return f"owner {request.state.owner}"


def _caught_up(service: Service, name: str, turn: Turn) -> Sections:
    origins = None if turn.origins is None else tuple(turn.origins)
    return service.mirrors.update(name, turn.base, turn.version, origins, turn.as_edits(), turn.sha256)


async def _answered(service: Service, request: Request, asked: InfillRequest, session: str) -> Infilling:
    """The engine's answer. Its deadline counts from the request's arrival, or from the moment the model is there.

    Raises ClientLeft as soon as the client closes the connection; the engine then drops the request within a pass.
    """
    started = service.loaded is not None
    engine = await _engine(service, request)
    if asked.deadline_ms is not None and started:
        spent = (time.perf_counter() - request.state.arrived) * 1000
        asked = replace(asked, deadline_ms=asked.deadline_ms - spent)
    gone = threading.Event()
    answer = asyncio.wrap_future(engine.submit(asked, session, gone.is_set, owner=_owner(request)))
    answer.add_done_callback(_looked_at)
    try:
        return await _unless_the_client_leaves(request, answer)
    finally:
        gone.set()


async def _engine(service: Service, request: Request) -> Engine:
    return await _unless_the_client_leaves(request, service.engine)


Result = TypeVar("Result")


async def _unless_the_client_leaves(request: Request, wanted: asyncio.Future[Result]) -> Result:
    """What is wanted is never cancelled from here: others may wait for it, and the engine ends its own futures."""
    if wanted.done():
        return wanted.result()
    leaving = asyncio.ensure_future(_disconnected(request))
    either: set[asyncio.Future[object]] = {wanted, leaving}  # type: ignore[arg-type]  # a Future is not covariant
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise ClientLeft
        return wanted.result()
    finally:
        leaving.cancel()


def _looked_at(answer: asyncio.Future[Infilling]) -> None:
    """Nobody reads the answer for a client that left, and asyncio would complain that it was an exception."""
    if not answer.cancelled():
        answer.exception()


async def _disconnected(request: Request) -> None:
    """Returns when the client has gone; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
