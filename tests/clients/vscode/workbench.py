"""The real VS Code, served to a headless Chromium, with the packed extension in it.

Knows how to start it and how to read its page: ghost text, status, messages. Knows no server and no scenario.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Error, Page, TimeoutError, sync_playwright

EXTENSION = Path(__file__).parents[3] / "editor-clients" / "vscode"
INSTALLED = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "quickfill-tests" / "vscode-web"
NODE = INSTALLED / "node_modules" / "node" / "bin" / "node"
ENTRY = INSTALLED / "node_modules" / "code-server" / "out" / "node" / "entry.js"
PATIENCE = 60.0  # seconds; a crowded machine with one core to spare is slow
QUIET: dict[str, object] = {
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "workbench.tips.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "chat.disableAIFeatures": True,
    "security.workspace.trust.enabled": False,
    "git.enabled": False,
    "extensions.ignoreRecommendations": True,
    "editor.minimap.enabled": False,
}
KEYS = [
    {"key": "ctrl+alt+l", "command": "editor.action.inlineSuggest.acceptNextLine", "when": "inlineSuggestionVisible"},
    {"key": "ctrl+alt+t", "command": "quickfill.trigger", "when": "editorTextFocus"},
    {"key": "ctrl+alt+w", "command": "workbench.action.closeActiveEditor"},
    {"key": "ctrl+alt+o", "command": "workbench.action.closeEditorsInOtherGroups"},
]
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Found = TypeVar("Found")


def missing() -> str | None:
    """What the tests in VS Code lack, in a sentence; None where they can run."""
    if not ENTRY.is_file() or shutil.which("chromium") is None:
        return "VS Code is not installed for tests; run: tests/clients/install_vscode_web"
    if not (EXTENSION / "node_modules").is_dir():
        return "the extension cannot be built; run: npm ci --prefix editor-clients/vscode"
    return None


def wait_for(found: Callable[[], Found | None], what: str, seconds: float = PATIENCE) -> Found:
    """What `found` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


def packed_extension(folder: Path) -> Path:
    """The extension as users install it, without the server's package."""
    vsix = folder / "quickfill.vsix"
    vsce = EXTENSION / "node_modules" / ".bin" / "vsce"
    arguments = ["package", "--no-dependencies", "--skip-license", "--allow-missing-repository", "--out", str(vsix)]
    done = subprocess.run([vsce, *arguments], cwd=EXTENSION, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return vsix


def replace(path: Path, text: str) -> None:
    """At once: VS Code takes a file that is half written for other settings, and the server starts twice."""
    whole = path.with_suffix(".new")
    whole.write_text(text)
    whole.replace(path)


@dataclass(frozen=True)
class Home:
    """Where one VS Code keeps its settings and its extensions."""

    folder: Path

    def write_settings(self, settings: Mapping[str, object]) -> None:
        """Those of a machine have a file of their own where VS Code runs on a server."""
        machine = {name: value for name, value in settings.items() if name.startswith("quickfill.server")}
        for place, content in (("User", {**QUIET, **settings}), ("Machine", machine)):
            path = self.folder / "data" / place / "settings.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, json.dumps(content, indent=2))
        (self.folder / "data" / "User" / "keybindings.json").write_text(json.dumps(KEYS))

    def read_settings(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / "data" / "User" / "settings.json").read_text())
        return found

    def change_settings(self, settings: Mapping[str, object]) -> None:
        self.write_settings({**self.read_settings(), **settings})

    def write_profile(self, *lines: str) -> None:
        for name in (".profile", ".bashrc"):
            (self.folder / name).write_text("\n".join([*lines, ""]))

    @property
    def command(self) -> list[str]:
        data, extensions = self.folder / "data", self.folder / "extensions"
        options = {"--user-data-dir": data, "--extensions-dir": extensions, "--config": self.folder / "config.yaml"}
        return [str(NODE), str(ENTRY), *(str(part) for option in options.items() for part in option)]

    def install(self, vsix: Path) -> None:
        subprocess.run([*self.command, "--install-extension", str(vsix)], check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(home: Home) -> Iterator[str]:
    """VS Code's server; the value is its address."""
    port = free_port()
    options = ["--auth", "none", "--bind-addr", f"127.0.0.1:{port}", "--disable-telemetry", "--disable-update-check"]
    log = (home.folder / "server.log").open("ab")
    environment = {**os.environ, "HOME": str(home.folder), "SHELL": "/bin/bash"}
    process = subprocess.Popen([*home.command, *options], stdout=log, stderr=log, env=environment)
    try:
        wait_for(lambda: _answers(port), "VS Code's server")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def browser_page(width: int = 1100, height: int = 700, scale: float = 1) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
        page.set_default_timeout(PATIENCE * 1000)
        try:
            yield page
        finally:
            browser.close()


@dataclass
class Window:
    """One window of VS Code on one folder."""

    page: Page
    folder: Path

    def load(self, address: str, workspace: Path | None = None) -> None:
        """Opens the folder, or a workspace of several folders."""
        self.page.goto(f"{address}/?workspace={workspace}" if workspace else f"{address}/?folder={self.folder}")
        self.page.wait_for_selector(".monaco-workbench .statusbar-item")

    def set_for_folder(self, settings: Mapping[str, object]) -> None:
        """Changes the settings that the folder itself has."""
        path = self.folder / ".vscode" / "settings.json"
        path.parent.mkdir(exist_ok=True)
        before = json.loads(path.read_text()) if path.exists() else {}
        replace(path, json.dumps({**before, **settings}))

    def open(self, name: str, text: str | bytes) -> None:
        """A new file with this text, the cursor at its end."""
        self.choose_file(name, text)
        self.page.wait_for_selector(".editor-instance .monaco-editor.focused .view-line")
        self.press("Control+End")

    def choose_file(self, name: str, content: str | bytes) -> None:
        """A new file, opened: as text, if VS Code takes it for text."""
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        # A whole path is found without a search through the folder, which may not know a file so new.
        self._choose("Control+p", str(self.folder / name), f"[aria-label*='{name}']")
        self.page.wait_for_selector(f".tab.active[data-resource-name='{name}']")

    def close_file(self) -> None:
        self.press("Control+Alt+w")

    def open_popup_at(self, word: str) -> None:
        """Opens the popup with a word chosen; again, if VS Code had not yet read the words of the file when it was asked."""
        row = self.page.locator(f".suggest-widget.visible .monaco-list-row.focused[aria-label*='{word}']")
        ends = time.monotonic() + PATIENCE
        while True:
            self.press("Control+Space")
            try:
                row.wait_for(timeout=5_000)
                return
            except TimeoutError:
                if time.monotonic() > ends:
                    raise
                self.press("Escape")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str, delay: float = 0) -> None:
        self.page.wait_for_selector(".editor-instance .monaco-editor.focused")  # on a busy machine it comes and goes
        self.page.keyboard.type(text, delay=delay)

    def expect_page(self, title: str, heading: str) -> None:
        """A document beside the file, as VS Code renders it; then it is closed: it may take the keys as it is made."""
        tab = f".tab[data-resource-name^='Preview {title}'], .tab[aria-label^='Preview {title}']"
        self.page.wait_for_selector(tab)

        def is_there() -> bool:
            with suppress(Error):  # frames come and go while the page is made
                return any(frame.query_selector(f"h1:has-text('{heading}')") for frame in self.page.frames)
            return False

        wait_for(is_there, f"the heading {heading!r}")
        self.press("Control+1", "Control+Alt+o")
        self.page.wait_for_selector(tab, state="detached")

    def run_command(self, title: str) -> None:
        self._choose("F1", title, f"[aria-label^='{title}']")

    def _choose(self, key: str, text: str, row: str) -> None:
        """From a list that a key opens. On a busy machine the list can lose what is typed while it opens, and the key that
        chooses: then once more."""
        for last in (False, False, True):
            self.press("Escape", key)
            self.page.wait_for_selector(".quick-input-widget:not([style*='display: none']) input")
            self.page.keyboard.insert_text(text)
            chosen = f".quick-input-widget:not([style*='display: none']) .monaco-list-row.focused{row}"
            try:
                self.page.wait_for_selector(chosen, timeout=15_000)
                self.press("Enter")
                self.page.wait_for_selector(chosen, state="detached", timeout=15_000)
                return
            except TimeoutError:
                if last:
                    raise

    def ghost(self) -> str:
        """The ghost text as painted, its lines joined by line breaks."""
        return str(self.page.evaluate(GHOST)).replace("\u00a0", " ").replace("\u200b", "")

    def lines(self) -> str:
        """What is painted of the files that are open, ghost text included."""
        return str(self.page.evaluate("[...document.querySelectorAll('.view-line')].map((line) => line.textContent).join('\\n')"))

    def wait_for_ghost(self, text: str) -> None:
        try:
            wait_for(lambda: self.ghost() == text, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; shown was {self.ghost()!r} in {self.lines()!r}") from None

    def wait_for_no_ghost(self) -> None:
        wait_for(lambda: self.ghost() == "", "the ghost text to go")

    def expect_saved(self, name: str, expected: str | bytes) -> None:
        """Saves until the bytes on the disk are these: what the last key did may still be on its way."""
        path, wanted = self.folder / name, expected if isinstance(expected, bytes) else expected.encode()

        def is_saved() -> bool:
            self.press("Control+s")
            time.sleep(0.1)
            return path.read_bytes() == wanted

        with suppress(AssertionError):
            wait_for(is_saved, "the file", 15)
        assert path.read_bytes() == wanted

    def status(self) -> str:
        """What the item in the status bar says to a screen reader."""
        item = self.page.query_selector("[id='quickfill.quickfill.quickfill.status'] a")
        return (item.get_attribute("aria-label") or "") if item else ""

    def wait_for_status(self, pattern: str) -> None:
        try:
            wait_for(lambda: re.search(pattern, self.status()), pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}; the status is {self.status()!r}") from None

    def describe(self) -> str:
        """What stands on the screen, for whoever reads that a test failed."""
        lists = ".quick-input-widget:not([style*='display: none']) .monaco-list-row"
        parts = {"status": [self.status()], "ghost text": [self.ghost()], "messages": self._messages()}
        for name, selector in (("list", lists), ("tabs", ".tab"), ("lines", ".view-lines .view-line")):
            parts[name] = [element.text_content() or "" for element in self.page.query_selector_all(selector)]
        return "\n".join(f"{name}: {texts!r}" for name, texts in parts.items())

    def _messages(self) -> list[str]:
        return [element.inner_text() for element in self.page.query_selector_all(".notification-list-item")]

    def message(self, pattern: str) -> str:
        """The text of a message on the screen."""

        def shown() -> str | None:
            return next((text for text in self._messages() if re.search(pattern, text)), None)

        return wait_for(shown, f"a message with {pattern!r}")

    def click_in_message(self, button: str) -> None:
        self.page.click(f".notification-list-item .monaco-button:has-text('{button}')")


# Inline parts stand in the line itself, further lines in a zone below it.
GHOST = """() => {
  const texts = (selector) => [...document.querySelectorAll(selector)].map((element) => element.textContent);
  const inline = texts('.view-lines [class*="ghost-text-decoration"]').join('');
  return [inline, ...texts('.suggest-preview-text .view-line')].join('\\n');
}"""
