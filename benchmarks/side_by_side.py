"""Train the networks of an experiment side by side on one GPU: python benchmarks/side_by_side.py RUN [--help]

RUN is a folder that `drepano compare` or `learning-curve` has begun. A process trains the networks of a
split, of all seeds, a step of each in turn. Those of one seed learn from the same crops, which are drawn once
for all of them in a process beside it. Forward, loss and backward of each network are one CUDA graph on a
stream of its own: a GPU computes such small networks faster than their kernels can be launched one by one,
and several at a time. What is trained is measured in further processes, while the next split is trained.

Networks, crops, losses, schedule and what is logged are those of `drepano.training`; Lightning is left out,
and on a GPU Adam is PyTorch's fused one. On a CPU (no graphs, usual Adam) the weights are, bit by bit, those
that `drepano compare` trains, but for networks with dropout (PSPNet, DeepLabV3+), which share their random
numbers with the others of the process. Folders and results of the jobs are written by drepano itself, so that
the same `drepano compare`, begun again, finds them done and draws its pages.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import io
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from drepano.errors import DrepanoError
from drepano.experiments.jobs import run_job
from drepano.experiments.plan import FIELDS, RESULT, Job, Plan, read_plan
from drepano.experiments.results import read_result
from drepano.experiments.working_copy import open_working_copy
from drepano.io import ensure_writable_folder, write_text
from drepano.methods import create_method
from drepano.taxonomy import Taxonomy
from drepano.training import TrainingConfig
from drepano.training.module import SegmentationModule
from drepano.training.samples import TrainingCrops
from drepano.training.trainer import _SEED_STEP, _VALIDATION_CROPS, CHECKPOINT

fit = importlib.import_module("drepano.training.fit")  # the name in the package is the function's

LOGGED_EVERY = 10
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


Batch = tuple[Tensor, Tensor]
"""Images and marked classes, see `TrainingCrops`."""
Lesson = tuple[int, list[str]]
"""A seed and its methods."""
Trained = tuple[dict[str, Tensor], list[dict[str, float]]]
"""Weights and log."""


class Trainee:
    """One network, its optimiser and its log."""

    def __init__(self, config: TrainingConfig, taxonomy: Taxonomy, device: str) -> None:
        architecture = {"name": config.network, "num_classes": len(taxonomy), **config.network_options}
        self.network: nn.Module = fit._new_network(architecture, config.seed, None)
        self.module = SegmentationModule(self.network, config, taxonomy).to(device)
        self.module.log = self._note
        configured = self.module.configure_optimizers()
        self._optimiser: torch.optim.Adam = configured["optimizer"]
        self._schedule = configured["lr_scheduler"]["scheduler"]
        for group in self._optimiser.param_groups:
            group["fused"] = device == "cuda"
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream() if device == "cuda" else None
        self._loss_of_graph = torch.empty(0)
        self._steps = 0
        self._losses: list[tuple[int, Tensor]] = []
        self._noted: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self._crops = 1
        self.rows: list[dict[str, float]] = []

    def _note(self, name: str, value: Any) -> None:
        self._noted[name].append((float(value), self._crops))

    def _forward_and_backward(self, images: Tensor, marked: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        loss = self.module._loss(self.network(images), marked)
        loss.backward()
        return loss.detach()

    def record(self, images: Tensor, marked: Tensor) -> float:
        """Make the graph, which reads the crops of every step from these tensors.

        Returns how far its gradients are from those without it, relative to the largest.
        """
        state = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.network.zero_grad()
                self._forward_and_backward(images, marked)
        torch.cuda.current_stream().wait_stream(side)
        expected = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        self.network.zero_grad()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._loss_of_graph = self._forward_and_backward(images, marked)
        self._graph.replay()
        found = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        largest = max(gradient.abs().max() for gradient in expected)
        difference = max((a - b).abs().max() for a, b in zip(expected, found, strict=True)) / largest
        self.module.load_state_dict(state)  # batch statistics have moved
        return float(difference)

    def step(self, images: Tensor, marked: Tensor) -> None:
        """On the network's own stream, where it has one: `wait` before the crops or weights are touched."""
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream) if self._stream is not None else nullcontext():
            if self._graph is None:
                self.network.zero_grad()
                loss = self._forward_and_backward(images, marked)
            else:
                self._graph.replay()
                loss = self._loss_of_graph
            self._optimiser.step()
            self._schedule.step()
            self._steps += 1
            if self._steps % LOGGED_EVERY == 0:
                self._losses.append((self._steps - 1, loss.clone()))

    def wait(self) -> None:
        """Let what comes after begin when the network's last step is done."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)

    def log_losses(self, epoch: int) -> None:
        """Those since the last time."""
        for step, loss in self._losses:
            if not torch.isfinite(loss):
                raise ValueError(f"the loss is {float(loss)} at step {step}")
            self.rows.append({"epoch": epoch, "step": step, "train_loss": float(loss)})
        self._losses = []

    def look(self, batches: list[Batch], epoch: int) -> None:
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


class Seminar:
    """The networks of one split and seed, which learn from the same crops."""

    def __init__(self, run: Path, split: str, seed: int, methods: list[str], device: str) -> None:
        plan = read_plan(run)
        self._seed, self._device = Job(methods[0], split, seed).training_seed, device
        training = open_working_copy(run / FIELDS, plan.patients).with_ids(plan.split(split).training)
        changes = {"cell_diameter": training.cell_diameter, "seed": self._seed}
        configs = [create_method(name, plan.budget).config.model_copy(update=changes) for name in methods]
        self.config: TrainingConfig = configs[0]
        for name in SHARED:
            if len({getattr(one, name) for one in configs}) > 1:
                raise ValueError(
                    f"{', '.join(methods)} differ in {name} and cannot learn from the same crops"
                )
        self._epoch = min(self.config.validate_every, self.config.steps)

        binary = plan.class_taxonomy.classes != training.taxonomy.classes
        taxonomy = fit._common_taxonomy([training], binary)
        (fields,), _ = fit._read_fields([training], self.config, binary, lambda *_: None)
        kept, held_out = fit._split(training, self.config)
        self._fields = [fields[index] for index in kept]
        watched = TrainingCrops(
            [[fields[index] for index in held_out]],
            self.config.crop_size,
            _VALIDATION_CROPS,
            self._seed,
            augment=False,
        )
        self._looks = list(self._batches(watched)) if held_out else []
        self.trainees = {
            name: Trainee(one, taxonomy, device) for name, one in zip(methods, configs, strict=True)
        }
        self._shown: Batch | None = None  # where graphs read the crops of every step

    def _batches(self, crops: TrainingCrops) -> Iterator[Batch]:
        on_gpu = self._device == "cuda"
        loader = DataLoader(
            crops,
            self.config.batch_size,
            num_workers=1 if on_gpu else 0,
            prefetch_factor=8 if on_gpu else None,
        )
        for images, marked in loader:
            if on_gpu:
                images, marked = images.pin_memory(), marked.pin_memory()
            yield images.to(self._device, non_blocking=True), marked.to(self._device, non_blocking=True)

    def step(self, number: int) -> None:
        """Step `number` of every network, and what belongs behind it at the end of an epoch."""
        current, within = divmod(number, self._epoch)
        if within == 0:
            self._begin_epoch(current)
        batch = next(self._crops)
        if self._shown is None:
            self._shown = batch
            for name, trainee in self.trainees.items() if self._device == "cuda" else ():
                difference = trainee.record(*self._shown)
                if not difference <= LARGEST_DIFFERENCE and name not in WITH_DROPOUT:
                    raise ValueError(f"{name}: gradients of its graph differ by {difference:.1g}")
        for trainee in self.trainees.values():
            trainee.wait()
        for shown, drawn in zip(self._shown, batch, strict=True):
            shown.copy_(drawn)
        for trainee in self.trainees.values():
            trainee.step(*self._shown)
        if within + 1 == self._epoch or number + 1 == self.config.steps:
            for trainee in self.trainees.values():
                trainee.wait()
                trainee.log_losses(current)
        if within + 1 == self._epoch and self._looks:
            for trainee in self.trainees.values():
                trainee.look(self._looks, current)

    def _begin_epoch(self, current: int) -> None:
        torch.manual_seed(self._seed + _SEED_STEP * current)
        count = self._epoch * self.config.batch_size
        self._crops = self._batches(
            TrainingCrops(
                [self._fields],
                self.config.crop_size,
                count,
                self._seed,
                start=current * count,
                augment=self.config.augment,
            )
        )


def train(run: Path, split: str, lessons: list[Lesson], device: str) -> dict[Job, Trained]:
    """Weights and log of every network of a split."""
    seminars = {seed: Seminar(run, split, seed, methods, device) for seed, methods in lessons}
    steps = next(iter(seminars.values())).config.steps
    for number in range(steps):
        if number == 1:
            begin = time.perf_counter()
        for seminar in seminars.values():
            seminar.step(number)
        if number and number % max(1, steps // 20) == 0:
            each = (time.perf_counter() - begin) / number
            sys.stdout.write(
                f"{split}: {number} of {steps} steps, {each * 1e3:.1f} ms for one of all networks\n"
            )
            sys.stdout.flush()
    return {
        Job(name, split, seed): (
            {key: tensor.cpu() for key, tensor in trainee.network.state_dict().items()},
            trainee.rows,
        )
        for seed, seminar in seminars.items()
        for name, trainee in seminar.trainees.items()
    }


def finish(
    run: Path, job: Job, weights: dict[str, Tensor], rows: list[dict[str, float]], crops: Path | None
) -> None:
    """Let drepano write the job's folder, and measure it, with a network that has learned already."""

    def take_over(
        network: nn.Module, config: Any, taxonomy: Any, groups: Any, held_out: Any, folder: Path, *_: Any
    ) -> None:
        network.load_state_dict(weights)
        table = io.StringIO()
        writer = csv.DictWriter(table, sorted({name for row in rows for name in row}))
        writer.writeheader()
        writer.writerows(rows)
        logs = folder / "logs" / "version_0"
        ensure_writable_folder(logs)
        write_text(logs / "metrics.csv", table.getvalue())
        ensure_writable_folder(folder / CHECKPOINT.parent)

    fit.run_trainer = take_over
    run_job(run, job, crops)
    path = job.folder(run) / RESULT
    write_text(path, json.dumps({**read_result(path), "fit_seconds": None}))


def _names(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(given: argparse.Namespace) -> int:
    plan = read_plan(given.run)
    if plan.crops is not None and given.crops is None:
        raise DrepanoError(f"{given.run}: has single crops ({plan.crops}); add --crops FOLDER")
    context, one_thread = get_context("spawn"), (torch.set_num_threads, (1,))
    running: dict[Future[Any], str] = {}
    failed = 0
    with (
        ProcessPoolExecutor(given.processes, context, *one_thread) as trainers,
        ProcessPoolExecutor(given.measuring, context, *one_thread) as measurers,
    ):
        for methods in given.methods:
            for split, lessons in _lessons(plan, given, methods).items():
                future = trainers.submit(train, given.run, split, lessons, given.device)
                running[future] = f"{split}, {', '.join(methods)}"
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                what = running.pop(future)
                error = future.exception()
                if error is not None:
                    failed += 1
                    sys.stderr.write(f"failed: all of {what}: {type(error).__name__}: {error}\n")
                    continue
                for job, trained in (future.result() or {}).items():
                    measured = measurers.submit(finish, given.run, job, *trained, given.crops)
                    running[measured] = f"{job.split}, seed {job.seed}, {job.method}: measured"
                sys.stdout.write(f"{what}\n")
                sys.stdout.flush()
    return 1 if failed else 0


def _lessons(plan: Plan, given: argparse.Namespace, methods: list[str]) -> dict[str, list[Lesson]]:
    """Of every split what is not done yet."""
    waiting: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for job in plan.jobs(methods, given.seeds, given.one_seed):
        if not job.is_done(given.run):
            waiting[job.split][job.seed].append(job.method)
    return {split: list(seeds.items()) for split, seeds in waiting.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument(
        "--methods",
        type=_names,
        action="append",
        required=True,
        help="networks, trained together; those of a further --methods come after",
    )
    parser.add_argument("--seeds", type=_numbers, default=[0])
    parser.add_argument("--one-seed", type=_names, default=[], help="methods that get the first seed only")
    parser.add_argument("--crops", type=Path, help="xu2017, where the experiment has single crops")
    parser.add_argument("--processes", type=int, default=4, help="that train, a split each (4)")
    parser.add_argument("--measuring", type=int, default=8, help="processes that measure (8)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    try:
        sys.exit(main(parser.parse_args()))
    except DrepanoError as error:
        sys.exit(f"error: {error}")
