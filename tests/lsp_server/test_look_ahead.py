"""While a suggestion is shown, the server finds out what comes next if it is taken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import cast

import pytest
import pytest_asyncio

from lsp_server.completion.complete import Place
from lsp_server.engine import Infiller
from lsp_server.server import Quickfill, create_server
from model.infilling.request import Cancelled, Candidate, Infilling, InfillRequest

URI = "file:///a.py"
TAKEN = "total = price * count\n"


class Slow:
    """An engine that always writes the same, once it is let go, and notes what it is asked."""

    name = "slow"

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.free = threading.Event()

    def infill(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] = lambda: False) -> Infilling:
        self.asked.append(request.parts)
        while not self.free.wait(0.01):
            if cancelled():
                raise Cancelled
        return Infilling((Candidate(("print(total)",), -0.1, 0.9),), None, 1, 1, {"context": 0.0, "filter": 0.0})

    def forget(self, session: str) -> None:
        pass


@pytest.fixture
def engine() -> Slow:
    return Slow()


@pytest_asyncio.fixture
async def server(engine: Slow) -> AsyncIterator[Quickfill]:
    server = create_server()
    loaded: Future[Infiller] = Future()
    loaded.set_result(cast(Infiller, engine))
    server._engine = loaded
    yield server
    engine.free.set()


async def until_asked(engine: Slow, times: int) -> None:
    async with asyncio.timeout(20):
        while len(engine.asked) < times:
            await asyncio.sleep(0.01)


async def test_what_comes_next_is_known_when_the_person_gets_there(server: Quickfill, engine: Slow) -> None:
    engine.free.set()
    server.look_ahead(URI, TAKEN, len(TAKEN), "python")
    found = await server.known_ahead(URI, TAKEN, len(TAKEN))
    assert found is not None
    assert [candidate.text for candidate in found.candidates] == ["print(total)"]
    assert len(engine.asked) == 1


async def test_it_is_only_known_for_exactly_that_place(server: Quickfill, engine: Slow) -> None:
    engine.free.set()
    server.look_ahead(URI, TAKEN, len(TAKEN), "python")
    assert await server.known_ahead(URI, TAKEN, len(TAKEN) - 1) is None
    assert await server.known_ahead(URI, TAKEN + "x", len(TAKEN)) is None
    assert await server.known_ahead("file:///b.py", TAKEN, len(TAKEN)) is None


async def test_who_types_along_does_not_make_it_start_anew(server: Quickfill, engine: Slow) -> None:
    server.look_ahead(URI, TAKEN, len(TAKEN), "python")
    await until_asked(engine, 1)
    server.look_ahead(URI, TAKEN, len(TAKEN), "python")
    engine.free.set()
    assert await server.known_ahead(URI, TAKEN, len(TAKEN)) is not None
    assert len(engine.asked) == 1


async def test_who_types_something_else_does_not_wait_for_it(server: Quickfill, engine: Slow) -> None:
    server.look_ahead(URI, TAKEN, len(TAKEN), "python")
    await until_asked(engine, 1)
    asked = asyncio.ensure_future(server.suggest(Place("x = ", ((4, 4),), "python", URI), by_hand=False))
    await until_asked(engine, 2)
    assert engine.asked[1] == ("x = ", "")
    with pytest.raises(Cancelled):
        await server.known_ahead(URI, TAKEN, len(TAKEN))  # a newer request is there
    engine.free.set()
    assert (await asked).candidates
    assert await server.known_ahead(URI, TAKEN, len(TAKEN)) is None


async def test_nothing_is_looked_for_where_nothing_is_suggested_unasked(server: Quickfill, engine: Slow) -> None:
    text = "x = 1  # a comment"
    server.look_ahead(URI, text, len(text), "python")
    assert await server.known_ahead(URI, text, len(text)) is None
    assert engine.asked == []


async def test_a_closed_document_is_forgotten(server: Quickfill, engine: Slow) -> None:
    server.look_ahead(URI, TAKEN, len(TAKEN), "python")
    await until_asked(engine, 1)
    server.forget(URI)
    assert await server.known_ahead(URI, TAKEN, len(TAKEN)) is None
