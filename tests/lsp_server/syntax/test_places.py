"""What the syntax says about a place: `|` is the cursor."""

from __future__ import annotations

import pytest

from lsp_server.syntax.document import Document
from lsp_server.syntax.places import Cursor, cursor_in, extent, is_unfinished, parse_error_delta, quiet


def cursor_at(text: str, language: str) -> Cursor:
    left, right = text.split("|")
    return Cursor(Document.parsed(left + right, language), len(left))


@pytest.mark.parametrize(
    ("language", "text", "much"),
    [
        ("python", "def f():\n    |\n", "block"),
        ("python", "if a:|\n", "block"),
        ("python", "if a:|\n    return 1\n", "rest of line"),
        ("python", "x = |\n", "rest of line"),
        ("python", "x = 1\n|\ny = 2\n", "line"),
        ("python", "x = 1\n|\n\ny = 2\n", "block"),
        ("python", "def f():\n    a = 1\n    |\ndef g():\n    pass\n", "block"),
        ("python", "f(|)\n", "rest of line"),
        ("python", "# note:\n#|\n", "rest of line"),
        ("python", '"""a:\n|\n', "rest of line"),
        ("python", "d = {1:|\n", "rest of line"),
        ("python", "x: int|\n", "rest of line"),
        ("python", "if a:\r\n    |\r\n", "block"),
        ("javascript", "function f() {|\n}\n", "block"),
        ("javascript", "function f() {\n    |\n}\n", "block"),
        ("javascript", "f(a, |)\n", "rest of line"),
        ("javascript", "if (a) {|\n    b();\n}\n", "rest of line"),
        ("javascript", "a();\n|\nb();\n", "line"),
        ("typescript", "interface A {|\n}\n", "block"),
        ("go", "package a\n\nfunc f() {|\n}\n", "block"),
        ("rust", "fn f() {\n    |\n}\n", "block"),
        ("java", "class A {\n    void f() {|\n    }\n}\n", "block"),
        ("c", "int f(void) {|\n}\n", "block"),
        ("cpp", "int x = |;\n", "rest of line"),
        ("csharp", "class A {|\n}\n", "block"),
        ("ruby", "def f(x)|\nend\n", "block"),
        ("ruby", "xs.each do |\nend\n", "block"),
        ("ruby", "x = 1|\n", "rest of line"),
        ("php", "<?php\nfunction f() {|\n}\n", "block"),
        ("shellscript", "if true; then|\nfi\n", "block"),
        ("lua", "local function f(x)|\nend\n", "block"),
        ("json", "{|\n}\n", "block"),
        ("html", "<ul>|\n</ul>\n", "block"),
        ("css", ".a {|\n}\n", "block"),
        ("kotlin", "fun f() {|\n}\n", "block"),
        ("swift", "func f() {|\n}\n", "block"),
        ("scala", "def f = {|\n}\n", "block"),
        ("klingon", "begin {|\n}\n", "block"),
        ("klingon", "batlh: |\n    potlh\n", "rest of line"),
        ("klingon", "batlh |\n", "rest of line"),
        ("klingon", "|\n", "block"),
    ],
)
def test_the_syntax_says_how_much_belongs_here(language: str, text: str, much: str) -> None:
    assert extent(cursor_at(text, language)) == much


@pytest.mark.parametrize(
    ("language", "text", "why"),
    [
        ("python", "val|ue = 1\n", "middle of a word"),
        ("klingon", "bat|lh\n", "middle of a word"),
        ("python", "value| = 1\n", "behind a finished name"),
        ("python", "def value|(x):\n", "behind a finished name"),
        ("python", "value|.other\n", "behind a finished name"),
        ("klingon", "batlh| potlh\n", "behind a finished name"),
        ("python", "f(val|, 1)\n", None),
        ("python", "f(val|)\n", None),
        ("python", "x = val|  # a note\n", None),
        ("python", "x = |value\n", None),
        ("python", "x = val|\n", None),
        ("python", "# a no|\n", "comment"),
        ("python", "x = 1  # |\n", "comment"),
        ("python", "s = 'a|'\n", "string"),
        ("python", "s = 'a|\n", "string"),
        ("python", 'def f():\n    """Say |\n', "string"),
        ("python", "s = f'a {val|}'\n", None),
        ("python", "s = 'a'; x = |\n", None),
        ("javascript", "// a |\n", "comment"),
        ("javascript", "const s = `a | ${b}`;\n", "string"),
        ("javascript", "const s = `a ${b|}`;\n", None),
        ("javascript", "import a from './|';\n", None),
        ("javascript", "const a = require('|');\n", None),
        ("typescriptreact", "const a = <p>{b|}</p>;\n", None),
        ("go", '// |\nvar s = "a"\n', "comment"),
        ("go", 'package a\n\nvar s = "a |"\n', "string"),
        ("go", 'package a\n\nimport "|"\n', None),
        ("rust", "/// a |\n", "comment"),
        ("rust", "fn f<'a>(x: &'a str) { g(|) }\n", None),
        ("java", "/* | */ class A {}\n", "comment"),
        ("java", 'class A { String s = "a |"; }\n', "string"),
        ("c", '#include "|"\n', None),
        ("c", 'char *s = "a |";\n', "string"),
        ("cpp", "// |\n", "comment"),
        ("csharp", 'var s = $"a {b|}";\n', None),
        ("csharp", 'var s = @"a |";\n', "string"),
        ("ruby", 's = "a #{b|}"\n', None),
        ("ruby", "s = <<~A\n  b |\nA\n", "string"),
        ("php", "<?php\n$s = 'a |';\n", "string"),
        ("shellscript", "s='a |'\n", "string"),
        ("shellscript", 's="a $(b |)"\n', None),
        ("lua", "-- |\n", "comment"),
        ("json", '{"a": "|"}\n', None),
        ("html", "<!-- | -->\n", "comment"),
        ("css", "/* | */\n", "comment"),
        ("kotlin", 'val s = "a | "\n', "string"),
        ("swift", 'let s = "a \\(b|)"\n', None),
        ("scala", 'val s = "a |"\n', "string"),
    ],
)
def test_nobody_who_did_not_ask_is_disturbed_here(language: str, text: str, why: str | None) -> None:
    assert quiet(cursor_at(text, language)) == why


@pytest.mark.parametrize(
    ("language", "text", "unfinished"),
    [
        ("python", "return os.path.|\n", True),
        ("python", "x = |\n", True),
        ("python", "x = 1|\n", False),
        ("python", "|\n", False),
        ("python", "f(a)|\n", False),
        ("javascript", "const x = |\n", True),
        ("javascript", "const x = 1;|\n", False),
        ("go", "package a\n\nvar x = |\n", True),
        ("rust", "fn f() { let x = |; }\n", True),
        ("klingon", "batlh = |\n", False),
    ],
)
def test_a_place_where_something_is_missing_is_found(language: str, text: str, unfinished: bool) -> None:
    assert is_unfinished(cursor_at(text, language)) == unfinished


def test_an_insertion_is_charged_with_the_errors_it_adds() -> None:
    assert parse_error_delta(cursor_at("x = |\n", "python"), "1") < 0
    assert parse_error_delta(cursor_at("x = 1|\n", "python"), ")") > 0
    assert parse_error_delta(cursor_at("x = 1|\n", "python"), " + 2") == 0
    assert parse_error_delta(cursor_at("f(|)\n", "python"), "g(1))", replaced=1) == 0


def test_of_a_long_file_only_the_surroundings_are_parsed_and_they_begin_with_a_whole_statement() -> None:
    function = "def f(a):\n    b = a\n    return (\n        b\n    )\n\n\n"
    text = function * 1_000
    cursor = cursor_in(text, text.index("= a", 30_000) + 2, "python")
    assert len(cursor.document.text) < 10_000
    assert cursor.document.text.startswith("def f(a)")
    assert cursor.left == "    b = "
    assert cursor.right == "a"


@pytest.mark.parametrize("lines", [20, 100])
def test_a_long_text_above_that_is_no_code_is_not_taken_for_code(lines: int) -> None:
    prose = "    It isn't code, it's \"prose\" (mostly:\n" * lines
    code = "    def method(self):\n        self.value = 1\n\n" * 60
    text = f'class Long:\n    """Explains.\n\n{prose}    """\n\n{code}    def last(self):\n        return self.'
    for at in range(text.index("def method"), len(text), 250):
        cursor = cursor_in(text[:at] + "\n        self.value = " + text[at:], at + len("\n        self.value = "), "python")
        assert quiet(cursor) != "string"
    assert quiet(cursor_in(text, len(text), "python")) is None
    assert quiet(cursor_in(text, text.index(" (mostly"), "python")) == "string"


def test_line_breaks_do_not_matter_to_the_syntax() -> None:
    text = "def f():\r\n    x = 1\r\n    \r\n"
    cursor = cursor_in(text, len(text) - 2, "python")
    assert "\r" not in cursor.document.text
    assert extent(cursor) == "block"


def test_from_key_to_key_the_parser_reads_what_changed() -> None:
    head = "package a\n\nfunc f() {\n" + "\ta := 1\n" * 600
    earlier = cursor_in(head + "}\n", len(head), "go")
    later = cursor_in(head + "\tb\n}\n", len(head) + 2, "go", earlier.document)
    assert later.left == "\tb"
    assert later.document.bytes_read < earlier.document.bytes_read / 3
