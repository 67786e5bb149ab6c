"""A real Emacs with Eglot and with lsp-mode: the suggestion is in the list that completion-at-point shows, and choosing it
changes the text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = "(require 'package)\n(package-initialize)\n(require 'json)\n"
# What the README says, and how the session is begun and ended.
EGLOT = """
(require 'eglot)
(add-to-list 'eglot-server-programs '(python-mode . ("quickfill" "lsp")))
(setq eglot-sync-connect 120 eglot-connect-timeout 120)
(defun begin () (call-interactively 'eglot))
(defun end () (eglot-shutdown (eglot-current-server)))
(defalias 'offer 'eglot-completion-at-point)
"""
LSP_MODE = """
(require 'lsp-mode)
(lsp-register-client
 (make-lsp-client :new-connection (lsp-stdio-connection '("quickfill" "lsp"))
                  :activation-fn (lsp-activate-on "python") :server-id 'quickfill :add-on? t))
(require 'lsp-completion)
(setq lsp-auto-guess-root t lsp-response-timeout 120)
(defun begin ()
  (lsp)
  (with-timeout (120 (message "no server"))
    (while (not (and (lsp-workspaces) (eq 'initialized (lsp--workspace-status (car (lsp-workspaces))))))
      (accept-process-output nil 0.1))))
(defun end () (lsp-workspace-shutdown (car (lsp-workspaces))))
(defalias 'offer 'lsp-completion-at-point)
"""
SESSION = """
(setq python-indent-guess-indent-offset nil)
(find-file "size.py")
(python-mode)
(begin)
(goto-char (1- (point-max)))
(let* ((found (offer))
       (offered (all-completions (buffer-substring (nth 0 found) (nth 1 found)) (nth 2 found))))
  (message "OFFERED %s" (json-encode (mapcar #'substring-no-properties offered))))
(let ((completion-at-point-functions '(offer))) (completion-at-point))
(message "TEXT %s" (json-encode (buffer-string)))
(set-buffer-modified-p nil)
(end)
"""
BEFORE = "def size(width, height):\n    return width * hei\n"


def emacs_has(package: str) -> bool:
    known = ["--batch", "--eval", f"(progn {PACKAGES} (require '{package}))"]
    program = shutil.which("emacs")
    return program is not None and subprocess.run([program, *known], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("package", "setup"), [("eglot", EGLOT), ("lsp-mode", LSP_MODE)])
def test_the_suggestion_is_offered_and_taken(package: str, setup: str, tmp_path: Path) -> None:
    if not emacs_has(package):
        pytest.skip(f"there is no Emacs with {package} (Debian: emacs-nox elpa-{package})")
    (tmp_path / ".git").mkdir()  # a project of its own
    (tmp_path / "size.py").write_text(BEFORE)
    (tmp_path / "session.el").write_text(PACKAGES + setup + SESSION)
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
