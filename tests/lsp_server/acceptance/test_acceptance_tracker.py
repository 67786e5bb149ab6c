"""What becomes of a suggestion is told from the edits that follow it. `|` is where it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.acceptance.tracker import Fate, Outcome, Tracker

URI = "file:///a.py"


class Watch:
    """A clock that is set by hand, and what the tracker told so far."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: dict[str, Outcome] = {}
        self.tracker = Tracker(self.take, lambda: self.now)

    def take(self, outcome: Outcome) -> None:
        self.told[outcome.key] = outcome

    def shown(self, marked: str, suggestion: str) -> str:
        text = marked.replace("|", "")
        self.tracker.shown(URI, text, marked.index("|"), suggestion, "python", False, 0.7)
        return text

    @property
    def only(self) -> Outcome:
        [outcome] = self.told.values()
        return outcome


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize(
    ("marked", "suggestion", "texts", "fate", "taken"),
    [
        ("x = |\n", "a + b", ["x = a + b\n"], Fate.WHOLE, 5),
        ("x = |\n", "a + b", ["x = a\n", "x = a \n", "x = a + b\n"], Fate.WHOLE, 3),  # typed two letters, took the rest
        ("x = |\n", "alpha + b", ["x = alpha\n", "x = alphabet\n"], Fate.PART, 5),
        ("x = |\n", "alpha + b", ["x = alpha\n", "x = alpha +\n", "x = alpha + b\n"], Fate.WHOLE, 9),  # word by word
        ("x = |\n", "ab", ["x = a\n", "x = ab\n"], Fate.TYPED, 0),
        ("x = |\n", "a + b", ["x = c\n"], Fate.LEFT, 0),
        ("x = |\n", "a + b", ["x = a\n", "x = a.\n"], Fate.LEFT, 0),
        ("x = |\n", "a + b", ["y = 1\nx = \n"], Fate.LEFT, 0),
        ("f(|)\n", "a, b)", ["f(a, b)\n"], Fate.WHOLE, 4),  # the bracket stood there already
        ("f():|\n", "\n    x = 1\n    y = 2", ["f():\n    \n", "f():\n    x = 1\n    y = 2\n"], Fate.WHOLE, 15),
        ("aa|\n", "ab", ["aaab\n"], Fate.WHOLE, 2),  # which `a` was inserted cannot be seen
    ],
)
def test_edits_tell_what_a_person_did(
    watch: Watch, marked: str, suggestion: str, texts: list[str], fate: Fate, taken: int
) -> None:
    watch.shown(marked, suggestion)
    for text in texts:
        watch.tracker.edited(URI, text)
    watch.tracker.closed(URI)
    assert (watch.only.fate, watch.only.taken) == (fate, taken)
    assert (watch.only.characters, watch.only.lines) == (len(suggestion), suggestion.count("\n") + 1)


def test_the_rest_of_a_suggestion_that_is_shown_again_is_no_new_one(watch: Watch) -> None:
    watch.shown("x = |\n", "abc")
    watch.tracker.edited(URI, "x = a\n")
    watch.shown("x = a|\n", "bc")
    watch.tracker.edited(URI, "x = abc\n")
    assert (watch.only.fate, watch.only.taken) == (Fate.WHOLE, 2)


def test_another_suggestion_ends_the_one_before(watch: Watch) -> None:
    watch.shown("x = |\n", "abc")
    watch.shown("x = |\n", "xyz")
    assert [outcome.fate for outcome in watch.told.values()] == [Fate.LEFT]


def test_a_document_in_which_nothing_is_shown_is_not_kept(watch: Watch) -> None:
    watch.tracker.edited(URI, "password = 1\n")
    assert watch.tracker._documents == {}


def taken(watch: Watch) -> None:
    watch.shown("def f():\n    |\n", "return value + 1")
    watch.tracker.edited(URI, "def f():\n    return value + 1\n")


def test_what_was_taken_and_stands_is_kept(watch: Watch) -> None:
    taken(watch)
    watch.now += 29
    watch.tracker.look()
    assert watch.only.kept == (None, None)
    watch.now += 2
    watch.tracker.look()
    assert watch.only.kept == (1.0, None)
    watch.now += 300
    watch.tracker.look()
    assert watch.only.kept == (1.0, 1.0)


def test_what_was_changed_or_moved_is_found_again(watch: Watch) -> None:
    taken(watch)
    watch.tracker.edited(URI, "import os\n\n\ndef f():\n    return value + 1\n")
    watch.tracker.edited(URI, "import os\n\n\ndef f():\n    return value\n")
    watch.now += 31
    watch.tracker.look()
    assert watch.only.kept == (12 / 16, None)
    watch.tracker.edited(URI, "import os\n")
    watch.now += 300
    watch.tracker.look()
    assert watch.only.kept == (12 / 16, 0.0)


def test_how_much_is_kept_is_seen_before_the_edit_that_comes_too_late(watch: Watch) -> None:
    taken(watch)
    watch.now += 400
    watch.tracker.edited(URI, "")
    assert watch.only.kept == (1.0, 1.0)


STEP = st.tuples(st.text(alphabet="ab\n (", max_size=8), st.integers(0, 8), st.text(alphabet="ab\n", max_size=5))


@given(st.lists(STEP, max_size=8))
def test_whatever_is_typed_shares_are_shares_and_each_suggestion_ends_once(steps: list[tuple[str, int, str]]) -> None:
    watch = Watch()
    shows = 0
    for text, offset, suggestion in steps:
        watch.tracker.edited(URI, text)
        if suggestion:
            shows += 1
            watch.tracker.shown(URI, text, min(offset, len(text)), suggestion, "python", False, None)
        watch.now += 40
    watch.tracker.closed(URI)
    assert len(watch.told) <= shows
    for outcome in watch.told.values():
        assert 0 <= outcome.taken <= outcome.characters
        assert all(share is None or 0 <= share <= 1 for share in outcome.kept)
