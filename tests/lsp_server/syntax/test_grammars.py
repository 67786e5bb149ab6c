"""The languages that the server can read."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from lsp_server.syntax.document import Document
from lsp_server.syntax.grammars import ENTRIES, grammar_of, language_of
from lsp_server.syntax.places import parse_errors

PROGRAMS = {
    "python": ("def f(x):\n    return x\n", "def f(x:\n"),
    "javascript": ("const f = (x) => { return x; };\n", "const f = (x => {\n"),
    "javascriptreact": ("const f = () => <p>{x}</p>;\n", "const f = () => <p>{x</p>;\n"),
    "typescript": ("const f = (x: number): number => x;\n", "const f = (x: number => x;\n"),
    "typescriptreact": ("const f = (x: string) => <p>{x}</p>;\n", "const f = (x: string) => <p>{x}</q;\n"),
    "go": ("package a\n\nfunc f(x int) int {\n\treturn x\n}\n", "package a\n\nfunc f(x int int {\n"),
    "rust": ("fn f<'a>(x: &'a str) -> &'a str {\n    x\n}\n", "fn f(x: &str -> {\n"),
    "java": ("class A { int f(int x) { return x; } }\n", "class A { int f(int x { return x; }\n"),
    "c": ("int f(int x) { return x; }\n", "int f(int x { return x; }\n"),
    "cpp": ("template <class T> T f(T x) { return x; }\n", "template <class T> T f(T x { return x; }\n"),
    "csharp": ("class A { int F(int x) => x; }\n", "class A { int F(int x => x; }\n"),
    "ruby": ("def f(x)\n  x\nend\n", "def f(x\n  x\n"),
    "php": ("<?php\nfunction f($x) { return $x; }\n", "<?php\nfunction f($x { return $x; }\n"),
    "shellscript": ("if true; then\n  echo a\nfi\n", "if true; then\n  echo a\n"),
    "lua": ("local function f(x)\n  return x\nend\n", "local function f(x\n  return x\n"),
    "json": ('{"a": [1, 2]}\n', '{"a": [1, 2}\n'),
    "html": ('<p class="a">text</p>\n', '<p class="a>text</p>\n'),
    "css": (".a { color: red; }\n", ".a { color: red;\n"),
    "kotlin": ("fun f(x: Int): Int { return x }\n", "fun f(x: Int: Int { return x }\n"),
    "swift": ("func f(x: Int) -> Int { return x }\n", "func f(x: Int -> Int { return x }\n"),
    "scala": ("def f(x: Int): Int = { x }\n", "def f(x: Int: Int = { x }\n"),
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_language_is_read_and_its_mistakes_are_seen(language: str) -> None:
    right, wrong = PROGRAMS[language]
    assert grammar_of(language) is not None, f"the wheel for {language} is not installed"
    assert parse_errors(Document.parsed(right, language)) == 0
    assert parse_errors(Document.parsed(wrong, language)) > 0


def test_every_listed_language_has_a_program_here() -> None:
    assert {name for entry in ENTRIES for name in entry.names} - {"bash", "jsonc"} == set(PROGRAMS)


def test_a_language_without_a_grammar_has_no_mistakes() -> None:
    assert grammar_of("klingon") is None
    assert parse_errors(Document.parsed("batlh ( potlh\n", "klingon")) == 0


@pytest.mark.parametrize(
    ("name", "language"), [("a.py", "python"), ("A.TSX", "typescriptreact"), ("script", "python"), ("a.txt", ""), ("a.h", "c")]
)
def test_a_files_name_tells_its_language(name: str, language: str) -> None:
    assert language_of(PurePath(name)) == language
