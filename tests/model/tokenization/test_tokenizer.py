"""Text survives the tokenizer, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.checkpoints.store import BUNDLED
from model.tokenization.healing import Healing, split_partial_word
from model.tokenization.tokenizer import Tokenizer

TOKENIZER = Tokenizer.load(BUNDLED / "tokenizer.json")
NAMES = ["<eos>", "<mask>", "<hole_0>", "<pad>", "<|endoftext|>"]


@given(st.lists(st.one_of(st.text(), st.sampled_from([*NAMES, "\r\n", "\n\t\t", "    ", "é", "😀"])), max_size=20))
def test_any_text_comes_back_exactly_and_never_spells_a_special_token(pieces: list[str]) -> None:
    text = "".join(pieces)
    tokens = TOKENIZER.encode(text)
    assert TOKENIZER.decode(tokens) == text
    assert all(token < TOKENIZER.ordinary for token in tokens)


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud83db")) == "a\ufffdb"


def test_a_line_break_and_its_indentation_are_one_token() -> None:
    for spaces in (0, 4, 8, 12):
        assert len(TOKENIZER.encode("\n" + " " * spaces)) == 1


@pytest.mark.parametrize(
    ("prefix", "word"),
    [
        ("x = foo", " foo"),
        ("self.na", "na"),
        ("x = ", " "),
        ("    ", ""),
        ("x\n    ", ""),
        ("f(", ""),
        ("", ""),
        ("a" * 99, ""),
    ],
)
def test_the_partial_last_word_is_taken_back(prefix: str, word: str) -> None:
    assert split_partial_word(prefix) == (prefix.removesuffix(word), word)


@given(st.sampled_from([b" retu", b"na", b"self", b"_x"]))
def test_only_tokens_that_spell_the_owed_bytes_are_allowed(owed: bytes) -> None:
    forbidden = Healing(TOKENIZER).forbidden(owed)
    for token in range(TOKENIZER.size):
        spelled = TOKENIZER.bytes_of(token)
        fits = bool(spelled) and (spelled + owed[len(spelled) :]).startswith(owed)
        assert forbidden[token] == (not fits)
