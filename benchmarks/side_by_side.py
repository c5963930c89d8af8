"""Train the networks of an experiment side by side on one GPU: python benchmarks/side_by_side.py RUN [--help]

RUN is a folder that `drepano compare` or `learning-curve` has begun. The networks of one split and seed learn
from the same crops, so one process draws them once for all of its networks, and forward, loss and backward of
each are one CUDA graph with a stream of its own: a GPU computes such small networks faster than their kernels
can be launched one by one, and several at a time.

Networks, crops, losses, schedule and what is logged are those of `drepano.training`; Lightning is left out,
and on a GPU Adam is PyTorch's fused one. On a CPU (no graphs, usual Adam) the weights are, bit by bit, those
that `drepano compare` trains, but for networks with dropout (PSPNet, DeepLabV3+), which share their random
numbers with the others of the process. Folders and results of the jobs are written by drepano itself, so that
the same `drepano compare`, begun again, finds them done and draws its pages.

Where it was killed it goes on, begun again with the same methods, on the same machine or another:
RUN/side-by-side/ keeps what all networks of a split and seed are, at looks at the inner validation fields,
until they are measured. Small networks that a GPU has trained can be measured elsewhere: name them with
--measure-later, copy RUN/, and begin again there with these methods and --device cpu.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import inf
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from drepano.errors import DrepanoError
from drepano.experiments.job import TRAINING, measure_job
from drepano.experiments.jobs import JOB_LOCK, end_with_parent
from drepano.experiments.plan import FIELDS, Job, read_plan
from drepano.experiments.working_copy import open_working_copy
from drepano.io import atomic_path, ensure_writable_folder, hold, write_text
from drepano.methods import create_method
from drepano.taxonomy import Taxonomy
from drepano.training import TrainingConfig
from drepano.training import run as training_run
from drepano.training.class_weights import class_weights
from drepano.training.module import SegmentationModule
from drepano.training.samples import PreparedField, TrainingCrops
from drepano.training.trainer import CHECKPOINT, begin_epoch, steps_of_epoch, watched_crops

UNFINISHED = "side-by-side"
LOGGED_EVERY = 10
KEPT_EVERY = 300
"""Least seconds between two times that what networks are is written down; large ones' is, slowly."""
LARGEST_DIFFERENCE = 1e-2
"""Of gradients of a graph from those without it, relative to the largest; dropout changes them at random."""
WITH_DROPOUT = ("pspnet", "deeplabv3plus")
SHARED = (
    "steps",
    "batch_size",
    "crop_size",
    "augment",
    "validate_every",
    "normalisation",
    "validation_share",
)
"""Settings that the networks of a process must have in common."""


class Trainee:
    """One network, its optimiser and its log."""

    def __init__(
        self, config: TrainingConfig, taxonomy: Taxonomy, fields: list[PreparedField], device: str
    ) -> None:
        architecture = {"name": config.network, "num_classes": len(taxonomy), **config.network_options}
        self.network: nn.Module = training_run.new_network(architecture, config.seed, None)
        weights = class_weights(config, [fields], len(taxonomy))
        self.module = SegmentationModule(self.network, config, taxonomy, weights).to(device)
        self.module.log = self._note
        self.config = config.model_dump()
        self.versions = training_run.versions()
        configured = self.module.configure_optimizers()
        self._optimiser: torch.optim.Adam = configured["optimizer"]
        self._schedule = configured["lr_scheduler"]["scheduler"] if "lr_scheduler" in configured else None
        self._fused = device == "cuda"
        for group in self._optimiser.param_groups:
            group["fused"] = self._fused
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream() if device == "cuda" else None
        self._loss_of_graph = torch.empty(0)
        self._steps = 0
        self._losses: list[tuple[int, Tensor]] = []
        self._noted: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self._crops = 1
        self.rows: list[dict[str, float]] = []

    @property
    def has_ended(self) -> bool:
        return self._steps == self.config["steps"]

    def state(self) -> dict[str, Any]:
        """What `go_on_from` needs."""
        return {
            "config": self.config,
            "versions": self.versions,
            "weights": self.network.state_dict(),
            "optimiser": None if self.has_ended else self._optimiser.state_dict(),
            "schedule": None if self._schedule is None else self._schedule.state_dict(),
            "steps": self._steps,
            "rows": self.rows,
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["weights"])
        if state["optimiser"] is not None:
            for group in state["optimiser"]["param_groups"]:
                group["fused"] = self._fused  # of this machine, not of the one that kept it
            self._optimiser.load_state_dict(state["optimiser"])
        if self._schedule is not None:
            self._schedule.load_state_dict(state["schedule"])
        self._steps, self.rows, self.versions = state["steps"], state["rows"], state["versions"]

    def _note(self, name: str, value: Any) -> None:
        self._noted[name].append((float(value), self._crops))

    def _forward_and_backward(self, images: Tensor, marked: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        loss = self.module.loss(self.network(images), marked)
        loss.backward()
        return loss.detach()

    def record(self, images: Tensor, marked: Tensor) -> list[Tensor]:
        """Make the graph, which reads the crops of every step from these tensors.

        Returns the gradients without it.
        """
        assert self._stream is not None
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(3):
                self.network.zero_grad()
                self._forward_and_backward(images, marked)
        self.wait()
        expected = self._gradients()
        self.network.zero_grad()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
            self._loss_of_graph = self._forward_and_backward(images, marked)
        return expected

    def difference_from(self, expected: list[Tensor]) -> float:
        """How far the gradients are from those expected, relative to the largest."""
        largest = max(gradient.abs().max() for gradient in expected)
        differences = torch.stack(
            [(found - one).abs().max() for found, one in zip(self._gradients(), expected, strict=True)]
        )
        return float(differences.max() / largest)  # NaN where one is: Python's max would pass over it

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]

    def replay(self) -> None:
        """The graph, begun: what needs its gradients has to `wait`."""
        assert self._stream is not None and self._graph is not None
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._graph.replay()

    def step(self, images: Tensor, marked: Tensor) -> None:
        """Begun, on a GPU; ended when what was begun before `wait` is."""
        if self._graph is None:
            self.network.zero_grad()
            loss = self._forward_and_backward(images, marked)
        else:
            self.replay()
            loss = self._loss_of_graph
        with torch.cuda.stream(self._stream):
            self._optimiser.step()
            if self._schedule is not None:
                self._schedule.step()
            self._steps += 1
            if self._steps % LOGGED_EVERY == 0:
                self._losses.append((self._steps - 1, loss.clone()))

    def wait(self) -> None:
        """Let what the GPU is given after this begin when the step is done."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)

    def log_losses(self, epoch: int) -> None:
        """Those since the last time."""
        for step, loss in self._losses:
            if not torch.isfinite(loss):
                raise ValueError(f"the loss is {float(loss)} at step {step}")
            self.rows.append({"epoch": epoch, "step": step, "train_loss": float(loss)})
        self._losses = []

    def look(self, batches: list[tuple[Tensor, Tensor]], epoch: int) -> None:
        """Log what the inner validation fields say."""
        self._noted.clear()
        self.network.eval()
        with torch.no_grad():
            self.module.on_validation_epoch_start()
            for index, batch in enumerate(batches):
                self._crops = len(batch[0])
                self.module.validation_step(batch, index)
            self.module.on_validation_epoch_end()
        self.network.train()
        means = {
            name: sum(value * crops for value, crops in noted) / sum(crops for _, crops in noted)
            for name, noted in self._noted.items()
        }
        self.rows.append({"epoch": epoch, "step": self._steps - 1, **means})


def train(run: Path, split: str, seed: int, methods: list[str], device: str) -> dict[str, Trainee]:
    """The trained network of every method, on the CPU, and its log."""
    plan, training_seed = read_plan(run), Job(methods[0], split, seed).training_seed
    training = open_working_copy(run / FIELDS, plan.patients).with_ids(plan.split(split).training)
    changes = {"cell_diameter": training.cell_diameter, "seed": training_seed}
    configs = [create_method(name, plan.budget).config.model_copy(update=changes) for name in methods]
    config = configs[0]
    for name in SHARED:
        if len({getattr(one, name) for one in configs}) > 1:
            raise ValueError(f"{', '.join(methods)} differ in {name} and cannot learn from the same crops")

    binary = plan.class_taxonomy.classes != training.taxonomy.classes
    taxonomy = training_run.common_taxonomy([training], binary)
    (fields,), _ = training_run.read_fields([training], config, binary, lambda *_: None)
    indices, held_out = training_run.inner_split(training, config)
    kept = [fields[index] for index in indices]
    size, epoch = config.batch_size, steps_of_epoch(config)

    def batch(crops: TrainingCrops, first: int) -> tuple[Tensor, Tensor]:
        last = min(first + size, len(crops))
        images, marked = default_collate([crops[index] for index in range(first, last)])
        return images.to(device), marked.to(device)

    watched = watched_crops([[fields[index] for index in held_out]], config)
    looks = [batch(watched, first) for first in range(0, len(watched), size)] if held_out else []
    trainees = {
        name: Trainee(one, taxonomy, kept, device) for name, one in zip(methods, configs, strict=True)
    }
    unfinished = unfinished_file(run, split, seed)
    begin, last_kept = _go_on_from(unfinished, trainees), -inf
    for number in range(begin, config.steps):
        current, within = divmod(number, epoch)
        if within == 0:
            crops = begin_epoch([kept], config, current)
        images, marked = batch(crops, within * size)
        if number == begin:
            shown = images, marked  # where graphs read every step's
            if device == "cuda":
                _record(trainees, *shown)
        shown[0].copy_(images)
        shown[1].copy_(marked)
        for trainee in trainees.values():
            trainee.step(*shown)
        for trainee in trainees.values():
            trainee.wait()
        if within + 1 == epoch or number + 1 == config.steps:
            for trainee in trainees.values():
                trainee.log_losses(current)
                if within + 1 == epoch and looks:
                    trainee.look(looks, current)
            if number + 1 == config.steps or time.monotonic() - last_kept >= KEPT_EVERY:
                _keep(unfinished, trainees)
                last_kept = time.monotonic()
            sys.stdout.write(f"{split}, seed {seed}: {number + 1} of {config.steps} steps\n")
            sys.stdout.flush()
    for trainee in trainees.values():
        trainee.network.cpu()
    return trainees


def _record(trainees: dict[str, Trainee], images: Tensor, marked: Tensor) -> None:
    """Graphs of all networks, whose gradients, all at a time, are those of each alone without a graph."""
    states = {
        name: {key: value.clone() for key, value in trainee.module.state_dict().items()}
        for name, trainee in trainees.items()
    }
    expected = {name: trainee.record(images, marked) for name, trainee in trainees.items()}
    for _ in range(3):
        for trainee in trainees.values():
            trainee.replay()
    for name, trainee in trainees.items():
        trainee.wait()
        difference = trainee.difference_from(expected[name])
        if not difference <= LARGEST_DIFFERENCE and name not in WITH_DROPOUT:
            raise ValueError(f"{name}: gradients of its graph differ by {difference:.1g}")
        trainee.module.load_state_dict(states[name])  # batch statistics have moved


def unfinished_file(run: Path, split: str, seed: int) -> Path:
    """What networks of a split and seed were at a look, those that are not measured yet."""
    return run / UNFINISHED / f"{split}-seed-{seed}.pt"


def _keep(unfinished: Path, trainees: dict[str, Trainee]) -> None:
    with atomic_path(unfinished) as path:
        torch.save({name: trainee.state() for name, trainee in trainees.items()}, path)


def _go_on_from(unfinished: Path, trainees: dict[str, Trainee]) -> int:
    """Steps that are done already: all networks', trained with the same settings, or none."""
    ensure_writable_folder(unfinished.parent)
    if not unfinished.is_file():
        return 0
    try:
        states = torch.load(unfinished, map_location="cpu", weights_only=True)
        ended = [name for name, state in states.items() if state["optimiser"] is None]
        if ended and any(name not in states for name in trainees):
            raise DrepanoError(
                f"{unfinished}: keeps what {', '.join(ended)} learned; have these measured first, alone"
            )
        if any(name not in states or states[name]["config"] != one.config for name, one in trainees.items()):
            return 0
        for name, trainee in trainees.items():
            trainee.go_on_from(states[name])
    except (
        OSError,
        RuntimeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise DrepanoError(f"{unfinished}: cannot be gone on from; delete it to begin anew") from error
    (steps,) = {states[name]["steps"] for name in trainees}
    return int(steps)


def finish(run: Path, job: Job, trainee: Trainee, crops: Path | None) -> bool:
    """Let drepano write the job's folder, and measure it, with a network that has learned already.

    False if another run of the experiment is at the job.
    """
    plan, folder = read_plan(run), job.folder(run)
    training = open_working_copy(run / FIELDS, plan.patients).with_ids(plan.split(job.split).training)
    method: Any = create_method(job.method, plan.budget)

    def take_over(
        network: nn.Module, config: Any, taxonomy: Any, groups: Any, held_out: Any, folder: Path, *_: Any
    ) -> None:
        network.load_state_dict(trainee.network.state_dict())
        table = io.StringIO()
        writer = csv.DictWriter(table, sorted({name for row in trainee.rows for name in row}))
        writer.writeheader()
        writer.writerows(trainee.rows)
        logs = folder / "logs" / "version_0"
        ensure_writable_folder(logs)
        write_text(logs / "metrics.csv", table.getvalue())
        ensure_writable_folder(folder / CHECKPOINT.parent)
        write_text(folder / training_run.VERSIONS, json.dumps(trainee.versions, indent=2))

    ensure_writable_folder(folder)
    with hold(folder / JOB_LOCK, wait=False) as held:
        if not held:
            return False
        if not job.is_done(run):
            trained = method.fit(
                training,
                plan.class_taxonomy,
                folder / TRAINING,
                job.training_seed,
                progress=lambda *_: None,
                optimise=take_over,
            )
            measure_job(run, job, method, trained, fit_seconds=None, crops=crops)
    return True


def train_and_measure(
    run: Path,
    split: str,
    seed: int,
    methods: list[str],
    device: str,
    crops: Path | None,
    later: Sequence[str] = (),
) -> str:
    """What the methods in `later`, and those that another run is at, have learned is kept, not measured."""
    begin = time.perf_counter()
    trainees = train(run, split, seed, methods, device)
    left = {
        method: trainee
        for method, trainee in trainees.items()
        if method in later or not finish(run, Job(method, split, seed), trainee, crops)
    }
    unfinished = unfinished_file(run, split, seed)
    if left:
        _keep(unfinished, left)
    else:
        unfinished.unlink(missing_ok=True)
    kept = f", not measured: {', '.join(left)}" if left else ""
    return f"{split}, seed {seed}: {', '.join(methods)} in {time.perf_counter() - begin:.0f} s{kept}"


def _begin_process() -> None:
    """One thread, and an end with the process that began it."""
    torch.set_num_threads(1)
    end_with_parent()


def _names(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(given: argparse.Namespace) -> int:
    plan = read_plan(given.run)
    unknown = [name for name in given.measure_later if name not in given.methods]
    if unknown:
        raise DrepanoError(f"--measure-later {', '.join(unknown)}: is not among --methods")
    if plan.crops is not None and given.crops is None:
        raise DrepanoError(f"{given.run}: has single crops ({plan.crops}); add --crops FOLDER")
    waiting: dict[tuple[str, int], list[str]] = defaultdict(list)
    for job in plan.jobs(given.methods, given.seeds, given.one_seed):
        if not job.is_done(given.run):
            waiting[job.split, job.seed].append(job.method)
    failed = 0
    with ProcessPoolExecutor(given.processes, get_context("spawn"), _begin_process) as pool:
        running = {
            pool.submit(
                train_and_measure,
                given.run,
                *key,
                methods,
                given.device,
                given.crops,
                given.measure_later,
            ): key
            for key, methods in waiting.items()
        }
        for future in as_completed(running):
            try:
                sys.stdout.write(f"{future.result()}\n")
            except Exception as error:
                failed += 1
                split, seed = running[future]
                sys.stderr.write(f"failed: {split}, seed {seed}: {type(error).__name__}: {error}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--methods", type=_names, required=True, help="networks only")
    parser.add_argument("--seeds", type=_numbers, default=[0])
    parser.add_argument("--one-seed", type=_names, default=[], help="methods that get the first seed only")
    parser.add_argument("--measure-later", type=_names, default=[], help="methods that are trained only")
    parser.add_argument("--crops", type=Path, help="xu2017, where the experiment has single crops")
    parser.add_argument("--processes", type=int, default=16, help="a split and seed each")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    try:
        sys.exit(main(parser.parse_args()))
    except DrepanoError as error:
        sys.exit(f"error: {error}")
