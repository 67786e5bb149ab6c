"""What is installed from a wheel works outside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_the_model_and_fills_outside_the_checkout(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True)
    wheel = next(tmp_path.glob("quickfill-*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(tmp_path / "site"), str(wheel)], check=True)
    file = tmp_path / "a.py"
    file.write_text("import os\n\n\ndef f(path):\n    return os.path.\n")
    # -P keeps the working folder off the path, so nothing of the checkout can be found by accident.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import model; "
        "print(model.__file__, file=sys.stderr); from lsp_server.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "fill", f"{file}:5:20", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stderr
    assert json.loads(done.stdout)["text"]
