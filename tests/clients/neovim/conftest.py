"""A Neovim for each test, with a scripted server or the real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.neovim.real_neovim import REAL_SERVER, Editor, Script, Start, find_neovim, set_up


@dataclass(frozen=True)
class Desk:
    """A Neovim and what its server says."""

    editor: Editor
    script: Script


@pytest.fixture(scope="session")
def neovim() -> str:
    path = find_neovim()
    if path is None:
        pytest.skip(
            "needs Neovim 0.12 on the PATH, in QUICKFILL_NEOVIM, or fetched by tests/clients/install_neovim, which could not"
        )
    return path


def starts(neovim: str, folder: Path) -> Iterator[Start]:
    started: list[Editor] = []

    def begin(config: str) -> Editor:
        started.append(Editor(neovim, folder, config))
        return started[-1]

    yield begin
    for editor in started:
        editor.close()


@pytest.fixture
def start(neovim: str, tmp_path: Path) -> Iterator[Start]:
    """Starts Neovim with a configuration."""
    yield from starts(neovim, tmp_path)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """What a scripted server of this test alone says."""
    script = Script(tmp_path / "script.json")
    script.says()
    return script


@pytest.fixture(scope="module")
def desk(neovim: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    script = Script(folder / "script.json")
    script.says()
    for start in starts(neovim, folder):
        yield Desk(start(set_up(script.command)), script)


@pytest.fixture
def editor(desk: Desk) -> Editor:
    """A new Python file of one empty line in a Neovim of this file of tests, its scripted server attached and silent."""
    editor = desk.editor
    editor.type("<Esc>")
    editor.nvim.command("%bwipeout!")
    desk.script.forget()
    editor.lua("""
        messages = {}
        require("quickfill.options").take({ cmd = require("quickfill.options").now.cmd })
        require("quickfill.status").because(nil)
    """)
    editor.open("a.py", "\n")
    editor.until_attached()
    return editor


@pytest.fixture
def answers(desk: Desk) -> Script:
    """What the scripted server of `editor` says."""
    return desk.script


@pytest.fixture(scope="module")
def real(neovim: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A Neovim of this file of tests, with the real server and the model that ships with it."""
    for start in starts(neovim, tmp_path_factory.mktemp("real")):
        yield start(set_up(REAL_SERVER, settings="{ deadline_ms = 20000.0, min_confidence = 0.0 }"))
