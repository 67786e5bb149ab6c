"""A real Neovim that a test or a script drives: keys in, the screen and the buffer out.

Knows Neovim's RPC, the plugin's folder, and how to start the real server or a scripted one. Knows no scenario.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pynvim

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "editor-clients" / "neovim"
REAL_SERVER = [sys.executable, "-m", "lsp_server", "lsp"]
LIFETIME = 120.0  # seconds that one Neovim may live
PATIENCE = 30.0  # seconds until something that should happen counts as not happening; a busy machine needs some
WIDTH, HEIGHT = 90, 24

SCREEN = """
vim.cmd.redraw()
local rows = {}
for row = 1, vim.o.lines do
  local cells = {}
  for column = 1, vim.o.columns do cells[column] = vim.fn.screenstring(row, column) end
  rows[row] = (table.concat(cells):gsub(" +$", ""))
end
return rows
"""
GHOST = """
local space = vim.api.nvim_create_namespace("nvim.lsp.inline_completion")
local mark = vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })[1]
if not mark then return nil end
local text = function(chunks)
  return table.concat(vim.tbl_map(function(chunk) return chunk[2] == "ComplHint" and chunk[1] or "" end, chunks))
end
local lines = vim.tbl_map(text, mark[4].virt_lines or {})
table.insert(lines, 1, text(mark[4].virt_text))
return table.concat(lines, "\\n")
"""

Found = TypeVar("Found")


def find_neovim() -> str | None:
    """The path of a Neovim of 0.12 or newer, fetched if need be; None where that is not possible."""
    given = os.environ.get("QUICKFILL_NEOVIM")
    if given:
        return given
    installed = subprocess.run(
        [Path(__file__).parents[1] / "install_neovim"], capture_output=True, text=True, timeout=300, check=False
    )
    return installed.stdout.strip() if installed.returncode == 0 else None


def eventually(what: str, look: Callable[[], Found | None], patience: float = PATIENCE) -> Found:
    """The first result that is not empty; fails with `what` and the last result if there is none in time."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"did not happen: {what}; last seen: {found!r}")
        time.sleep(0.01)


@dataclass
class Script:
    """What the scripted server answers, and what it was asked."""

    path: Path
    told: dict[str, object] = field(default_factory=dict)

    def says(self, **parts: object) -> None:
        self.told |= parts
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(self.told))
        whole.replace(self.path)

    def forget(self) -> None:
        self.told = {}
        self.says()
        self.path.with_suffix(".log").unlink(missing_ok=True)

    def are(self, *rules: tuple[str, list[str | dict[str, str | int]]]) -> None:
        """Each rule: the end of the line before the cursor, and the items, texts alone where they replace nothing."""
        self.says(
            answers=[
                {"after": after, "items": [{"text": item} if isinstance(item, str) else item for item in items]}
                for after, items in rules
            ]
        )

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).parents[1] / "scripted_server.py"), str(self.path)]

    @property
    def asked(self) -> list[dict[str, str | None]]:
        log = self.path.with_suffix(".log")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class Editor:
    """One Neovim, with a screen of its own and nothing of the user's configuration."""

    def __init__(self, neovim: str, folder: Path, config: str, width: int = WIDTH, height: int = HEIGHT) -> None:
        init = folder / "init.lua"
        init.write_text(
            f'vim.opt.runtimepath:prepend("{PLUGIN}")\n'
            'vim.o.swapfile = false\nvim.o.showmode = false\nvim.o.shortmess = vim.o.shortmess .. "I"\n'
            "messages = {}\n"
            "vim.notify = function(text, level) table.insert(messages, text) end\n" + config
        )
        paths = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        wanted = {**paths, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)  # pynvim hands its own environment on
        try:
            self.nvim = pynvim.attach("child", argv=[neovim, "--embed", "-u", str(init), "-i", "NONE"])
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        # A Neovim that waits for a person (an error's "Press ENTER") answers nothing any more: its end makes the test fail.
        self._end = threading.Timer(LIFETIME, os.kill, (int(self.nvim.eval("getpid()")), signal.SIGKILL))
        self._end.daemon = True
        self._end.start()
        self.nvim.ui_attach(width, height, rgb=True, ext_messages=True)
        self.nvim.command(f"cd {folder}")
        self.folder = folder

    def close(self) -> None:
        """Leaves as a person does; the server goes with it."""
        if self._end.finished.is_set():
            return
        self._end.cancel()
        with contextlib.suppress(OSError):
            self.nvim.command("qall!", async_=True)
            self.nvim.close()

    # What a person does.

    def open(self, name: str, text: str | bytes) -> None:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.nvim.command(f"edit {path}")

    def type(self, keys: str) -> None:
        """Keys, with names as in `<Tab>`; each is worked off before the next one comes, as with a person's fingers."""
        for key in _keys(keys):
            self.nvim.input(key)
            self.nvim.eval("1")

    # What a person sees.

    def lua(self, code: str, *arguments: object) -> object:
        return self.nvim.exec_lua(code, *arguments)

    @property
    def text(self) -> str:
        lines: list[str] = self.nvim.api.buf_get_lines(0, 0, -1, True)
        return "\n".join(lines) + "\n"

    @property
    def line(self) -> str:
        return str(self.nvim.api.get_current_line())

    @property
    def screen(self) -> list[str]:
        rows = self.lua(SCREEN)
        assert isinstance(rows, list)
        return [str(row) for row in rows]

    @property
    def ghost(self) -> str | None:
        found = self.lua(GHOST)
        return None if found is None else str(found)

    @property
    def messages(self) -> list[str]:
        found = self.lua("return messages")
        assert isinstance(found, list)
        return [str(message) for message in found]

    @property
    def statusline(self) -> str:
        return str(self.lua('return require("quickfill").statusline()'))

    def until_attached(self) -> None:
        eventually("a server is attached", lambda: self.lua('return #vim.lsp.get_clients({ name = "quickfill", bufnr = 0 }) > 0'))
        eventually("inline completion is on", lambda: self.lua("return vim.lsp.inline_completion.is_enabled({ bufnr = 0 })"))

    def until_ghost(self, text: str) -> None:
        eventually(f"the ghost text {text!r}, not {self.ghost!r}", lambda: self.ghost == text)

    def until_no_ghost(self) -> None:
        eventually("no ghost text", lambda: self.ghost is None)


Start = Callable[[str], Editor]


def _keys(keys: str) -> list[str]:
    """The keys one by one: `a<lt><Tab>` are three."""
    found, rest = [], keys
    while rest:
        end = rest.find(">") + 1 if rest.startswith("<") and ">" in rest else 1
        found.append(rest[:end])
        rest = rest[end:]
    return found


def set_up(command: list[str], **options: str) -> str:
    """The line of a configuration that starts a server; options are Lua."""
    cmd = "{ " + ", ".join(json.dumps(part) for part in command) + " }"
    others = "".join(f", {name} = {value}" for name, value in options.items())
    return f'require("quickfill").setup({{ cmd = {cmd}{others} }})\n'
