"""The real server with the model that ships, in the real VS Code: the answer may be anything, what becomes of it may not."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.vscode.desk import shell_program
from clients.vscode.workbench import Home, Window, browser_page, served, wait_for
from model.checkpoints.store import BUNDLED, read_card

READY = rf"ready \({re.escape(read_card(BUNDLED).name)}\)"
TEXT = """class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance +="""


@pytest.fixture(scope="module")
def window(vsix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    folder = tmp_path_factory.mktemp("real")
    home = Home(folder / "home")
    program = shell_program(folder / "bin" / "quickfill", f'exec {shlex.quote(sys.executable)} -m lsp_server "$@"')
    home.write_settings({"quickfill.server.path": program, "quickfill.deadline_ms": 20_000, "quickfill.min_confidence": 0})
    home.install(vsix)
    (folder / "project").mkdir()
    with served(home) as address, browser_page() as page:
        window = Window(page, folder / "project")
        window.load(address)
        yield window


def account(window: Window, name: str) -> str:
    """A file whose cursor stands behind `self.balance += `; returns what is suggested there."""
    window.open(name, TEXT)
    window.wait_for_status(READY)
    window.type(" ")
    return wait_for(window.ghost, "a suggestion")


def test_tab_inserts_exactly_what_was_shown(window: Window) -> None:
    ghost = account(window, "tab.py")
    window.press("Tab")
    window.expect_saved("tab.py", TEXT + " " + ghost)
    window.press("Control+z")
    window.expect_saved("tab.py", TEXT + " ")


def test_a_word_is_taken_and_the_rest_stays(window: Window) -> None:
    ghost = account(window, "word.py")
    window.press("Control+ArrowRight")
    wait_for(lambda: window.ghost() != ghost, "the word to be taken")
    rest = window.ghost()
    assert ghost.endswith(rest)
    taken = ghost.removesuffix(rest)
    assert taken.strip()
    window.expect_saved("word.py", TEXT + " " + taken)


def test_the_suggestion_typed_by_hand_stays_to_its_last_letter(window: Window) -> None:
    ghost = account(window, "along.py").split("\n")[0]
    for count in range(1, len(ghost)):
        window.type(ghost[count - 1])
        wait_for(lambda count=count: window.ghost().startswith(ghost[count:]), f"{ghost[count:]!r}, not {window.ghost()!r}")
    window.press("Tab")
    window.expect_saved("along.py", TEXT + " " + ghost)


def test_candidates_are_cycled_and_the_shown_one_is_taken(window: Window) -> None:
    first = account(window, "cycle.py")
    window.press("Alt+]")
    second = wait_for(lambda: window.ghost() not in ("", first) and window.ghost(), "another candidate")
    window.press("Tab")
    window.expect_saved("cycle.py", TEXT + " " + second)


def test_text_to_the_right_is_led_up_to_and_not_doubled(window: Window) -> None:
    before, after = "def area(width, height):\n    return width * height\n\n\nprint(area(", ", 4))\n"
    window.open("right.py", before + after)
    window.wait_for_status(READY)
    for _ in range(len(after)):
        window.press("ArrowLeft")
    window.press("Control+Alt+t")
    ghost = wait_for(window.ghost, "a suggestion")
    window.press("Tab")
    window.expect_saved("right.py", before + ghost + after)
    assert ", 4))" not in ghost


def test_holes_are_filled_all_at_once_and_one_undo_takes_it_back(window: Window) -> None:
    text = "def area(width, height):\n    ___ = width * height\n    return ___\n"
    window.open("holes.py", text)
    window.wait_for_status(READY)
    window.run_command("Quickfill: Fill the Holes")
    pattern = re.compile(r"def area\(width, height\):\n    (.*) = width \* height\n    return (.*)\n")

    def is_filled() -> bool:
        window.press("Control+s")
        found = pattern.fullmatch((window.folder / "holes.py").read_text())
        return found is not None and "___" not in found.groups()

    wait_for(is_filled, "the holes to be filled")
    window.press("Control+z")
    window.expect_saved("holes.py", text)


def test_what_the_model_sees_is_shown_as_a_page(window: Window) -> None:
    account(window, "explain.py")
    window.press("Escape")
    window.run_command("Quickfill: Explain")
    window.expect_page("What the model sees", "What the model sees here")


def test_the_status_says_why_nothing_is_suggested_in_a_comment(window: Window) -> None:
    window.open("comment.py", "x = 1\n")
    window.wait_for_status(READY)
    window.type("# what comes next")
    window.expect_saved("comment.py", "x = 1\n# what comes next")
    window.wait_for_status("Nothing was suggested last: .*comment")
