"""Which languages have a grammar here: tree-sitter's, each from a wheel of its own, loaded when it is first asked for.

Knows languages by the identifiers of the language server protocol and by the endings of file names, and what of a language the
grammars do not tell. Knows no text. Nothing is downloaded: a grammar whose wheel is not installed is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import PurePath

from tree_sitter import Language

_BRACE = r"\{"
_WORDS = r"\b(?:do|then|else)"


@dataclass(frozen=True)
class Entry:
    """`opens` matches a line, up to the cursor, that opens a block; `quotes` begin strings that end on their line."""

    wheel: str
    names: tuple[str, ...]  # the protocol's identifiers
    endings: tuple[str, ...]  # of files
    opens: str = _BRACE
    quotes: str = "\"'"
    function: str = "language"
    strings_are_data: bool = False  # what is written there is mostly strings: a place in one is like any other


ENTRIES = (
    Entry("python", ("python",), (".py", ".pyi", ""), opens=":"),
    Entry("javascript", ("javascript", "javascriptreact"), (".js", ".jsx", ".mjs", ".cjs")),
    Entry("typescript", ("typescript",), (".ts", ".mts", ".cts"), function="language_typescript"),
    Entry("typescript", ("typescriptreact",), (".tsx",), function="language_tsx"),
    Entry("go", ("go",), (".go",), quotes='"'),
    Entry("rust", ("rust",), (".rs",), quotes='"'),  # ' also begins a lifetime
    Entry("java", ("java",), (".java",)),
    Entry("c", ("c",), (".c", ".h")),
    Entry("cpp", ("cpp",), (".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), quotes='"'),  # ' also parts digits
    Entry("c_sharp", ("csharp",), (".cs",)),
    Entry(
        "ruby", ("ruby",), (".rb",), opens=rf"^\s*(?:def|class|module|if|unless|case|while|until|begin)\b.*|{_WORDS}(?: *\|.*\|)?"
    ),
    Entry("php", ("php",), (".php",), function="language_php"),
    Entry("bash", ("shellscript", "bash"), (".sh", ".bash"), opens=rf"{_BRACE}|{_WORDS}"),
    Entry("lua", ("lua",), (".lua",), opens=rf"{_WORDS}|\bfunction\b.*\)|\brepeat"),
    Entry("json", ("json", "jsonc"), (".json",), opens=r"[{\[]", strings_are_data=True),
    Entry("html", ("html",), (".html", ".htm"), opens=r"<\w[^<>]*>", quotes="", strings_are_data=True),
    Entry("css", ("css",), (".css",)),
    Entry("kotlin", ("kotlin",), (".kt", ".kts"), quotes='"'),
    Entry("swift", ("swift",), (".swift",), quotes='"'),
    Entry("scala", ("scala",), (".scala", ".sc"), opens=rf"{_BRACE}|=", quotes='"'),
)
_BY_NAME = {name: entry for entry in ENTRIES for name in entry.names}
_BY_ENDING = {ending: entry.names[0] for entry in ENTRIES for ending in entry.endings}


@dataclass(frozen=True)
class Grammar:
    language: Language
    opens: re.Pattern[str]
    quotes: str
    strings_are_data: bool


@cache
def grammar_of(name: str) -> Grammar | None:
    """The grammar of a language; None for a language that is not listed or whose wheel is not installed."""
    entry = _BY_NAME.get(name)
    if entry is None:
        return None
    try:
        module = import_module(f"tree_sitter_{entry.wheel}")
    except ImportError:
        return None
    language = Language(getattr(module, entry.function)())
    return Grammar(language, re.compile(rf"(?:{entry.opens})\s*$"), entry.quotes, entry.strings_are_data)


def endings_of(languages: Iterable[str]) -> tuple[str, ...]:
    """How the names of the languages' files end; what has no ending is not among them."""
    return tuple(ending for name in languages if name in _BY_NAME for ending in _BY_NAME[name].endings if ending)


def language_of(path: PurePath) -> str:
    """The language of a file by its name's ending: Python without one, "" for an ending that is not known."""
    return _BY_ENDING.get(path.suffix.lower(), "")
