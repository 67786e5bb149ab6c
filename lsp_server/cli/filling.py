"""Commands that fill holes in a file or show what the model sees there.

Knows files, and places in them as a person names them.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsp_server.cli.common import DeviceOption, JsonOption, ModelOption, ServerOption, UserError, app, load_engine, remote_engine
from lsp_server.settings import Settings

if TYPE_CHECKING:
    from lsp_server.completion.complete import Completion


@dataclass(frozen=True)
class Target:
    path: Path
    line: int | None  # from 1
    column: int | None  # from 1, in characters


@app.command()
def fill(
    target: Annotated[str, typer.Argument(metavar="FILE[:LINE:COL]", help="Where to fill; lines and columns count from 1.")],
    to: Annotated[str | None, typer.Option("--to", metavar="LINE:COL", help="Replace the text up to here.")] = None,
    mark: Annotated[str | None, typer.Option("--mark", help="Fill every place where this text stands, jointly.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, max=8, help="Candidates.")] = 1,
    deadline_ms: Annotated[float | None, typer.Option("--deadline-ms", min=1, help="Milliseconds to answer in.")] = None,
    model: ModelOption = None,
    device: DeviceOption = "cpu",
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill one place in a file, or every place that a mark stands for. Nothing on disk changes."""
    place = parse_target(target)
    text = read_text(place.path)
    holes = _holes(text, place, to, mark)
    from lsp_server.completion.complete import LANGUAGES, Place, asked_of, complete, nothing
    from lsp_server.completion.reasons import Kind, Silence
    from lsp_server.context import gate
    from lsp_server.context.similar import other_files_of, piece_for
    from lsp_server.engine import ServerAway
    from lsp_server.syntax.grammars import language_of

    settings = Settings()
    if (why := gate.refusal(place.path, (), settings.ignore_files)) is not None:
        _print_completion(nothing(Silence(Kind.IGNORED, why)), as_json)
        return
    engine = remote_engine(server, model) or load_engine(model, device)
    try:
        others = other_files_of(piece_for(place.path, text, holes[0][0], LANGUAGES, settings.ignore_files))
        here = Place(text, holes, language_of(place.path), other_files=others)
        found = complete(engine, asked_of(here, settings, n, deadline_ms, allow_empty=False))
    except ServerAway as error:
        raise UserError(str(error)) from None
    _print_completion(found, as_json)


@app.command()
def explain(
    target: Annotated[str, typer.Argument(metavar="FILE:LINE:COL", help="A place; lines and columns count from 1.")],
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the model would see for a place in a file: by source, with token counts and reasons, and what is left out."""
    place = parse_target(target)
    text = read_text(place.path)
    [(cursor, _)] = _holes(text, place, None, None)
    from rich.console import Console
    from rich.markdown import Markdown

    from lsp_server.completion.complete import LANGUAGES
    from lsp_server.context import gate
    from lsp_server.context.explain import explain as explained
    from lsp_server.context.explain import kept_out
    from lsp_server.context.similar import piece_for
    from model.checkpoints.store import CheckpointError, load_tokenizer

    ignore_files = Settings().ignore_files
    why = gate.refusal(place.path, (), ignore_files)
    try:
        if why is not None:
            found = kept_out(text, why)
        else:
            piece = piece_for(place.path, text, cursor, LANGUAGES, ignore_files)
            found = explained(load_tokenizer(model), text, cursor, piece=piece)
    except CheckpointError as error:
        raise UserError(str(error)) from None
    if as_json:
        print(json.dumps(found.as_json()))
    elif sys.stdout.isatty():
        Console().print(Markdown(found.as_markdown()))
    else:
        print(found.as_markdown(), end="")


def _holes(text: str, place: Target, to: str | None, mark: str | None) -> tuple[tuple[int, int], ...]:
    if mark is not None:
        if not mark:
            raise UserError("--mark needs a text to look for")
        if place.line is not None or to is not None:
            raise UserError("--mark finds the places itself: give the file without a position, and no --to")
        pieces = text.split(mark)
        if len(pieces) == 1:
            raise UserError(f"the mark {mark!r} does not occur in {place.path}")
        if len(pieces) > 9:
            raise UserError(
                f"the mark {mark!r} occurs {len(pieces) - 1} times in {place.path}; at most 8 places can be filled at once"
            )
        holes, at = [], 0
        for piece in pieces[:-1]:
            at += len(piece)
            holes.append((at, at + len(mark)))
            at += len(mark)
        return tuple(holes)
    if place.line is None or place.column is None:
        raise UserError("say where to fill: FILE:LINE:COL, or FILE with --mark TEXT")
    start = offset_of(text, place.line, place.column, str(place.path))
    end = start
    if to is not None:
        line, _, column = to.partition(":")
        if not (line.isdecimal() and column.isdecimal()):
            raise UserError(f"--to needs LINE:COL, got {to!r}")
        end = offset_of(text, int(line), int(column), str(place.path))
        if end < start:
            raise UserError(f"--to {to} stands before the position {place.line}:{place.column}")
    return ((start, end),)


def parse_target(target: str) -> Target:
    """FILE or FILE:LINE:COL; a file's name may hold colons."""
    parts = target.rsplit(":", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return Target(Path(parts[0]), int(parts[1]), int(parts[2]))
    return Target(Path(target), None, None)


def read_text(path: Path) -> str:
    """A file's text, line breaks as they are. Raises UserError for what is no text file."""
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a file") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    if b"\0" in raw:
        raise UserError(f"{path} is a binary file (it holds a zero byte)")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start} is not valid)") from None


def offset_of(text: str, line: int, column: int, name: str) -> int:
    """Offset of a place counted from 1. Raises UserError outside the text."""
    lines = text.replace("\r\n", " \n").replace("\r", "\n").split("\n")
    if not 1 <= line <= len(lines):
        raise UserError(f"{name} has {len(lines)} lines, there is no line {line}")
    width = len(lines[line - 1].removesuffix(" ")) if _ends_crlf(text, lines, line) else len(lines[line - 1])
    if not 1 <= column <= width + 1:
        raise UserError(f"line {line} of {name} has columns 1 to {width + 1}, there is no column {column}")
    return sum(len(other) + 1 for other in lines[: line - 1]) + column - 1


def _ends_crlf(text: str, lines: list[str], line: int) -> bool:
    end = sum(len(other) + 1 for other in lines[:line]) - 1
    return text[end - 1 : end + 1] == "\r\n"


def _print_completion(found: Completion, as_json: bool) -> None:
    best = found.candidates[0] if found.candidates else None
    if as_json:
        answer = {
            "text": best.text if best else "",
            "texts": list(best.texts) if best else [],
            "candidates": [
                {
                    "text": c.text,
                    "score": round(c.score, 4),
                    "confidence": None if c.confidence is None else round(c.confidence, 4),
                }
                for c in found.candidates
            ],
            "reason": found.reason,
            "steps": found.steps,
            "forward_passes": found.forward_passes,
            "timings_ms": found.timings_ms,
            "model": found.model,
        }
        print(json.dumps(answer))
    elif best is None:
        print(f"no suggestion: {found.reason}", file=sys.stderr)
    elif len(best.texts) > 1:
        for number, text in enumerate(best.texts, 1):
            print(f"[{number}] {text}")
    elif len(found.candidates) > 1:
        for number, candidate in enumerate(found.candidates, 1):
            print(f"[{number}] {candidate.text}")
    else:
        print(best.text)


@app.command()
def demo(model: ModelOption = None) -> None:
    """Watch the model fill holes of small programs: one hole, then several jointly."""
    from rich.console import Console

    from lsp_server.demo import play

    console = Console(highlight=False)
    began = time.perf_counter()
    engine = load_engine(model)
    console.print(f"[bold]{engine.model.card.name}[/bold]: {engine.model.card.description}")
    console.print(f"loaded in {time.perf_counter() - began:.1f} s\n", style="dim")
    play(engine, console)
