"""Time and memory of dU-Net and U-Net, ours and others': python -m benchmarks.speed --out FILE.json [--quick]

Every peer runs in a process of its own (`worker.py`). All are prepared first, then they take turns, A B A B,
so that whatever else the machine does meets all of them. The file is written after every part, and a table
beside it. Caches of compiled code begin empty. Linux only: memory and processor are read from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmarks.speed.machine import ROOT, conditions, cores
from benchmarks.speed.peers import OUR_UNET, OURS, PEERS, Task
from benchmarks.speed.tables import as_markdown, as_text

from drepano.io import write_text

ONNX_RUNTIME, OPENVINO = "dU-Net, ONNX Runtime", "dU-Net, OpenVINO f32"
GRID_SAMPLE, TORCHVISION = "dU-Net, grid_sample", "dU-Net, torchvision"

TURN_S = 1.0
"""A peer repeats its call for about this long in its turn, at least once."""
MOST_REPETITIONS = 20
PEER_LIMIT_S = 240.0
"""After so long in its turns a peer has none any more."""
COMMAND_LIMIT_S = 900.0
"""A worker that does not answer for so long is ended and listed as too slow."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    side: int = 512
    rounds: int = 7
    few_rounds: int = 3
    sides: Sequence[int] = (256, 512, 1024, 2048)
    threads: Sequence[int] = (1, 2)
    memory_batch: int = 4


QUICK = Plan(side=64, rounds=2, few_rounds=2, sides=(64, 128))


class Failed(Exception):
    """A worker could not do what it was told."""


class Worker:
    """A process that holds one peer."""

    def __init__(self, task: Task, caches: Path) -> None:
        environment = os.environ | {
            "NUMBA_CACHE_DIR": str(caches / "numba"),
            "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        }
        environment.pop("DREPANO_KERNEL", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.worker", json.dumps(asdict(task))],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        limit = threading.Timer(COMMAND_LIMIT_S, self._process.kill)
        limit.start()
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            in_time = limit.is_alive()
            limit.cancel()
        if not line:
            raise Failed("its process ended" if in_time else f"took more than {COMMAND_LIMIT_S:.0f} s")
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer

    def close(self) -> None:
        self._process.communicate()


class Benchmark:
    """Runs the parts one after the other and keeps what they gave."""

    def __init__(self, plan: Plan, out: Path, folder: Path) -> None:
        self._plan, self._out, self._folder = plan, out, folder
        self._results: dict[str, Any] = {"conditions": conditions(), "plan": asdict(plan)}

    def run(self) -> dict[str, Any]:
        plan, ours, threads = self._plan, [OURS, OUR_UNET], cores()
        some_work = self._task("forward", OURS, plan.side, threads)
        with self._worker(some_work, "networks") as worker:
            worker.ask("networks")
        for work, peers in PEERS.items():
            self._keep(work, self._compare(work, list(peers), plan.side, threads, plan.rounds))
        self._keep("memory", self._memory([*ours, GRID_SAMPLE, TORCHVISION]))
        self._keep("first call", self._first_calls())
        with self._worker(some_work, "forward") as worker:
            self._results |= worker.ask("layers")
        sizes: dict[str, Any] = {}
        for side in plan.sides:
            peers = [*ours, GRID_SAMPLE, OPENVINO]
            sizes[str(side)] = self._compare("forward", peers, side, threads, plan.few_rounds)
            self._keep("sizes", sizes)
        by_threads: dict[str, Any] = {}
        for work, peers in (("forward", [*ours, ONNX_RUNTIME, OPENVINO]), ("training step", ours)):
            by_threads[work] = {
                str(count): self._compare(work, peers, plan.side, count, plan.few_rounds)
                for count in plan.threads
            }
            self._keep("threads", by_threads)
        return self._results

    def _compare(
        self, work: str, peers: Sequence[str], side: int, threads: int, rounds: int
    ) -> dict[str, dict[str, Any]]:
        """All repetitions of all peers, one list a round, and how their first results differ from ours."""
        say(f"{work}, {side} px, {threads} threads")
        tasks = {peer: self._task(work, peer, side, threads) for peer in peers}
        rows: dict[str, dict[str, Any]] = {}
        with ExitStack() as stack:
            workers = {}
            for peer in peers:
                workers[peer] = stack.enter_context(self._worker(tasks[peer], work))
                try:
                    rows[peer] = workers[peer].ask("prepare") | {"seconds": []}
                except Failed as error:
                    rows[peer] = {"failed": str(error)}
                    say(f"  {peer}: {error}")
                    continue
                ours = tasks[f"{peer.split(',')[0]}, ours"]
                rows[peer]["difference"] = difference(tasks[peer].file, ours.file)
                say(f"  {peer}: {1000 * rows[peer]['warm_s']:.1f} ms")
            for _ in range(rounds):
                for peer, row in rows.items():
                    if "failed" in row or sum(map(sum, row["seconds"])) > PEER_LIMIT_S:
                        continue
                    repetitions = min(MOST_REPETITIONS, max(1, round(TURN_S / row["warm_s"])))
                    try:
                        answer = workers[peer].ask(f"run {repetitions}")
                    except Failed as error:
                        row["failed"] = str(error)
                        continue
                    row["seconds"].append(answer["seconds"])
                    row["peak_mb"] = answer["peak_mb"]
        for row in rows.values():
            if times := list(chain.from_iterable(row.get("seconds", []))):
                row.update(median_s=median(times), smallest_s=min(times))
        return rows

    def _memory(self, peers: Sequence[str]) -> dict[str, dict[str, Any]]:
        say(f"memory of a training step, batch {self._plan.memory_batch}")
        rows: dict[str, dict[str, Any]] = {}
        for peer in peers:
            task = self._task("training step", peer, self._plan.side, cores(), self._plan.memory_batch)
            with self._worker(task, task.work) as worker:
                try:
                    rows[peer] = worker.ask("memory")
                except Failed as error:
                    rows[peer] = {"failed": str(error)}
            say(f"  {peer}: {rows[peer]}")
        return rows

    def _first_calls(self) -> list[dict[str, Any]]:
        """Ours in a new process, first with empty caches, then with what the first one left there."""
        say("first call")
        rows = []
        for work in PEERS:
            for cache in ("empty", "filled"):
                task = self._task(work, OURS, self._plan.side, cores())
                with self._worker(task, f"first {work}") as worker:
                    rows.append({"work": work, "cache": cache} | worker.ask("prepare"))
        return rows

    def _task(self, work: str, peer: str, side: int, threads: int, batch: int = 1) -> Task:
        file = self._folder / f"{work}, {side} px, {threads} threads, {peer}.npy"
        return Task(work, peer, side, threads, batch, str(self._folder), str(file))

    @contextmanager
    def _worker(self, task: Task, caches: str) -> Iterator[Worker]:
        # Without spaces: the compiler that torch.compile calls does not like them.
        worker = Worker(task, self._folder / "caches" / caches.replace(" ", "-"))
        try:
            yield worker
        finally:
            worker.close()

    def _keep(self, part: str, result: Any) -> None:
        self._results[part] = result
        write_text(self._out, json.dumps(self._results, indent=1) + "\n")
        write_text(self._out.with_suffix(".md"), as_markdown(self._results))


def difference(theirs: str, ours: str) -> float | None:
    """Largest difference of two results, against the largest number of ours; None if ours is missing."""
    if not Path(ours).exists():
        return None
    their_result, our_result = np.load(theirs), np.load(ours)
    return float(np.abs(their_result - our_result).max() / np.abs(our_result).max())


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file; the table goes beside it as .md")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that everything runs")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        results = Benchmark(QUICK if arguments.quick else Plan(), arguments.out, Path(folder)).run()
    sys.stdout.write(as_text(results))


if __name__ == "__main__":
    main()
