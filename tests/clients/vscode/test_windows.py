"""Several folders and several windows of the real VS Code at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.vscode.desk import FORTY, Desk, Script
from clients.vscode.workbench import Home, Window, browser_page, served


@pytest.fixture(scope="module")
def folders(vsix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    """A window on a workspace of two folders, and the address of its VS Code."""
    folder = tmp_path_factory.mktemp("folders")
    home, script = Home(folder / "home"), Script(folder / "script.json")
    script.says(suggestions=FORTY)
    home.write_settings({"quickfill.server.path": script.program(folder / "bin" / "quickfill")})
    home.install(vsix)
    for name in ("first", "second"):
        (folder / name).mkdir()
    workspace = folder / "both.code-workspace"
    workspace.write_text(json.dumps({"folders": [{"path": "first"}, {"path": "second"}]}))
    with served(home) as address, browser_page() as page:
        window = Window(page, folder / "first")
        window.load(address, workspace)
        yield Desk(window, script, home), address


def test_folders_of_one_workspace_share_a_server(folders: tuple[Desk, str]) -> None:
    desk, _ = folders
    for name in ("first", "second"):
        desk.window.folder = desk.home.folder.parent / name
        desk.begin(f"{name}.py", "")
        desk.take_forty("", f"{name}.py")
    assert len(desk.script.asked(event="start")) == 1


def test_two_windows_on_one_folder_are_both_served(folders: tuple[Desk, str]) -> None:
    """After the window on both folders, one more on the first of them: each has a server of its own, and its own text."""
    desk, address = folders
    desk.window.folder = desk.home.folder.parent / "first"
    desk.window.open("here.py", "")
    browser = desk.window.page.context.browser
    assert browser is not None
    with browser.new_context(viewport={"width": 1100, "height": 700}) as context:
        other = Desk(Window(context.new_page(), desk.window.folder), desk.script, desk.home)
        other.window.load(address)
        other.begin("there.py", "")
        other.take_forty("", "there.py")
        desk.take_forty("", "here.py")
        # The same file in both: what one saves, the other takes up, and goes on from there.
        for one in (other, desk):
            one.window.open("same.py", "# one\n")
        other.take_forty("# one\n", "same.py")
        desk.window.page.wait_for_selector(".view-line:has-text('40')")
        desk.window.press("Control+End", "Enter")
        desk.take_forty("# one\nx = 40 + 2\n", "same.py")
