"""Commands under `quickfill bench`: how fast it is here.

Knows which measurement belongs to which command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsp_server.cli.common import (
    DeviceOption,
    JsonOption,
    ModelOption,
    ServerOption,
    UserError,
    app,
    check_plot,
    one_line_errors,
    print_report,
    remote_engine,
)

if TYPE_CHECKING:
    from model.evaluation.engine_speed import Speed


benchmarks = typer.Typer(no_args_is_help=True, help="Measure the speed on this machine.")
app.add_typer(benchmarks, name="bench")


@benchmarks.command()
def latency(
    keys: Annotated[int, typer.Option("--keys", min=1, help="How many keys are typed.")] = 300,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Milliseconds from a key to the answer of the language server, and seconds from its start to the first answer."""
    from lsp_server.benchmarks.latency import measure_latency

    print_report(lambda: measure_latency(model, keys), as_json)


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

    check_plot(plot)
    remote_engine(server, model)
    try:
        with one_line_errors(), benchmark.server_at(server, model, threads) as address:
            levels = benchmark.measure(address, os.environ.get("QUICKFILL_TOKEN"), typists, seconds)
        if plot is not None:
            benchmark.draw(levels, plot)
    except ServerAway as error:
        raise UserError(str(error)) from None
    if as_json:
        print(json.dumps(benchmark.as_json(levels)))
    else:
        from lsp_server.tables import print_load

        print_load(levels)


@benchmarks.command("typing")
def bench_typing(
    repositories: Annotated[list[Path], typer.Argument(metavar="REPOSITORY...", help="Git repositories with Python code.")],
    keys: Annotated[int, typer.Option("--keys", min=1, help="How many keys are pressed in each.")] = 2000,
    other_files: Annotated[
        bool, typer.Option("--other-files/--no-other-files", help="Without: the server sees the file that is typed in alone.")
    ] = True,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw what came of it here (.png or .svg).")] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a person gets who types the newest commits of a repository again, key by key, through the language server."""
    from lsp_server.benchmarks import typing as benchmark
    from lsp_server.tables import print_typing

    check_plot(plot)
    with one_line_errors():
        sessions = [benchmark.replay(repository.absolute(), keys, model, other_files) for repository in repositories]
        if plot is not None:
            benchmark.draw(sessions, plot)
    if as_json:
        print(json.dumps({"benchmark": "typing", "repositories": [session.as_json() for session in sessions]}))
    else:
        print_typing(sessions)


@benchmarks.command("step")
def bench_step(
    shapes: Annotated[
        str, typer.Option("--shapes", help="Of 12M, 30M, 0.5B and 7B, separated by commas; weights are random.")
    ] = "12M,30M",
    rows: Annotated[str, typer.Option("--rows", help="Rows of a pass, separated by commas.")] = "1,16,64",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Passes of each kind.")] = 20,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Milliseconds of one pass on a device, beside what its memory and its arithmetic would allow (the roofline)."""
    from lsp_server.tables import print_steps
    from model.engine.engine import check_device
    from model.evaluation.step_speed import measure

    with one_line_errors():
        check_device(device)
        machine, steps = measure(device, [name for name in shapes.split(",") if name], _numbers("--rows", rows), rounds)
    if as_json:
        rates = {"bytes_per_second": round(machine.bytes), "operations_per_second": round(machine.operations)}
        print(json.dumps({"benchmark": "step", "device": device, **rates, "steps": [step.as_json() for step in steps]}))
    else:
        print_steps(device, machine, steps)


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
    with one_line_errors():
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
    check_plot(plot)
    if plot is None:
        return lambda speeds: None
    from model.evaluation.speed_plot import draw_speeds

    return lambda speeds: draw_speeds(speeds, plot)
