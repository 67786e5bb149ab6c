"""Draws what the real Neovim shows, with a suggestion of the model that ships, as the README's picture.

Knows the screen's cells and colours. Knows no plugin. Use: python tests/clients/neovim/draw_picture.py [FILE.svg] [--dark]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from real_neovim import PLUGIN, REAL_SERVER, Editor, eventually, find_neovim, set_up
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

WIDTH, HEIGHT = 76, 10
NAME = "account.py"
TEXT = """class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance
"""
KEYS = "Go<CR><BS>def withdraw(self, amount):<CR>if amount > "
ASK, NEXT = "<M-\\>", "<M-]>"
CELLS = """
vim.cmd.redraw({ bang = true })
local rows = {}
for row = 0, vim.o.lines - 1 do
  rows[row + 1] = {}
  for column = 0, vim.o.columns - 1 do
    local cell = vim.api.nvim__inspect_cell(1, row, column)
    local look = cell[2] or {}
    local colours = { look.foreground or -1, look.background or -1 }
    rows[row + 1][column + 1] = { cell[1] or " ", colours[1], colours[2], look.bold or false, look.italic or false }
  end
end
return rows
"""


def colour(number: int) -> str | None:
    return None if number < 0 else f"#{number:06x}"


def drawn(rows: list[list[tuple[str, int, int, bool, bool]]]) -> Text:
    picture = Text()
    for row in rows:
        for character, foreground, background, bold, italic in row:
            picture.append(character or "", Style(color=colour(foreground), bgcolor=colour(background), bold=bold, italic=italic))
        picture.append("\n")
    return picture


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path, nargs="?", default=PLUGIN / "suggestion.svg")
    arguments.add_argument("--dark", action="store_true")
    given = arguments.parse_args()
    neovim = find_neovim()
    if neovim is None:
        raise SystemExit("needs Neovim 0.12: tests/clients/install_neovim could not fetch it")
    background = "dark" if given.dark else "light"
    look = f"vim.o.termguicolors = true\nvim.o.background = '{background}'\nvim.o.laststatus = 2\nvim.o.ruler = false\n"
    status = "vim.o.statusline = \" %f%=%{v:lua.require'quickfill'.statusline()} \"\n"
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(neovim, Path(folder), look + status + set_up(REAL_SERVER), WIDTH, HEIGHT)
        editor.open(NAME, TEXT)
        editor.nvim.command("syntax on")
        editor.until_attached()
        editor.type(KEYS + ASK)
        eventually("several candidates", lambda: any("(1/" in row for row in editor.screen))
        editor.type(NEXT)
        eventually("the server's state", lambda: editor.statusline == "Quickfill: ready")
        rows = editor.lua(CELLS)
        assert isinstance(rows, list)
        editor.close()
    with open("/dev/null", "w") as nowhere:
        console = Console(width=WIDTH, record=True, file=nowhere)
        console.print(drawn(rows))
    theme = SVG_EXPORT_THEME if given.dark else DEFAULT_TERMINAL_THEME
    given.file.write_text(console.export_svg(title=f"{NAME} – Neovim", theme=theme))
    print("\n".join("".join(cell[0] for cell in row).rstrip() for row in rows))


if __name__ == "__main__":
    main()
