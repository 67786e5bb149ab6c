"""The training run: schedule, optimizer steps, evaluation on held-out code, checkpoints a killed run resumes from.

Knows steps, learning rates and files of a run. Knows neither how examples are cut nor what the losses are made of.
"""

from __future__ import annotations

import copy
import ctypes
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import numpy as np
import torch
import torch.distributed as dist
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from model.architecture.network import Network, NetworkConfig
from model.checkpoints.store import load_model
from model.engine.engine import fastest_dtype
from model.tokenization.tokenizer import Tokenizer
from model.training import checkpoint, durable
from model.training.examples import Windows
from model.training.growth import deepened
from model.training.muon import Muon
from model.training.objective import Batch, Losses, Sight, losses, make_batch, sight
from model.training.packed import Shuffled, interleaved, prepare

# Of the run. Before: next-token loss alone. From here on the rate falls, the windows are long, the decay's code is among them,
# and there are canvases as well.
DECAY_FROM = 0.6
WARM_UP = 60  # steps
MATRIX_RATE, EMBEDDING_RATE = 0.02, 0.003
HELDOUT_WINDOWS = 64
# Weights count in the run's average by this power of their step's number. Of one run of 20 million tokens that went on from a
# model, in snapshots: its end has a held-out loss of 2.389, averages with powers 0, 1, 2, 4 and 9 have 2.355, 2.352, 2.354, 2.362
# and 2.377; canvases want high ones (4.18, 4.07, 4.02, 3.98, 3.96).
AVERAGE_POWER = 3


@dataclass(frozen=True)
class Run:
    """What one training run is asked to do. `tokens` may differ from resume to resume: that moves the schedule, and more may pack
    the windows anew."""

    corpus: Path  # holds train.jsonl, decay.jsonl, heldout.jsonl and tokenizer.json; packed windows are cached in it
    folder: Path  # checkpoints and log
    tokens: int
    start: Path | None = None  # folder of a model, as wide and at most as deep, to go on from; None: random weights
    decay_only: bool = False  # no plateau: the rate falls from the first step on, and all windows are those of the decay
    rate: float = 1.0  # times the usual learning rates
    network: NetworkConfig = field(default_factory=NetworkConfig)
    canvases: bool = True  # False: an autoregressive twin, next-token loss alone to the end
    tokens_per_step: int = 8192
    tokens_at_once: int = 2048
    device: str = "cpu"
    compile: bool = True
    workers: int = 1  # processes of one CPU thread that share each step; the result does not depend on their number
    seed: int = 0
    evaluate_every: int = 200  # steps
    save_every: int = 50  # steps

    @property
    def packed_for(self) -> int:
        """Tokens of a whole run whose decay meets as many."""
        return round(self.tokens / (1 - DECAY_FROM)) if self.decay_only else self.tokens


def learning_rate(progress: float, step: int, decay_from: float = DECAY_FROM) -> float:
    """Warm-up, plateau, linear decay to zero (WSD, Hu et al. 2024), as a factor."""
    return min(1.0, (step + 1) / WARM_UP) * min(1.0, max(0.0, (1.0 - progress) / (1.0 - decay_from)))


def train(run: Run) -> Path:
    """Trains from the last checkpoint in the run's folder, or from nothing. Returns the path of the final checkpoint.

    With the weights that are trained goes their average over the steps, which is what is measured and exported.
    SIGINT and SIGTERM save and stop; after a hard kill at most `save_every` steps are done again. What the decay starts
    from stays as `plateau.pt`: a longer run can go on from there. Raises ValueError for a corpus or a checkpoint that cannot
    be used, and OSError where a file cannot be written or a worker was killed.
    """
    if run.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("this machine has no GPU that torch can use: train with the device cpu")
    if run.device != "cpu" and run.workers > 1:
        raise ValueError("several workers share a CPU; a GPU is used by one")
    run.folder.mkdir(parents=True, exist_ok=True)
    checkpoint.recover(run.folder)
    if run.workers == 1:
        _train(run, 0)
    else:
        prepare(run.corpus, run.packed_for)  # once, for all of them
        _train_in_workers(run)
    return run.folder / checkpoint.LAST


def _train_in_workers(run: Run) -> None:
    context = multiprocessing.get_context("spawn")
    said, say = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        children = [context.Process(target=_worker, args=(rank, run, meeting, say)) for rank in range(run.workers)]

        def forward(number: int, _: FrameType | None) -> None:
            for child in children:
                if child.pid and child.is_alive():
                    os.kill(child.pid, number)

        with _stop_signals(forward):
            for child in children:
                child.start()
            try:
                # A worker that fails leaves the others waiting for its gradients: they go with it.
                while running := [child for child in children if child.exitcode is None]:
                    multiprocessing.connection.wait([said, *(child.sentinel for child in running)])
                    if said.poll():
                        raise ValueError(said.recv())
                    if failed := [child.exitcode for child in children if child.exitcode]:
                        raise ChildProcessError(f"a worker ended with exit code {failed[0]}; start again to go on")
            finally:
                for child in children:
                    child.kill()
                    child.join()


def _worker(rank: int, run: Run, meeting: str, say: Connection) -> None:
    _die_with_parent()
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=run.workers)
    try:
        _train(run, rank)
    except (ValueError, OSError) as error:
        say.send(str(error))
        time.sleep(60)  # till the parent ends all: the others would fail for want of this one, and talk about it
    dist.destroy_process_group()


@contextmanager
def _stop_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _train(run: Run, rank: int) -> None:
    _keep_freed_memory()
    torch.manual_seed(run.seed)
    device = torch.device(run.device)
    tokenizer = Tokenizer.load(run.corpus / "tokenizer.json")
    packed = prepare(run.corpus, run.packed_for)
    network = Network(run.network).to(device)
    matrices = [p for block in network.blocks for p in block.parameters()]
    optimizers = (
        Muon(matrices, lr=MATRIX_RATE, momentum=0.95, weight_decay=0.01, dtype=_computing_dtype(device)),
        torch.optim.AdamW([network.embedding.weight, network.canvas], lr=EMBEDDING_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    )
    rates = [run.rate * MATRIX_RATE, run.rate * EMBEDDING_RATE]
    decay_from = 0.0 if run.decay_only else DECAY_FROM
    last = run.folder / checkpoint.LAST
    averaged = None
    decaying = run.decay_only
    step = done = before = 0
    if last.exists():
        state = checkpoint.load(last, device)
        if state["config"] != asdict(run.network) or state.get("canvases", True) != run.canvases:
            raise ValueError(f"{last} is of a run with another network or other losses: use another folder for this run")
        network.load_state_dict(state["network"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, done, before = state["step"], state["tokens"], state["tokens_before"]
        averaged = state.get("average")
        decaying = state.get("decaying", done / run.tokens >= decay_from)
    elif run.start:
        model = load_model(run.start)
        network.load_state_dict(deepened(model.network.state_dict(), model.card.network.layers, run.network.layers))
        before = model.card.trained_tokens
    average = copy.deepcopy(network)
    if averaged is not None:
        average.load_state_dict(averaged)
    # A run that goes on from a model meets the windows in another order than the run that made the model.
    short, long, decay = (
        Shuffled(windows, np.random.default_rng([run.seed, before]).permutation(len(windows.tokens)))
        for windows in (packed.short, packed.long, packed.decay)
    )
    compiles = run.compile and _finds_compiler()
    if run.compile and not compiles and rank == 0:
        print("There is no C++ compiler: the network is trained without compiling it, which takes longer.", flush=True)
    objective = torch.compile(losses, dynamic=False) if compiles else losses
    stopping: list[int] = []

    def save() -> None:
        state: checkpoint.State = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "step": step,
            "tokens": done,
            "tokens_before": before,
            "config": asdict(run.network),
            "canvases": run.canvases,
            "decaying": decaying,
        }
        checkpoint.save(run.folder, state)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.1f}%"),
        TimeRemainingColumn(),
    )
    shown = rank == 0 and sys.stdout.isatty()
    stop = False
    with Progress(*columns, disable=not shown) as bar, _stop_signals(lambda number, _: stopping.append(number)):
        task = bar.add_task("training", total=run.tokens, completed=done)
        began, at_start, recent = time.perf_counter(), done, 0.0
        while done < run.tokens and not stop:
            progress = done / run.tokens
            if rank == 0 and progress >= decay_from and not decaying:
                save()
                durable.write(run.folder / "plateau.pt", last.read_bytes())
            decaying = progress >= decay_from
            source, mixed_in = (long, decay) if decaying else (short, None)
            canvases = run.canvases and decaying
            own = _step(run, rank, network, objective, source, mixed_in, tokenizer, step, canvases, device)
            updated = [p for p in network.parameters() if p.grad is not None]
            next_token, canvas, asked_to_stop = _sum_over_workers(run, updated, [*own, float(bool(stopping))])
            stop = asked_to_stop > 0
            torch.nn.utils.clip_grad_norm_(updated, 1.0)
            for optimizer, rate in zip(optimizers, rates, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate * learning_rate(progress, step, decay_from)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            step += 1
            _average_in(average, network, step)
            done += run.tokens_per_step
            recent = next_token if not recent else 0.95 * recent + 0.05 * next_token
            speed = (done - at_start) / (time.perf_counter() - began)
            if rank:
                continue
            line = f"step {step}  loss {recent:.3f}  drafts {canvas:.2f}  {speed:,.0f} tok/s"
            bar.update(task, completed=done, description=line)
            if step % 20 == 0 and not shown:
                print(f"{line}  {(run.tokens - done) / speed / 60:.0f} min left", flush=True)
            if step % run.evaluate_every == 0 or done >= run.tokens:
                result = evaluate(average, packed.heldout, tokenizer, device, run.canvases)
                durable.append(run.folder / "log.jsonl", json.dumps({"step": step, "tokens": done, "train": recent, **result}))
                report = f"held out at step {step}: {result}"
                bar.console.print(report) if shown else print(report, flush=True)
            if step % run.save_every == 0:
                save()
        if rank == 0:
            save()


@torch.no_grad()
def _average_in(average: Network, network: Network, step: int) -> None:
    """The average takes in the weights after so many steps: what steps of a high rate overshoot by lies on all sides of it.

    A power function of the step's number, so that neither the run's length nor its beginning matters (Karras et al. 2024).
    """
    share = (AVERAGE_POWER + 1) / (AVERAGE_POWER + step)
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)


def _sum_over_workers(run: Run, updated: Sequence[Tensor], numbers: list[float]) -> list[float]:
    """Replaces each worker's gradients by their sum, and returns the sums of the numbers."""
    if run.workers == 1:
        return numbers
    gradients = [p.grad for p in updated if p.grad is not None]
    buffer = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor(numbers)])
    dist.all_reduce(buffer)
    at = 0
    for gradient in gradients:
        gradient.copy_(buffer[at : at + gradient.numel()].view_as(gradient))
        at += gradient.numel()
    return [float(value) for value in buffer[at:]]


def _finds_compiler() -> bool:
    """Whether torch finds what it compiles with."""
    from torch._inductor import config  # a second, which nobody who does not train waits for

    return any(name and shutil.which(name) for name in config.cpp.cxx)


def _computing_dtype(device: torch.device) -> torch.dtype:
    """Of activations and attention; weights are float32. A CPU without units for bfloat16 is many times slower in it."""
    return fastest_dtype() if device.type == "cpu" else torch.bfloat16


def _step(
    run: Run,
    rank: int,
    network: Network,
    objective: Callable[[Network, Batch, Sight], tuple[Losses, Tensor, Tensor]],
    source: Shuffled,
    mixed_in: Shuffled | None,
    tokenizer: Tokenizer,
    step: int,
    canvases: bool,
    device: torch.device,
) -> tuple[float, float]:
    """Adds up this worker's part of the gradients of one step.

    The windows of a step depend on its number alone, so a resumed run, or one with more workers, sees the same.
    """
    length = source.windows.tokens.shape[1]
    per_step, at_once = run.tokens_per_step // length, max(1, run.tokens_at_once // length)
    batches = math.ceil(per_step / at_once)
    sums = torch.zeros(2, device=device)  # read once a step: each reading waits for the device
    for number in range(rank, batches, run.workers):
        whole = step * batches + number  # of the run, if all of it were like this step
        rng = np.random.default_rng([run.seed, whole])
        chosen, place = (source, whole) if mixed_in is None else interleaved(source, mixed_in, whole)
        rows = chosen.rows(place * at_once, min(at_once, per_step - number * at_once))
        batch = make_batch(chosen.windows, rows, tokenizer, rng, canvases).to(device)
        found, _, _ = objective(network, batch, sight(network, batch, _computing_dtype(device)))
        share = len(rows) / per_step
        (found.total * share).backward()
        sums += torch.stack([found.next_token.detach(), found.canvas.detach()]) * share
    next_token, canvas = sums.tolist()
    return next_token, canvas


@torch.no_grad()
def evaluate(network: Network, heldout: Windows, tokenizer: Tokenizer, device: torch.device, canvases: bool) -> dict[str, float]:
    """Losses on held-out packages, the share of short holes whose greedy text is exact, and of right slots 1 to 4.

    Without canvases there is nothing to say of slots. A hole is exact if each of its tokens and its `<eos>` is the likeliest
    given those before: what greedy decoding writes.
    """
    rng = np.random.default_rng(0)
    totals: list[tuple[float, float, float]] = []
    exact: list[bool] = []
    slots = np.zeros((2, 4))
    for start in range(0, HELDOUT_WINDOWS, 8):
        batch = make_batch(heldout, np.arange(start, start + 8) % len(heldout.tokens), tokenizer, rng, canvases)
        there = batch.to(device)
        found, right, right_slots = losses(network, there, sight(network, there, _computing_dtype(device)))
        totals.append((float(found.next_token), float(found.hole), float(found.canvas)))
        hole = heldout.hole[np.arange(start, start + 8) % len(heldout.tokens)]
        right, right_slots = right.cpu(), right_slots.cpu()
        for row, column in np.argwhere(batch.tokens.numpy() == tokenizer.holes[0]):
            end = column
            while batch.tokens[row, end] != tokenizer.eos:
                end += 1
            if end - column <= 32 and hole[row, column:end].max() == 1:
                exact.append(bool(right[row, column:end].all()))
        offset = batch.slot_positions - torch.gather(batch.positions, 1, batch.anchors.clamp(min=0)) - 1
        for number in range(4):
            here = (offset == number) & (batch.slot_targets >= 0)
            slots[:, number] += int(right_slots[here].sum()), int(here.sum())
    next_token, hole_loss, canvas = (round(float(mean), 4) for mean in np.mean(totals, 0))
    found_text = {"next_token": next_token, "hole": hole_loss, "exact": round(float(np.mean(exact)), 4)}
    if not canvases:
        return found_text
    shares = {f"slot_{n + 1}": round(float(slots[0, n] / max(1, slots[1, n])), 4) for n in range(4)}
    return {**found_text, "canvas": canvas, **shares}


def _keep_freed_memory() -> None:
    """Tells glibc to keep large blocks: each step asks for the same gigabyte again, and mapping it costs 20 %."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        m_mmap_max, m_trim_threshold = -4, -1
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, 2**31 - 1)


def _die_with_parent() -> None:
    """Where the system can, a worker ends when its parent is killed: an orphan would write over a resumed run."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        pr_set_pdeathsig = 1
        prctl(pr_set_pdeathsig, signal.SIGKILL)
