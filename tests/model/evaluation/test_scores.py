"""How near an answer comes to what was hidden."""

from __future__ import annotations

from model.evaluation.scores import Score, differences, figures, score
from model.tokenization.tokenizer import Tokenizer


def test_the_hidden_text_itself_is_a_perfect_answer_whatever_blanks_follow(tokenizer: Tokenizer) -> None:
    assert score(tokenizer, "return value \n", "return value") == Score(True, 1.0, 12, True, 0)


def test_indentation_counts(tokenizer: Tokenizer) -> None:
    assert not score(tokenizer, "  return value", "    return value").exact_match


def test_a_user_keeps_what_stands_before_the_first_wrong_character(tokenizer: Tokenizer) -> None:
    found = score(tokenizer, "self.name = 1", "self.names")
    assert found.accepted_prefix == len("self.name")
    assert found.edit_similarity == 1 - 4 / 13
    assert found.first_token
    assert not found.exact_match


def test_no_answer_is_wrong_by_the_whole_length(tokenizer: Tokenizer) -> None:
    found = score(tokenizer, "", "return 12")
    assert found == Score(False, 0.0, 0, False, len(tokenizer.encode("return 12")))


def test_figures_are_shares_and_means_and_differences_are_paired() -> None:
    right, wrong = Score(True, 1.0, 10, True, 0), Score(False, 0.5, 4, False, 3)
    found = figures([right, wrong, wrong, wrong])
    assert found["exact_match"].value == 0.25
    assert 0 < found["exact_match"].low < 0.25 < found["exact_match"].high < 1
    assert found["accepted_prefix"].value == 5.5
    apart = differences([right, right], [wrong, right])
    assert apart["exact_match"].value == 0.5
    assert apart["length_error"].value == -1.5
