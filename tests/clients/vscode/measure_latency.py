"""How long from a key to painted ghost text, in the real VS Code. Run it with `PYTHONPATH=tests`.

Knows the page's clock, from the key's event to the frame after the text was painted, and the moments at which the question passed
to the server and its answer passed back; ghost text that is there already is dismissed first. `--scripted` answers at once.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from clients.vscode import workbench
from clients.vscode.desk import Script, shell_program
from clients.vscode.workbench import Home, Window, browser_page, packed_extension, served, wait_for

TAP = Path(__file__).with_name("tapped_server.py")
AT, LINES = 120, 16  # the lines of the file that are typed
LONGEST = 1.5  # seconds to wait for ghost text after a key
Moments = tuple[float, float]
SETTINGS: dict[str, object] = {
    "editor.autoIndent": "none",
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.acceptSuggestionOnEnter": "off",
}
# Each key notes when it was pressed; the frame after ghost text was there notes the rest.
WATCH = """() => {
  const shown = () => [...document.querySelectorAll('[class*="ghost-text-decoration"], .suggest-preview-text .view-line')]
    .map((element) => element.textContent).join('\\n');
  window.measured = null;
  let pressed = 0, waiting = false;
  document.addEventListener('keydown', (event) => {
    [pressed, waiting] = [event.timeStamp, event.key !== 'Escape'];
    window.measured = null;
  }, true);
  new MutationObserver(() => {
    if (waiting && shown() !== '') {
      waiting = false;
      requestAnimationFrame(() => {
        window.measured = [pressed, performance.now()].map((moment) => performance.timeOrigin + moment);
      });
    }
  }).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['class'],
  });
}"""


def measure(scripted: bool, keys: int, min_confidence: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = Home(folder / "home")
        script = Script(folder / "script.json")
        script.says(suggestions={"": ["suggested"]})
        log, arguments = folder / "tap.log", [sys.executable, "-m", "lsp_server"]
        if scripted:
            arguments = [script.program(folder / "scripted" / "quickfill")]
        tapped = shlex.join([sys.executable, str(TAP), str(log), *arguments])
        program = shell_program(folder / "bin" / "quickfill", f'exec {tapped} "$@"')
        home.write_settings({**SETTINGS, "quickfill.server.path": program, "quickfill.min_confidence": min_confidence})
        home.install(packed_extension(folder))
        (folder / "project").mkdir()
        with served(home) as address, browser_page() as page:
            window = Window(page, folder / "project")
            window.load(address)
            painted = typed_keys(window, keys)
        answers = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    parts = [found for key in painted if (found := parts_of(key, answers))]
    return {
        "benchmark": "key to painted ghost text in VS Code" + (", editor alone" if scripted else ""),
        "keys": keys,
        "painted": len(painted),
        "ms": quantiles([shown - pressed for pressed, shown in painted]),
        "parts_ms": {
            name: quantiles([part[number] for part in parts])
            for number, name in enumerate(("key to question", "question to answer", "answer to paint"))
        },
    }


def parts_of(key: Moments, answers: Sequence[Mapping[str, float]]) -> tuple[float, float, float] | None:
    """What passed between a key and its ghost text: until the question, until its answer, until the text was painted."""
    pressed, shown = key
    within = [one for one in answers if one["items"] and pressed <= one["asked"] and one["answered"] <= shown]
    if not within:
        return None  # painted from what was known already
    return within[-1]["asked"] - pressed, within[-1]["answered"] - within[-1]["asked"], shown - within[-1]["answered"]


def typed_keys(window: Window, keys: int) -> list[Moments]:
    """For each key that ghost text followed: when it was pressed, and when that was painted; milliseconds since 1970."""
    lines = Path(textwrap.__file__).read_text("utf-8").splitlines(keepends=True)
    window.open("typed.py", "".join(lines[:AT]))
    window.wait_for_status(r"ready \(")
    window.page.evaluate(WATCH)
    painted: list[Moments] = []
    for key in "".join(lines[AT : AT + LINES])[:keys]:
        while window.ghost():  # the first Escape may be for another popup
            window.press("Escape")
            window.page.wait_for_timeout(200)
        window.press("Enter" if key == "\n" else key)
        with suppress(AssertionError):  # nothing was suggested here
            pressed, shown = wait_for(lambda: window.page.evaluate("window.measured"), "ghost text", LONGEST)
            painted.append((float(pressed), float(shown)))
    return painted


def quantiles(waits: list[float]) -> dict[str, float] | None:
    if len(waits) < 2:
        return None
    cuts = statistics.quantiles(waits, n=20, method="inclusive")
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long from a key to painted ghost text in the real VS Code.")
    parser.add_argument("--scripted", action="store_true", help="a server that answers at once: what the editor alone takes")
    parser.add_argument("--keys", type=int, default=120)
    parser.add_argument("--min-confidence", type=float, default=0.0, help="0: something is shown behind nearly every key")
    options = parser.parse_args()
    if lack := workbench.missing():
        sys.exit(lack)
    print(json.dumps(measure(options.scripted, options.keys, options.min_confidence)))
