"""Files of unusual kinds in the real VS Code: each is served, or left alone, and nothing is lost."""

from __future__ import annotations

import pytest

from clients.vscode.desk import FORTY, Desk
from clients.vscode.workbench import wait_for


@pytest.fixture(autouse=True)
def suggestions(desk: Desk) -> None:
    desk.script.says(suggestions=FORTY)


def test_a_file_of_fifty_thousand_lines_is_served(desk: Desk) -> None:
    text = "".join(f"value_{number} = {number}\n" for number in range(50_000))
    desk.begin("long.py", text)
    desk.take_forty(text, "long.py")
    desk.window.close_file()


def test_a_binary_file_is_never_shown_to_the_server(desk: Desk) -> None:
    content = bytes(range(256)) * 40
    desk.window.choose_file("binary.py", content)
    desk.window.page.wait_for_selector(".monaco-editor-pane-placeholder:has-text('binary')")
    desk.begin("text.py", "")
    assert not desk.script.asked(event="open", file="binary.py")
    assert (desk.window.folder / "binary.py").read_bytes() == content


def test_a_file_in_another_encoding_is_served_and_keeps_it(desk: Desk) -> None:
    text = "# Käse und Brötchen\n".encode("latin-1")
    desk.window.set_for_folder({"files.encoding": "iso88591"})
    for number in range(20):  # nothing on the screen says when VS Code has read the settings
        desk.begin(name := f"latin{number}.py", text)
        if "Käse" in desk.window.lines():
            break
        desk.window.page.wait_for_timeout(500)
    desk.window.type("x = ")
    desk.window.wait_for_ghost("40 + 2")
    assert "Käse" in str(desk.script.asked(event="ask")[-1]["before"])
    desk.window.press("Tab")
    desk.window.expect_saved(name, text + b"x = 40 + 2")
    desk.window.set_for_folder({"files.encoding": "utf8"})


def test_line_ends_of_windows_are_kept(desk: Desk) -> None:
    desk.script.says(suggestions={"def f():": ["\n    return 1"]})
    desk.begin("crlf.py", b"import os\r\n")
    desk.window.type("def f():")
    desk.window.wait_for_ghost("\n    return 1")
    desk.window.press("Tab")
    desk.window.expect_saved("crlf.py", b"import os\r\ndef f():\r\n    return 1")


def test_a_file_closed_while_its_question_is_open_does_no_harm_to_the_next(desk: Desk) -> None:
    desk.begin("left.py", "")
    desk.script.says(suggestions=FORTY, pause=2)
    before = len(desk.script.asked(event="ask"))
    desk.window.type("x = ")
    wait_for(lambda: len(desk.script.asked(event="ask")) > before, "the question")
    desk.window.expect_saved("left.py", "x = ")
    desk.window.close_file()
    desk.script.says(suggestions=FORTY)
    desk.begin("next.py", "")
    desk.take_forty("", "next.py")
    assert (desk.window.folder / "left.py").read_text() == "x = "
