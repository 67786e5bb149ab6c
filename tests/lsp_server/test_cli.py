"""The command line: answers, or one line of error and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "lsp_server"]
CODE = "import os\n\n\ndef home(user):\n    return os.path.\n"


def run(*arguments: str | Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = COMMAND if code is None else [sys.executable, "-c", code]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def filled(*arguments: str | Path) -> dict[str, object]:
    done = run("fill", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_help_is_there_without_torch() -> None:
    code = "import sys\nfrom lsp_server.cli import app\ntry:\n    app(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    assert run(code=code).stdout.strip().endswith("False")


def test_fill_answers_with_the_contract_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(CODE)
    answer = filled(f"{file}:5:20", "--n", "3")
    assert list(answer) == ["text", "texts", "candidates", "reason", "steps", "forward_passes", "timings_ms", "model"]
    assert answer["text"]
    assert answer["candidates"][0]["text"] == answer["text"]
    assert all(0 <= candidate["confidence"] <= 1 for candidate in answer["candidates"])
    assert set(answer["timings_ms"]) == {"context", "prefill", "denoise", "filter", "total"}
    assert file.read_text() == CODE
    assert [p.name for p in tmp_path.iterdir()] == ["a.py"]


def test_several_marks_are_filled_jointly(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("def add(a, b):\n    return @@\n\n\ndef sub(a, b):\n    return @@\n")
    assert len(filled(file, "--mark", "@@")["texts"]) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"def f():\r\n    return 1\r\n",
        b"def f():\n\treturn 1",
        "s = '😀é'\n".encode(),
        b"x = 1\n" * 50_000,
        b"\xef\xbb\xbfimport os\n",
    ],
    ids=["empty", "one letter", "crlf", "tabs, no line break at the end", "emoji", "50,000 lines", "byte order mark"],
)
def test_any_text_file_gets_an_answer(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(content)
    answer = filled(f"{file}:1:1")
    assert answer["text"] or answer["reason"]
    assert file.read_bytes() == content


def test_line_breaks_of_the_file_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(CODE.replace("\n", "\r\n").encode())
    text = str(filled(f"{file}:5:20")["text"])
    assert "\n" not in text.replace("\r\n", "")


def test_an_unknown_language_gets_an_answer_or_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "a.zig"
    file.write_text("const x = ")
    answer = filled(f"{file}:1:11")
    assert answer["text"] or answer["reason"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.py:1:1"], "No such file"),
        (["{folder}:1:1"], "is a folder"),
        (["{binary}:1:1"], "binary"),
        (["{latin}:1:1"], "not UTF-8"),
        (["{code}:99:1"], "no line 99"),
        (["{code}:1:99"], "no column 99"),
        (["{code}:0:1"], "no line 0"),
        (["{code}"], "say where"),
        (["{code}:2:1", "--to", "1:1"], "stands before"),
        (["{code}:2:1", "--to", "x"], "LINE:COL"),
        (["{code}", "--mark", "@@@"], "does not occur"),
        (["{code}", "--mark", ""], "needs a text"),
        (["{code}:1:1", "--model", "{folder}"], "no model at"),
        (["{code}:1:1", "--device", "tpu"], "device must be cpu"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    places = {name: tmp_path / name for name in ("folder", "binary", "latin", "code")}
    places["folder"].mkdir()
    places["binary"].write_bytes(b"\x7fELF\0\0")
    places["latin"].write_bytes(b"caf\xe9\n")
    places["code"].write_text(CODE)
    done = run("fill", *(argument.format(**places) for argument in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert complaint in done.stderr


def test_a_decay_alone_needs_a_model_to_go_on_from(tmp_path: Path) -> None:
    done = run("train", "--decay-only", "--corpus", tmp_path / "corpus")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--from MODEL" in done.stderr
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("name", [".env", "ignored.py"])
def test_a_file_that_is_kept_out_is_neither_filled_nor_explained(tmp_path: Path, name: str) -> None:
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    file = tmp_path / name
    file.write_text("CANARY = 'in the mine'\nx = CAN")
    answer = filled(f"{file}:2:8")
    assert (answer["text"], answer["candidates"], answer["forward_passes"]) == ("", [], 0)
    assert name in str(answer["reason"])
    explained = run("explain", f"{file}:2:8", "--json")
    assert "CANARY" not in explained.stdout
    assert name in json.loads(explained.stdout)["left_out"][0]["why"]
