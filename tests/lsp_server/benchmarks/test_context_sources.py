"""`eval context`: every source is measured on the same places, and shows the model what it says it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lsp_server.benchmarks.context import cases, measure
from model.engine.engine import Engine

STORE = "def insert_invoice(invoice, customer):\n    return table.insert(invoice.number, customer)\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / "bill.py").write_text("def bill(customer, invoice):\n    return insert_invoice(invoice, customer)\n")
    return tmp_path


def test_what_is_hidden_is_the_end_of_a_line(workspace: Path) -> None:
    for case in cases([workspace], 20, np.random.default_rng(0)):
        assert len(case.hidden) >= 4
        assert "\n" not in case.hidden
        assert case.file.text[case.end] == "\n"
        assert case.text[: case.cursor] + case.hidden + case.text[case.cursor :] == case.file.text


def test_the_sources_are_measured_on_the_same_places(workspace: Path, bundled: Engine) -> None:
    nothing, anything, similar = measure(bundled, [workspace], 8)
    assert (nothing.n, anything.n, similar.n) == (8, 8, 8)
    assert nothing.tokens == 0
    assert anything.tokens > 0
    assert similar.tokens > 0
    assert nothing.gain.value == 0
    assert similar.gain.value == pytest.approx(similar.exact.value - nothing.exact.value)


def test_a_folder_of_one_file_is_no_workspace(tmp_path: Path, bundled: Engine) -> None:
    (tmp_path / "only.py").write_text(STORE)
    with pytest.raises(ValueError, match="no workspace of several files"):
        measure(bundled, [tmp_path], 8)
