"""Ghost text beside popup menus, snippets, auto-pairs and other people's Tab: nobody's key is stolen, no bracket is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.neovim.real_neovim import Editor, Script, Start, eventually, set_up

PAIRS = """
for open, close in pairs({ ["("] = ")", ["["] = "]", ["{"] = "}", ['"'] = '"' }) do
  vim.keymap.set("i", open, open .. close .. "<Left>", { buffer = 0 })
  if open ~= close then
    vim.keymap.set("i", close, function()
      local col = vim.api.nvim_win_get_cursor(0)[2]
      return vim.api.nvim_get_current_line():sub(col + 1, col + 1) == close and "<Right>" or close
    end, { buffer = 0, expr = true })
  end
end
"""


def popup(editor: Editor, completeopt: str, *words: str) -> None:
    """Opens the popup menu for the word before the cursor."""
    editor.nvim.command(f"set completeopt={completeopt}")
    editor.lua("candidates = ...", list(words))
    editor.lua(
        "vim.keymap.set('i', '<C-q>', function() vim.fn.complete(vim.fn.searchpos('\\\\k*\\\\%#', 'bn')[2], candidates) end,"
        " { buffer = 0 })"
    )
    editor.type("<C-q>")
    eventually("the popup menu", lambda: editor.nvim.eval("pumvisible()"))


def test_tab_belongs_to_the_popup_menu(start: Start, script: Script) -> None:
    script.are(("va", ["lue + 1"]))
    through_the_menu = "function() return vim.fn.pumvisible() == 1 and '<C-n>' or '<Tab>' end"
    editor = start(f"vim.keymap.set('i', '<Tab>', {through_the_menu}, {{ expr = true }})\n" + set_up(script.command))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("iva")
    editor.until_ghost("lue + 1")
    popup(editor, "menu,menuone,noselect", "vacant", "valid")
    assert editor.screen[0] == "value + 1"
    assert any("vacant" in row for row in editor.screen[1:])
    editor.type("<Tab>")
    assert editor.text == "vacant\n"
    editor.type("<Tab>")
    assert editor.text == "valid\n"


def test_a_word_can_be_taken_while_the_popup_is_open(editor: Editor, answers: Script) -> None:
    answers.are(("va", ["lue + 1"]))
    editor.type("iva")
    editor.until_ghost("lue + 1")
    popup(editor, "menu,menuone,noselect", "vacant", "valid")
    editor.type("<M-Right>")
    assert editor.text == "value\n"
    assert editor.nvim.eval("pumvisible()") == 0
    editor.type("<M-C-Right>")
    assert editor.text == "value + 1\n"


def test_the_suggestion_begins_with_what_is_chosen_in_the_popup(editor: Editor, answers: Script) -> None:
    answers.are(("va", [{"text": "valid()", "back": 2}]))
    editor.type("iva")
    editor.until_ghost("lid()")
    editor.type("<C-]>")
    popup(editor, "menu,menuone,noinsert", "valid", "vacant")
    eventually("the question tells the choice", lambda: [question for question in answers.asked if question["chosen"] == "valid"])
    editor.until_ghost("lid()")
    editor.type("<M-C-Right>")
    assert editor.text == "valid()\n"


def test_ghost_text_can_be_kept_away_from_the_popup(editor: Editor, answers: Script) -> None:
    editor.lua("require('quickfill.options').now.popup = 'hide'")
    answers.are(("va", ["lue"]))
    editor.type("iva")
    editor.until_ghost("lue")
    popup(editor, "menu,menuone,noselect", "value2", "vale")
    editor.type("l")
    assert editor.nvim.eval("pumvisible()") == 1
    assert editor.ghost is None
    editor.type("<C-e>u")
    assert editor.ghost == "e"
    assert editor.text == "valu\n"


@pytest.mark.parametrize(
    "module",
    [
        "package.loaded['cmp'] = { visible = function() return true end }",
        "package.loaded['blink.cmp'] = { is_menu_visible = function() return true end }",
        "package.loaded['luasnip'] = { locally_jumpable = function() return true end }",
    ],
)
def test_tab_belongs_to_the_menus_and_snippets_of_plugins(editor: Editor, answers: Script, module: str) -> None:
    answers.are(("x = ", ["y"]))
    editor.lua(module)
    editor.type("ix = ")
    editor.until_ghost("y")
    editor.type("<Tab>")
    editor.lua("for _, name in ipairs({ 'cmp', 'blink.cmp', 'luasnip' }) do package.loaded[name] = nil end")
    assert editor.text == "x =     \n"


def test_tab_belongs_to_a_snippet_that_waits(editor: Editor, answers: Script) -> None:
    answers.are(("f(a", ["lpha"]))
    editor.type("i")
    editor.lua("vim.snippet.expand('f(${1:x}, ${2:y})')")
    editor.type("a")
    editor.until_ghost("lpha")
    editor.type("<Tab>z")
    assert editor.text == "f(a, z)\n"
    editor.lua("vim.snippet.stop()")


def test_what_tab_did_before_it_still_does(start: Start, script: Script) -> None:
    script.are(("x = ", ["y"]))
    mapping = "vim.keymap.set('i', '<Tab>', function() return '[tab]' end, { expr = true })\n"
    editor = start(mapping + set_up(script.command))
    editor.open("a.py", "\n")
    editor.until_attached()
    editor.type("ia<Tab>x = ")
    editor.until_ghost("y")
    editor.type("<Tab>")
    assert editor.text == "a[tab]x = y\n"


def test_the_mapping_of_a_buffer_comes_first_and_may_ask(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["y"]))
    editor.lua(
        "local mine = function() return require('quickfill').visible() and '<Plug>(quickfill-accept)' or '[tab]' end\n"
        "vim.keymap.set('i', '<Tab>', mine, { expr = true, remap = true, buffer = 0 })"
    )
    editor.type("ia<Tab>x = ")
    editor.until_ghost("y")
    editor.type("<Tab>")
    assert editor.text == "a[tab]x = y\n"


def test_a_bracket_that_was_closed_before_is_not_doubled(editor: Editor, answers: Script) -> None:
    editor.lua(PAIRS)
    answers.are(("print(", [{"text": "a, b)", "over": 1}]))
    editor.type("iprint(")
    editor.until_ghost("a, b")
    assert editor.screen[0] == "print(a, b)"
    editor.type("<Tab>")
    assert editor.text == "print(a, b)\n"
    editor.type(".x")
    assert editor.text == "print(a, b).x\n"


def test_a_bracket_that_closes_itself_while_the_suggestion_is_typed_along_is_not_doubled(editor: Editor, answers: Script) -> None:
    editor.lua(PAIRS)
    answers.are(("print", ["(a[0], b)"]))
    editor.type("iprint")
    editor.until_ghost("(a[0], b)")
    editor.type("(")
    assert editor.text == "print()\n"
    assert editor.ghost == "a[0], b"
    editor.type("<Tab>")
    assert editor.text == "print(a[0], b)\n"


def test_a_word_inside_brackets_leaves_the_closing_one(editor: Editor, answers: Script) -> None:
    editor.lua(PAIRS)
    answers.are(("print(", [{"text": "a, b)", "over": 1}]))
    editor.type("iprint(")
    editor.until_ghost("a, b")
    editor.type("<M-Right>")
    assert editor.text == "print(a)\n"
    assert editor.ghost == ", b"
    editor.type("<Tab>")
    assert editor.text == "print(a, b)\n"


def test_an_item_that_ends_before_the_bracket_leaves_it(editor: Editor, answers: Script) -> None:
    editor.lua(PAIRS)
    answers.are(("print(", ["a, b"]))
    editor.type("iprint(")
    editor.until_ghost("a, b")
    editor.type("<Tab>)")
    assert editor.text == "print(a, b)\n"


def test_another_server_with_inline_completion_keeps_its_own_suggestions(editor: Editor, answers: Script, tmp_path: Path) -> None:
    other = Script(tmp_path / "other.json")
    other.are(("z = ", ["26"]), ("both = ", ["theirs"]))
    answers.are(("x = ", ["24"]), ("both = ", ["ours"]))
    editor.lua("vim.lsp.start({ name = 'other', cmd = ... })", other.command)
    eventually("two servers", lambda: editor.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 2)
    editor.type("iz = ")
    editor.until_ghost("26")
    editor.type("<Tab>; x = ")
    editor.until_ghost("24")
    editor.type("<Tab>; both = ")
    eventually(
        "either answer", lambda: editor.ghost in ("ours", "theirs") and other.asked[-1]["before"] == answers.asked[-1]["before"]
    )
    eventually("both in turn", lambda: [editor.type("<M-]>"), editor.ghost][1] == "theirs")
    editor.type("<M-Right>")
    assert editor.text == "z = 26; x = 24; both = theirs\n"
    editor.lua("vim.lsp.get_clients({ name = 'other' })[1]:stop(true)")
