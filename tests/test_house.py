"""The rules of the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("model/**/*.py"), *ROOT.glob("lsp_server/**/*.py")])
# What each part of model/ may import besides itself.
BELOW = {
    "tokenization": set(),
    "architecture": set(),
    "checkpoints": {"architecture", "tokenization"},
    "infilling": {"architecture", "tokenization", "checkpoints"},
    "engine": {"architecture", "tokenization", "checkpoints", "infilling"},
    "training": {"architecture", "tokenization", "checkpoints", "infilling", "engine"},
    "evaluation": {"architecture", "tokenization", "checkpoints", "infilling", "engine", "training"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    place = path.relative_to(ROOT).parts
    for name in imports(path):
        parts = name.split(".")
        if place[0] == "model":
            assert parts[0] != "lsp_server", f"{path} imports {name}"
            if parts[0] == "model" and len(place) > 2:
                assert parts[1] == place[1] or parts[1] in BELOW[place[1]], f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_knows(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert "nows" in docstring
    assert docstring.count(".") >= 2


def test_the_top_level_is_the_design_card() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    built = {"build", "dist", "node_modules", "quickfill.egg-info", "corpus"}
    assert visible - built <= {"pyproject.toml", "README.md", "LICENSE", "lsp_server", "model", "editor-clients", "tests"}
