"""`quickfill explain` accounts for every character of a document and every token of the budget."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.explain import explain
from lsp_server.context.window import cut_window
from model.checkpoints.store import BUNDLED
from model.infilling.layout import encode_visible
from model.tokenization.healing import split_partial_word
from model.tokenization.tokenizer import Tokenizer

TOKENIZER = Tokenizer.load(BUNDLED / "tokenizer.json")
TEXT = "".join(f"def function_{n}(a, b):\n    return a * {n} + b\n\n\n" for n in range(400))


@given(st.integers(0, len(TEXT)))
def test_every_character_is_either_sent_or_left_out_with_a_reason(cursor: int) -> None:
    found = explain(TOKENIZER, TEXT, cursor)
    sent = sum(len(section.text) for section in found.sections)
    assert sent + sum(left.characters for left in found.left_out) == len(TEXT)
    assert all(left.why and left.characters > 0 for left in found.left_out)


def test_the_tokens_are_those_that_a_request_sends() -> None:
    cursor = len(TEXT) // 2
    window = cut_window(TEXT, [(cursor, cursor)])
    prefix, _ = split_partial_word(window.parts[0])
    assert explain(TOKENIZER, TEXT, cursor).tokens == len(encode_visible(TOKENIZER, (prefix, window.parts[1])))


def test_the_command_prints_sources_counts_and_reasons(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text(TEXT)
    command = [sys.executable, "-m", "lsp_server", "explain", f"{path}:901:5"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| text above the cursor |" in printed
    assert "Left out" in printed
    parsed = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert parsed["tokens"] == sum(section["tokens"] for section in parsed["sections"]) <= parsed["budget"]


def test_a_place_outside_the_file_is_one_line_of_error(tmp_path: Path) -> None:
    path = tmp_path / "short.py"
    path.write_text("x = 1\n")
    done = subprocess.run([sys.executable, "-m", "lsp_server", "explain", f"{path}:9:1"], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
