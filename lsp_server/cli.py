"""The `quickfill` command: parses arguments and calls one function for each command.

Knows arguments, files a person names and how results are printed. Imports the model only where a command needs it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from lsp_server.settings import Settings

if TYPE_CHECKING:
    from lsp_server.completion.complete import Completion
    from lsp_server.remote import RemoteEngine
    from model.engine.engine import Engine
    from model.evaluation.engine_speed import Speed

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Code completion by a diffusion language model, for editors and for the shell.",
)
evaluations = typer.Typer(no_args_is_help=True, help="Measure the quality of a model.")
app.add_typer(evaluations, name="eval")
benchmarks = typer.Typer(no_args_is_help=True, help="Measure the speed on this machine.")
app.add_typer(benchmarks, name="bench")

CACHE = Path.home() / ".cache" / "quickfill"
ModelOption = Annotated[str | None, typer.Option("--model", help="Folder of a model; the bundled one if left out.")]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Ask this server (http://..., unix:PATH) instead; its token: QUICKFILL_TOKEN."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class UserError(Exception):
    """What the user gave cannot be used; the message is the one line to show."""


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
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill one place in a file, or every place that a mark stands for. Nothing on disk changes."""
    place = parse_target(target)
    text = read_text(place.path)
    holes = _holes(text, place, to, mark)
    from lsp_server.completion.complete import Place, complete
    from lsp_server.engine import ServerAway
    from lsp_server.syntax.grammars import language_of

    engine = _remote(server, model) or _engine(model)
    settings = Settings()
    try:
        found = complete(engine, Place(text, holes, language_of(place.path)), settings, n, deadline_ms, False)
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

    from lsp_server.context.explain import explain as explained
    from model.checkpoints.store import CheckpointError, load_tokenizer

    try:
        found = explained(load_tokenizer(model), text, cursor)
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


def _engine(model: str | None) -> Engine:
    from model.checkpoints.store import CheckpointError
    from model.engine.engine import Engine

    try:
        return Engine.load(model)
    except CheckpointError as error:
        raise UserError(str(error)) from None


def _remote(server: str | None, model: str | None) -> RemoteEngine | None:
    if server is None:
        return None
    import os

    from lsp_server.remote import RemoteEngine

    if model is not None:
        raise UserError("--server and --model exclude each other: the server has its model")
    try:
        return RemoteEngine(server, os.environ.get("QUICKFILL_TOKEN"))
    except ValueError as error:
        raise UserError(str(error)) from None


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
def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak over standard input and output (the default).")] = False,
    tcp: Annotated[str | None, typer.Option("--tcp", metavar="HOST:PORT", help="Listen on this address instead.")] = None,
    model: ModelOption = None,
    server: ServerOption = None,
) -> None:
    """Run the language server."""
    import logging

    from lsp_server.server import serve

    remote = _remote(server, model)
    address = None
    if tcp is not None:
        host, _, port = tcp.rpartition(":")
        if stdio or not host or not port.isdecimal() or int(port) > 65535:
            raise UserError(f"--tcp needs HOST:PORT and excludes --stdio, got {tcp!r}")
        address = (host, int(port))
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="quickfill: %(levelname)s: %(message)s")
    try:
        serve(model, address, remote)
    except OSError as error:
        if address is None:
            raise
        raise UserError(f"cannot listen on {tcp}: {error.strerror or error}") from None


@app.command("serve")
def serve_engine(
    socket: Annotated[Path | None, typer.Option("--socket", help="Listen on this Unix socket, for its owner alone.")] = None,
    host: Annotated[str, typer.Option("--host", help="Any but a loopback address needs tokens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8377,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="Bearer tokens, one a line; else the one in QUICKFILL_TOKEN.")
    ] = None,
    max_waiting: Annotated[int, typer.Option("--max-waiting", min=1, help="Requests in flight; one more is refused.")] = 64,
    drain_s: Annotated[float, typer.Option("--drain-s", min=0, help="Seconds to finish what runs, when told to stop.")] = 10.0,
    memory_mb: Annotated[
        int | None, typer.Option("--memory-mb", min=64, help="Physical memory; with more in use the engine is started again.")
    ] = None,
    cache_mb: Annotated[int, typer.Option("--cache-mb", min=1, help="Memory for the caches of open files.")] = 512,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads for the model.")] = None,
    model: ModelOption = None,
) -> None:
    """Run the engine as a process of its own, for the editors of one machine or of a small team."""
    import logging

    from lsp_server.gateway.access import is_loopback
    from lsp_server.gateway.options import Options

    try:
        from lsp_server.gateway.supervisor import CannotListen, address_of, listen_on_tcp, listen_on_unix, supervise
    except ImportError as error:
        raise UserError(f"the server needs a Unix system (there is no {error.name} here)") from None

    tokens = _tokens(token_file)
    if socket is None and not tokens and not is_loopback(host):
        raise UserError(f"others can reach {host}: give tokens, by --token-file FILE or in QUICKFILL_TOKEN")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="quickfill: %(levelname)s: %(message)s")
    options = Options(
        model=model, threads=threads, cache_mb=cache_mb, max_waiting=max_waiting, drain_s=drain_s, tokens=tuple(tokens)
    )
    try:
        listener = listen_on_unix(socket.absolute()) if socket else listen_on_tcp(host, port)
    except CannotListen as error:
        raise UserError(str(error)) from None
    print(f"listening on {address_of(listener)}", flush=True)
    raise SystemExit(supervise(listener, options, memory_mb))


def _tokens(file: Path | None) -> list[str]:
    """Hashes of the tokens that may ask."""
    import os

    from lsp_server.gateway.access import digest

    if file is None:
        return [digest(token) for token in [os.environ.get("QUICKFILL_TOKEN", "").strip()] if token]
    tokens = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not tokens:
        raise UserError(f"there is no token in {file}: write one a line")
    return [digest(token) for token in tokens]


@app.command()
def demo(model: ModelOption = None) -> None:
    """Watch the model fill holes of small programs: one hole, then several jointly."""
    from rich.console import Console

    from lsp_server.demo import play

    console = Console(highlight=False)
    began = time.perf_counter()
    engine = _engine(model)
    console.print(f"[bold]{engine.model.card.name}[/bold]: {engine.model.card.description}")
    console.print(f"loaded in {time.perf_counter() - began:.1f} s\n", style="dim")
    play(engine, console)


@app.command()
def train(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus; built there if it is missing.")] = CACHE / "corpus",
    run: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on from its checkpoint.")] = CACHE / "run",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to train on.")] = 28_000_000,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of one CPU thread each that share the work.")] = 1,
    width: Annotated[int, typer.Option(min=64, help="Width of the network; heads are 64 wide.")] = 256,
    layers: Annotated[int, typer.Option(min=1)] = 8,
    start: Annotated[
        Path | None, typer.Option("--from", help="Folder of a model to go on from, with its shape and vocabulary.")
    ] = None,
    decontaminate: Annotated[
        list[Path] | None, typer.Option(help="Benchmark files (.jsonl, .jsonl.gz) whose text must not be trained on.")
    ] = None,
    export_to: Annotated[Path | None, typer.Option("--export", help="Where to write the model; RUN/model if left out.")] = None,
    canvases: Annotated[
        bool, typer.Option("--canvases/--no-canvases", help="Without: an autoregressive twin, to compare with.")
    ] = True,
    corpus_only: Annotated[bool, typer.Option("--corpus-only", help="Stop when corpus and vocabulary are there.")] = False,
    name: Annotated[str, typer.Option(help="What the model calls itself.")] = "quickfill-8m",
) -> None:
    """Train a model, from nothing or from another: corpus, vocabulary, network, export. Needs the `training` extra."""
    try:
        from model.training.recipe import Recipe, follow
    except ImportError as error:
        raise UserError(f"training needs more packages ({error.name}): pip install 'quickfill[training]'") from None
    if width % 64:
        raise UserError(f"--width must be a multiple of 64, got {width}")
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device must be cpu or cuda, got {device!r}")
    recipe = Recipe(
        corpus, run, export_to or run / "model", tokens, device, threads, width, layers, name, workers, start, canvases
    )
    try:
        follow(recipe, decontaminate or [], corpus_only)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error


TwinOption = Annotated[
    Path | None, typer.Option("--twin", help="Folder of a model to measure beside, in the same run: an autoregressive one.")
]
CandidatesOption = Annotated[
    int, typer.Option("--candidates", min=1, max=8, help="Fillings that are tried; the likeliest as a whole is the answer.")
]
CodeOption = Annotated[Path, typer.Option("--data", help="A corpus file (.jsonl) or a folder of Python code.")]
UncheckedOption = Annotated[bool, typer.Option("--unchecked", help="Pure diffusion.")]
HELDOUT = CACHE / "corpus" / "heldout.jsonl"


@evaluations.command("humaneval-infilling")
def humaneval_infilling(
    data: Annotated[Path, typer.Option("--data", help="A file of the benchmark (.jsonl or .jsonl.gz).")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first problems.")] = None,
    samples_out: Annotated[Path | None, typer.Option("--samples-out", help="Write the completions here.")] = None,
    unchecked: UncheckedOption = False,
    candidates: CandidatesOption = 1,
    twin: TwinOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """pass@1 on HumanEval-Infilling. Runs the code that the model writes, with limits on what it may touch."""
    from lsp_server.tables import print_humaneval
    from model.evaluation import humaneval_infilling as benchmark

    with _one_line_errors():
        report = benchmark.evaluate(_engine(model), data, limit, samples_out, not unchecked, _twin(twin), candidates)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print_humaneval(report)


@evaluations.command()
def lines(
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ends of lines.")] = 1000,
    unchecked: UncheckedOption = False,
    candidates: CandidatesOption = 1,
    twin: TwinOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality on hidden code by where the cursor stands, beside copying from the same file."""
    from lsp_server.tables import print_lines
    from model.evaluation import lines as benchmark

    with _one_line_errors():
        report = benchmark.evaluate(_engine(model), data, limit, not unchecked, _twin(twin), candidates)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print_lines(report)


@evaluations.command()
def curve(
    plot: Annotated[Path, typer.Option("--plot", help="Draw the curve here (.png or .svg).")],
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ends of lines.")] = 200,
    twin: TwinOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality against forward passes and latency, from fully checked to one step of diffusion. Needs the `eval` extra."""
    try:
        from model.evaluation.plot import FORMATS, draw
    except ImportError as error:
        raise UserError(f"drawing needs more packages ({error.name}): pip install 'quickfill[eval]'") from None
    from lsp_server.tables import print_curve
    from model.evaluation.curve import measure

    _check_plot(plot, FORMATS)
    with _one_line_errors():
        points = measure(_engine(model), data, limit, _twin(twin))
        draw(points, plot)
    if as_json:
        print(json.dumps({"benchmark": "curve", "n": limit, "points": [point.as_json() for point in points]}))
    else:
        print_curve(points)


@evaluations.command()
def deadline(
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the curve here (.png or .svg).")] = None,
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ends of lines.")] = 200,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality against the deadline, and how punctual answers are. Needs the `eval` extra."""
    from lsp_server.tables import print_deadlines
    from model.evaluation.deadlines import draw, measure

    with _one_line_errors():
        points = measure(_engine(model), data, limit)
    if plot is not None:
        try:
            draw(points, plot)
        except ImportError as error:
            raise UserError(f"drawing needs more packages ({error.name}): pip install 'quickfill[eval]'") from None
        except (OSError, ValueError) as error:
            raise UserError(f"--plot {plot}: {error}") from None
    if as_json:
        print(json.dumps({"benchmark": "deadline", "n": limit, "points": [point.as_json() for point in points]}))
    else:
        print_deadlines(points)


@evaluations.command()
def drafts(
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ends of lines; a quarter as many blocks.")] = 300,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """What each source of drafts saves: passes and time of the same texts with every combination of sources."""
    from lsp_server.tables import print_drafts
    from model.evaluation.drafts import measure

    with _one_line_errors():
        found = measure(_engine(model), data, limit)
    if as_json:
        print(json.dumps({"benchmark": "drafts", "combinations": [drafting.as_json() for drafting in found]}))
    else:
        print_drafts(found)


def _twin(folder: Path | None) -> Engine | None:
    return None if folder is None else _engine(str(folder))


@evaluations.command()
def confidence(
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many lines to measure on, and to calibrate on.")] = 600,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="The `min_confidence` to report on.")
    ] = Settings().min_confidence,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="First calibrate the model anew, and write that into its folder.")
    ] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the curves into this file (.svg, .png).")] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """How often what is shown is right, and how often something is shown, by the confidence asked for."""
    from model.checkpoints.store import BUNDLED, save_calibration
    from model.evaluation import confidence as benchmark

    def measure() -> dict[str, object]:
        if calibrate:
            save_calibration(Path(model) if model else BUNDLED, benchmark.calibrate(_engine(model), data, limit))
        return benchmark.evaluate(_engine(model), data, limit, threshold, plot)

    try:
        _report(measure, as_json)
    except ImportError as error:
        raise UserError(f"this needs more packages ({error.name}): pip install 'quickfill[eval]'") from None


@benchmarks.command()
def latency(
    keys: Annotated[int, typer.Option("--keys", min=1, help="How many keys are typed.")] = 300,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Milliseconds from a key to the answer of the language server, and seconds from its start to the first answer."""
    from lsp_server.benchmarks.latency import measure_latency

    _report(lambda: measure_latency(model, keys), as_json)


@benchmarks.command()
def load(
    server: ServerOption = None,
    typists: Annotated[
        int | None, typer.Option("--typists", min=1, help="Only so many; else up to where the 95th percentile passes 150 ms.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long each number of typists types.")] = 15.0,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads of the server that is started.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the waits here (.png or .svg).")] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many people a server serves: simulated typists, five keys a second, each key ends the request before it."""
    import os

    from lsp_server.benchmarks import load as benchmark
    from lsp_server.engine import ServerAway

    _check_plot(plot, benchmark.FORMATS)
    _remote(server, model)
    try:
        with _one_line_errors(), benchmark.server_at(server, model, threads) as address:
            levels = benchmark.measure(address, os.environ.get("QUICKFILL_TOKEN"), typists, seconds)
        if plot is not None:
            benchmark.draw(levels, plot)
    except ServerAway as error:
        raise UserError(str(error)) from None
    except ImportError as error:
        raise UserError(f"drawing needs more packages ({error.name}): pip install 'quickfill[eval]'") from None
    if as_json:
        print(json.dumps(benchmark.as_json(levels)))
    else:
        from lsp_server.tables import print_load

        print_load(levels)


@benchmarks.command("typing")
def bench_typing(
    repositories: Annotated[list[Path], typer.Argument(metavar="REPOSITORY...", help="Git repositories with Python code.")],
    keys: Annotated[int, typer.Option("--keys", min=1, help="How many keys are pressed in each.")] = 2000,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw what came of it here (.png or .svg).")] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a person gets who types the newest commits of a repository again, key by key, through the language server."""
    from lsp_server.benchmarks import typing as benchmark
    from lsp_server.benchmarks.history import HistoryError
    from lsp_server.tables import print_typing

    _check_plot(plot, benchmark.FORMATS)
    try:
        sessions = [benchmark.replay(repository.absolute(), keys, model) for repository in repositories]
        if plot is not None:
            benchmark.draw(sessions, plot)
    except HistoryError as error:
        raise UserError(str(error)) from None
    except ImportError as error:
        raise UserError(f"drawing needs more packages ({error.name}): pip install 'quickfill[eval]'") from None
    if as_json:
        print(json.dumps({"benchmark": "typing", "repositories": [session.as_json() for session in sessions]}))
    else:
        print_typing(sessions)


@benchmarks.command("engine")
def bench_engine(
    contexts: Annotated[str, typer.Option("--contexts", help="Visible tokens, separated by commas.")] = "500,1000,2000,4000",
    fills: Annotated[str, typer.Option("--fills", help="Tokens to write, separated by commas.")] = "8,16,32,64",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Places at each size.")] = 7,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads of everyone.")] = None,
    rivals: Annotated[
        str, typer.Option("--rivals", help="Who is measured beside ours: of recompute, dual-cache, transformers, llama.cpp.")
    ] = "recompute,dual-cache,transformers,llama.cpp",
    twin: Annotated[
        Path | None, typer.Option("--twin", help="Folder of the model that transformers and llama.cpp read; ours if left out.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="A corpus file (.jsonl) or a folder of code; Python's own library if left out.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the times here (.png or .svg).")] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """The engine beside other ways to write the same tokens. Those that need the `bench` extra are left out without it."""
    import torch

    from lsp_server.tables import print_engine_speed
    from model.evaluation.engine_speed import Setup, measure

    draw = _speed_drawing(plot)
    setup = Setup(
        Path(model) if model else None, twin, data,
        _numbers("--contexts", contexts), _numbers("--fills", fills), rounds, threads or torch.get_num_threads(),
        tuple(name for name in rivals.split(",") if name),
    )  # fmt: skip
    with _one_line_errors():
        report = measure(setup)
        draw(report.speeds)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print_engine_speed(report)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    pieces = [piece.strip() for piece in text.split(",")]
    if not all(piece.isdecimal() for piece in pieces):
        raise UserError(f"{option} needs numbers separated by commas, got {text!r}")
    return tuple(sorted({int(piece) for piece in pieces}))


def _speed_drawing(plot: Path | None) -> Callable[[Sequence[Speed]], None]:
    """What draws into a file; nothing without one. Raises UserError before anything is measured."""
    if plot is None:
        return lambda speeds: None
    try:
        from model.evaluation.plot import FORMATS
        from model.evaluation.speed_plot import draw_speeds
    except ImportError as error:
        raise UserError(f"drawing needs more packages ({error.name}): pip install 'quickfill[eval]'") from None
    _check_plot(plot, FORMATS)
    return lambda speeds: draw_speeds(speeds, plot)


def _check_plot(plot: Path | None, formats: Sequence[str]) -> None:
    """Before a long measurement, not after it."""
    if plot is not None and (plot.suffix not in formats or not plot.absolute().parent.is_dir()):
        raise UserError(f"--plot needs a file ending in {' or '.join(formats)} in a folder that exists, got {plot}")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """What a person gave that cannot be read or written is said in a line."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error


def _report(measure: Callable[[], dict[str, object]], as_json: bool) -> None:
    with _one_line_errors():
        report = measure()
    if as_json:
        print(json.dumps(report))
        return
    width = max(map(len, report))
    for name, value in report.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for number, row in enumerate(rows):
            print(f"{'' if number else name:>{width}}  {row}")


@app.command("report")
def report_acceptance(
    days: Annotated[int, typer.Option("--days", min=1, help="Of how many days.")] = 30,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw a bar for each day here (.png or .svg).")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Another file than the usual one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What became of the suggestions on this machine: shown, taken, kept, and why there were none. It knows no code."""
    from lsp_server.acceptance import report, store

    _check_plot(plot, report.FORMATS)
    place = file or store.usual_place()
    since = time.time() - days * 86_400
    try:
        outcomes = [outcome for outcome in store.outcomes(place) if outcome.at >= since]
        reasons = report.reasons(store.silences(place), time.strftime("%Y-%m-%d", time.localtime(since)))
        if plot is not None:
            report.draw(report.by_day(outcomes), plot)
    except store.StoreError as error:
        raise UserError(str(error)) from None
    except ImportError as error:
        raise UserError(f"drawing needs more packages ({error.name}): pip install 'quickfill[eval]'") from None
    languages, daily = report.by_language(outcomes), report.by_day(outcomes)
    if as_json:
        groups = {"languages": languages, "days": daily}
        print(json.dumps({name: [one.as_json() for one in own] for name, own in groups.items()} | {"silences": reasons}))
    elif not outcomes and not reasons:
        print(f"nothing was suggested in the last {days} days, or nothing was written down ({place})")
    else:
        from lsp_server.tables import print_acceptance

        print_acceptance(languages, daily, reasons)


@app.command("settings")
def list_settings(as_json: JsonOption = False) -> None:
    """What can be set in an editor: names, what is allowed, defaults."""
    from lsp_server.settings import described

    if as_json:
        print(json.dumps([one._asdict() for one in described()]))
    else:
        from lsp_server.tables import print_settings

        print_settings(described())


@app.command()
def doctor(model: ModelOption = None, as_json: JsonOption = False) -> None:
    """Say what this installation is, whether it works, and how fast it is here."""
    import platform
    import resource

    import torch

    from lsp_server.acceptance import report as acceptance
    from lsp_server.acceptance import store
    from model.infilling.request import InfillRequest

    try:
        week = time.strftime("%Y-%m-%d", time.localtime(time.time() - 7 * 86_400))
        silent: dict[str, int] | str = dict(acceptance.reasons(store.silences(store.usual_place()), week).most_common(5))
    except store.StoreError as error:
        silent = str(error)
    began = time.perf_counter()
    engine = _engine(model)
    loaded = time.perf_counter() - began
    engine.warm_up()
    request = InfillRequest(("import math\n\n\ndef area(radius):\n    return ", "\n"), single_line=True)
    times = [engine.infill(request, "doctor").timings_ms["total"] for _ in range(5)]
    card = engine.model.card
    report = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "precision": str(engine.model.network.embedding.weight.dtype).removeprefix("torch."),
        "model": card.name,
        "parameters": card.parameters,
        "licence": card.license,
        "checksums": "match",
        "load_seconds": round(loaded, 2),
        "completion_ms": round(sorted(times)[2], 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "limits": card.limits,
        "silent_this_week": silent or "not once",
    }
    _report(lambda: report, as_json)


def fail(message: str) -> NoReturn:
    print(f"quickfill: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    try:
        app(standalone_mode=True)
    except UserError as error:
        fail(str(error))
