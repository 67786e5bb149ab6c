"""Draws editor-clients/vscode/suggestion.png: a real suggestion by the bundled model in the real VS Code.

Knows what is typed and which part of the window is kept. Knows nothing of the model: what it suggests is what is shown.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

from clients.vscode import workbench
from clients.vscode.desk import shell_program
from clients.vscode.workbench import EXTENSION, Home, Window, browser_page, packed_extension, served, wait_for

TEXT = '''class Account:
    """Money, and what happened to it."""

    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount < 0:
            raise ValueError("not a deposit")
        self.balance += amount
        return self.balance

    def withdraw(self, amount):
'''
TYPED = "        if amount < 0:"
SETTINGS: dict[str, object] = {
    "workbench.activityBar.location": "hidden",
    "window.commandCenter": False,
    "breadcrumbs.enabled": False,
    "editor.autoIndent": "none",
    "editor.fontSize": 13,
    "quickfill.deadline_ms": 5000,
}


def draw(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = Home(folder / "home")
        program = shell_program(folder / "bin" / "quickfill", f'exec {shlex.quote(sys.executable)} -m lsp_server "$@"')
        home.write_settings({**SETTINGS, "quickfill.server.path": program})
        home.install(packed_extension(folder))
        (folder / "bank").mkdir()
        with served(home) as address, browser_page(760, 430, scale=1.5) as page:
            window = Window(page, folder / "bank")
            window.load(address)
            window.open("account.py", TEXT)
            window.wait_for_status(r"ready \(")
            window.press("Control+b")  # the side bar goes
            window.type(TYPED)
            wait_for(window.ghost, "a suggestion")
            page.screenshot(path=picture, animations="disabled", caret="initial")


if __name__ == "__main__":
    if lack := workbench.missing():
        sys.exit(lack)
    draw(EXTENSION / "suggestion.png")
