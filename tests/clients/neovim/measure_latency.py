"""How long after a key the ghost text stands on the screen of the real Neovim, with the real server and the model that ships.

Types lines of a module of this repository anew, key by key, and waits after each for the answer. Knows the moments of a key:
sent, question sent, answer back, painted. Knows no model. Use: measure_latency.py [--lines N] [--debounce-ms N] [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from real_neovim import REAL_SERVER, ROOT, Editor, find_neovim, set_up

SOURCE = ROOT / "lsp_server" / "completion" / "filters.py"

WATCH = """
local channel, client = ..., vim.lsp.get_clients({ name = "quickfill" })[1]
local shown = function() return require("quickfill").visible() end
local send = client.request
client.request = function(self, method, params, handler, bufnr)
  if method ~= "textDocument/inlineCompletion" then return send(self, method, params, handler, bufnr) end
  local asked = vim.uv.hrtime()
  return send(self, method, params, function(...)
    local answered = vim.uv.hrtime()
    handler(...)
    vim.rpcnotify(channel, "answered", asked, answered, shown())
  end, bufnr)
end
vim.api.nvim_create_autocmd("CursorMovedI", { callback = function()
  vim.rpcnotify(channel, "typed", shown())
end })
"""


@dataclass(frozen=True)
class Key:
    """One key, in milliseconds; `asked` and `answered` are None where the suggestion was typed along."""

    painted: float
    asked: float | None = None
    answered: float | None = None


def pressed(editor: Editor, key: str) -> Key | None:
    """What became of a key; None if nothing is suggested behind it."""
    began = time.monotonic_ns()
    editor.nvim.api.input(key.replace("<", "<lt>"), async_=True)
    asked = answered = None
    shown = False
    while True:
        _, name, told = editor.nvim.next_message()
        now = time.monotonic_ns()
        if name == "typed":
            shown = bool(told[0])
        elif name == "answered":
            asked, answered, shown = int(told[0]), int(told[1]), bool(told[2])
            if not shown:
                return None
        elif name == "redraw" and shown and any(event[0] == "flush" for event in told):
            if asked is None or answered is None:
                return Key((now - began) / 1e6)
            return Key((now - began) / 1e6, (asked - began) / 1e6, (answered - began) / 1e6)


def type_again(editor: Editor, row: int) -> list[Key | None]:
    """Empties a line and types it once more."""
    editor.nvim.api.win_set_cursor(0, [row, 0])
    text = editor.line
    editor.type("<Esc>0D")
    editor.lua("vim.bo.indentexpr, vim.bo.indentkeys = '', ''")  # Neovim's own indentation would type, too
    editor.type("i")
    return [pressed(editor, key) for key in text]


def percentile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 1)


def spread(values: list[float]) -> dict[str, float]:
    return {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=12, help="how many lines are typed")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--debounce-ms", type=int, default=None, help="the plugin's option; its default else")
    given = arguments.parse_args()
    neovim = find_neovim()
    if neovim is None:
        raise SystemExit("needs Neovim 0.12: tests/clients/install_neovim could not fetch it")
    options = {} if given.debounce_ms is None else {"debounce_ms": str(given.debounce_ms)}
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(neovim, Path(folder), set_up(REAL_SERVER, **options))
        text = SOURCE.read_text()
        editor.open(SOURCE.name, text)
        editor.until_attached()
        editor.lua(WATCH, editor.nvim.channel_id)
        rows = [
            row for row, line in enumerate(text.splitlines(), 1) if len(line.strip()) > 20 and not line.strip().startswith('"')
        ]
        chosen = rows[:: max(1, len(rows) // given.lines)][: given.lines]
        keys = [key for row in chosen for key in type_again(editor, row)]
        debounce = float(str(editor.lua("return require('quickfill.options').now.debounce_ms")))
        editor.close()
    shown = [key for key in keys if key is not None]
    asked = [key for key in shown if key.asked is not None and key.answered is not None]
    along = [key.painted for key in shown if key.asked is None]
    found = {
        "keys": len(keys),
        "shown": len(shown),
        "debounce_setting_ms": debounce,
        "asked": {
            "keys": len(asked),
            "key_to_paint_ms": spread([key.painted for key in asked]),
            "debounce_ms": spread([key.asked for key in asked if key.asked is not None]),
            "server_ms": spread(
                [key.answered - key.asked for key in asked if key.answered is not None and key.asked is not None]
            ),
            "paint_ms": spread([key.painted - key.answered for key in asked if key.answered is not None]),
        },
        "typed_along": {"keys": len(along), "key_to_paint_ms": spread(along)} if along else {"keys": 0},
    }
    if given.json:
        print(json.dumps({**found, "all": [asdict(key) for key in shown]}))
        return
    print(f"{len(keys)} keys; behind {len(shown)} of them a suggestion was shown")
    for name, part in (("asked for", found["asked"]), ("typed along", found["typed_along"])):
        assert isinstance(part, dict)
        print(f"{name}: {part['keys']} keys")
        for moment, values in part.items():
            if isinstance(values, dict):
                print(f"  {moment:18} p50 {values['p50']:7.1f}   p95 {values['p95']:7.1f}")


if __name__ == "__main__":
    main()
