"""A person types Python in the real VS Code and takes, or leaves, what is suggested. Scenarios end with the bytes on the disk."""

from __future__ import annotations

import json

import pytest

from clients.vscode.desk import Desk
from clients.vscode.workbench import wait_for

ADD = "def add(a, b):\n"


def begin(desk: Desk, name: str, text: str, **script: object) -> None:
    """A new file, and what the server says in it."""
    desk.script.says(**script)
    desk.begin(name, text)


def test_tab_takes_the_suggestion(desk: Desk) -> None:
    begin(desk, "tab.py", ADD, suggestions={"    return ": ["a + b", "a - b"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("a + b")
    desk.window.press("Tab")
    desk.window.expect_saved("tab.py", ADD + "    return a + b")


def test_tab_indents_where_nothing_is_suggested(desk: Desk) -> None:
    begin(desk, "indent.py", "if True:\n")
    desk.window.press("Tab")
    desk.window.type("pass")
    desk.window.expect_saved("indent.py", "if True:\n    pass")


def test_a_suggestion_of_several_lines_is_shown_and_taken_whole(desk: Desk) -> None:
    begin(desk, "lines.py", "", suggestions={"def both():": ["\n    one()\n    return two()"]})
    desk.window.type("def both():")
    desk.window.wait_for_ghost("\n    one()\n    return two()")
    desk.window.press("Tab")
    desk.window.expect_saved("lines.py", "def both():\n    one()\n    return two()")


def test_a_word_at_a_time(desk: Desk) -> None:
    begin(desk, "word.py", ADD, suggestions={"    return ": ["alpha + beta"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("alpha + beta")
    desk.window.press("Control+ArrowRight")
    desk.window.wait_for_ghost(" + beta")
    desk.window.expect_saved("word.py", ADD + "    return alpha")


def test_a_line_at_a_time(desk: Desk) -> None:
    begin(desk, "line.py", "", suggestions={"x = ": ["1\ny = 2\n"]})
    desk.window.type("x = ")
    desk.window.wait_for_ghost("1\ny = 2\n")
    desk.window.press("Control+Alt+l")
    desk.window.wait_for_ghost("y = 2\n")
    desk.window.expect_saved("line.py", "x = 1\n")


def test_typing_along_keeps_the_rest(desk: Desk) -> None:
    begin(desk, "along.py", ADD, suggestions={"    return ": ["first + second"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("first + second")
    for typed, left in (("f", "irst + second"), ("irst ", "+ second"), ("+", " second")):
        desk.window.type(typed, delay=20)
        desk.window.wait_for_ghost(left)
    desk.window.press("Tab")
    desk.window.expect_saved("along.py", ADD + "    return first + second")


def test_a_suggestion_is_made_longer_and_shorter_where_it_is_shown(desk: Desk) -> None:
    long = {"    return ": ["first + second\ndone()"]}
    begin(
        desk,
        "longer.py",
        ADD,
        suggestions={"    return ": ["first + second"]},
        reshaped={"longer": long, "line": {"    return ": ["first"]}},
    )
    desk.window.type("    return ")
    desk.window.wait_for_ghost("first + second")
    desk.window.press("Control+Alt+=")
    desk.window.wait_for_ghost("first + second\ndone()")
    desk.window.run_command("Quickfill: Make the Suggestion One Line")
    desk.window.wait_for_ghost("first")
    desk.window.press("Control+Alt+-")
    desk.window.page.wait_for_selector(".statusbar-item:has-text('as short as it can be')")
    desk.window.press("Tab")
    desk.window.expect_saved("longer.py", ADD + "    return first")


def test_the_next_edit_is_shown_made_by_tab_and_followed_by_the_one_after_it(desk: Desk) -> None:
    begin(desk, "next.py", "size = 1\nprint(length)\nreturn length\n", next={"length": "size"})
    desk.window.press("Alt+n")
    struck = ".view-line span[class*='ced-']"
    desk.window.page.wait_for_selector(f"{struck}:has-text('length')")
    desk.window.press("Tab")
    desk.window.expect_saved("next.py", "size = 1\nprint(size)\nreturn length\n")
    desk.window.page.wait_for_selector(f"{struck}:has-text('length')")
    desk.window.press("Tab")
    desk.window.expect_saved("next.py", "size = 1\nprint(size)\nreturn size\n")
    desk.window.page.wait_for_selector(".statusbar-item:has-text('it stands nowhere else')")


def test_a_next_edit_that_is_dismissed_leaves_the_text_and_the_keys_alone(desk: Desk) -> None:
    begin(desk, "dismissed.py", "length = 1\n", next={"length": "size"})
    desk.window.press("Alt+n")
    desk.window.page.wait_for_selector(".view-line span[class*='ced-']:has-text('length')")
    desk.window.press("Escape")
    desk.window.page.wait_for_selector(".view-line span[class*='ced-']:has-text('length')", state="detached")
    desk.window.press("Tab")
    desk.window.expect_saved("dismissed.py", "length = 1\n    ")


def test_the_next_edit_leads_to_another_file_and_is_made_there(desk: Desk) -> None:
    (desk.window.folder / "used.py").write_text("first = 1\nprint(length)\n")
    begin(desk, "changed.py", "size = 1\n", elsewhere={"used.py": {"length": "size"}})
    desk.window.press("Alt+n")
    desk.window.page.wait_for_selector(".tab.active:has-text('used.py')")
    desk.window.page.wait_for_selector(".view-line span[class*='ced-']:has-text('length')")
    assert "length" in (desk.window.folder / "used.py").read_text()
    desk.window.press("Tab")
    desk.window.expect_saved("used.py", "first = 1\nprint(size)\n")
    desk.window.page.wait_for_selector(".statusbar-item:has-text('it stands nowhere else')")
    desk.window.expect_saved("changed.py", "size = 1\n")


def test_cycling_asks_for_more_and_takes_the_one_that_is_shown(desk: Desk) -> None:
    begin(desk, "cycle.py", ADD, suggestions={"    return ": ["a + b", "a - b", "a * b"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("a + b")
    desk.window.press("Alt+]")
    desk.window.wait_for_ghost("a - b")
    assert desk.script.asked(event="ask", kind="Invoked")
    desk.window.press("Alt+]")
    desk.window.wait_for_ghost("a * b")
    desk.window.press("Alt+[")
    desk.window.wait_for_ghost("a - b")
    desk.window.press("Tab")
    desk.window.expect_saved("cycle.py", ADD + "    return a - b")


def test_what_is_typed_against_the_suggestion_stays(desk: Desk) -> None:
    begin(desk, "deviate.py", ADD, suggestions={"    return ": ["a + b"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("a + b")
    desk.window.type("b")
    desk.window.wait_for_no_ghost()
    desk.window.expect_saved("deviate.py", ADD + "    return b")


def test_undo_takes_back_what_was_taken_and_nothing_else(desk: Desk) -> None:
    begin(desk, "undo.py", ADD, suggestions={"    return ": ["a + b"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("a + b")
    desk.window.press("Tab")
    desk.window.expect_saved("undo.py", ADD + "    return a + b")
    desk.window.press("Control+z")
    desk.window.expect_saved("undo.py", ADD + "    return ")


def test_escape_sends_the_suggestion_away(desk: Desk) -> None:
    begin(desk, "escape.py", ADD, suggestions={"    return ": ["a + b"]})
    desk.window.type("    return ")
    desk.window.wait_for_ghost("a + b")
    desk.window.press("Escape")
    desk.window.wait_for_no_ghost()
    desk.window.press("Tab")
    desk.window.expect_saved("escape.py", ADD + "    return  ")


def test_the_popups_choice_begins_the_suggestion(desk: Desk) -> None:
    text = "colour_of_sky = print\n"
    begin(desk, "popup.py", text, suggestions={"colour_of_sky": ["(day)"]})
    desk.window.type("col")
    desk.window.open_popup_at("colour_of_sky")
    desk.script.wait_for(event="ask", chosen="colour_of_sky")
    desk.window.wait_for_ghost("our_of_sky(day)")
    desk.window.press("Tab")
    desk.window.wait_for_ghost("(day)")
    desk.window.press("Tab")
    desk.window.expect_saved("popup.py", text + "colour_of_sky(day)")


def test_brackets_that_close_themselves_are_not_doubled(desk: Desk) -> None:
    begin(desk, "brackets.py", "total = 1\n", suggestions={"print(": ["total"]})
    desk.window.type("print(")
    desk.window.wait_for_ghost("total")
    desk.window.press("Tab")
    desk.window.type(")")
    desk.window.expect_saved("brackets.py", "total = 1\nprint(total)")


def test_characters_of_two_units_do_not_shift_the_suggestion(desk: Desk) -> None:
    begin(desk, "emoji.py", "", suggestions={"🙂 é' + ": ["mood"]})
    desk.window.page.keyboard.insert_text("face = '🙂 é' + ")
    desk.window.press("Control+Alt+t")
    desk.window.wait_for_ghost("mood")
    desk.window.press("Tab")
    desk.window.expect_saved("emoji.py", "face = '🙂 é' + mood")


def test_asking_by_hand(desk: Desk) -> None:
    begin(desk, "hand.py", "x = ", suggestions={"x = ": ["40 + 2"]})
    desk.window.press("Control+Alt+t")
    desk.window.wait_for_ghost("40 + 2")
    desk.window.press("Tab")
    desk.window.expect_saved("hand.py", "x = 40 + 2")


def test_the_status_says_why_nothing_came(desk: Desk) -> None:
    begin(desk, "reason.py", "", reason="the model was not sure enough")
    desk.window.type("x")
    desk.window.wait_for_status("ready.*Nothing was suggested last: the model was not sure enough")
    desk.script.says(suggestions={"x = ": ["1"]})
    desk.window.type(" = ")
    desk.window.wait_for_ghost("1")
    desk.window.wait_for_status(r"ready \(scripted\)$")
    desk.window.press("Escape")
    desk.window.expect_saved("reason.py", "x = ")


def test_holes_are_filled_together(desk: Desk) -> None:
    begin(desk, "holes.py", "x = ___\ny = ___\n", holes=["1", "x + 1"])
    desk.window.run_command("Quickfill: Fill the Holes")
    desk.script.wait_for(event="holes", ranges=None)
    desk.window.expect_saved("holes.py", "x = 1\ny = x + 1\n")


def test_without_a_hole_the_reason_is_shown(desk: Desk) -> None:
    begin(desk, "whole.py", "x = 1\n")
    desk.window.run_command("Quickfill: Fill the Holes")
    desk.window.message("changed nothing: there is no hole")
    desk.window.run_command("Notifications: Clear All")
    desk.window.expect_saved("whole.py", "x = 1\n")


@pytest.mark.parametrize(
    ("name", "command", "words"),
    [
        ("language.py", "Quickfill: Turn On or Off for This Language", "turned off for python"),
        ("workspace.py", "Quickfill: Turn On or Off for This Workspace", "turned off for this workspace"),
    ],
)
def test_turned_off_nothing_is_asked(desk: Desk, name: str, command: str, words: str) -> None:
    begin(desk, name, "", suggestions={"x = ": ["1"]})
    desk.window.run_command(command)
    desk.window.wait_for_status(words)
    before = len(desk.script.asked(event="ask"))
    desk.window.type("x = ")
    desk.window.expect_saved(name, "x = ")
    assert len(desk.script.asked(event="ask")) == before
    desk.window.run_command(command)
    desk.window.wait_for_status("ready")
    desk.window.press("Control+Alt+t")
    desk.window.wait_for_ghost("1")
    desk.window.press("Tab")
    desk.window.expect_saved(name, "x = 1")


def test_asleep_nothing_is_asked_until_woken(desk: Desk) -> None:
    begin(desk, "asleep.py", "", suggestions={"x = ": ["1"]})
    desk.window.run_command("Quickfill: Snooze")
    desk.window.page.wait_for_selector(".quick-input-list .monaco-list-row.focused[aria-label^='5 minutes']")
    desk.window.press("Enter")
    desk.window.wait_for_status("asleep until")
    before = len(desk.script.asked(event="ask"))
    desk.window.type("x = ")
    desk.window.expect_saved("asleep.py", "x = ")
    assert len(desk.script.asked(event="ask")) == before
    desk.window.run_command("Quickfill: Snooze")
    desk.window.wait_for_status("ready")
    desk.window.press("Control+Alt+t")
    desk.window.wait_for_ghost("1")


def test_a_changed_setting_reaches_the_running_server(desk: Desk) -> None:
    begin(desk, "settings.py", "")
    (process,) = {question["pid"] for question in desk.script.asked(event="open", file="settings.py")}
    desk.window.set_for_folder({"quickfill.deadline_ms": 321})

    def arrived() -> bool:
        sent = json.dumps([question["settings"] for question in desk.script.asked(event="settings", pid=process)])
        return '"deadline_ms": 321' in sent

    wait_for(arrived, "the setting to arrive")
    desk.window.set_for_folder({"quickfill.deadline_ms": 500})


def test_what_the_model_sees_is_shown_as_a_page(desk: Desk) -> None:
    begin(desk, "explain.py", "x = 1\n", explanation="# What stands here\n")
    desk.window.run_command("Quickfill: Explain")
    desk.window.expect_page("What the model sees", "What stands here")


def test_the_report_is_shown_as_a_page(desk: Desk) -> None:
    begin(desk, "report.py", "x = 1\n", report="# Two were taken\n")
    desk.window.run_command("Quickfill: Open the Report")
    desk.window.expect_page("What became of the suggestions", "Two were taken")


def test_the_gravest_problem_at_the_cursor_is_repaired(desk: Desk) -> None:
    mild = {"line": 0, "character": 0, "length": 9, "message": "long line", "severity": 3}
    grave = {"line": 0, "character": 4, "length": 5, "message": "undefined name", "severity": 1}
    begin(desk, "problem.py", "x = lenth", problems=[mild, grave], repaired="length")
    desk.window.page.wait_for_selector(".squiggly-error")
    desk.window.run_command("Quickfill: Repair This Problem")
    desk.window.expect_saved("problem.py", "x = length")


def test_without_a_problem_at_the_cursor_that_is_said(desk: Desk) -> None:
    begin(desk, "sound.py", "x = 1\n")
    desk.window.run_command("Quickfill: Repair This Problem")
    desk.window.message("changed nothing: there is no problem at the cursor")
    desk.window.run_command("Notifications: Clear All")
    desk.window.expect_saved("sound.py", "x = 1\n")
