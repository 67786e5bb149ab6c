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


def style(look: dict[str, int | bool], default: dict[str, int]) -> Style:
    """A highlight of Neovim's, in colours of 24 bits; what it leaves out is the default."""
    foreground, background = look.get("foreground", default["foreground"]), look.get("background", default["background"])
    if look.get("reverse"):
        foreground, background = background, foreground
    return Style(
        color=f"#{foreground:06x}", bgcolor=f"#{background:06x}", bold=bool(look.get("bold")), italic=bool(look.get("italic"))
    )


def drawn(editor: Editor) -> Text:
    """The screen, from what Neovim tells each of its user interfaces."""
    editor.nvim.command("redraw!")
    editor.nvim.command(f"call rpcnotify({editor.nvim.channel_id}, 'all told')")
    looks: dict[int, dict[str, int | bool]] = {0: {}}
    default: dict[str, int] = {}
    cells = [[(" ", 0)] * WIDTH for _ in range(HEIGHT)]
    while (message := editor.nvim.next_message())[1] != "all told":
        for name, *calls in message[2]:
            for call in calls:
                if name == "default_colors_set":
                    default = {"foreground": call[0], "background": call[1]}
                elif name == "hl_attr_define":
                    looks[call[0]] = call[1]
                elif name == "grid_line":
                    write(cells, call[1], call[2], call[3])
    picture = Text()
    for row in cells:
        for character, look in row:
            picture.append(character, style(looks[look], default))
        picture.append("\n")
    picture.rstrip()
    return picture


def write(cells: list[list[tuple[str, int]]], row: int, column: int, parts: list[list[str | int]]) -> None:
    """Part of a row: texts, where it changes the highlight, and how often each is repeated."""
    look = 0
    for text, *rest in parts:
        look = int(rest[0]) if rest else look
        for _ in range(int(rest[1]) if len(rest) > 1 else 1):
            cells[row][column] = (str(text), look)
            column += 1


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
    status = "vim.o.statusline = \" %t%=%{v:lua.require'quickfill'.statusline()} \"\n"
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(neovim, Path(folder), look + status + set_up(REAL_SERVER), WIDTH, HEIGHT)
        editor.open(NAME, TEXT)
        editor.nvim.command("syntax on")
        editor.until_attached()
        editor.type(KEYS + ASK)
        eventually("several candidates", lambda: any("(1/" in row for row in editor.screen))
        editor.type(NEXT)
        eventually("the server's state", lambda: editor.statusline == "Quickfill: ready")
        picture = drawn(editor)
        editor.close()
    with open("/dev/null", "w") as nowhere:
        console = Console(width=WIDTH, record=True, file=nowhere)
        console.print(picture)
    theme = SVG_EXPORT_THEME if given.dark else DEFAULT_TERMINAL_THEME
    given.file.write_text(console.export_svg(title=f"{NAME} – Neovim", theme=theme))
    print(picture.plain)


if __name__ == "__main__":
    main()
