"""Which of the chunks that llama.vim sends along the model sees, and for how long."""

from __future__ import annotations

from lsp_server.gateway.llama import Chunk, Chunks, InfillBody, request_for

STORE = "def insert_invoice(invoice, customer):\n    return table.insert(invoice.number, customer)\n"
DRAFT = "def insert_draft(customer):\n    return drafts\n"
MATHS = "def cosine_distance(left, right):\n    return dot_product(left, right)\n"
KEY = "AKIAIOSFODNN7EXAMPLQ"


def body(text: str, *chunks: str, filename: str = "other.py") -> InfillBody:
    return InfillBody(input_prefix=text, input_extra=[Chunk(text=chunk, filename=filename) for chunk in chunks])


BILL = "def bill(customer, invoice):\n    return insert_inv"


def test_it_is_the_piece_most_like_the_place() -> None:
    found = Chunks().other_files(body(BILL, MATHS, STORE, DRAFT), "a")
    assert found == (f"# other.py\n{STORE}",)
    assert request_for(body(BILL, STORE), found).request.other_files == found
    assert Chunks().other_files(body(BILL, "cosine = 3\n"), "a") == ()
    assert Chunks().other_files(body(BILL), "a") == ()


def test_it_stays_while_its_chunk_is_there_and_none_is_far_more_alike() -> None:
    chunks = Chunks()
    close = "def insert_invoice(invoice, buyer):\n    return table\n"
    first = chunks.other_files(body(BILL, close), "a")
    assert close in first[0]
    assert STORE in chunks.other_files(body(BILL, close, STORE), "b")[0]
    assert chunks.other_files(body(BILL, close, STORE), "a") == first
    assert STORE in chunks.other_files(body(BILL, STORE), "a")[0]
    elsewhere = "def cosine_distance(left, right):\n    return dot_pro"
    assert MATHS in chunks.other_files(body(elsewhere, STORE, MATHS), "a")[0]


def test_what_no_model_should_see_is_not_in_it() -> None:
    assert Chunks().other_files(body(BILL, STORE, filename="config/.env"), "a") == ()
    [text] = Chunks().other_files(body(BILL, f'{STORE}aws_access_key = "{KEY}"\n'), "a")
    assert KEY not in text
