"""What all commands share: their options, how results are printed, and how a mistake is said in one line.

Knows arguments and the terminal. Knows no command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lsp_server.remote import RemoteEngine
    from model.engine.engine import Engine


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Code completion by a diffusion language model, for editors and for the shell.",
)

PLOTS = (".png", ".svg")
CACHE = Path.home() / ".cache" / "quickfill"


ModelOption = Annotated[str | None, typer.Option("--model", help="Folder of a model; the bundled one if left out.")]


DeviceOption = Annotated[str, typer.Option("--device", help="cpu, or the GPU that torch can use here: cuda, mps, xpu.")]


ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Ask this server (http://..., unix:PATH) instead; its token: QUICKFILL_TOKEN."),
]


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class UserError(Exception):
    """What the user gave cannot be used; the message is the one line to show."""


def load_engine(model: str | None, device: str = "cpu") -> Engine:
    from model.checkpoints.store import CheckpointError
    from model.engine.engine import Engine, NoDevice

    try:
        return Engine.load(model, device=device)
    except (CheckpointError, NoDevice) as error:
        raise UserError(str(error)) from None


def remote_engine(server: str | None, model: str | None) -> RemoteEngine | None:
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


def check_plot(plot: Path | None) -> None:
    """Before a long measurement, not after it."""
    if plot is None:
        return
    if plot.suffix not in PLOTS or not plot.absolute().parent.is_dir():
        raise UserError(f"--plot needs a file ending in {' or '.join(PLOTS)} in a folder that exists, got {plot}")
    with eval_extra():
        import matplotlib  # noqa: F401


@contextmanager
def eval_extra() -> Iterator[None]:
    """What is not installed is said in a line, with the command that installs it."""
    try:
        yield
    except ImportError as error:
        raise UserError(f"this needs more packages ({error.name}): pip install 'quickfill[eval]'") from None


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What a person gave that cannot be read or written is said in a line."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error


def print_report(measure: Callable[[], dict[str, object]], as_json: bool) -> None:
    with one_line_errors():
        report = measure()
    if as_json:
        print(json.dumps(report))
        return
    width = max(map(len, report))
    for name, value in report.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for number, row in enumerate(rows):
            print(f"{'' if number else name:>{width}}  {row}")
