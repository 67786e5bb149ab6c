"""What the names are that a place uses: the signatures of what its file imports from the workspace.

Knows Python's imports and definitions, by syntax tree, and which file of a workspace a module is. Knows no tokens, no protocol.
The names nearest to the cursor come first, and a name that a package only passes on is followed to its definition.
A source of context that `eval context` measures, and the server does not use: with the weights that ship it gains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath

from tree_sitter import Node

from lsp_server.context.project import SourceFile
from lsp_server.context.secrets import without_secrets
from lsp_server.context.window import as_model_text
from lsp_server.syntax.document import Document
from model.infilling import alike

MOST_CHARACTERS = 800  # of all signatures of a place
MOST_MEMBERS = 12  # of a class
HOPS = 3  # from a package that passes a name on to the next
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Import:
    """What a name of a file stands for: a module, or a name in it. `level` counts the dots of a relative import.

    `import a.b` is known by `a` alone: what is asked of `a.b` is not followed.
    """

    module: tuple[str, ...]
    level: int
    name: str | None


@dataclass(frozen=True)
class Outline:
    """What a file defines at its top level, a signature each, and what it imports."""

    signatures: Mapping[str, str]
    imports: Mapping[str, Import]


def signatures_for(files: Sequence[SourceFile], file_name: str, text: str, cursor: int) -> tuple[str, ...]:
    """For each file that defines them, the signatures of imported names that stand around the cursor, as the model reads it.

    `file_name` is the edited file's as the workspace names its files. Python alone; empty where nothing is imported from there.
    """
    modules = {module: file for file in files for module in [_module_of(file.name)] if file.name != file_name}
    imports = outline(text).imports
    found: dict[str, list[str]] = {}
    left = MOST_CHARACTERS
    for name, attributes in _used(text, cursor, imports).items():
        for file, signature in _resolved(
            modules, imports[name], _module_of(file_name), PurePosixPath(file_name).name, attributes
        ):
            if signature in found.get(file.name, ()):
                continue
            left -= len(signature) + 1
            if left < 0:
                return _as_other_files(found)
            found.setdefault(file.name, []).append(signature)
    return _as_other_files(found)


def _as_other_files(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The file whose names are nearest to the cursor comes last, which is nearest to the text."""
    texts = [alike.as_other_file(name, "\n".join(signatures)) for name, signatures in reversed(list(found.items()))]
    return tuple(as_model_text(without_secrets((text,))[0]) for text in texts)


def _used(text: str, cursor: int, imports: Mapping[str, Import]) -> dict[str, list[str]]:
    """Imported names around the cursor, the nearest first, with the attributes that are asked of each."""
    lines, row = text.split("\n"), text.count("\n", 0, cursor)
    rows = sorted(range(max(0, row - alike.ABOVE), min(len(lines), row + alike.BELOW + 1)), key=lambda other: abs(other - row))
    used: dict[str, list[str]] = {}
    for number in rows:
        line = lines[number]
        if line.lstrip().startswith(("import ", "from ")):
            continue
        for dotted in _DOTTED.findall(line):
            name, *attributes = dotted.split(".")
            if name in imports:
                used.setdefault(name, []).extend(attributes[:1])
    return used


def _resolved(
    modules: Mapping[tuple[str, ...], SourceFile], wanted: Import, here: tuple[str, ...], own: str, attributes: Sequence[str]
) -> Iterator[tuple[SourceFile, str]]:
    """Files and signatures that an import stands for; of a module, those of the attributes asked of it."""
    base = here if own == "__init__.py" else here[:-1]
    for _ in range(HOPS):
        module = base[: len(base) - wanted.level + 1] + wanted.module if wanted.level else wanted.module
        inside = _file_of(modules, (*module, wanted.name), wanted.level > 0) if wanted.name is not None else None
        if inside is not None or wanted.name is None:  # a module of the package, or a module itself
            file = inside or _file_of(modules, module, wanted.level > 0)
            if file is not None:
                signatures = outline(file.text).signatures
                yield from ((file, signatures[name]) for name in dict.fromkeys(attributes) if name in signatures)
            return
        file = _file_of(modules, module, wanted.level > 0)
        if file is None:
            return
        found = outline(file.text)
        if wanted.name in found.signatures:
            yield file, found.signatures[wanted.name]
            return
        passed_on = found.imports.get(wanted.name)
        if passed_on is None:
            return
        where = _module_of(file.name)
        base = where if PurePosixPath(file.name).name == "__init__.py" else where[:-1]
        wanted = passed_on


def _file_of(modules: Mapping[tuple[str, ...], SourceFile], module: tuple[str, ...], exactly: bool) -> SourceFile | None:
    """A module's file. An absolute name may begin below a folder of the workspace (`src`): the nearest to the root wins."""
    if not module:
        return None
    if (file := modules.get(module)) is not None or exactly:
        return file
    ends = [name for name in modules if len(name) > len(module) and name[-len(module) :] == module]
    return modules[min(ends, key=lambda name: (len(name), name))] if ends else None


def _module_of(file_name: str) -> tuple[str, ...]:
    path = PurePosixPath(file_name)
    return path.parent.parts if path.stem == "__init__" else (*path.parent.parts, path.stem)


@lru_cache(maxsize=512)
def outline(text: str) -> Outline:
    """Of a Python file; what does not parse is left out."""
    tree = Document.parsed(text, "python").tree
    signatures: dict[str, str] = {}
    imports: dict[str, Import] = {}
    for node in tree.root_node.named_children if tree is not None else ():
        _read(node, signatures, imports)
    return Outline(signatures, imports)


def _read(node: Node, signatures: dict[str, str], imports: dict[str, Import]) -> None:
    if node.type in ("import_statement", "import_from_statement"):
        imports.update(_imported(node))
    elif node.type in ("if_statement", "try_statement", "block", "else_clause", "except_clause"):
        for child in node.named_children:
            _read(child, signatures, imports)
    elif node.type == "decorated_definition":
        definition = node.child_by_field_name("definition")
        if definition is not None:
            _read(definition, signatures, imports)
    elif node.type in ("function_definition", "class_definition"):
        name = node.child_by_field_name("name")
        if name is not None:
            signatures[_text(name)] = _signature(node)
    elif node.type == "expression_statement" and node.named_children and node.named_children[0].type == "assignment":
        target = node.named_children[0].child_by_field_name("left")
        if target is not None and target.type == "identifier":
            signatures[_text(target)] = _text(node).split("\n")[0]


def _signature(node: Node) -> str:
    """A definition without its body; of a class also those of its methods."""
    body = node.child_by_field_name("body")
    if body is None:
        return _text(node)
    head = _one_line(node, body)
    if node.type == "function_definition":
        return head + " ..."
    members = (child.child_by_field_name("definition") or child for child in body.named_children)
    methods = [member for member in members if member.type == "function_definition"]
    inside = [f"    {_text(field)}" for field in islice(filter(_is_field, body.named_children), MOST_MEMBERS)]
    for method in islice(methods, MOST_MEMBERS - len(inside)):
        method_body = method.child_by_field_name("body")
        if method_body is not None:
            inside.append(f"    {_one_line(method, method_body)} ...")
    return "\n".join([head, *(inside or ["    ..."])])


def _is_field(node: Node) -> bool:
    """A name with a type, on one line."""
    if node.type != "expression_statement" or not node.named_children or "\n" in _text(node):
        return False
    return node.named_children[0].type == "assignment" and node.named_children[0].child_by_field_name("type") is not None


def _one_line(node: Node, body: Node) -> str:
    source = node.text or b""
    return " ".join(source[: body.start_byte - node.start_byte].decode("utf-8", "replace").split())


def _imported(node: Node) -> Iterator[tuple[str, Import]]:
    level = 0
    module: tuple[str, ...] = ()
    source = node.child_by_field_name("module_name") if node.type == "import_from_statement" else None
    if source is not None:
        name = _text(source)
        level = len(name) - len(name.lstrip("."))
        module = tuple(part for part in name.lstrip(".").split(".") if part)
    for child in node.children_by_field_name("name"):
        dotted = child.child_by_field_name("name") if child.type == "aliased_import" else child
        alias = child.child_by_field_name("alias") if child.type == "aliased_import" else None
        if dotted is None:
            continue
        parts = tuple(_text(dotted).split("."))
        known = _text(alias) if alias is not None else parts[0]
        if source is not None:
            yield known, Import(module, level, parts[0])
        else:
            yield known, Import(parts if alias is not None else parts[:1], 0, None)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
