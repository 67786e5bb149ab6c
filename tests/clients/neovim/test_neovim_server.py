"""The server's process as a user of Neovim meets it: missing, crashing, hanging, killed, back; and files that are not for it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from clients.neovim.real_neovim import Editor, Script, Start, eventually, set_up

OLDER = "local has = vim.fn.has\nvim.fn.has = function(what) return what == 'nvim-0.12' and 0 or has(what) end\n"
QUICK = "require('quickfill.server').first_pause_seconds = 0.02\n"


def server_pid(editor: Editor) -> int | None:
    neovim = editor.nvim.eval("getpid()")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "stat").read_text().rsplit(")", 1)[1].split()
            if words[1] == str(neovim) and words[0] != "Z":
                return int(process.name)
        except (FileNotFoundError, ProcessLookupError):  # it ended while it was looked at
            continue
    return None


def killed(editor: Editor) -> int:
    """Kills the server and gives what was its process."""
    pid = server_pid(editor)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def until_another(editor: Editor, than: int | None) -> None:
    eventually("another server", lambda: server_pid(editor) not in (None, than))
    editor.until_attached()


def test_nothing_but_enable_is_needed(start: Start, script: Script) -> None:
    script.are(("return ", ["a"]))
    command = ", ".join(f'"{part}"' for part in script.command)
    editor = start(f'vim.lsp.config("quickfill", {{ cmd = {{ {command} }} }})\nvim.lsp.enable("quickfill")\n')
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ireturn ")
    editor.until_ghost("a")
    editor.type("<Tab>")
    assert editor.text == "return a\n"


def test_quickfill_on_the_path_is_found(start: Start, script: Script, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "quickfill"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = lsp ] && exec {" ".join(script.command)}\n')
    program.chmod(0o755)
    script.are(("return ", ["a"]))
    editor = start(f'vim.env.PATH = "{program.parent}:" .. vim.env.PATH\nvim.lsp.enable("quickfill")\n')
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ireturn ")
    editor.until_ghost("a")


def test_a_missing_server_gets_one_message_that_says_what_to_do(start: Start) -> None:
    editor = start(set_up(["/nowhere/quickfill", "lsp"]))
    editor.open("a.py", "\n")
    eventually("a message", lambda: editor.messages)
    editor.open("b.py", "\n")
    editor.type("ix<Tab>")
    assert editor.text == "x   \n"
    [message] = editor.messages
    assert "`/nowhere/quickfill` is not installed" in message
    assert ":help quickfill-install" in message
    assert "not installed" in editor.statusline


def test_a_missing_server_set_neovims_way_gets_the_message_too(start: Start) -> None:
    editor = start('vim.lsp.config("quickfill", { cmd = { "/nowhere/quickfill" } })\nvim.lsp.enable("quickfill")\n')
    editor.open("a.py", "\n")
    assert "`/nowhere/quickfill` is not installed" in eventually("a message", lambda: editor.messages)[0]


def test_a_server_that_crashes_at_every_start_is_left_alone_after_one_message(start: Start, script: Script) -> None:
    script.says(start="crash")
    editor = start(QUICK + set_up(script.command))
    editor.open("a.py", "\n")
    editor.type("ix = ")
    eventually("the server is given up", lambda: "5 times in a row" in editor.statusline)
    [message] = eventually("a message", lambda: editor.messages)
    assert "the server ended with exit code 3, 5 times in a row" in message
    assert ":Quickfill restart" in message
    assert editor.text == "x = \n"


def test_a_server_that_was_given_up_starts_again_when_asked(start: Start, script: Script) -> None:
    script.says(start="crash")
    script.are(("x = ", ["y"]))
    editor = start(QUICK + set_up(script.command))
    editor.open("a.py", "\n")
    eventually("the server is given up", lambda: "5 times in a row" in editor.statusline)
    script.says(start="run")
    editor.nvim.command("Quickfill restart")
    editor.until_attached()
    editor.type("ix = ")
    editor.until_ghost("y")


def test_a_killed_server_comes_back_and_nobody_is_told(start: Start, script: Script) -> None:
    script.are(("x = ", ["y"]))
    editor = start(QUICK + set_up(script.command))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ix = ")
    editor.until_ghost("y")
    until_another(editor, killed(editor))
    editor.type("<C-u>x = ")
    editor.until_ghost("y")
    editor.type("<Tab>")
    assert editor.text == "x = y\n"
    assert editor.messages == []


def test_a_server_killed_while_it_is_asked_leaves_the_text_alone(start: Start, script: Script) -> None:
    script.are(("x = ", ["y"]))
    script.says(silent=True)
    editor = start(QUICK + set_up(script.command))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ix = ")
    eventually("the question", lambda: script.asked)
    old = killed(editor)
    editor.type("1")
    script.says(silent=False)
    until_another(editor, old)
    assert editor.text == "x = 1\n"
    assert editor.messages == []


def test_a_server_that_hangs_at_its_start_blocks_nothing_and_is_given_up(start: Start, script: Script) -> None:
    script.says(start="hang")
    editor = start(QUICK + set_up(script.command, hang_seconds="0.2"))
    editor.open("a.py", "\n")
    editor.type("ix = 1<Tab>")
    assert editor.text == "x = 1   \n"
    eventually("the server is given up", lambda: "did not answer, 5 times in a row" in editor.statusline)
    assert len(editor.messages) == 1


def test_a_server_that_stops_answering_is_replaced(start: Start, script: Script) -> None:
    script.are(("x = ", ["y"]))
    script.says(silent=True)
    editor = start(QUICK + set_up(script.command))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.lua("require('quickfill.options').now.hang_seconds = 0.3")
    old = server_pid(editor)
    editor.type("ix = ")
    eventually("the question", lambda: script.asked)
    script.says(silent=False)
    editor.lua("require('quickfill.options').now.hang_seconds = 30")
    until_another(editor, old)
    editor.until_ghost("y")
    assert editor.text == "x = \n"


def test_a_server_that_answers_or_whose_question_was_taken_back_is_not_replaced(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["y"]))
    editor.lua("require('quickfill.options').now.hang_seconds = 0.2")
    old = server_pid(editor)
    editor.type("ix = ")
    editor.until_ghost("y")
    editor.lua("vim.wait(300)")  # longer than a hanging server would live
    answers.says(silent=True)
    editor.type("<C-u>z")
    eventually("the question", lambda: answers.asked[-1]["before"] == "z")
    editor.type("<Esc>")
    editor.lua("vim.wait(300)")
    assert server_pid(editor) == old
    assert editor.statusline == "Quickfill: ready"
    assert editor.text == "z\n"


def test_a_server_that_writes_rubbish_blocks_nothing(start: Start, script: Script) -> None:
    script.says(start="garbage")
    editor = start(QUICK + set_up(script.command, hang_seconds="0.5"))
    editor.open("a.py", "\n")
    editor.type("ix = 1")
    assert editor.text == "x = 1\n"


def test_leaving_while_a_question_is_open_leaves_at_once_and_takes_the_server_along(start: Start, script: Script) -> None:
    script.says(silent=True)
    editor = start(set_up(script.command))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ix = ")
    eventually("the question", lambda: script.asked)
    server = server_pid(editor)
    editor.close()
    eventually(
        "the server is gone",
        lambda: not Path(f"/proc/{server}/cmdline").exists() or not Path(f"/proc/{server}/cmdline").read_bytes(),
    )


def test_a_file_of_fifty_thousand_lines_is_served(editor: Editor, answers: Script) -> None:
    answers.are(("return ", ["a"]))
    lines = "".join(f"x{i} = {i}\n" for i in range(50_000))
    editor.open("long.py", lines)
    editor.until_attached()
    editor.type("Goreturn ")
    editor.until_ghost("a")
    editor.type("<Tab>")
    assert editor.text == lines + "return a\n"


def test_a_binary_file_is_never_shown_to_the_server(editor: Editor, answers: Script) -> None:
    editor.open("binary.py", b"\x00\x01\xff\n" * 10)
    editor.type("ix")
    assert editor.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0
    assert editor.statusline == ""
    assert "binary.py" not in [question["file"] for question in answers.asked]
    assert editor.messages == []


def test_a_file_in_another_encoding_is_served(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["'größe'"]))
    editor.open("latin.py", "# größe\n\n".encode("latin-1"))
    editor.until_attached()
    editor.type("jix = ")
    editor.until_ghost("'größe'")
    editor.type("<Tab><Esc>")
    editor.nvim.command("write")
    assert (editor.folder / "latin.py").read_bytes() == "# größe\nx = 'größe'\n".encode("latin-1")


def test_two_files_share_one_server(editor: Editor) -> None:
    editor.nvim.command("set hidden")
    (editor.folder / "other").mkdir(exist_ok=True)
    (editor.folder / "other" / "pyproject.toml").write_text("")
    editor.open("other/b.py", "\n")
    editor.until_attached()
    assert editor.lua("return #vim.lsp.get_clients()") == 1


def test_mistakes_in_the_options_are_named_and_the_rest_holds(start: Start, script: Script) -> None:
    script.are(("x = ", ["y"]))
    editor = start(set_up(script.command, debounce_ms='"fast"', no_such="1", popup='"maybe"'))
    editor.open("a.py", "\n")
    editor.until_attached()
    messages = eventually("three messages", lambda: len(editor.messages) == 3 and editor.messages)
    assert messages == [
        "Quickfill: option ignored: `debounce_ms` must be a number, not a string (:help quickfill-options)",
        'Quickfill: option ignored: `popup` must be "show" or "hide" (:help quickfill-options)',
        "Quickfill: option ignored: there is no option `no_such` (:help quickfill-options)",
    ]
    editor.type("ix = ")
    editor.until_ghost("y")


def test_an_older_neovim_gets_one_clear_message(start: Start) -> None:
    editor = start(f'{OLDER}require("quickfill").setup({{ cmd = {{ "{sys.executable}" }} }})\n')
    editor.open("a.py", "\n")
    [message] = eventually("a message", lambda: editor.messages)
    assert message.startswith("Quickfill needs Neovim 0.12 or newer")
    assert editor.lua("return #vim.lsp.get_clients()") == 0
