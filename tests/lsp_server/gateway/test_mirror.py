"""The server's copy of a text is the text, whatever was typed; and a keystroke costs what was typed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.gateway.mirror import Edit, Mirrors, OutOfStep, Sections, TooLarge, changes, fingerprint, rebuilt

LINES = "".join(f"    value_{number} = compute({number}, other)\n" for number in range(400))
texts = st.text(st.sampled_from("ab\n é😀"), max_size=60)
long_texts = st.lists(
    st.sampled_from(["x = 1\n", "return None\n", "é😀\n", "\n", "        pass # " + "z" * 90 + "\n"]), max_size=60
).map("".join)
sections = st.lists(texts | long_texts, min_size=1, max_size=4).map(tuple)


@given(sections, sections)
def test_the_changes_lead_from_any_text_to_any_other(old: Sections, new: Sections) -> None:
    assert rebuilt(old, *changes(old, new)) == new


@st.composite
def typing(draw: st.DrawFn) -> list[tuple[str, int, int, str, bool]]:
    """Kind of action, place, length, text; and whether the client learns that it arrived."""
    action = st.tuples(
        st.sampled_from(["type", "delete", "paste", "replace all", "forgotten"]),
        st.integers(0, 400),
        st.integers(0, 30),
        texts,
        st.booleans(),
    )
    return draw(st.lists(action, max_size=30))


@given(typing())
@settings(max_examples=200)
def test_the_copy_equals_the_document_after_any_edits_in_any_state_of_knowledge(
    actions: list[tuple[str, int, int, str, bool]],
) -> None:
    mirrors = Mirrors(1 << 20, 1 << 20)
    text, acknowledged = LINES[:300], None
    known: Sections = ()
    for version, (kind, at, length, inserted, arrives) in enumerate(actions):
        if kind == "forgotten":
            mirrors.forget("file")
        elif kind == "replace all":
            text = inserted
        else:
            at = min(at, len(text))
            gone = 0 if kind == "type" else length
            text = text[:at] + ("" if kind == "delete" else inserted) + text[at + gone :]
        new = (text, "another file")
        try:
            copy = mirrors.update("file", acknowledged, version, *changes(known, new), fingerprint(new))
        except OutOfStep:  # what the client does then
            copy = mirrors.update("file", None, version, *changes((), new), fingerprint(new))
        assert copy == new
        if arrives:
            acknowledged, known = version, new


def sent(old: Sections, new: Sections) -> int:
    """Characters of all that is inserted."""
    return sum(len(edit.inserted) for edit in changes(old, new)[1])


def test_a_window_that_moves_sends_what_came_into_it() -> None:
    old, new = (LINES[: len(LINES) // 2],), (LINES[2048 : len(LINES) // 2 + 500],)
    assert sent(old, new) < 600


def test_a_file_that_comes_to_the_front_of_the_others_is_not_sent_again() -> None:
    one, two, three = LINES[:3000], LINES[3000:6000], LINES[6000:9000]
    assert sent(("x", one, two), ("x", three, one)) <= len(three)


def test_a_text_that_does_not_have_the_hash_is_refused_and_the_old_one_stays() -> None:
    mirrors = Mirrors(1 << 20, 1 << 20)
    mirrors.update("file", None, 1, (None,), [Edit(0, 0, 0, "abc")], fingerprint(("abc",)))
    with pytest.raises(OutOfStep, match="hash") as found:
        mirrors.update("file", 1, 2, None, [Edit(0, 3, 0, "d")], fingerprint(("abcx",)))
    assert found.value.code == "hash_mismatch"
    assert mirrors.update("file", 1, 2, None, [Edit(0, 3, 0, "d")], fingerprint(("abcd",))) == ("abcd",)


@pytest.mark.parametrize(
    "edit", [Edit(0, 4, 0, "x"), Edit(0, 2, 2, ""), Edit(1, 0, 0, "x")], ids=["behind the end", "too long", "another section"]
)
def test_edits_that_do_not_fit_are_refused(edit: Edit) -> None:
    mirrors = Mirrors(1 << 20, 1 << 20)
    mirrors.update("file", None, 1, (None,), [Edit(0, 0, 0, "abc")], fingerprint(("abc",)))
    with pytest.raises(OutOfStep, match="do not fit"):
        mirrors.update("file", 1, 2, None, [edit], "")


def test_a_request_that_was_overtaken_on_its_way_changes_nothing() -> None:
    mirrors = Mirrors(1 << 20, 1 << 20)
    mirrors.update("file", None, 5, (None,), [Edit(0, 0, 0, "new")], fingerprint(("new",)))
    with pytest.raises(OutOfStep) as found:
        mirrors.update("file", None, 4, (None,), [Edit(0, 0, 0, "old")], fingerprint(("old",)))
    assert found.value.code == "superseded"


def test_memory_is_limited_and_the_session_not_used_for_longest_goes() -> None:
    mirrors = Mirrors(50_000, 1 << 20)
    for number in range(20):
        text = f"{number}" + "x" * 9_000
        mirrors.update(f"file {number}", None, 1, (None,), [Edit(0, 0, 0, text)], fingerprint((text,)))
        if number:
            mirrors.update("file 0", 1, 1, None, [], fingerprint(("0" + "x" * 9_000,)))
    assert mirrors.nbytes <= 50_000
    assert 2 <= len(mirrors) <= 5
    with pytest.raises(OutOfStep) as found:
        mirrors.update("file 1", 1, 2, None, [], "")
    assert found.value.code == "unknown_session"


def test_edits_cannot_make_a_text_longer_than_the_server_keeps() -> None:
    mirrors = Mirrors(1 << 20, 100)
    with pytest.raises(TooLarge, match="100"):
        mirrors.update("file", None, 1, (None,), [Edit(0, 0, 0, "x" * 101)], "")


def test_many_cancelled_keystrokes_do_not_pile_up() -> None:
    mirrors = Mirrors(1 << 30, 1 << 20)
    base = (LINES,)
    mirrors.update("file", None, 1, *changes((), base), fingerprint(base))
    for version in range(2, 100):
        new = (LINES + "x" * version,)
        assert mirrors.update("file", 1, version, *changes(base, new), fingerprint(new)) == new
    assert mirrors.nbytes < 12 * len(LINES)
