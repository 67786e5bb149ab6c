"""What a person is shown of what the model wrote: `|` is the cursor, or where the hole is."""

from __future__ import annotations

import pytest

from lsp_server.completion.filters import (
    FILTERS,
    Filtered,
    suggestions,
)
from lsp_server.syntax.places import cursor_in
from model.infilling.request import Candidate

EXAMPLES = [
    ("the rest of the line", "python", "history.append(|)\n", "amount)", "amount"),
    ("the rest of the line", "python", "f(|, currency)\n", "amount, currency)", "amount"),
    ("the rest of the line", "python", "print(|)\n", ")", ""),
    ("the rest of the line", "python", 'name = "|"\n', 'a name"', "a name"),
    ("the rest of the line", "javascript", "f(|);\n", "a, b);", "a, b"),
    ("the rest of the line", "go", "package a\n\nvar x = f(|)\n", "1)", "1"),
    ("the rest of the line", "klingon", "batlh(|)\n", "potlh)", "potlh"),
    ("the lines below", "python", "def f():\n    |\n    return total + 1\n", "total = 0\n    return total + 1", "total = 0"),
    ("the lines below", "python", "    |\n    total = count + 1\n", "total = count + 1", ""),
    ("the lines below", "python", "import |\nimport pytest\n", "pytest", ""),
    ("secrets", "python", "password = |\n", "'<secret>'", ""),
    ("repetition", "python", "settings.check_url()\nsettings.|\n", "check_url()", ""),
    ("the lines below", "python", "count = 11|\ncount = 11\ntotal = count + 1\n", "\ntotal = count + 1", ""),
    ("the lines below", "c", "void f() {\n    |\n    release(buffer);\n}\n", "a();\n    release(buffer);\n}", "a();"),
    ("repetition", "python", "    |\n", "a = compute(b)\n    a = compute(b)\n    a = compute(b)", "a = compute(b)"),
    ("repetition", "python", "|\n", "f(one_thing)\ng(other)\nf(one_thing)\ng(other)\n", "f(one_thing)\ng(other)"),
    ("repetition", "python", "    self.total += amount\n    |\n", "self.total += amount", ""),
    ("scope", "python", "def f():\n    |\n", "return 1\n\n\ndef g():\n    return 2", "return 1"),
    ("scope", "python", "def f():|\n", "\n    return 1\n\ndef g():\n    return 2", "\n    return 1"),
    ("scope", "python", "    def f(|\n", "self):\n        pass\n\n    def g(self):\n        pass", "self):\n        pass"),
    ("scope", "python", "if a:|\n", "\n    b()\nwhile c:\n    d()", "\n    b()"),
    ("scope", "go", "func f() {|\n", "\n\tg()\n}\n\nfunc h() {\n}", "\n\tg()\n}"),
    ("scope", "rust", "fn f() {\n    |\n", "g();\n}\n\nfn h() {}", "g();\n}"),
    ("doubled indentation", "python", "def f():\n    |\n", "    return 1", "return 1"),
    ("tabs and blanks", "go", "func f() {\n\ta()\n\t|\n}\n", "if c {\n        d()\n    }", "if c {\n\t\td()\n\t}"),
    ("tabs and blanks", "python", "def f():\n    if a:|\n", "\n\t\tb()", "\n        b()"),
    ("half a line", "python", "def f():\n    |\n\n\nx = 1\n", "a = 1\n    b = (", "a = 1"),
    ("closing line", "javascript", "if (a) {\n  |\n}\n", "b();\n}", "b();"),
    ("closing line", "ruby", "def f\n  |\nend\n", "g\nend", "g"),
    ("trailing blanks", "python", "x = |\ny = 2\n", "1   ", "1"),
]  # fmt: skip


def filtered(text: str, *candidates: str, language: str = "python", may_replace: bool = False, unasked: bool = False) -> Filtered:
    before, after = text.split("|")
    cursor = cursor_in(before + after, len(before), language)
    ranked = [Candidate((candidate,), -0.1 * number) for number, candidate in enumerate(candidates, 1)]
    return suggestions(ranked, (before, after), cursor, may_replace, unasked)


@pytest.mark.parametrize(("name", "language", "text", "candidate", "shown"), EXAMPLES)
def test_each_filter_takes_away_one_kind_of_text_that_does_not_fit(
    name: str, language: str, text: str, candidate: str, shown: str
) -> None:
    found = filtered(text, candidate, language=language)
    assert [suggestion.text for suggestion in found.suggestions] == ([shown] if shown else [])
    assert name in (found.changed if shown else found.dropped)


@pytest.mark.parametrize(
    ("language", "text", "candidate"),
    [
        ("python", "history.append(|)\n", "f(amount)"),
        ("python", "if a:\n    |\nreturn None\n", "return None"),
        ("python", "x = |\n", "1"),
        ("python", "def f():\n    |\n", "if a:\n        return 1\n    return 2"),
        ("python", "    pass\n    |\n", "pass"),
        ("python", "if a:|\n", "\n    return 1"),
        ("python", "if a:|\n", "\n    b()\nelse:\n    c()"),
        ("javascript", "do {|\n", "\n  b();\n} while (c);"),
        ("javascript", "if (a) {|\n", "\n  b();\n} else {\n  c();\n}"),
        ("javascript", "if (a) {\n  |\n}\n", "if (b) {\n    c();\n  }"),
        ("go", "func f() {\n\t|\n}\n", "if c {\n\t\td()\n\t}"),
        ("klingon", "batlh |\n", "potlh (Daj)"),
    ],
)
def test_a_text_that_fits_is_left_as_it_is(language: str, text: str, candidate: str) -> None:
    found = filtered(text, candidate, language=language)
    assert [suggestion.text for suggestion in found.suggestions] == [candidate]
    assert found.changed == found.dropped == ()


def test_every_filter_has_an_example() -> None:
    assert {name for name, *_ in EXAMPLES} == {one.name for one in FILTERS}


def test_a_candidate_that_breaks_the_syntax_comes_after_one_that_does_not() -> None:
    assert [suggestion.text for suggestion in filtered("x = |\n", "1)", "1").suggestions] == ["1", "1)"]


def test_what_breaks_the_syntax_is_not_shown_to_one_who_did_not_ask() -> None:
    assert filtered("x = 1|\n", ")", unasked=True).dropped == ("syntax errors",)
    assert filtered("x = 1|\n", ")").suggestions


def test_the_beginning_of_more_is_no_syntax_error() -> None:
    assert [one.text for one in filtered("def f():\n    return |\n", "os.path.join(a", unasked=True).suggestions] == [
        "os.path.join(a"
    ]


@pytest.mark.parametrize(
    ("text", "candidate", "replaced"),
    [
        ("f(|)\n", "a) + 1", 1),
        ("f([|])\n", "a, b], c)", 2),
        ("f(|)\n", "a) + g(b", 0),
        ("f(|)\n", "g(b)", 0),
        ("f(|, c)\n", "a) + g(b)", 0),
        ("x = |\n", "f(a)", 0),
    ],
)
def test_closing_brackets_that_the_editor_put_there_make_way(text: str, candidate: str, replaced: int) -> None:
    [suggestion] = filtered(text, candidate, may_replace=True).suggestions
    assert (suggestion.text, suggestion.replaced) == (candidate, replaced)
    assert filtered(text, candidate).suggestions[0].replaced == 0


def test_equal_suggestions_are_shown_once() -> None:
    found = filtered("x = |\n", "1 ", "1")
    assert [suggestion.text for suggestion in found.suggestions] == ["1"]
    assert found.dropped == ("shown already",)


@pytest.mark.parametrize(("candidate", "after", "reason"), [("  ", "", "white space"), (")", ")", "repeats what follows")])
def test_nothing_to_show_has_a_reason(candidate: str, after: str, reason: str) -> None:
    found = filtered(f"f(|{after}\n", candidate)
    assert found.suggestions == ()
    assert reason in (found.complaint or "")


def test_holes_that_are_filled_jointly_are_tidied_one_by_one() -> None:
    [suggestion] = suggestions([Candidate(("1  ", "b)"), -0.1)], ("x = ", "\nf(", ")\n")).suggestions
    assert suggestion.texts == ("1", "b")
