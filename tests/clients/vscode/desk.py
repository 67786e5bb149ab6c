"""A scripted server, and a desk: one window of the editor with such a server.

Knows what the server is told and what it was asked. Knows no scenario.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from clients.vscode.workbench import Home, Window, wait_for

SERVER = Path(__file__).with_name("scripted_server.py")
PROXY = "http://127.0.0.1:9"  # nothing answers there
FORTY = {"x = ": ["40 + 2"]}  # suggestions for those who only need one


@dataclass(frozen=True)
class Script:
    """What the scripted server says, and what it was asked."""

    path: Path

    def says(self, **answers: object) -> None:
        self.path.write_text(json.dumps(answers), "utf-8")

    def asked(self, **wanted: object) -> list[dict[str, object]]:
        """The questions so far that have these parts, the first one first."""
        log = self.path.with_suffix(".log")
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        questions: list[dict[str, object]] = [json.loads(line) for line in lines if line.endswith("}")]
        return [question for question in questions if wanted.items() <= question.items()]

    def wait_for(self, **wanted: object) -> dict[str, object]:
        return wait_for(lambda: self.asked(**wanted), f"the question {wanted}")[-1]

    def program(self, path: Path) -> str:
        """A program that runs the server with this script."""
        return shell_program(path, f"exec '{sys.executable}' '{SERVER}' '{self.path}' \"$@\"")


def shell_program(path: Path, *lines: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@dataclass
class Desk:
    """A window with its scripted server."""

    window: Window
    script: Script
    home: Home

    def begin(self, name: str, content: str | bytes) -> None:
        """A new file, known to a server that is ready."""
        self.window.open(name, content)
        self.script.wait_for(event="open", file=name)
        self.window.wait_for_status("ready")

    def take_forty(self, before: str, name: str) -> None:
        """Types `x = ` at the end of an open file of this text, and takes what `FORTY` suggests."""
        self.window.type("x = ")
        self.window.wait_for_ghost("40 + 2")
        self.window.press("Tab")
        self.window.expect_saved(name, before + "x = 40 + 2")
