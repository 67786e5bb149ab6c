"""The `quickfill` command.

Knows which modules have commands, and how a mistake ends. Commands import the model only where they need it.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from lsp_server.cli import benchmarking, compiling, evaluating, filling, looking, serving, training
from lsp_server.cli.common import UserError, app

__all__ = ["app", "benchmarking", "compiling", "evaluating", "filling", "looking", "main", "serving", "training"]


def fail(message: str) -> NoReturn:
    print(f"quickfill: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    try:
        app(standalone_mode=True)
    except UserError as error:
        fail(str(error))
