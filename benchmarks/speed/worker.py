"""One peer in a process of its own: commands on stdin, one JSON line each as the answer on stdout.

Started by `benchmarks.speed`, with the task as JSON. Between two commands the process waits for its input and
takes no time from the others: threads of OpenMP spin for some milliseconds and then sleep (OMP_WAIT_POLICY is
left as it is), those of OpenVINO too, and those of ONNX Runtime stop with the call.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.speed import peers

_FEW_SECONDS = 2.0
_SMALL_SIDE = 64


class Worker:
    """Answers to the commands; each is a method."""

    def __init__(self, task: peers.Task) -> None:
        self._task = task

    def prepare(self) -> dict[str, Any]:
        """Import and build, call for the first time, keep the result in a file, warm up."""
        begin = time.perf_counter()
        self._call = peers.build(self._task)
        built = time.perf_counter()
        result = self._call.run()
        first = time.perf_counter()
        np.save(self._task.file, peers.as_array(result))
        del result
        warm = self._time()
        if warm < _FEW_SECONDS:
            warm = self._time()
        answer = {
            "import_s": built - begin,
            "first_call_s": first - built,
            "warm_s": warm,
            "memory_mb": memory("VmRSS"),
            "first_peak_mb": memory("VmHWM"),
            "note": self._call.note,
        }
        forget_peak()
        return answer

    def run(self, repetitions: str) -> dict[str, Any]:
        """Seconds of every repetition."""
        return {
            "seconds": [self._time() for _ in range(int(repetitions))],
            "peak_mb": memory("VmHWM"),
        }

    def memory(self) -> dict[str, float]:
        """Memory of the first step after one on a small image, which compiles and loads what is needed."""
        peers.build(replace(self._task, side=_SMALL_SIDE, batch=1)).run()
        call = peers.build(self._task)
        forget_peak()
        before = memory("VmRSS")
        begin = time.perf_counter()
        call.run()
        seconds, peak = time.perf_counter() - begin, memory("VmHWM")
        return {"before_mb": before, "peak_mb": peak, "step_mb": peak - before, "seconds": seconds}

    def networks(self) -> dict[str, Any]:
        peers.write_networks(Path(self._task.folder))
        return {}

    def layers(self) -> dict[str, Any]:
        from benchmarks.speed.layers import measure

        return measure(self._task)

    def _time(self) -> float:
        begin = time.perf_counter()
        self._call.run()
        return time.perf_counter() - begin


def memory(field: str) -> float:
    """Memory of this process in MB as Linux counts it: VmRSS now, VmHWM at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def forget_peak() -> None:
    """Let VmHWM begin anew at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    # What libraries print goes to stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = Worker(peers.Task(**json.loads(sys.argv[1])))
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            answer = getattr(worker, command)(*arguments)
        except ImportError as error:
            answer = {"failed": f"cannot be imported ({error})"}
        except Exception as error:
            reason = str(error).strip().splitlines() or [""]
            answer = {"failed": f"{type(error).__name__}: {reason[0]}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
