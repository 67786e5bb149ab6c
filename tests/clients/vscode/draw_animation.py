"""Draws editor-clients/vscode/holes.png, an animation: the bundled model fills four holes at once in the real VS Code.

Knows the frames and how long each is shown. Knows nothing of the model: what it writes is what is shown. Run it with
`PYTHONPATH=tests`.
"""

from __future__ import annotations

import io
import shlex
import sys
import tempfile
from pathlib import Path

from PIL import Image

from clients.vscode import workbench
from clients.vscode.desk import shell_program
from clients.vscode.draw_picture import SETTINGS
from clients.vscode.workbench import EXTENSION, Home, Window, browser_page, packed_extension, served, wait_for

TEXT = '''class Stack:
    """A last-in, first-out collection."""

    def __init__(self):
        self.items = ___

    def push(self, item):
        self.items.___

    def pop(self):
        return self.items.___

    def __len__(self):
        return len(___)
'''
COMMAND = "Quickfill: Fill the Holes"


def draw(picture: Path) -> None:
    frames: list[tuple[Image.Image, int]] = []  # with the milliseconds that each is shown
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = Home(folder / "home")
        program = shell_program(folder / "bin" / "quickfill", f'exec {shlex.quote(sys.executable)} -m lsp_server "$@"')
        home.write_settings({**SETTINGS, "quickfill.server.path": program})
        home.install(packed_extension(folder))
        (folder / "stack").mkdir()
        with served(home) as address, browser_page(620, 420, scale=1.5) as page:

            def keep(milliseconds: int) -> None:
                page.wait_for_timeout(300)
                raw = page.screenshot(animations="disabled", caret="initial")
                frames.append((Image.open(io.BytesIO(raw)).convert("RGB"), milliseconds))

            window = Window(page, folder / "stack")
            window.load(address)
            window.open("stack.py", TEXT)
            window.wait_for_status(r"ready \(")
            window.press("Control+b")  # the side bar goes
            keep(1500)
            window.press("F1")
            page.wait_for_selector(".quick-input-widget:not([style*='display: none']) input")
            page.keyboard.insert_text(COMMAND)
            page.wait_for_selector(f".quick-input-list .monaco-list-row.focused[aria-label^='{COMMAND}']")
            keep(1200)
            window.press("Enter")
            wait_for(lambda: "___" not in page.inner_text(".view-lines"), "the holes to be filled")
            window.press("Control+Home")
            keep(3500)
    first, *others = (frame for frame, _ in frames)
    first.save(picture, format="PNG", save_all=True, append_images=others, duration=[wait for _, wait in frames], loop=0)


if __name__ == "__main__":
    if lack := workbench.missing():
        sys.exit(lack)
    draw(EXTENSION / "holes.png")
