"""Commands under `quickfill eval`: how good a model is.

Knows which measurement belongs to which command.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsp_server.cli.common import (
    CACHE,
    JsonOption,
    ModelOption,
    app,
    check_plot,
    eval_extra,
    load_engine,
    one_line_errors,
    print_report,
)
from lsp_server.settings import Settings
from model.infilling.request import BRANCHES

if TYPE_CHECKING:
    from model.engine.engine import Engine


evaluations = typer.Typer(no_args_is_help=True, help="Measure the quality of a model.")
app.add_typer(evaluations, name="eval")


TwinOption = Annotated[
    Path | None, typer.Option("--twin", help="Folder of a model to measure beside, in the same run: an autoregressive one.")
]


BranchesOption = Annotated[
    int,
    typer.Option(
        "--branches", min=0, max=64, help="Other texts of a line that are tried, in search of the likeliest; 0: greedy."
    ),
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
    branches: BranchesOption = BRANCHES,
    twin: TwinOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """pass@1 on HumanEval-Infilling. Runs the code that the model writes, with limits on what it may touch."""
    from lsp_server.tables import print_humaneval
    from model.evaluation import humaneval_infilling as benchmark

    with one_line_errors():
        report = benchmark.evaluate(load_engine(model), data, limit, samples_out, not unchecked, _twin(twin), branches)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print_humaneval(report)


@evaluations.command()
def lines(
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ends of lines.")] = 1000,
    unchecked: UncheckedOption = False,
    branches: BranchesOption = BRANCHES,
    twin: TwinOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality on hidden code by where the cursor stands, beside copying from the same file."""
    from lsp_server.tables import print_lines
    from model.evaluation import lines as benchmark

    with one_line_errors():
        report = benchmark.evaluate(load_engine(model), data, limit, not unchecked, _twin(twin), branches)
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
    check_plot(plot)
    from lsp_server.tables import print_curve
    from model.evaluation.curve import measure
    from model.evaluation.plot import draw

    with one_line_errors():
        points = measure(load_engine(model), data, limit, _twin(twin))
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

    check_plot(plot)
    with one_line_errors():
        points = measure(load_engine(model), data, limit)
        if plot is not None:
            draw(points, plot)
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

    with one_line_errors():
        found = measure(load_engine(model), data, limit)
    if as_json:
        print(json.dumps({"benchmark": "drafts", "combinations": [drafting.as_json() for drafting in found]}))
    else:
        print_drafts(found)


@evaluations.command()
def holes(
    data: CodeOption = HELDOUT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many cases, each of three holes.")] = 300,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Three holes that depend on each other, filled jointly and one by one."""
    from lsp_server.tables import print_holes
    from model.evaluation.holes import measure

    with one_line_errors():
        ways = measure(load_engine(model), data, limit)
    if as_json:
        print(json.dumps({"benchmark": "holes", "ways": [way.as_json() for way in ways]}))
    else:
        print_holes(ways)


@evaluations.command()
def context(
    repositories: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Workspaces of several files.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ends of lines, of all of them together.")] = 500,
    in_commits: Annotated[
        bool, typer.Option("--commits", help="In lines that commits of git repositories wrote, with the files edited lately.")
    ] = False,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ends of lines with and without what the model may see of other files of the workspace, by source."""
    from lsp_server.benchmarks.context import measure, measure_commits
    from lsp_server.tables import print_context

    with one_line_errors():
        sources = (measure_commits if in_commits else measure)(load_engine(model), repositories, limit)
    if as_json:
        print(json.dumps({"benchmark": "context", "sources": [source.as_json() for source in sources]}))
    else:
        print_context(sources)


@evaluations.command("next-edits")
def next_edits(
    repositories: Annotated[list[Path], typer.Argument(metavar="REPOSITORY...", help="Git repositories with Python code.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many edits of commits, of all of them together.")] = 500,
    elsewhere: Annotated[bool, typer.Option("--elsewhere", help="In other files than the one that was edited.")] = False,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether people make the next edits that would be proposed to them, on real commits; with the model and without."""
    from lsp_server.benchmarks.next_edits import measure, measure_elsewhere
    from lsp_server.tables import print_next_edits

    with one_line_errors():
        ways = (measure_elsewhere if elsewhere else measure)(load_engine(model), repositories, limit)
    if as_json:
        print(json.dumps({"benchmark": "next edits", "ways": [way.as_json() for way in ways]}))
    else:
        print_next_edits(ways)


def _twin(folder: Path | None) -> Engine | None:
    return None if folder is None else load_engine(str(folder))


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

    check_plot(plot)

    def measure() -> dict[str, object]:
        if calibrate:
            save_calibration(Path(model) if model else BUNDLED, benchmark.calibrate(load_engine(model), data, limit))
        return benchmark.evaluate(load_engine(model), data, limit, threshold, plot)

    with eval_extra():
        print_report(measure, as_json)
