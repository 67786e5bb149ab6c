"""The command that trains a model.

Knows its arguments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsp_server.cli.common import CACHE, UserError, app


@app.command()
def train(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus; built there if it is missing.")] = CACHE / "corpus",
    run: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on from its checkpoint.")] = CACHE / "run",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to train on.")] = 28_000_000,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of one CPU thread each that share the work.")] = 1,
    width: Annotated[int, typer.Option(min=64, help="Width of the network; heads are 64 wide.")] = 256,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Layers of the network (8); with --from, more than the model's deepen it.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Folder of a model to go on from, with its width and vocabulary.")
    ] = None,
    decontaminate: Annotated[
        list[Path] | None, typer.Option(help="Benchmark files (.jsonl, .jsonl.gz) whose text must not be trained on.")
    ] = None,
    export_to: Annotated[Path | None, typer.Option("--export", help="Where to write the model; RUN/model if left out.")] = None,
    canvases: Annotated[
        bool, typer.Option("--canvases/--no-canvases", help="Without: an autoregressive twin, to compare with.")
    ] = True,
    decay_only: Annotated[
        bool, typer.Option("--decay-only", help="With --from: no plateau, the learning rate falls from the first step on.")
    ] = False,
    rate: Annotated[float, typer.Option(min=1e-6, help="Times the usual learning rates.")] = 1.0,
    average: Annotated[
        float, typer.Option(min=0, max=1, help="With --from: the share of that model's weights in the exported ones.")
    ] = 0.0,
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
    if average and start is None:
        raise UserError("--average needs a trained model to go on from: --from MODEL")
    if decay_only and start is None:
        raise UserError("--decay-only needs a trained model to go on from: --from MODEL")
    model = export_to or run / "model"
    recipe = Recipe(
        corpus, run, model, tokens, device, threads, width, layers, name, workers, start, canvases, decay_only, rate, average
    )
    try:
        follow(recipe, decontaminate or [], corpus_only)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
