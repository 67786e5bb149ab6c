"""Ghost text beside the completion and auto-pairs plugins that many people have, the real ones.

They are in no package index: each test runs where NEOVIM_PLUGINS names a folder with clones of nvim-cmp and cmp-buffer, blink.cmp
or nvim-autopairs. The others of these tests make do with what such plugins look like from outside.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clients.neovim.real_neovim import Editor, Script, Start, eventually, set_up

CLONES = Path(os.environ.get("NEOVIM_PLUGINS", "/nowhere"))
CMP = """
local cmp = require("cmp")
cmp.setup({
  sources = { { name = "buffer" } },
  mapping = {
    ["<Tab>"] = cmp.mapping(function(fallback)
      if cmp.visible() then cmp.select_next_item() else fallback() end
    end, { "i" }),
    ["<CR>"] = cmp.mapping.confirm({ select = false }),
  },
})
"""
BLINK = """
require("blink.cmp").setup({
  keymap = { preset = "none", ["<Tab>"] = { "select_next", "fallback" }, ["<CR>"] = { "accept", "fallback" } },
  sources = { default = { "buffer" } },
  completion = { list = { selection = { preselect = false } } },
  fuzzy = { implementation = "lua" },
})
"""
IS_OPEN = {"cmp": "return require('cmp').visible()", "blink": "return require('blink.cmp').is_menu_visible()"}


def begin(start: Start, script: Script, clones: list[str], config: str, text: str) -> Editor:
    lacking = [name for name in clones if not (CLONES / name / "lua").is_dir()]
    if lacking:
        pytest.skip(f"NEOVIM_PLUGINS names no folder with {', '.join(lacking)}")
    paths = "".join(
        f'vim.opt.runtimepath:prepend("{CLONES / name}")\nvim.opt.runtimepath:append("{CLONES / name / "after"}")\n'
        for name in clones
    )
    editor = start(paths + set_up(script.command) + config)
    editor.open("a.py", text)
    editor.until_attached()
    return editor


@pytest.fixture(params=["cmp", "blink"])
def menu(request: pytest.FixtureRequest, start: Start, script: Script) -> tuple[Editor, str]:
    """A Neovim with one of the two, in a file that has the word `valuable`; and what says that its menu is open."""
    clones, config = {"cmp": (["nvim-cmp", "cmp-buffer"], CMP), "blink": (["blink.cmp"], BLINK)}[request.param]
    script.are(("va", ["lue + 1"]), ("y = ", ["40 + 2"]))
    return begin(start, script, clones, config, "valuable = 1\n"), IS_OPEN[request.param]


def test_tab_belongs_to_the_open_menu_and_to_the_suggestion_without_one(menu: tuple[Editor, str]) -> None:
    editor, is_open = menu
    editor.type("ova")
    eventually("the menu", lambda: editor.lua(is_open))
    editor.until_ghost("lue + 1")
    editor.type("<Tab>")
    eventually("the menu's first word", lambda: editor.text == "valuable = 1\nvaluable\n")
    editor.type("<CR>")
    eventually("the menu's end", lambda: not editor.lua(is_open))
    editor.type("<Esc>oy = ")
    editor.until_ghost("40 + 2")
    assert not editor.lua(is_open)
    editor.type("<Tab>")
    assert editor.text == "valuable = 1\nvaluable\ny = 40 + 2\n"


def test_a_word_and_a_line_are_taken_beside_the_open_menu(menu: tuple[Editor, str]) -> None:
    editor, is_open = menu
    editor.type("ova")
    eventually("the menu", lambda: editor.lua(is_open))
    editor.until_ghost("lue + 1")
    editor.type("<M-Right>")
    assert editor.text == "valuable = 1\nvalue\n"
    editor.until_ghost(" + 1")
    editor.type("<M-C-Right>")
    assert editor.text == "valuable = 1\nvalue + 1\n"


@pytest.mark.parametrize("item", [{"text": "width)", "over": 1}, {"text": "width"}])
def test_brackets_that_autopairs_closes_are_not_doubled(start: Start, script: Script, item: dict[str, str | int]) -> None:
    """As the server answers: a text that has the bracket takes the place of the one that stands there."""
    script.are(("print(", [item]))
    editor = begin(start, script, ["nvim-autopairs"], 'require("nvim-autopairs").setup({})\n', "\n")
    editor.type("iprint(")
    assert editor.text == "print()\n"
    eventually("a suggestion", lambda: editor.ghost)
    editor.type("<Tab>")
    assert editor.text == "print(width)\n"


def test_a_suggestion_typed_along_survives_the_bracket_that_autopairs_closes(start: Start, script: Script) -> None:
    script.are(("x = ", ["int(width)"]))
    editor = begin(start, script, ["nvim-autopairs"], 'require("nvim-autopairs").setup({})\n', "\n")
    editor.type("ix = ")
    editor.until_ghost("int(width)")
    editor.type("int(wid")
    eventually("the rest", lambda: (editor.ghost or "").startswith("th"))
    editor.type("<Tab>")
    assert editor.text == "x = int(width)\n"
