"""What tree-sitter's Python grammar says about a place in a text: does it invite a block, is something
missing there, does an insertion parse.

Knows Python's syntax and character offsets. Knows no model and no editor.
"""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter_python
from tree_sitter import Language, Node, Tree

from lsp_server.syntax.incremental import Trees

_TREES = Trees(Language(tree_sitter_python.language()))

# An identifier put at the cursor. Where the parser finds a place for it is what the cursor's place is: a cursor alone
# has no width, and the node "at" it is as often the one behind as the one in front.
_PROBE = "quickfill_cursor"


def _nodes(tree: Tree) -> Iterator[Node]:
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


def invites_block(before: str, after: str) -> bool:
    """Whether several lines make sense at the cursor: a blank line, or the empty body behind a colon."""
    if after.split("\n", 1)[0].strip():
        return False
    tree, at, probe = _probed(before, after)
    if _is_text(tree, at, probe):
        return False
    line = before.rsplit("\n", 1)[-1]
    return not line.strip() or (line.rstrip().endswith(":") and _starts_block(probe) and not _has_body(line, after))


def parse_errors(text: str) -> int:
    """The number of places where the text is not Python: unexpected and missing nodes."""
    errors, stack = 0, [_TREES.of(text).root_node]
    while stack:
        node = stack.pop()
        errors += node.is_error or node.is_missing
        stack.extend(child for child in node.children if child.has_error)
    return errors


def parse_error_delta(before: str, insertion: str, after: str) -> int:
    """How many errors the insertion adds (negative: it repairs some)."""
    return parse_errors(before + insertion + after) - parse_errors(before + after)


def is_unfinished(before: str, after: str) -> bool:
    """Whether something must stand at the cursor: a name put there repairs the syntax (`return os.path.`, `x = `)."""
    return parse_error_delta(before, _PROBE, after) < 0


def _probed(before: str, after: str) -> tuple[Tree, int, Node | None]:
    tree = _TREES.of(before + _PROBE + after)
    at = len(before.encode("utf-8", "replace"))
    # The last byte of the probe: letters before the cursor belong to the same name, letters after it do too.
    return tree, at, tree.root_node.descendant_for_byte_range(at + 1, at + 2)


def _is_text(tree: Tree, at: int, probe: Node | None) -> bool:
    """Whether the probe stands in a comment or a string, closed or not (the braces of an f-string are code)."""
    node = probe
    while node is not None and node.type != "interpolation":
        if node.type in ("comment", "string"):
            return True
        node = node.parent
    return node is None and tree.root_node.has_error and _in_open_string(tree, at)


def _in_open_string(tree: Tree, at: int) -> bool:
    """An unclosed string is an error node with nothing but the opening quotes; its text is parsed as code."""
    probe_row = tree.root_node.descendant_for_byte_range(at, at)
    row = probe_row.start_point.row if probe_row is not None else 0
    for node in _nodes(tree):
        opens = node.type == "string_start" and node.parent is not None and node.parent.is_error
        if opens and node.end_byte <= at:
            triple = node.end_byte - node.start_byte >= 3 and (node.text or b"").endswith((b'"""', b"'''"))
            if triple or node.start_point.row == row:
                return True
    return False


def _starts_block(probe: Node | None) -> bool:
    """Whether the probe is the first thing in a block: what stands before the cursor opened it."""
    node = probe
    while node is not None and node.type != "block":
        node = node.parent
    return node is not None and probe is not None and node.start_byte == probe.start_byte


def _has_body(line: str, after: str) -> bool:
    """Whether the next line with text is indented more deeply than the line that opened the block."""
    following = (text for text in after.split("\n")[1:] if text.strip())
    return _indentation(next(following, "")) > _indentation(line)


def _indentation(line: str) -> int:
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())
