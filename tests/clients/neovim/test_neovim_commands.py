""":Quickfill, the status line with its reasons, the switches, :checkhealth and :help, as a user reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.neovim.real_neovim import PLUGIN, REAL_SERVER, Editor, Script, Start, eventually, set_up


def health(editor: Editor) -> str:
    editor.nvim.command("checkhealth quickfill")
    report = eventually("the report", lambda: "quickfill: keys" in editor.text and editor.text)
    editor.nvim.command("bwipeout!")
    return report


def offered(editor: Editor, line: str) -> list[str]:
    found: list[str] = editor.nvim.call("getcompletion", line, "cmdline")
    return found


def test_the_status_line_gives_the_reason_for_silence(editor: Editor, answers: Script) -> None:
    answers.says(status={"ready": True, "model": "scripted", "reason": "below confidence: 0.31 < 0.50"})
    editor.type("ix = ")
    eventually("the reason", lambda: editor.statusline == "Quickfill: below confidence: 0.31 < 0.50")
    answers.are(("y = ", ["1"]))
    editor.type("<C-u>y = ")
    editor.until_ghost("1")
    assert editor.statusline == "Quickfill: ready"
    assert editor.text == "y = \n"


def test_who_asks_by_hand_in_vain_is_told_why(editor: Editor, answers: Script) -> None:
    answers.says(status={"ready": True, "model": "scripted", "reason": "the file is ignored"})
    editor.type("ix = <M-\\>")
    assert eventually("a message", lambda: editor.messages) == ["Quickfill: nothing to suggest here: the file is ignored"]
    editor.type("<Esc>")
    editor.nvim.command("Quickfill trigger")
    assert eventually("another message", lambda: editor.messages[1:]) == ["Quickfill: suggestions are for insert mode; ask there"]
    assert editor.text == "x = \n"


def test_the_status_line_shows_what_it_is_put_into(editor: Editor) -> None:
    editor.nvim.command("set laststatus=2 statusline=%{v:lua.require'quickfill'.statusline()}")
    eventually("the status line on the screen", lambda: any("Quickfill: ready" in row for row in editor.screen))


def test_the_status_line_is_empty_where_quickfill_has_no_part(editor: Editor) -> None:
    editor.open("notes.txt", "\n")
    assert editor.statusline == ""


def test_a_server_that_tells_its_status_itself_is_believed(editor: Editor) -> None:
    told = "{ ready = true, model = 'm', reason = 'the file is ignored' }"
    editor.lua(f"vim.lsp.get_clients()[1].handlers['quickfill/status'](nil, {told})")
    assert editor.statusline == "Quickfill: the file is ignored"
    editor.lua("require('quickfill.server').notified = false; require('quickfill.status').because(nil)")


def test_the_commands_are_completed(editor: Editor) -> None:
    assert offered(editor, "Quickfill acc") == ["accept", "accept_line", "accept_word"]
    assert offered(editor, "Quickfill toggle ") == ["all", "buffer", "filetype"]
    assert "fill" not in offered(editor, "Quickfill ")  # the scripted server cannot fill


def test_what_the_server_cannot_do_gets_a_sentence(editor: Editor) -> None:
    editor.nvim.command("Quickfill fill")
    assert eventually("a message", lambda: editor.messages) == [
        "Quickfill: this server does not offer `quickfill.fillHoles`; a newer Quickfill may"
    ]


def test_a_wrong_subcommand_gets_the_right_ones(editor: Editor) -> None:
    editor.nvim.command("Quickfill acept")
    [message] = eventually("a message", lambda: editor.messages)
    assert message.startswith("Quickfill: there is no `:Quickfill acept`; there are accept, ")


@pytest.mark.parametrize(
    ("command", "told"), [("disable", "off"), ("toggle buffer", "off in this buffer"), ("toggle filetype", "off for python")]
)
def test_suggestions_can_be_switched_off_and_on(editor: Editor, answers: Script, command: str, told: str) -> None:
    answers.are(("x = ", ["y"]))
    editor.type("ix = ")
    editor.until_ghost("y")
    editor.nvim.command(f"Quickfill {command}")
    assert editor.ghost is None
    assert editor.statusline == f"Quickfill: {told}"
    asked = len(answers.asked)
    editor.type("<BS> <C-u>x = ")
    editor.type("<M-\\>")  # by hand it still works, and its answer shows that no earlier question was underway
    editor.until_ghost("y")
    assert [question["kind"] for question in answers.asked[asked:]] == ["Invoked"]
    editor.nvim.command(f"Quickfill {command.replace('disable', 'enable')}")
    editor.type("<C-u>x = ")
    editor.until_ghost("y")
    editor.type("<Tab>")
    assert editor.text == "x = y\n"


def test_a_snooze_ends_by_itself(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["y"]))
    editor.nvim.command("Quickfill snooze 10")
    assert editor.statusline == "Quickfill: snoozing, 10 min"
    editor.lua("require('quickfill').snooze(0.005)")
    eventually("the end of the snooze", lambda: editor.statusline == "Quickfill: ready")
    editor.type("ix = ")
    editor.until_ghost("y")
    assert editor.text == "x = \n"


@pytest.mark.parametrize("filetypes", ["{ python = false, sh = true }", '{ "sh" }'])
def test_a_file_type_can_be_left_out_for_good(start: Start, script: Script, filetypes: str) -> None:
    editor = start(set_up(script.command, filetypes=filetypes))
    editor.open("a.py", "\n")
    assert editor.statusline == ""
    editor.open("a.sh", "\n")
    editor.until_attached()
    assert editor.lua("return vim.tbl_count(vim.lsp.get_clients()[1].attached_buffers)") == 1


def test_keys_can_be_chosen_or_left_out(start: Start, script: Script) -> None:
    script.are(("x = ", ["y"]))
    editor = start(set_up(script.command, keys='{ accept = "<C-y>", dismiss = false }'))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ix = ")
    editor.until_ghost("y")
    editor.type("<C-y>")
    assert editor.text == "x = y\n"
    assert editor.nvim.call("maparg", "<C-]>", "i") == ""


def test_what_the_server_explains_is_shown_in_a_window(start: Start, script: Script) -> None:
    script.says(explain="# What the model sees\n\nnothing much\n")
    editor = start(set_up(script.command))
    editor.open("a.py", "x = 1\n")
    editor.until_attached()
    editor.nvim.command("Quickfill explain")
    eventually("the window", lambda: any("nothing much" in row for row in editor.screen))
    assert editor.text == "x = 1\n"


def test_the_report_is_shown_in_a_window(editor: Editor, answers: Script) -> None:
    answers.says(report="# Two were taken")
    editor.nvim.command("Quickfill report 7")
    eventually("the window", lambda: any("Two were taken (7 days)" in row for row in editor.screen))
    editor.nvim.command("fclose!")
    editor.nvim.command("Quickfill report many")
    assert "`many` is no number of days" in eventually("a message", lambda: editor.messages)[-1]


def test_the_gravest_problem_under_the_cursor_is_repaired(editor: Editor, answers: Script) -> None:
    answers.says(repaired="länge")
    editor.type("ix = 'ä', lenth<Esc>")
    columns = {"mild": (0, 15, 3), "grave": (10, 15, 1), "elsewhere": (0, 1, 1)}
    found = ", ".join(
        f"{{ lnum = 0, col = {start}, end_lnum = 0, end_col = {end}, message = '{name}', severity = {severity} }}"
        for name, (start, end, severity) in columns.items()
    )
    editor.lua(f"vim.diagnostic.set(vim.api.nvim_create_namespace('linter'), 0, {{ {found} }})")
    editor.nvim.command("Quickfill repair")
    eventually("the repair", lambda: editor.text == "x = 'ä', länge\n")


def test_without_a_problem_under_the_cursor_that_is_said(editor: Editor) -> None:
    editor.nvim.command("Quickfill repair")
    eventually("a message", lambda: editor.messages == ["Quickfill: there is no problem at the cursor"])
    assert editor.text == "\n"


def test_health_says_that_all_is_well_and_why_the_last_answer_was_empty(editor: Editor, answers: Script) -> None:
    reason = "below confidence: 0.31 < 0.50"
    answers.says(status={"ready": True, "model": "scripted", "reason": reason, "answers": {"the model": 7}})
    report = health(editor)
    assert "ERROR" not in report
    assert "OK running: scripted 1" in report
    assert "OK the model is loaded: scripted" in report
    assert f"the last answer was empty: {reason}" in report
    assert "answers since the start, the model: 7" in report
    assert "OK accept: <Tab>" in report


def test_health_names_a_model_that_does_not_load(editor: Editor, answers: Script) -> None:
    answers.says(status={"ready": False, "model": None, "reason": "no such model: big"})
    report = health(editor)
    assert "ERROR the model does not load: no such model: big" in report
    assert "ADVICE" in report


def test_health_finds_a_missing_server(start: Start) -> None:
    report = health(start(set_up(["/nowhere/quickfill", "lsp"])))
    assert "ERROR the server `/nowhere/quickfill` is not installed" in report
    assert "pip install" in report


def test_health_examines_an_installation_that_runs_nowhere(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "quickfill"
    program.write_text(f'#!/bin/sh\nexec {" ".join(REAL_SERVER[:-1])} "$@"\n')
    program.chmod(0o755)
    report = health(start(set_up([str(program), "lsp"])))
    assert "doctor` finds nothing wrong" in report
    assert "checksums  match" in report


def test_health_gives_the_last_words_of_an_installation_that_is_broken(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "quickfill"
    program.write_text("#!/bin/sh\necho 'quickfill: weights.safetensors is cut off' >&2\nexit 2\n")
    program.chmod(0o755)
    report = health(start(set_up([str(program), "lsp"])))
    assert "failed with exit code 2: quickfill: weights.safetensors is cut off" in report


def test_health_sees_a_tab_that_someone_else_has(editor: Editor) -> None:
    editor.lua("vim.keymap.set('i', '<Tab>', 'x', { desc = 'mine' })")
    report = health(editor)
    editor.lua("require('quickfill.keys').mapped = false; require('quickfill.keys').map()")
    assert "accept: <Tab> is mapped by something else (mine)" in report


def test_help_exists_for_everything_that_can_be_called(start: Start, script: Script) -> None:
    editor = start(set_up(script.command))
    # The tags go into a copy, as a plugin manager writes them into its own.
    copy = editor.folder / "copy" / "doc"
    copy.mkdir(parents=True)
    (copy / "quickfill.txt").write_text((PLUGIN / "doc" / "quickfill.txt").read_text())
    editor.nvim.command(f"helptags {copy} | set runtimepath^={copy.parent}")
    editor.nvim.command("noautocmd help quickfill")  # its highlighting needs a parser that not every Neovim brings
    assert "quickfill.txt" in editor.text.splitlines()[0]
    text = editor.text
    for option in eventually("the options", lambda: editor.lua("return vim.tbl_keys(require('quickfill.options').defaults)")):
        assert f"*quickfill-option-{option}*" in text
    for function in editor.lua("return vim.tbl_keys(require('quickfill'))"):
        assert f"*quickfill.{function}()*" in text
    editor.nvim.command("bwipeout!")
    for command in offered(editor, "Quickfill "):
        assert f":Quickfill {command}" in text
