"""What is drafted: the surest proposals of all sources, as a tree; and the table that is counted once, in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.checkpoints.store import CheckpointError, read_trigrams
from model.checkpoints.trigrams import TrigramTable
from model.infilling.copies import Copies
from model.infilling.drafts import Drafter, DraftTree
from model.training.examples import Windows
from model.training.trigrams import count_trigrams

ORDINARY = 100  # ids from here on are marks


def counted(*texts: list[int]) -> TrigramTable:
    """A table of these texts, each a window with zeros behind it."""
    tokens = np.zeros((len(texts), max(map(len, texts))), np.uint16)
    segment = np.zeros(tokens.shape, np.uint8)
    for row, text in enumerate(texts):
        tokens[row, : len(text)], segment[row, : len(text)] = text, 1
    return count_trigrams(Windows(tokens, segment, np.zeros_like(segment)), ORDINARY)


def paths(tree: DraftTree) -> list[list[int]]:
    """The texts that end in each node."""
    found: list[list[int]] = []
    for node in tree.nodes:
        found.append([*(found[node.parent] if node.parent >= 0 else []), node.token])
    return found


def drafted(
    visible: list[int], table: TrigramTable | None = None, most: int = 16, forbidden: int | None = None
) -> list[list[int]]:
    text = Copies(visible, ORDINARY)
    drafter = Drafter((("copy", text),), table)
    mask = None if forbidden is None else np.arange(ORDINARY) == forbidden
    return paths(drafter.tree(visible[-2:], (text.trail(visible),), [], most, mask))


def test_a_table_says_what_follows_two_tokens_or_one_and_how_often() -> None:
    table = counted([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 4], [5, 2, 4])
    assert table.followers(1, 2) == [(3, pytest.approx(0.75, abs=0.01)), (4, pytest.approx(0.25, abs=0.01))]
    assert table.followers_of_one(2) == [(3, pytest.approx(0.6, abs=0.01)), (4, pytest.approx(0.4, abs=0.01))]
    assert table.followers(2, 1) == table.followers_of_one(1) == []


def test_no_table_proposes_marks_or_what_stands_in_another_text() -> None:
    table = counted([1, 2, ORDINARY, 3, 4], [1, 2])
    assert table.followers(1, 2) == table.followers_of_one(2) == []


def test_a_table_that_is_damaged_is_no_table(tmp_path: Path) -> None:
    import safetensors.numpy

    whole = vars(counted([1, 2, 3, 4]))
    safetensors.numpy.save_file({**whole, "tokens": whole["tokens"][:1]}, tmp_path / "cut.safetensors")
    safetensors.numpy.save_file({"pairs": whole["pairs"]}, tmp_path / "old.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\x00" * 9)
    for name in ("cut", "old", "torn", "nowhere"):
        with pytest.raises(CheckpointError, match="is not a table of trigrams"):
            read_trigrams(tmp_path / f"{name}.safetensors")


def test_what_followed_the_longest_match_is_drafted_first_and_goes_on() -> None:
    visible = [1, 2, 3, 4, 5, 9, 3, 7, 1, 2, 3]
    assert drafted(visible)[:2] == [[4], [4, 5]]
    assert drafted(visible, most=1) == [[4]]


def test_what_a_text_leaves_open_the_table_has_its_say_in() -> None:
    table = counted([3, 8, 6], [2, 3, 8], [7, 3, 8])
    assert [8] in drafted([1, 3, 4, 2, 3], table)
    assert [8] not in drafted([1, 3, 4, 2, 3])


def test_a_token_that_several_sources_name_goes_before_one_that_the_surest_alone_names() -> None:
    visible = [9, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3]  # 4 and 5 followed once each
    assert drafted(visible)[0] == [4]
    assert drafted(visible, counted([2, 3, 5], [2, 3, 5]))[0] == [5]


def test_where_a_long_passage_recurs_the_table_does_not_overrule_it() -> None:
    passage = [10, 11, 12, 13, 14, 15, 16, 2, 3]
    table = counted([2, 3, 8], [2, 3, 8])
    assert drafted([*passage, 4, 9, *passage], table)[0] == [4]
    assert drafted([2, 3, 4, 9, 2, 3], table)[0] == [8]


def test_what_can_not_stand_first_gives_way_to_what_can() -> None:
    visible = [5, 6, 1, 2, 3, 4, 9, 5, 6, 1, 2, 3]
    table = counted([2, 3, 8])
    assert drafted(visible, table, most=1) == [[4]]
    assert drafted(visible, table, most=1, forbidden=4) == [[8]]
