"""Settings as a person writes them, mistakes included."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server import settings
from lsp_server.settings import Settings, described

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*Settings.model_fields, "nonsense"])


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("max_tokens", "many", 'max_tokens: "many" is not a whole number from 1 to 1,024'),
        ("max_tokens", 0, "max_tokens: 0 is not a whole number from 1 to 1,024"),
        ("min_confidence", 2, "min_confidence: 2 is not a number from 0 to 1"),
        ("deadline_ms", -1, "deadline_ms: -1 is not a number above 0 and up to 60,000"),
        ("multiline", "sometimes", 'multiline: "sometimes" is not one of auto, never, always'),
        ("model", 3, "model: 3 is not a text or null"),
        ("threads", True, "threads: true is not a whole number from 1 to 1,024 or null"),
        ("ignore_files", ["a", 3], 'ignore_files: ["a", 3] is not a list of texts'),
        ("max_token", 3, "max_token: no such setting; is max_tokens meant?"),
        ("nonsense", 3, "nonsense: no such setting"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed_and_the_others_count(
    caplog: pytest.LogCaptureFixture, name: str, value: object, complaint: str
) -> None:
    found = Settings().overlaid({"quickfill": {name: value, "candidates": 2}})
    assert found == Settings(candidates=2)
    said = [record.message for record in caplog.records if record.name == settings.__name__]
    assert said == [f"settings: ignored {complaint}"]


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_whatever_a_person_writes_each_setting_is_what_was_written_or_as_before(values: dict[str, object]) -> None:
    before = Settings(candidates=2)
    logging.disable()
    found = before.overlaid(values).model_dump(mode="json")
    logging.disable(logging.NOTSET)
    for name, kept in before.model_dump(mode="json").items():
        assert found[name] == kept or found[name] == values[name]


@given(JSON)
def test_what_is_no_object_of_settings_changes_nothing(values: object) -> None:
    logging.disable()
    found = Settings(candidates=2).overlaid({"quickfill": values})
    logging.disable(logging.NOTSET)
    if not isinstance(values, dict):
        assert found == Settings(candidates=2)


def test_every_setting_is_described_in_words() -> None:
    assert [one.name for one in described()] == list(Settings.model_fields)
    assert all(one.allowed and one.description.endswith(".") for one in described())
