"""Files, folders and windows of unusual kinds in the real VS Code: each is served, or left alone, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from clients.vscode.desk import Desk, Script
from clients.vscode.workbench import Home, Window, browser_page, served, wait_for

FORTY = {"x = ": ["40 + 2"]}


def take_suggestion(window: Window, before: str | bytes, name: str) -> None:
    """Types `x = ` at the end of an open file, and takes what is suggested."""
    window.type("x = ")
    window.wait_for_ghost("40 + 2")
    window.press("Tab")
    window.expect_saved(name, before + (b"x = 40 + 2" if isinstance(before, bytes) else "x = 40 + 2"))


@pytest.fixture(autouse=True)
def suggestions(desk: Desk) -> None:
    desk.script.says(suggestions=FORTY)


def test_a_file_of_fifty_thousand_lines_is_served(desk: Desk) -> None:
    text = "".join(f"value_{number} = {number}\n" for number in range(50_000))
    desk.window.open("long.py", text)
    desk.script.wait_for(event="open", file="long.py")
    take_suggestion(desk.window, text, "long.py")
    desk.window.close_file()


def test_a_binary_file_is_never_shown_to_the_server(desk: Desk) -> None:
    content = bytes(range(256)) * 40
    desk.window.choose_file("binary.py", content)
    desk.window.page.wait_for_selector(".monaco-editor-pane-placeholder:has-text('binary')")
    desk.window.open("text.py", "")
    desk.script.wait_for(event="open", file="text.py")
    assert not desk.script.asked(event="open", file="binary.py")
    assert (desk.window.folder / "binary.py").read_bytes() == content


def test_a_file_in_another_encoding_is_served_and_keeps_it(desk: Desk) -> None:
    desk.window.set_for_folder({"files.encoding": "iso88591"})
    desk.window.page.wait_for_timeout(500)
    text = "# Käse und Brötchen\n".encode("latin-1")
    desk.window.open("latin.py", text)
    desk.script.wait_for(event="open", file="latin.py")
    desk.window.type("x = ")
    desk.window.wait_for_ghost("40 + 2")
    assert "Käse" in str(desk.script.asked(event="ask")[-1]["before"])
    desk.window.press("Tab")
    desk.window.expect_saved("latin.py", text + b"x = 40 + 2")
    desk.window.set_for_folder({"files.encoding": "utf8"})


def test_line_ends_of_windows_are_kept(desk: Desk) -> None:
    desk.script.says(suggestions={"def f():": ["\n    return 1"]})
    desk.window.open("crlf.py", b"import os\r\n")
    desk.script.wait_for(event="open", file="crlf.py")
    desk.window.type("def f():")
    desk.window.wait_for_ghost("\n    return 1")
    desk.window.press("Tab")
    desk.window.expect_saved("crlf.py", b"import os\r\ndef f():\r\n    return 1")


def test_a_file_closed_while_its_question_is_open_does_no_harm_to_the_next(desk: Desk) -> None:
    desk.window.open("left.py", "")
    desk.script.wait_for(event="open", file="left.py")
    desk.script.says(suggestions=FORTY, pause=2)
    before = len(desk.script.asked(event="ask"))
    desk.window.type("x = ")
    wait_for(lambda: len(desk.script.asked(event="ask")) > before, "the question")
    desk.window.expect_saved("left.py", "x = ")
    desk.window.close_file()
    desk.script.says(suggestions=FORTY)
    desk.window.open("next.py", "")
    desk.script.wait_for(event="open", file="next.py")
    take_suggestion(desk.window, "", "next.py")
    assert (desk.window.folder / "left.py").read_text() == "x = "


@pytest.fixture(scope="module")
def folders(vsix: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    """A window on a workspace of two folders, and the address of its VS Code."""
    folder = tmp_path_factory.mktemp("folders")
    home, script = Home(folder / "home"), Script(folder / "script.json")
    script.says(suggestions=FORTY)
    home.write_settings({"quickfill.server.path": script.program(folder / "bin" / "quickfill")})
    home.install(vsix)  # type: ignore[arg-type]
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
        desk.window.open(f"{name}.py", "")
        desk.script.wait_for(event="open", file=f"{name}.py")
        take_suggestion(desk.window, "", f"{name}.py")
    assert len(desk.script.asked(event="start")) == 1


def test_two_windows_on_one_folder_are_both_served(folders: tuple[Desk, str]) -> None:
    """After the window on both folders, one more on the first of them: each has a server of its own, and its own text."""
    desk, address = folders
    desk.window.folder = desk.home.folder.parent / "first"
    desk.window.open("here.py", "")
    browser = desk.window.page.context.browser
    assert browser is not None
    with browser.new_context(viewport={"width": 1100, "height": 700}) as context:
        other = Window(context.new_page(), desk.window.folder)
        other.load(address)
        other.open("there.py", "")
        desk.script.wait_for(event="open", file="there.py")
        take_suggestion(other, "", "there.py")
        take_suggestion(desk.window, "", "here.py")
        # The same file in both: what one saves, the other takes up, and goes on from there.
        other.open("same.py", "# one\n")
        desk.window.choose_file("same.py", "# one\n")
        desk.window.page.wait_for_selector(".editor-instance .monaco-editor.focused .view-line")
        desk.window.press("Control+End")
        take_suggestion(other, "# one\n", "same.py")
        desk.window.page.wait_for_selector(".view-line:has-text('40')")
        desk.window.press("Control+End", "Enter")
        take_suggestion(desk.window, "# one\nx = 40 + 2\n", "same.py")
