"""The windows of one machine share an engine: the first starts it, the last one's leaving ends it, a crash brings another."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from conftest import suggested
from pygls.lsp.client import LanguageClient
from serving import PATIENT, engines, until

from lsp_server import remote, shared
from lsp_server.engine import ServerAway
from lsp_server.shared import CannotShare, SharedEngine, running
from model.checkpoints.store import BUNDLED, read_card
from model.infilling.request import InfillRequest

NAME = read_card(BUNDLED).name
REQUEST = InfillRequest(("def add(a, b):\n    return ", "\n"), single_line=True)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine of its own, on which no engine runs; afterwards none does either."""
    monkeypatch.setattr(remote, "PATIENCE", PATIENT)
    monkeypatch.setattr(shared, "START", PATIENT)
    with TemporaryDirectory() as folder:  # whose path, unlike that of `tmp_path`, is always short enough for a socket
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder) / "quickfill"
        for process in engines(Path(folder)):
            process.kill()
            process.wait(PATIENT)


def test_two_windows_share_one_engine_that_leaves_after_the_last(runtime: Path) -> None:
    with ThreadPoolExecutor(3) as pool:  # all at once, as an editor opens its windows again
        first, second, third = pool.map(lambda _: SharedEngine(linger_s=1.0), range(3))
    until(lambda: len(engines(runtime)) == 1, "the others give up")
    (process,) = engines(runtime)
    (path,) = runtime.glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert first.name == NAME
    assert running() == [f"{NAME}, windows: 3"]
    assert first.infill(REQUEST, "a").candidates == second.infill(REQUEST, "a").candidates
    first.close()
    third.close()
    until(lambda: running() == [f"{NAME}, windows: 1"], "the two that have left are noticed")
    with pytest.raises(psutil.TimeoutExpired):
        process.wait(3)  # longer than it would stay alone
    second.close()
    process.wait(PATIENT)
    assert not path.exists()
    assert running() == []


def test_an_engine_that_is_killed_is_there_again_for_every_window(runtime: Path) -> None:
    renewed: list[str] = []
    windows = [SharedEngine(renewed=lambda: renewed.append("first")), SharedEngine(renewed=lambda: renewed.append("second"))]
    before = windows[0].infill(REQUEST, "a").candidates
    assert renewed == []
    engines(runtime)[0].kill()
    assert [window.infill(REQUEST, "a").candidates for window in windows] == [before, before]
    assert renewed == ["first", "second"]  # each tells the new one what it knew of the workspace
    assert len(engines(runtime)) == 1
    assert running() == [f"{NAME}, windows: 2"]


def test_an_engine_that_ends_again_and_again_is_left_alone(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    window = SharedEngine()
    monkeypatch.setattr(shared, "MOST_STARTS", 2)
    for process in engines(runtime):
        process.kill()
    assert window.infill(REQUEST).candidates
    for process in engines(runtime):
        process.kill()
    with pytest.raises(ServerAway, match="started 2 times within a minute"):
        window.infill(REQUEST)


def test_only_windows_that_want_the_same_engine_share_it(runtime: Path, tmp_path: Path) -> None:
    """What is wanted shows in the socket's name."""
    assert shared._identity(None, None, "cpu") == shared._identity(None, None, "cpu")
    model = tmp_path / "model"
    model.mkdir()
    wanted = [(None, None, "cpu"), (None, 1, "cpu"), (None, None, "cuda"), (model, None, "cpu")]
    names = [shared._identity(*one) for one in wanted]
    (model / "config.json").write_text("{}")  # a model that was exchanged is another one
    names.append(shared._identity(model, None, "cpu"))
    assert len(set(names)) == 5


def test_why_nothing_is_shared_is_said(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotShare, match=r"no model at .*nowhere: config.json is missing"):
        SharedEngine(tmp_path / "nowhere")
    runtime.chmod(0o777)
    with pytest.raises(CannotShare, match="is not this user's alone"):
        SharedEngine()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "long" / ("x" * 90)))
    with pytest.raises(CannotShare, match="too long"):
        SharedEngine()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    with pytest.raises(CannotShare, match="Not a directory"):
        SharedEngine()


def test_what_stands_in_the_folder_that_an_editor_was_started_in_is_not_run(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "workspace"
    (workspace / "lsp_server" / "gateway").mkdir(parents=True)
    for name in ("lsp_server/__init__.py", "lsp_server/gateway/__init__.py", "lsp_server/gateway/shared.py", "torch.py"):
        (workspace / name).write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')")
    monkeypatch.chdir(workspace)
    assert SharedEngine().infill(REQUEST).candidates
    assert not (tmp_path / "was-run").exists()


async def opened(environment: dict[str, str]) -> LanguageClient:
    client = LanguageClient("window", "1")
    await client.start_io(sys.executable, "-m", "lsp_server", "lsp", "--stdio", env={**os.environ, **environment})
    return client


async def test_windows_of_real_editors_share_one(runtime: Path) -> None:
    first, second = [await opened({}) for _ in range(2)]
    assert await asyncio.gather(suggested(first), suggested(second))
    assert len(engines(runtime)) == 1


async def test_where_nothing_can_be_shared_the_window_has_its_own(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert await suggested(await opened({"XDG_RUNTIME_DIR": str(tmp_path / "file")}))
    assert await suggested(await opened({}), {"shared_engine": False})
    assert engines(runtime) == []


def test_the_log_of_the_engine_holds_no_code(runtime: Path) -> None:
    window = SharedEngine()
    window.infill(InfillRequest(("canary_of_the_test = ", "\n")), "a")
    engines(runtime)[0].kill()
    window.infill(InfillRequest(("canary_of_the_test = ", "\n")), "a")
    assert all("canary" not in log.read_text() for log in runtime.glob("*.log"))


def test_a_program_that_cannot_be_started_is_no_engine(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CannotShare, match="cannot be started: No such file"):
        SharedEngine()
    monkeypatch.setattr(sys, "executable", subprocess.check_output(["which", "false"], text=True).strip())
    with pytest.raises(CannotShare, match="ended at its start"):
        SharedEngine()


def test_a_window_that_was_killed_has_left(runtime: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = "from lsp_server.shared import SharedEngine; SharedEngine(linger_s=1.0); print(flush=True); input()"
    window = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert window.stdout is not None
    window.stdout.readline()
    (process,) = engines(runtime)
    window.kill()
    window.wait()
    window.stdout.close()
    process.wait(PATIENT)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
