"""How long from a key to painted ghost text, in the real VS Code. Run it with `PYTHONPATH=tests`.

Knows the page's clock: from the key's event to the frame after the text changed. Knows nothing of how the server spends the time;
`--scripted` answers at once, and what is left is the editor.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import textwrap
from pathlib import Path

from clients.vscode import workbench
from clients.vscode.desk import Script, shell_program
from clients.vscode.workbench import Home, Window, browser_page, packed_extension, served, wait_for

AT, LINES = 120, 16  # the lines of the file that are typed
LONGEST = 1.5  # seconds to wait for ghost text after a key
SETTINGS: dict[str, object] = {
    "editor.autoIndent": "none",
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.acceptSuggestionOnEnter": "off",
}
# Each key notes when it was pressed; the first frame in which the ghost text is another than before notes the rest.
WATCH = """() => {
  const shown = () => [...document.querySelectorAll('[class*="ghost-text-decoration"], .suggest-preview-text .view-line')]
    .map((element) => element.textContent).join('\\n');
  window.measured = null;
  let pressed = 0, before = '', waiting = false;
  document.addEventListener('keydown', (event) => {
    [pressed, before, waiting] = [event.timeStamp, shown(), true];
    window.measured = null;
  }, true);
  new MutationObserver(() => {
    const now = shown();
    if (waiting && now !== '' && now !== before) {
      waiting = false;
      requestAnimationFrame((time) => { window.measured = { wait: performance.now() - pressed, kept: before !== '' }; });
    }
  }).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['class'],
  });
}"""


def measure(scripted: bool, keys: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = Home(folder / "home")
        script = Script(folder / "script.json")
        script.says(suggestions={"": ["suggested"]})
        real = shell_program(folder / "real" / "quickfill", f'exec {shlex.quote(sys.executable)} -m lsp_server "$@"')
        program = script.program(folder / "scripted" / "quickfill") if scripted else real
        home.write_settings({**SETTINGS, "quickfill.server.path": program})
        home.install(packed_extension(folder))
        (folder / "project").mkdir()
        with served(home) as address, browser_page() as page:
            window = Window(page, folder / "project")
            window.load(address)
            waits, kept = typed_keys(window, keys)
    fresh = [wait for wait, was_kept in zip(waits, kept, strict=True) if not was_kept]
    return {
        "benchmark": "key to painted ghost text in VS Code" + (", editor alone" if scripted else ""),
        "keys": keys,
        "painted": len(waits),
        "all_ms": quantiles(waits),
        "new_suggestion_ms": quantiles(fresh),
        "new_suggestions": len(fresh),
    }


def typed_keys(window: Window, keys: int) -> tuple[list[float], list[bool]]:
    lines = Path(textwrap.__file__).read_text("utf-8").splitlines(keepends=True)
    window.open("typed.py", "".join(lines[:AT]))
    window.wait_for_status(r"ready \(")
    window.page.evaluate(WATCH)
    waits, kept = [], []
    for key in "".join(lines[AT : AT + LINES])[:keys]:
        window.press("Enter" if key == "\n" else key)
        try:
            found = wait_for(lambda: window.page.evaluate("window.measured"), "ghost text", LONGEST)
        except AssertionError:
            continue  # nothing was suggested here
        waits.append(float(found["wait"]))
        kept.append(bool(found["kept"]))
    return waits, kept


def quantiles(waits: list[float]) -> dict[str, float] | None:
    if len(waits) < 2:
        return None
    cuts = statistics.quantiles(waits, n=20, method="inclusive")
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long from a key to painted ghost text in the real VS Code.")
    parser.add_argument("--scripted", action="store_true", help="a server that answers at once: what the editor alone takes")
    parser.add_argument("--keys", type=int, default=200)
    options = parser.parse_args()
    if lack := workbench.missing():
        sys.exit(lack)
    print(json.dumps(measure(options.scripted, options.keys)))
