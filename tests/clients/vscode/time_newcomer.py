"""How long a newcomer waits: from a clone to ghost text in the real VS Code, with the server that the extension installs.

Run it with `PYTHONPATH=tests`; arguments are given to pip. Knows the README's commands and the extension's questions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.vscode import workbench
from clients.vscode.workbench import Home, Window, browser_page, served, wait_for

ROOT = Path(__file__).parents[3]
INSTALLING = 600.0  # seconds
TEXT = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n\n\ndef multiply(a, b):\n"


def measure() -> dict[str, float]:
    spent: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        spent[name] = round(time.perf_counter() - began, 1)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clone, home = folder / "quickfill", Home(folder / "home")
        with timed("clone"):
            subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", clone], check=True)
        with timed("build the extension"):
            extension = clone / "editor-clients" / "vscode"
            for command in (["ci", "--no-audit", "--no-fund"], ["run", "package"]):
                subprocess.run(["npm", "--silent", "--prefix", extension, *command], check=True, stdout=subprocess.DEVNULL)
        home.write_settings({"quickfill.server.pipArguments": sys.argv[1:]})
        with timed("install the extension"):
            home.install(extension / "dist" / "quickfill.vsix")
        (folder / "project").mkdir()
        with served(home) as address, browser_page() as page:
            window = Window(page, folder / "project")
            with timed("open VS Code and a file"):
                window.load(address)
                window.open("pairs.py", TEXT)
            with timed("install the server"):
                window.message("Installing it makes a private Python environment")
                window.click_in_message("Install")
                wait_for(lambda: "ready (" in window.status(), "the server", INSTALLING)
            with timed("first ghost text"):
                window.type("    return ")
                wait_for(window.ghost, "ghost text")
    return {**spent, "all": round(sum(spent.values()), 1)}


if __name__ == "__main__":
    if lack := workbench.missing():
        sys.exit(lack)
    print(json.dumps(measure()))
