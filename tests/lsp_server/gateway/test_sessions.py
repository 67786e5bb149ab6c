"""A language server's engine behind a real server: the same answers, edits on the wire, and every way of falling out of step."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import suggested
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from serving import PATIENT, TOKEN, Serving, serving, until

from lsp_server.completion.complete import Place, asked_of, complete
from lsp_server.engine import ServerAway
from lsp_server.gateway.mirror import fingerprint
from lsp_server.remote import RemoteEngine
from lsp_server.settings import Settings
from model.engine.engine import Engine
from model.infilling.request import Cancelled, InfillRequest

FILE = Path(textwrap.__file__).read_text()
AT = FILE.index("        cur_len = 0")
ENDLESS = InfillRequest(("def f():\n    values = [", "\n"), candidates=8, max_tokens=1024, drafts=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("sessions"), "--port", "0") as found:
        until(found.is_ready, "the model")
        yield found


@pytest.fixture
def remote(server: Serving) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(server.address, TOKEN)
    yield engine
    engine.close()


class Wire:
    """Carries connections to a server, and counts what the client sends."""

    def __init__(self, place: tuple[str, int]) -> None:
        self._place = place
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            onward = socket.create_connection(self._place)
            threading.Thread(target=self._carry, args=(client, onward, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(onward, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while raw := source.recv(1 << 16):
                self.sent += len(raw) if counted else 0
                target.sendall(raw)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            target.close()


@contextmanager
def counted(server: Serving) -> Iterator[tuple[RemoteEngine, Wire]]:
    wire = Wire(server.place)
    engine = RemoteEngine(wire.address, TOKEN)
    yield engine, wire
    engine.close()
    wire.close()


def request(before: str, after: str = "\n", **options: object) -> InfillRequest:
    return InfillRequest((before, after), single_line=True, **options)  # type: ignore[arg-type]


def test_the_answer_is_that_of_an_engine_in_this_process(remote: RemoteEngine) -> None:
    own = Engine.load()  # in the arithmetic of the server's
    for text in ("import math\n\n\ndef area(radius):\n    return ", "def add(a, b):\n    return "):
        here = complete(own, asked_of(Place(text + "\n", ((len(text), len(text)),)), Settings(), 3))
        there = complete(remote, asked_of(Place(text + "\n", ((len(text), len(text)),), session="file"), Settings(), 3))
        assert [c.texts for c in there.candidates] == [c.texts for c in here.candidates]
        assert [len(c.parts) for c in there.candidates] == [len(c.parts) for c in here.candidates]
        assert there.candidates[0].confidence == pytest.approx(here.candidates[0].confidence, abs=0.05)
        assert set(there.timings_ms) == set(here.timings_ms)
        assert there.model == here.model


@pytest.mark.parametrize("copies", [1, 40], ids=["a small file", "a large one"])
def test_a_keystroke_sends_a_few_hundred_bytes_whatever_the_files_size(server: Serving, copies: int) -> None:
    with counted(server) as (remote, wire):
        before, after, others = FILE[:AT] * copies, FILE[AT:] * copies, (FILE, FILE[::-1])
        remote.infill(request(before, after, other_files=others), "file")
        whole = wire.sent
        assert whole > len(before + after)
        for key in "cur_li":
            before += key
            wire.sent = 0
            remote.infill(request(before, after, other_files=others, deadline_ms=500.0, min_confidence=0.5), "file")
            assert 0 < wire.sent < 700


def test_a_cursor_that_moves_sends_no_text(server: Serving) -> None:
    with counted(server) as (remote, wire):
        remote.infill(request(FILE[:AT], FILE[AT:]), "file")
        wire.sent = 0
        remote.infill(request(FILE[: AT // 2], FILE[AT // 2 :]), "file")
        assert 0 < wire.sent < 600


def test_what_was_cancelled_does_not_make_the_client_send_everything_again(server: Serving) -> None:
    with counted(server) as (remote, wire):
        remote.infill(request(FILE[:AT], FILE[AT:]), "file")
        for typed in ("values = [", "values = [1, ", "values = [1, 2, "):  # that go on for long
            running = server.figure("quickfill_requests_total")
            stop = threading.Event()
            wire.sent = 0
            answer = remote.submit(
                InfillRequest((FILE[:AT] + typed, FILE[AT:]), candidates=8, max_tokens=1024, drafts=False), "file", stop.is_set
            )
            until(lambda running=running: server.figure("quickfill_requests_total") > running, "the request")
            stop.set()
            with pytest.raises(Cancelled):
                answer.result(PATIENT)
            assert wire.sent < 700
        wire.sent = 0
        assert remote.infill(request(FILE[:AT] + "cur_", FILE[AT:]), "file").model
        assert wire.sent < 700


def test_a_server_that_forgot_the_session_is_sent_the_text_and_answers(server: Serving, remote: RemoteEngine) -> None:
    text = "def add(a, b):\n    return "
    first = remote.infill(request(text), "file")
    session = remote._sessions["file"].id
    assert server.ask("DELETE", f"/v1/sessions/{session}").status == 204
    before = server.figure('quickfill_resynchronisations_total{code="unknown_session"}')
    assert remote.infill(request(text), "file").candidates[0].texts == first.candidates[0].texts
    assert server.figure('quickfill_resynchronisations_total{code="unknown_session"}') == before + 1
    remote.infill(request(text), "file")
    assert server.figure('quickfill_resynchronisations_total{code="unknown_session"}') == before + 1


@pytest.mark.parametrize(
    ("change", "code"),
    [({"base": 7}, "other_version"), ({"sha256": "0" * 64}, "hash_mismatch"), ({"edits": [[0, 10**6, 0, "x"]]}, "hash_mismatch")],
)
def test_edits_that_are_out_of_step_are_refused_with_a_code(server: Serving, change: dict[str, object], code: str) -> None:
    turn = {"session": f"raw {code}", "version": 1, "sha256": fingerprint(("x = ",)), "origins": [None]}
    whole = {**turn, "edits": [[0, 0, 0, "x = "]]}
    assert server.ask("POST", "/v1/infill", {"turn": whole, "cuts": [4]}).status == 200
    later = {**turn, "version": 2, "base": 1, "origins": None, **change}
    reply = server.ask("POST", "/v1/infill", {"turn": later, "cuts": [4]})
    assert reply.status == 409
    assert reply.error["code"] == code


def test_cancelling_ends_the_work_in_the_server(server: Serving, remote: RemoteEngine) -> None:
    before = server.figure("quickfill_cancelled_total")
    stop = threading.Event()
    answer = remote.submit(ENDLESS, "long", stop.is_set)
    until(lambda: server.figure("quickfill_running") > 0, "the request")
    stop.set()
    with pytest.raises(Cancelled):
        answer.result(PATIENT)
    until(lambda: server.figure("quickfill_running") == 0, "its end")
    assert server.figure("quickfill_cancelled_total") == before + 1


def test_a_newer_request_of_a_file_takes_the_older_ones_place(server: Serving, remote: RemoteEngine) -> None:
    older = remote.submit(ENDLESS, "same file")
    until(lambda: server.figure("quickfill_running") > 0, "the older one")
    assert remote.infill(request("def add(a, b):\n    return "), "same file").candidates
    with pytest.raises(Cancelled):
        older.result(PATIENT)


def test_of_two_requests_at_once_the_one_asked_later_is_the_newer(remote: RemoteEngine) -> None:
    for number in range(20):
        text = f"def add(a, b):\n    c{number} = "
        remote.submit(request(text), "in order")
        assert remote.submit(request(text + "a"), "in order").result(PATIENT).model


def test_two_clients_with_one_name_do_not_disturb_each_other(server: Serving, remote: RemoteEngine) -> None:
    other = RemoteEngine(server.address, TOKEN)
    stop = threading.Event()
    long = other.submit(ENDLESS, "same name", stop.is_set)
    until(lambda: server.figure("quickfill_running") > 0, "the other's request")
    assert remote.infill(request("def add(a, b):\n    return "), "same name").candidates
    assert not long.done()
    stop.set()
    with pytest.raises((Cancelled, CancelledError)):
        long.result(PATIENT)
    other.close()


def test_a_deadline_holds_and_one_in_the_past_gets_a_reason(remote: RemoteEngine) -> None:
    slow = InfillRequest(ENDLESS.parts, candidates=8, max_tokens=1024, drafts=False, deadline_ms=150.0)
    began = time.monotonic()
    remote.infill(slow)
    assert time.monotonic() - began < PATIENT / 4  # without it, this takes much longer
    found = remote.infill(request("def add(a, b):\n    return ", deadline_ms=-5.0))
    assert found.reason or found.candidates


def test_an_opened_file_is_read_ahead(server: Serving, remote: RemoteEngine) -> None:
    parts = (FILE[:AT], FILE[AT:])
    remote.warm("opened", parts).result(PATIENT)
    until(lambda: server.figure("quickfill_waiting") + server.figure("quickfill_running") == 0, "it was read")
    assert remote.infill(InfillRequest(parts, single_line=True), "opened").encoded_tokens < 100
    before = server.figure("quickfill_sessions")
    remote.forget("opened")
    until(lambda: server.figure("quickfill_sessions") < before, "its cache was freed")


def test_a_request_that_cannot_be_is_a_value_error_with_the_servers_words(remote: RemoteEngine) -> None:
    with pytest.raises(ValueError, match="candidates must be 1 to 8, got 99"):
        remote.infill(request("x", candidates=99))
    with pytest.raises(ValueError, match="at most 8"):
        remote.infill(InfillRequest(("x",) * 12))
    with pytest.raises(ValueError, match="longer"):
        remote.infill(request("x" * (5 << 20)))


def test_a_wrong_token_is_said(server: Serving) -> None:
    with pytest.raises(ServerAway, match="token"):
        RemoteEngine(server.address, "wrong").infill(request("x"))


@pytest.mark.parametrize("address", ["unix:/nowhere/at/all", "http://127.0.0.1:9"])
def test_no_server_is_said(address: str) -> None:
    with pytest.raises(ServerAway, match=f"server is away: {address}"):
        RemoteEngine(address).infill(request("x"))


@pytest.mark.parametrize("address", ["", "nonsense", "ftp://host", "http://", "http://host:port", "unix:", "http://host/path"])
def test_an_address_that_is_none_is_said(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RemoteEngine(address)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--server", "nonsense"], "address"), (["--server", "unix:/x", "--model", "folder"], "exclude each other")],
)
def test_the_command_refuses_what_cannot_be_in_one_line(arguments: list[str], complaint: str) -> None:
    command = [sys.executable, "-m", "lsp_server", "lsp", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert complaint in done.stderr


async def test_without_its_server_the_language_server_says_why_it_is_silent() -> None:
    client = LanguageClient("remote", "1")
    await client.start_io(sys.executable, "-m", "lsp_server", "lsp", "--stdio", "--server", "unix:/nowhere/at/all")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem("file:///a.py", "python", 1, "x = \n")))
    invoked = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked)
    asked = types.InlineCompletionParams(invoked, types.TextDocumentIdentifier("file:///a.py"), types.Position(0, 4))
    found = await client.text_document_inline_completion_async(asked)
    assert isinstance(found, types.InlineCompletionList)
    assert not found.items
    status = await client.workspace_execute_command_async(types.ExecuteCommandParams("quickfill.status"))
    reason = status["reason"] if isinstance(status, dict) else status.reason
    assert reason.startswith("server is away: unix:/nowhere/at/all")
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()


async def test_the_language_server_suggests_through_it(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKFILL_TOKEN", TOKEN)
    before = server.figure("quickfill_requests_total")
    client = LanguageClient("remote", "1")
    await client.start_io(sys.executable, "-m", "lsp_server", "lsp", "--stdio", "--server", server.address)
    assert await suggested(client)
    assert server.figure("quickfill_requests_total") == before + 1


LINE = "quotient = gloxinia_quotient(alpha_bed, beta_bed)"
GARDEN = InfillRequest(
    ("import os\n\n\ndef weed(alpha_bed, beta_bed):\n    quotient = gloxinia_", "\n"),
    project=("garden", "weeds.py"),
    single_line=True,
    branches=0,
)


def test_a_project_that_was_told_in_several_messages_is_copied_from(server: Serving, remote: RemoteEngine) -> None:
    assert not remote.infill(GARDEN).knows_project
    texts = {f"{number}.py": f"x = {number}\n" * 40_000 for number in range(4)}
    remote.tell("garden", {"first.py": f"def plant(alpha_bed, beta_bed):\n    {LINE}\n", **texts}, whole=True).result()
    until(lambda: remote.infill(GARDEN).knows_project, "the project")
    assert remote.infill(GARDEN).candidates[0].text == "quotient(alpha_bed, beta_bed)"
    other = RemoteEngine(server.address, TOKEN)
    assert other.infill(GARDEN).knows_project  # the same person, in another window
    other.close()


def test_a_project_without_a_name_is_refused(remote: RemoteEngine) -> None:
    with pytest.raises(ValueError, match="project"):
        remote.tell("", {}).result()
