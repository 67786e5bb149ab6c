"""How near an answer comes to the text that was hidden, case by case, and the figures over many cases.

Knows two texts and a tokenizer. Knows neither who answered nor where the text came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from rapidfuzz.distance import Levenshtein, Prefix

from model.evaluation.intervals import Estimate, difference, mean, share
from model.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class Score:
    """One answer. Blanks at the end of either text do not count."""

    exact_match: bool
    edit_similarity: float  # 1 - Levenshtein distance / the longer text's length
    accepted_prefix: int  # characters up to the first wrong one: what a user keeps
    first_token: bool  # whether the first token is right
    length_error: int  # tokens too many or too few


def score(tokenizer: Tokenizer, answer: str, hidden: str) -> Score:
    answer, hidden = answer.rstrip(), hidden.rstrip()
    written, wanted = tokenizer.encode(answer), tokenizer.encode(hidden)
    return Score(
        answer == hidden,
        Levenshtein.normalized_similarity(answer, hidden),
        Prefix.similarity(answer, hidden),
        written[:1] == wanted[:1],
        abs(len(written) - len(wanted)),
    )


FIELDS = tuple(field.name for field in fields(Score))
SHARES = ("exact_match", "first_token")  # the other fields have means


def figures(scores: Sequence[Score]) -> dict[str, Estimate]:
    """Each field of `Score` over all cases: the share of cases that it holds for, or its mean."""
    return {name: share(_column(scores, name)) if name in SHARES else mean(_column(scores, name)) for name in FIELDS}


def differences(ours: Sequence[Score], theirs: Sequence[Score]) -> dict[str, Estimate]:
    """Each field's mean of ours minus theirs; both answered the same cases in the same order."""
    return {name: difference(_column(ours, name), _column(theirs, name)) for name in FIELDS}


def _column(scores: Sequence[Score], name: str) -> list[float]:
    return [float(getattr(one, name)) for one in scores]
