"""What the scenarios share: the packed extension, a VS Code that has it, and a scripted server.

Knows how they are put together. Knows no scenario.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import workbench
from .workbench import Home, Window, browser_page, packed_extension, served, wait_for

SERVER = Path(__file__).with_name("scripted_server.py")


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


@pytest.fixture(scope="session")
def vsix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if lack := workbench.missing():
        pytest.skip(lack)
    return packed_extension(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def desk(vsix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Shared by the scenarios of a module, each of which opens a file of its own."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "project").mkdir()
    home = Home(folder / "home")
    script = Script(folder / "script.json")
    script.says()
    home.write_settings({"quickfill.server.path": script.program(folder / "bin" / "quickfill")})
    home.install(vsix)
    # VS Code takes the PATH from a login shell: this one has no server on it but what a test puts there.
    home.write_profile(f'export PATH="{folder / "path"}:/usr/bin:/bin"')
    with served(home) as address, browser_page() as page:
        window = Window(page, folder / "project")
        window.load(address)
        yield Desk(window, script, home)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed and "desk" in getattr(item, "funcargs", {}):
        item.funcargs["desk"].window.page.screenshot(path=f"/tmp/shot-{item.name}.png")
    return report
