"""The process that has the engine of all windows of one user: the first one starts it, and it ends a while after the last.

Knows its socket. Nobody watches over it: a language server that finds it gone starts another.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lsp_server.gateway.options import Options
from lsp_server.gateway.supervisor import CannotListen, listen_on_unix

TAKEN = 3  # exit code: another process has the socket, or has not quite left it


def main() -> None:
    """Arguments: the socket's path, and options, which hold no secret here."""
    path, options = Path(sys.argv[1]), Options.model_validate_json(sys.argv[2])
    try:
        listener = listen_on_unix(path)
    except CannotListen:
        sys.exit(TAKEN)
    from lsp_server.gateway.worker import prepare_process, serve  # takes half a second, which one that finds it taken saves

    prepare_process(options)
    try:
        code = asyncio.run(serve(options, listener))
    finally:
        path.unlink(missing_ok=True)  # the lock beside it is held until the very end
    sys.exit(code)


if __name__ == "__main__":
    main()
