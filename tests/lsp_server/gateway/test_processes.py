"""The server's processes: who can reach it, what happens when its engine dies, and how it leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
from serving import PATIENT, TOKEN, Serving, serving, until

from lsp_server import remote
from lsp_server.gateway.mirror import fingerprint
from lsp_server.gateway.worker import until_stuck
from lsp_server.remote import RemoteEngine
from model.engine.engine import Statistics
from model.infilling.request import InfillRequest

SLOW = {"prompt": "def f():\n    values = [", "suffix": "\n", "max_tokens": 150, "n": 1}
ENDLESS = {**SLOW, "max_tokens": 1024, "n": 8}


def refused(*arguments: str | Path, environment: dict[str, str] | None = None) -> str:
    """What `quickfill serve` says when it does not start."""
    command = [sys.executable, "-m", "lsp_server", "serve", *map(str, arguments)]
    known = {name: value for name, value in os.environ.items() if name != "QUICKFILL_TOKEN"} | (environment or {})
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT, check=False, env=known)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_socket_is_its_owners_alone_and_an_engine_that_is_killed_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One server for all of it: each start takes seconds."""
    monkeypatch.setattr(remote, "PATIENCE", PATIENT)
    path = tmp_path / "new folder" / "socket"
    with serving(tmp_path, "--socket", str(path), tokens=None) as server:
        assert server.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "another server" in refused("--socket", path)
        engine = RemoteEngine(server.address)
        # Before the model is loaded a request waits for it.
        text, answers = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n", []
        first = server.worker()
        for number, key in enumerate("    return "):
            text += key
            waiting = engine.submit(InfillRequest((text, "\n"), single_line=True, deadline_ms=20_000.0), "typed")
            if number == 4:
                first.send_signal(signal.SIGKILL)
            answers.append(waiting.result(PATIENT))  # none of them fails
        assert all(answer.model for answer in answers)
        assert first.pid != server.worker().pid
        assert "SIGKILL" in server.log.read_text()
        assert engine.infill(InfillRequest((text, "\n"), single_line=True), "typed").candidates == answers[-1].candidates
        engine.close()
        # Told to stop, it finishes what is under way, takes nothing new, and removes its socket.
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(server.ask, "POST", "/v1/completions", SLOW)
            until(lambda: server.figure("quickfill_running") > 0, "the slow request")
            server.process.send_signal(signal.SIGTERM)
            assert slow.result(PATIENT).status == 200
        assert server.process.wait(PATIENT) == 0
        assert not path.exists()


def test_told_twice_to_stop_it_leaves_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", "--drain-s", str(PATIENT * 2)) as server:
        until(server.is_ready, "the model")
        broken = threading.Event()

        def ask() -> None:
            try:
                server.ask("POST", "/v1/completions", ENDLESS)
            except (OSError, HTTPException):
                broken.set()

        threading.Thread(target=ask, daemon=True).start()
        until(lambda: server.figure("quickfill_running") > 0, "the request")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not listens(server), "no more connections are taken")
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENT) == 0
        assert broken.wait(PATIENT)


def listens(server: Serving) -> bool:
    try:
        socket.create_connection(server.place, 1).close()
    except OSError:
        return False
    return True


def test_it_lives_before_the_model_is_there_and_ends_with_its_owner(tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", tokens=None) as server:
        assert server.ask("GET", "/healthz").status == 200
        connection = server.connection()
        connection.request("GET", "/v1/models", headers={"Host": "a.page.example"})  # as a page does that calls itself so
        assert connection.getresponse().status == 403
        connection.close()
        reply = server.ask("GET", "/readyz")
        assert reply.status == 503 or reply.json["status"] == "ready"
        worker = server.worker()
        server.process.kill()
        worker.wait(PATIENT)
        assert "Traceback" not in server.log.read_text()


def test_an_engine_that_cannot_keep_within_its_memory_is_given_up_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with log.open("w") as errors:
        command = [sys.executable, "-m", "lsp_server", "serve", "--socket", str(tmp_path / "s"), "--memory-mb", "64"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=errors, timeout=PATIENT * 2, check=False)
    assert done.returncode == 2
    lines = log.read_text().splitlines()
    assert "giving up" in lines[-1]
    assert all("Traceback" not in line for line in lines)
    assert any("--memory-mb allows 64" in line for line in lines)


def test_a_socket_left_behind_is_taken_over_and_a_file_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "left"))
    with serving(tmp_path, "--socket", str(tmp_path / "left"), tokens=None) as server:
        assert server.ask("GET", "/healthz").status == 200
    (tmp_path / "file").write_text("precious")
    assert "no socket" in refused("--socket", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


async def test_an_engine_that_has_work_and_makes_no_pass_is_noticed() -> None:
    calls = 0

    def statistics() -> Statistics:
        """Idle, then at work, then no more."""
        nonlocal calls
        calls += 1
        return Statistics(running=int(calls > 20), passes=min(calls, 40))

    await until_stuck(statistics, 0.1)
    assert calls > 40


def test_a_model_that_is_none_is_one_line(tmp_path: Path) -> None:
    assert "no model at" in refused("--port", "0", "--model", tmp_path)


def test_an_address_others_can_reach_needs_tokens(tmp_path: Path) -> None:
    assert "tokens" in refused("--host", "0.0.0.0", "--port", "0")
    empty = tmp_path / "tokens"
    empty.write_text("\n\n")
    assert "no token in" in refused("--host", "0.0.0.0", "--port", "0", "--token-file", empty)
    empty.write_text(f"one\n{TOKEN}\n")
    with serving(tmp_path, "--host", "0.0.0.0", "--port", "0", "--token-file", str(empty), tokens=None) as server:
        assert server.ask("GET", "/metrics", token=None).status == 401
        assert [server.ask("GET", "/metrics", token=token).status for token in ("one", TOKEN)] == [200, 200]
        turn = {"session": "s", "version": 1, "sha256": fingerprint(("x = ",)), "origins": [None], "edits": [[0, 0, 0, "x = "]]}
        assert server.ask("POST", "/v1/infill", {"turn": turn, "cuts": [4]}, token="one").status == 200
        later = {**turn, "base": 1, "version": 2, "origins": None, "edits": []}
        assert server.ask("POST", "/v1/infill", {"turn": later, "cuts": [4]}, token="one").status == 200
        assert server.ask("POST", "/v1/infill", {"turn": later, "cuts": [4]}, token=TOKEN).error["code"] == "unknown_session"


def test_an_address_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused("--port", str(port))
    assert "cannot listen on no.such.host.invalid" in refused(
        "--host", "no.such.host.invalid", environment={"QUICKFILL_TOKEN": "x"}
    )
    assert "too long" in refused("--socket", "/tmp/" + "x" * 150)


GUARD = """
import os, sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        sys.stderr.write(f"{event}{arguments}")
        sys.stderr.flush()
        os._exit(9)
sys.addaudithook(guard)
"""


def test_fill_asks_a_server_that_connects_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD)  # in each of the server's processes
    variables = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    file = tmp_path / "a.py"
    file.write_text("def add(a, b):\n    return \n")
    command = [sys.executable, "-m", "lsp_server", "fill", f"{file}:2:12", "--json", "--server"]
    with serving(tmp_path, "--socket", str(tmp_path / "s"), tokens=None, variables=variables) as server:
        done = subprocess.run([*command, server.address], capture_output=True, text=True, timeout=PATIENT, check=False)
        assert json.loads(done.stdout)["text"], done.stderr
        assert "socket." not in server.log.read_text()
    done = subprocess.run([*command, server.address], capture_output=True, text=True, timeout=PATIENT, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"quickfill: server is away: {server.address}")
    assert len(done.stderr.splitlines()) == 1
