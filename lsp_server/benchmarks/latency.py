"""How long a person waits: a client of its own types in a file and asks a freshly started server after each key.

Knows the protocol from the client's side. Knows nothing of what happens in the server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
from lsprotocol import types
from pygls.lsp.client import LanguageClient

TYPED, LONG = Path(textwrap.__file__), Path(argparse.__file__)
LONG_LINES = 2_000
AT, LINES = 120, 16  # the lines of the file that are typed
BURST, BURST_SECONDS = 200, 2.0  # keys typed without waiting for answers, as a key that is held down does


def measure_latency(model: str | None, keys: int) -> dict[str, object]:
    """Seconds from the start of the server to its first answer, and milliseconds from a key to its answer.

    Then a burst of keys whose answers nobody waits for: how long after the last one its answer comes. Then keys in a long file,
    in a place where nothing is suggested: what the server takes without the model. Then a second window, which finds the engine
    there, and how much memory the processes hold.
    The file is `textwrap.py` (long enough to fill the model's context of 1,000 tokens), in a workspace that holds copies of the
    standard library's files, which the server reads meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="quickfill-bench-") as folder:
        for file in TYPED.parent.glob("*.py"):
            shutil.copy(file, folder)
        return asyncio.run(_measure(model, keys, Path(folder).resolve()))


async def _measure(model: str | None, keys: int, workspace: Path) -> dict[str, object]:
    uri = (workspace / TYPED.name).as_uri()
    lines = TYPED.read_text("utf-8").splitlines(keepends=True)
    typed = "".join(lines[AT : AT + LINES])[:keys]
    text = "".join(lines[:AT] + lines[AT + LINES :])
    client, start = await _window(workspace, model, uri, text)
    position = types.Position(AT, 0)
    waits: list[float] = []
    answered = 0
    for version, key in enumerate(typed, 2):
        change = types.TextDocumentContentChangePartial(types.Range(position, position), key)
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(uri=uri, version=version), [change])
        )
        newline = key == "\n"
        position = types.Position(position.line + newline, 0 if newline else position.character + 1)
        asked = time.perf_counter()
        shown = await _ask(client, uri, position)
        waits.append((time.perf_counter() - asked) * 1000)
        answered += bool(shown)
    backlog = await _burst(client, uri, position, len(typed) + 2)
    alone = await _without_model(client, (workspace / LONG.name).as_uri(), keys)
    second, second_start = await _window(workspace, model, uri, text)
    windows = psutil.Process().children()
    held = {"window": max(map(_mb, windows)), "engine": sum(_mb(engine) for one in windows for engine in one.children())}
    for one in (client, second):
        await one.shutdown_async(None)
        one.exit(None)
        await one.stop()  # type: ignore[no-untyped-call]
    return {
        "benchmark": "latency",
        "n": len(waits),
        "start_to_first_answer_s": round(start, 2),
        "second_window_s": round(second_start, 2),
        "memory_mb": held,
        "latency_ms": {f"p{q}": round(float(np.percentile(waits, q)), 1) for q in (50, 95)},
        "answered": round(answered / max(1, len(waits)), 3),
        "after_a_burst_ms": round(backlog, 1),
        "without_model_ms": {f"p{q}": round(float(np.percentile(alone, q)), 1) for q in (50, 95)},
    }


async def _window(workspace: Path, model: str | None, uri: str, text: str) -> tuple[LanguageClient, float]:
    """An editor's window in which a document was opened, and the seconds from its start to the first answer."""
    client = LanguageClient("quickfill-bench", "1")
    began = time.perf_counter()
    command = ["-m", "lsp_server", "lsp", "--stdio", *(["--model", model] if model else [])]
    # Its own folder for sockets: the engine of an editor that is open would be there already.
    await client.start_io(sys.executable, *command, env={**os.environ, "XDG_RUNTIME_DIR": str(workspace)})
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(),
            initialization_options={"acceptance_log": False},
            workspace_folders=[types.WorkspaceFolder(workspace.as_uri(), workspace.name)],
        )
    )
    client.initialized(types.InitializedParams())
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, text)))
    # The deadline counts from the moment the model is loaded, so that the first request has an answer, too.
    await _ask(client, uri, types.Position(AT, 0))
    return client, time.perf_counter() - began


def _mb(process: psutil.Process) -> int:
    return round(process.memory_info().rss / 2**20)


async def _without_model(client: LanguageClient, uri: str, keys: int) -> list[float]:
    """Milliseconds from a key to its answer in a comment of a long file: the server does all it does, but asks no model."""
    lines = (LONG.read_text("utf-8").splitlines(keepends=True) * 2)[:LONG_LINES]
    line = LONG_LINES // 2
    lines.insert(line, "# \n")
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, "".join(lines))))
    waits = []
    for number in range(keys):
        position = types.Position(line, 2 + number)
        change = types.TextDocumentContentChangePartial(types.Range(position, position), "x")
        identifier = types.VersionedTextDocumentIdentifier(uri=uri, version=2 + number)
        asked = time.perf_counter()
        client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
        await _ask(client, uri, types.Position(line, 3 + number))
        waits.append((time.perf_counter() - asked) * 1000)
    return waits[1:]  # the first one parses the whole file


async def _burst(client: LanguageClient, uri: str, position: types.Position, version: int) -> float:
    """Milliseconds from the last key of a burst to its answer."""
    asked = []
    for number in range(BURST):
        change = types.TextDocumentContentChangePartial(types.Range(position, position), "x")
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(uri=uri, version=version + number), [change])
        )
        position = types.Position(position.line, position.character + 1)
        last = time.perf_counter()
        asked.append(asyncio.ensure_future(_ask(client, uri, position)))
        await asyncio.sleep(BURST_SECONDS / BURST)
    await asked[-1]
    waited = (time.perf_counter() - last) * 1000
    await asyncio.gather(*asked, return_exceptions=True)
    return waited


async def _ask(client: LanguageClient, uri: str, position: types.Position) -> bool:
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic), types.TextDocumentIdentifier(uri), position
    )
    found = await client.text_document_inline_completion_async(params)
    return isinstance(found, types.InlineCompletionList) and bool(found.items)
