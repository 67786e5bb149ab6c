"""Ghost text in the real Neovim: what typing, taking, cycling and undoing leave in the buffer, byte for byte."""

from __future__ import annotations

import pytest

from clients.neovim.real_neovim import Editor, Script, eventually


def test_a_suggestion_is_seen_behind_the_cursor_and_tab_takes_it(editor: Editor, answers: Script) -> None:
    answers.are(("return ", ["a + b"]))
    editor.type("ireturn ")
    editor.until_ghost("a + b")
    assert editor.screen[0] == "return a + b"
    assert editor.text == "return \n"
    editor.type("<Tab>")
    assert editor.text == "return a + b\n"
    editor.type("!")
    assert editor.text == "return a + b!\n"
    editor.until_no_ghost()


def test_several_lines_are_seen_below_and_taken_whole(editor: Editor, answers: Script) -> None:
    answers.are(("def f():", ["\n    x = 1\n    return x"]))
    editor.type("idef f():")
    editor.until_ghost("\n    x = 1\n    return x")
    assert editor.screen[:3] == ["def f():", "    x = 1", "    return x"]
    editor.type("<Tab>")
    assert editor.text == "def f():\n    x = 1\n    return x\n"
    editor.type("  # x")
    assert editor.text == "def f():\n    x = 1\n    return x  # x\n"


def test_tab_is_a_tab_where_nothing_is_shown(editor: Editor) -> None:
    editor.type("ix<Tab>y")
    assert editor.text == "x   y\n"


def test_one_undo_takes_back_the_suggestion_and_leaves_what_was_typed(editor: Editor, answers: Script) -> None:
    answers.are(("return ", ["a + b"]))
    editor.type("ireturn ")
    editor.until_ghost("a + b")
    editor.type("<Tab>  # sum<Esc>")
    assert editor.text == "return a + b  # sum\n"
    editor.type("u")
    assert editor.text == "return a + b\n"
    editor.type("u")
    assert editor.text == "return \n"
    editor.type("<C-r><C-r>")
    assert editor.text == "return a + b  # sum\n"


def test_a_word_is_taken_and_the_rest_stays(editor: Editor, answers: Script) -> None:
    answers.are(("return ", ["left + right"]))
    editor.type("ireturn ")
    editor.until_ghost("left + right")
    editor.type("<M-Right>")
    assert editor.text == "return left\n"
    assert editor.ghost == " + right"
    editor.type("<M-Right>")
    assert editor.text == "return left +\n"
    editor.type("<M-Right>")
    assert editor.text == "return left + right\n"
    editor.until_no_ghost()


def test_a_word_of_another_script_is_one_word(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["größe + 数量"]))
    editor.type("ix = ")
    editor.until_ghost("größe + 数量")
    editor.type("<M-Right>")
    assert editor.text == "x = größe\n"
    editor.type("<M-Right><M-Right>")
    assert editor.text == "x = größe + 数量\n"


def test_a_line_is_taken_and_the_rest_stays(editor: Editor, answers: Script) -> None:
    answers.are(("if x:", ["\n    y()\n    z()"]))
    editor.type("iif x:")
    editor.until_ghost("\n    y()\n    z()")
    editor.type("<M-C-Right>")
    assert editor.text == "if x:\n    y()\n"
    assert editor.ghost == "\n    z()"
    editor.type("<M-C-Right>")
    assert editor.text == "if x:\n    y()\n    z()\n"


def test_the_rest_after_a_word_can_be_taken_whole(editor: Editor, answers: Script) -> None:
    answers.are(("if x:", ["\n    y()\n    z()"]))
    editor.type("iif x:")
    editor.until_ghost("\n    y()\n    z()")
    editor.type("<M-Right><Tab>")
    assert editor.text == "if x:\n    y()\n    z()\n"


def test_what_is_typed_along_stays_shown_without_a_question(editor: Editor, answers: Script) -> None:
    answers.are(("ret", ["urn a + b"]))
    editor.type("iret")
    editor.until_ghost("urn a + b")
    asked = len(answers.asked)
    for key, rest in (("u", "rn a + b"), ("r", "n a + b"), ("n", " a + b"), (" ", "a + b")):
        editor.type(key)
        assert editor.ghost == rest
    assert editor.screen[0] == "return a + b"
    editor.type("<Tab>")
    assert editor.text == "return a + b\n"
    assert [question["before"] for question in answers.asked[asked:]] in ([], ["return a + b"])


def test_a_letter_taken_back_gives_the_suggestion_back(editor: Editor, answers: Script) -> None:
    answers.are(("ret", ["urn a"]))
    editor.type("iret")
    editor.until_ghost("urn a")
    editor.type("ur<BS>")
    assert editor.ghost == "rn a"
    editor.type("<Tab>")
    assert editor.text == "return a\n"


def test_what_deviates_is_hidden_at_once_and_never_inserted(editor: Editor, answers: Script) -> None:
    answers.are(("ret", ["urn a"]), ("retx", []))
    editor.type("iret")
    editor.until_ghost("urn a")
    editor.type("x")
    assert editor.ghost is None
    editor.type("<Tab>")
    assert editor.text == "retx    \n"


def test_an_answer_that_comes_too_late_is_not_shown(editor: Editor, answers: Script) -> None:
    answers.are(("ret", ["urn a"]), ("yes", ["terday"]))
    answers.says(pause=0.3)
    editor.type("iret")
    eventually("the question", lambda: [question for question in answers.asked if question["before"] == "ret"])
    editor.type("<BS><BS><BS>yes")
    editor.until_ghost("terday")
    editor.type("<Tab>")
    assert editor.text == "yesterday\n"


def test_a_late_answer_is_shown_where_it_still_fits(editor: Editor, answers: Script) -> None:
    answers.are(("ret", ["urn a"]))
    answers.says(pause=0.3)
    editor.type("iret")
    eventually("the question", lambda: [question for question in answers.asked if question["before"] == "ret"])
    editor.lua("require('quickfill.options').now.debounce_ms = 60000")  # the next question must not take the place of this one
    editor.type("u")
    editor.until_ghost("rn a")
    editor.type("<Tab>")
    assert editor.text == "return a\n"


def test_candidates_are_asked_for_by_hand_and_cycled(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["one", "two", "three"]))
    editor.type("ix = ")
    editor.until_ghost("one")
    editor.type("<M-\\>")
    eventually("three candidates", lambda: "(1/3)" in editor.screen[0])
    assert answers.asked[-1]["kind"] == "Invoked"
    editor.type("<M-]>")
    assert editor.ghost == "two"
    editor.type("<M-]>")
    assert editor.ghost == "three"
    editor.type("<M-]><M-[>")
    assert editor.ghost == "three"
    assert editor.screen[0] == "x = three (3/3)"
    editor.type("<Tab>")
    assert editor.text == "x = three\n"


def test_the_chosen_candidate_stays_chosen_while_it_is_typed(editor: Editor, answers: Script) -> None:
    answers.are(("x = ", ["one", "two"]))
    editor.type("ix = ")
    editor.until_ghost("one")
    editor.type("<M-]>tw")
    assert editor.ghost == "o"
    editor.type("<Tab>")
    assert editor.text == "x = two\n"


def test_a_dismissed_suggestion_is_gone_and_tab_is_a_tab(editor: Editor, answers: Script) -> None:
    answers.are(("return ", ["a"]))
    editor.type("ireturn ")
    editor.until_ghost("a")
    editor.type("<C-]>")
    assert editor.ghost is None
    editor.type("<Tab>")
    assert editor.text == "return  \n"


def test_leaving_insert_mode_hides_and_coming_back_shows(editor: Editor, answers: Script) -> None:
    answers.are(("return ", ["a"]))
    editor.type("ireturn ")
    editor.until_ghost("a")
    editor.type("<Esc>")
    assert editor.ghost is None
    editor.type("A")
    editor.until_ghost("a")
    assert editor.text == "return \n"


def test_an_item_may_replace_what_stands_around_the_cursor(editor: Editor, answers: Script) -> None:
    answers.are(("foo(ba", [{"text": "bar, baz)", "back": 2, "over": 1}]))
    editor.type("ifoo(ba)<Left>")
    editor.until_ghost("r, baz")
    assert editor.screen[0] == "foo(bar, baz)"
    editor.type("r<Tab>")
    assert editor.text == "foo(bar, baz)\n"


def test_letters_of_several_units_before_the_cursor_are_counted_right(editor: Editor, answers: Script) -> None:
    answers.are(("print(x", [{"text": "xy)", "back": 1, "over": 1}]))
    editor.type("iπ = '😀'; print(x)<Left>")
    editor.until_ghost("y")
    editor.type("<Tab>")
    assert editor.text == "π = '😀'; print(xy)\n"


def test_neovims_own_call_takes_what_was_typed_along_without_doubling_it(editor: Editor, answers: Script) -> None:
    answers.are(("ret", ["urn a"]))
    editor.lua("vim.keymap.set('i', '<C-l>', function() vim.lsp.inline_completion.get() end)")
    editor.type("iret")
    editor.until_ghost("urn a")
    editor.type("ur<C-l>")
    eventually("the suggestion is taken", lambda: editor.text == "return a\n")


@pytest.mark.parametrize(("key", "text"), [("<Tab>", "        \n"), ("return", "    return\n")])
def test_tab_indents_where_the_suggestion_begins_with_blanks(editor: Editor, answers: Script, key: str, text: str) -> None:
    editor.nvim.command("set shiftwidth=4 expandtab")
    answers.are(("    ", ["    return"]))
    editor.type("i    ")
    editor.until_ghost("    return")
    editor.type(key)
    assert editor.text == text


def test_tab_takes_what_begins_with_a_word_in_an_indented_line(editor: Editor, answers: Script) -> None:
    answers.are(("    ", ["return x"]))
    editor.type("i    ")
    editor.until_ghost("return x")
    editor.type("<Tab>")
    assert editor.text == "    return x\n"
