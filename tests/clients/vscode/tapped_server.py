"""A language server with a tap: what passes is passed on, and the moments of each question and its answer are written down.

Knows the protocol's framing. Use: tapped_server.py LOG PROGRAM [ARGUMENT...]. Each answered question for inline suggestions is a
line of JSON in LOG: `asked` and `answered`, in milliseconds since 1970, and how many `items` came.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

METHOD = "textDocument/inlineCompletion"
LOG = Path(sys.argv[1])
asked: dict[object, float] = {}


def pass_on(source: BinaryIO, target: BinaryIO, see: Callable[[dict[str, object], float], None]) -> None:
    """Until the source ends. The moment is that of the message's last byte."""
    while header := source.readline():
        lines = [header]
        while (line := source.readline()).strip():
            lines.append(line)
        length = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length"))
        body = source.read(length)
        see(json.loads(body), time.time() * 1000)
        target.write(b"".join(lines) + b"\r\n" + body)
        target.flush()
    target.close()


def see_question(message: dict[str, object], now: float) -> None:
    if message.get("method") == METHOD:
        asked[message["id"]] = now


def see_answer(message: dict[str, object], now: float) -> None:
    began = asked.pop(message.get("id"), None) if "method" not in message else None
    if began is not None:
        result = message.get("result")
        items = len(result["items"]) if isinstance(result, dict) else 0
        with LOG.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"asked": began, "answered": now, "items": items}) + "\n")


def main() -> int:
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    arguments = (sys.stdin.buffer, server.stdin, see_question)
    threading.Thread(target=pass_on, args=arguments, daemon=True).start()
    pass_on(server.stdout, sys.stdout.buffer, see_answer)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
