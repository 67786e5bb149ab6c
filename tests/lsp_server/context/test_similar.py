"""The piece of another file that the model sees with a place."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.project import SourceFile
from lsp_server.context.similar import most_alike, other_files_of
from lsp_server.context.window import as_model_text
from model.infilling.alike import MOST_CHARACTERS, WINDOW, names_in

STORE = (
    "class Store:\n    def insert_invoice(self, invoice, customer):\n        return self.table.insert(invoice.number, customer)\n"
)
MATHS = "def cosine(left, right):\n    return dot(left, right) / norm(left) / norm(right)\n"
HERE = "def bill(customer, invoice):\n    store.insert_invoice(invoice, cust"
KEY = "AKIAIOSFODNN7EXAMPLQ"


def file(name: str, text: str) -> SourceFile:
    return SourceFile(Path("/project", name), name, text, names_in(text))


def test_it_is_the_one_that_uses_the_same_names() -> None:
    piece = most_alike([file("maths.py", MATHS), file("store.py", STORE)], Path("/project/here.py"), HERE, len(HERE))
    assert piece is not None
    assert other_files_of(piece) == (f"# store.py\n{STORE}",)


def test_the_file_that_is_edited_is_no_other_file() -> None:
    assert most_alike([file("here.py", HERE)], Path("/project/here.py"), HERE, len(HERE)) is None


def test_nothing_is_shown_where_nothing_is_alike() -> None:
    assert most_alike([file("maths.py", MATHS)], None, HERE, len(HERE)) is None
    assert most_alike([], None, "", 0) is None
    assert other_files_of(None) == ()


def test_the_lines_that_are_alike_are_found_in_a_long_file() -> None:
    text = "".join(f"filler_{number} = {number}\n" for number in range(400)) + STORE + "end = 1\n" * 5
    piece = most_alike([file("long.py", text)], None, HERE, len(HERE))
    assert piece is not None
    assert "insert_invoice" in piece.text
    assert piece.text.count("\n") < WINDOW
    assert text.split("\n")[piece.first_line - 1 :][: piece.text.count("\n")] == piece.text.split("\n")[:-1]


def test_of_two_files_that_are_as_alike_it_is_always_the_first() -> None:
    """Names lie in sets, whose order differs from one start of the program to the next; texts to train on must not."""
    for trial in range(60):
        left, right, common = ([f"{kind}_{trial}_{number}" for number in range(5)] for kind in ("left", "right", "common"))
        both = [file("b.py", " ".join([*left, *common])), file("a.py", " ".join([*right, *common]))]
        # Each name of the one is as rare as one of the other's.
        pairs = [f"{mine} {theirs}" for mine, theirs in zip(left, right, strict=True)]
        others = [file("", pair) for times, pair in enumerate(pairs) for _ in range(times)]
        here = " ".join([*left, *right, *common])
        piece = most_alike([*both, *others], None, here, len(here))
        assert piece is not None
        assert piece.file == "b.py"


def test_a_secret_is_not_in_it() -> None:
    text = f'{STORE}aws_access_key = "{KEY}"\n'
    piece = most_alike([file("store.py", text)], None, HERE, len(HERE))
    assert piece is not None
    assert KEY not in piece.text
    assert "aws_access_key" in piece.text


def test_a_file_that_may_not_be_seen_any_more_makes_way_for_the_next() -> None:
    files = [file("store.py", STORE), file("copy.py", STORE.replace("Store", "Copy"))]
    piece = most_alike(files, None, HERE, len(HERE), lambda one: None if one.name == "store.py" else one)
    assert piece is not None
    assert piece.file == "copy.py"


@given(
    st.lists(st.text(alphabet="abc_ .\n\r\té", max_size=400), max_size=3), st.text(alphabet="abc_ .\n\r", max_size=200), st.data()
)
def test_whatever_the_texts_are_it_is_a_part_of_one_of_them(texts: list[str], here: str, data: st.DataObject) -> None:
    files = [file(f"{number}.py", text * 9) for number, text in enumerate(texts)]
    piece = most_alike(files, None, here, data.draw(st.integers(0, len(here))))
    if piece is not None:
        assert len(piece.text) <= MOST_CHARACTERS
        assert piece.text in as_model_text(next(one.text for one in files if one.name == piece.file))
        assert 0 < piece.alike <= 1
