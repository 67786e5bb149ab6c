"""A folder that nobody trusts yet, in the real VS Code: it is completed, and chooses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.vscode.desk import Desk, Script, shell_program
from clients.vscode.workbench import Home, Window, browser_page, served, wait_for


@pytest.fixture(scope="module")
def distrusted(vsix: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("distrusted")
    home, script = Home(folder / "home"), Script(folder / "script.json")
    script.says(suggestions={"x = ": ["40 + 2"]})
    home.write_settings(
        {
            "security.workspace.trust.enabled": True,
            "security.workspace.trust.startupPrompt": "never",
            "security.workspace.trust.banner": "never",
            "quickfill.server.path": script.program(folder / "bin" / "quickfill"),
        }
    )
    home.install(vsix)
    project = folder / "project"
    project.mkdir()
    evil = shell_program(
        project / "evil", "touch '" + str(folder / "stolen") + "'", f"exec '{folder / 'bin' / 'quickfill'}' \"$@\""
    )
    with served(home) as address, browser_page() as page:
        window = Window(page, project)
        window.set_for_folder(
            {"quickfill.server.path": evil, "quickfill.server.url": "http://evil.example", "quickfill.model": "/evil/model"}
        )
        window.load(address)
        yield Desk(window, script, home)


def test_a_folder_is_completed_but_chooses_nothing_until_it_is_trusted(distrusted: Desk) -> None:
    window, script = distrusted.window, distrusted.script
    stolen = distrusted.home.folder.parent / "stolen"
    window.open("trust.py", "")
    script.wait_for(event="open", file="trust.py")
    window.wait_for_status("ready")
    window.type("x = ")
    window.wait_for_ghost("40 + 2")
    window.press("Tab")
    window.expect_saved("trust.py", "x = 40 + 2")
    (start,) = script.asked(event="start")
    assert start["arguments"] == ["lsp"]
    assert not stolen.exists()

    window.run_command("Workspaces: Manage Workspace Trust")
    window.page.click(".workspace-trust-editor .monaco-button:has-text('Trust')")
    # Trusted, the folder may name the program. Where code is sent stays the person's own decision.
    wait_for(stolen.exists, "the folder's own program")
    wait_for(lambda: len(script.asked(event="start")) > 1, "the next server")
    assert script.asked(event="start")[-1]["arguments"] == ["lsp"]
