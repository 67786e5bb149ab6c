"""A real Emacs with Eglot: the suggestion is in the list that completion-at-point shows, and choosing it changes the text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = """
(require 'package)
(package-initialize)
(require 'eglot)
(add-to-list 'eglot-server-programs '(python-mode . ("quickfill" "lsp")))
"""
SESSION = """
(setq eglot-sync-connect 120 eglot-connect-timeout 120 python-indent-guess-indent-offset nil)
(find-file "size.py")
(python-mode)
(call-interactively 'eglot)
(goto-char (1- (point-max)))
(let* ((found (eglot-completion-at-point))
       (offered (all-completions (buffer-substring (nth 0 found) (nth 1 found)) (nth 2 found))))
  (message "OFFERED %s" (json-encode (mapcar #'substring-no-properties offered))))
(let ((completion-at-point-functions '(eglot-completion-at-point))) (completion-at-point))
(message "TEXT %s" (json-encode (buffer-string)))
(set-buffer-modified-p nil)
(eglot-shutdown (eglot-current-server))
"""
BEFORE = "def size(width, height):\n    return width * hei\n"


def emacs() -> str | None:
    program = shutil.which("emacs")
    known = ["--batch", "--eval", "(progn (require 'package) (package-initialize) (require 'eglot) (require 'json))"]
    return program if program and subprocess.run([program, *known], capture_output=True, check=False).returncode == 0 else None


@pytest.mark.skipif(emacs() is None, reason="there is no Emacs with Eglot (Emacs 29, or Debian's elpa-eglot)")
def test_the_suggestion_is_offered_and_taken(tmp_path: Path) -> None:
    (tmp_path / "size.py").write_text(BEFORE)
    (tmp_path / "session.el").write_text(SETUP + SESSION)
    done = subprocess.run(
        ["emacs", "--batch", "-l", "session.el"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    said = dict(line.split(" ", 1) for line in done.stderr.splitlines() if line.startswith(("OFFERED ", "TEXT ")))
    assert set(said) == {"OFFERED", "TEXT"}, done.stderr
    (offered,) = json.loads(said["OFFERED"])
    assert offered.startswith("hei")
    assert json.loads(said["TEXT"]) == BEFORE.replace("hei\n", offered + "\n")
