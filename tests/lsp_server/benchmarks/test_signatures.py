"""Of what a file imports from its workspace, the signatures of the names around the cursor, found where they are defined."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.benchmarks.signatures import MOST_CHARACTERS, outline, signatures_for
from lsp_server.context.project import SourceFile
from model.infilling.alike import names_in

SHAPES = '''import math
from dataclasses import dataclass

EDGE = 3


@dataclass
class Box:
    """What is packed."""

    width: float
    height: float = 1.0

    def area(self) -> float:
        return self.width * self.height

    @property
    def edge(
        self,
    ) -> float:
        return EDGE


def scaled(box: Box, factor: float = 2.0) -> Box:
    return Box(box.width * factor, box.height * factor)
'''
BOX = (
    "class Box:\n    width: float\n    height: float = 1.0\n    def area(self) -> float: ...\n    def edge( self, ) -> float: ..."
)
SCALED = "def scaled(box: Box, factor: float = 2.0) -> Box: ..."


def found(own: str, text: str, **files: str) -> tuple[str, ...]:
    """For the end of the text of the file `own`; files are named by their paths, with `__` for a slash."""
    project = [source(name.replace("__", "/") + ".py", content) for name, content in files.items()]
    return signatures_for([*project, source(own, text)], own, text, len(text))


def source(name: str, text: str) -> SourceFile:
    return SourceFile(Path("/project", name), name, text, names_in(text))


@pytest.mark.parametrize(
    ("own", "imported", "use"),
    [
        ("main.py", "from pack.shapes import scaled", "scaled("),
        ("main.py", "from pack.shapes import scaled as s", "s("),
        ("main.py", "import pack.shapes as sh", "sh.scaled("),
        ("main.py", "from pack import shapes", "shapes.scaled("),
        ("pack/other.py", "from .shapes import scaled", "scaled("),
        ("pack/other.py", "from . import shapes", "shapes.scaled("),
        ("pack/sub/other.py", "from ..shapes import scaled", "scaled("),
        ("main.py", "try:\n    from pack.shapes import scaled\nexcept ImportError:\n    scaled = None", "scaled("),
    ],
)
def test_an_imported_function_is_found_however_it_is_imported(own: str, imported: str, use: str) -> None:
    assert found(own, f"{imported}\n\nbig = {use}", pack__shapes=SHAPES) == (f"# pack/shapes.py\n{SCALED}",)


def test_a_class_comes_with_its_fields_and_methods() -> None:
    assert found("main.py", "from pack.shapes import Box\n\nx = Box(", pack__shapes=SHAPES) == (f"# pack/shapes.py\n{BOX}",)


def test_a_package_below_a_folder_of_the_workspace_is_found() -> None:
    [text] = found("tests/test_shapes.py", "from pack.shapes import EDGE\n\nx = EDGE", src__pack__shapes=SHAPES)
    assert text == "# src/pack/shapes.py\nEDGE = 3"


def test_a_name_that_a_package_passes_on_is_followed_to_its_definition() -> None:
    project = [source("pack/__init__.py", "from .shapes import scaled\n"), source("pack/shapes.py", SHAPES)]
    text = "from pack import scaled\n\nbig = scaled("
    assert signatures_for([*project, source("main.py", text)], "main.py", text, len(text)) == (f"# pack/shapes.py\n{SCALED}",)


def test_packages_that_pass_a_name_round_in_a_circle_end() -> None:
    assert found("main.py", "from a import x\n\ny = x", a="from b import x\n", b="from a import x\n") == ()


def test_what_is_not_used_around_the_cursor_or_not_of_the_workspace_is_left_out() -> None:
    text = "import os\nfrom pack.shapes import Box, scaled\n\nscaled()\n" + "x = 1\n" * 40 + "os.path\n"
    assert found("main.py", text, pack__shapes=SHAPES) == ()


def test_the_nearest_names_come_when_there_are_too_many() -> None:
    names = [f"function_number_{number}" for number in range(40)]
    module = "".join(f"def {name}(first, second):\n    pass\n" for name in names)
    text = f"from many import {', '.join(names)}\n\n" + "".join(f"{name}()\n" for name in names[:20])
    [shown] = found("main.py", text.rstrip("\n"), many=module)
    assert len(shown) <= MOST_CHARACTERS + len("# many.py\n")
    assert "function_number_19(" in shown
    assert "function_number_0(" not in shown


def test_secrets_are_replaced() -> None:
    [text] = found("main.py", "from keys import TOKEN\n\nuse(TOKEN", keys='TOKEN = "ghp_' + "Ab1" * 12 + '"\n')
    assert "Ab1Ab1" not in text


@given(st.text(st.sampled_from("abx.,()=:\n\t 'import from as class def *é@"), max_size=200))
def test_any_text_has_an_outline(text: str) -> None:
    assert all(name in text for name in outline(text).signatures)
    signatures_for([source("a.py", text)], "b.py", text, len(text) // 2)
