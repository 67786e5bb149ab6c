"""Microsoft's own protocol library (vscode-languageserver-protocol 3.18, in Node) understands the server.

Needs Node and `npm ci --prefix tests/conformance`; skipped where these are not, except in CI.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def session() -> dict[str, Any]:
    """What the client of `client.mjs` got."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        if os.environ.get("CI"):
            pytest.fail("in CI the client in Node must run: npm ci --prefix tests/conformance")
        pytest.skip("needs Node and: npm ci --prefix tests/conformance")
    server = [sys.executable, "-m", "lsp_server", "lsp", "--stdio"]
    done = subprocess.run([node, "client.mjs", *server], cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_capability_is_announced(session: dict[str, Any]) -> None:
    assert session["capabilities"]["inlineCompletionProvider"] == {}
    assert session["capabilities"]["positionEncoding"] == "utf-16"


def test_a_list_comes_back_with_ranges_in_utf_16(session: dict[str, Any]) -> None:
    here = {"line": 4, "character": session["lineLength"]}
    assert len(session["invoked"]["items"]) > 1
    for item in session["invoked"]["items"]:
        assert item["insertText"]
        assert item["range"] == {"start": here, "end": here}
    (typed,) = session["automatic"]["items"]  # the greedy one; who asks by hand may see a likelier one before it
    assert typed["insertText"] in [item["insertText"] for item in session["invoked"]["items"]]


def test_an_edit_behind_a_surrogate_pair_lands_where_the_client_put_it(session: dict[str, Any]) -> None:
    (item,) = session["afterEdit"]["items"]
    assert item["insertText"].startswith("ue")


def test_a_selected_popup_item_begins_the_suggestion_and_gives_its_range(session: dict[str, Any]) -> None:
    for item in session["selected"]["items"]:
        assert item["insertText"].startswith("value")
        assert item["range"] == {"start": {"line": 7, "character": 6}, "end": {"line": 7, "character": 9}}


def test_a_cancelled_request_is_answered_with_the_protocols_code(session: dict[str, Any]) -> None:
    assert session["cancelled"] == {"code": session["requestCancelled"]}


def test_a_closed_document_gets_an_empty_list_and_nobody_a_popup(session: dict[str, Any]) -> None:
    assert session["closed"] == {"items": []}
    assert session["messages"] == []


def test_the_server_leaves_when_told(session: dict[str, Any]) -> None:
    assert session["exitCode"] == 0
