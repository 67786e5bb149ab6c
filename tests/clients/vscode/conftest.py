"""What the scenarios share: the packed extension, and a VS Code that has it.

Knows how they are put together. Knows no scenario.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error

from clients.vscode import workbench
from clients.vscode.desk import PROXY, Desk, Script
from clients.vscode.workbench import Home, Window, browser_page, packed_extension, served


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed tells what its window shows."""
    report = yield
    used = getattr(item, "funcargs", {})
    window = used.get("window") or getattr(used.get("desk"), "window", None)
    if report.when == "call" and report.failed and isinstance(window, Window):
        with suppress(Error):  # the page may be gone
            report.sections.append(("VS Code shows", window.describe()))
    return report


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
    # The package to install is one that a test makes.
    home.write_settings(
        {
            "quickfill.server.python": sys.executable,
            "quickfill.server.requirement": str(home.folder / "quickfill-0.1.0-py3-none-any.whl"),
            "quickfill.server.pipArguments": ["--no-index"],
        }
    )
    home.install(vsix)
    # VS Code takes the PATH from a login shell: this one has no server on it but what a test puts there.
    # The proxy, which leads nowhere, is one that the environment may name: it is in nobody's way but the installation's.
    home.write_profile(f'export PATH="{folder / "path"}:/usr/bin:/bin"', f"export HTTPS_PROXY={PROXY} HTTP_PROXY={PROXY}")
    with served(home) as address, browser_page() as page:
        window = Window(page, folder / "project")
        window.set_for_folder({"quickfill.server.path": script.program(folder / "bin" / "quickfill")})
        window.load(address)
        yield Desk(window, script, home)
