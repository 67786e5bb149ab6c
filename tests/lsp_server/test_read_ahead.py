"""What was edited is read before anyone asks."""

from __future__ import annotations

from concurrent.futures import Future

from lsp_server.completion.complete import Place, asked_of, complete
from lsp_server.engine import Infiller
from lsp_server.server import Quickfill
from lsp_server.settings import Settings
from model.engine.engine import Engine

TEXT = "def f(a, b):\n    return a + b\n\n\n" * 60


def test_a_request_at_a_place_that_was_just_edited_finds_its_text_read(bundled: Engine) -> None:
    server = Quickfill()
    loaded: Future[Infiller] = Future()
    loaded.set_result(bundled)
    server._engine = loaded
    at = len(TEXT) // 2
    reading = server.read_ahead("file:///a.py", TEXT, at)
    assert reading is not None
    reading.result(60)
    before = bundled.statistics().encoded_tokens
    complete(bundled, asked_of(Place(TEXT, ((at, at),), session="file:///a.py"), Settings()))
    assert bundled.statistics().encoded_tokens - before == 1


def test_nothing_is_read_ahead_before_the_model_is_there() -> None:
    server = Quickfill()
    assert server.read_ahead("file:///a.py", TEXT, 5) is None
    server._engine = Future()
    assert server.read_ahead("file:///a.py", TEXT, 5) is None
