"""Independent pieces of work on as many threads as PyTorch uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import torch


def run_in_threads(work: Callable[..., None], pieces: Sequence[tuple]) -> None:
    """Call ``work(*piece)`` for all pieces on ``torch.get_num_threads()`` threads, this one included.

    Whoever is free takes the next piece. For work that gives up Python's lock, as compiled kernels do.
    """
    waiting = iter(pieces)

    def take() -> None:
        for piece in waiting:
            work(*piece)

    helpers = min(torch.get_num_threads(), len(pieces)) - 1
    pending = [_pool().submit(take) for _ in range(helpers)]
    try:
        take()
    finally:
        # Who has not begun by now finds nothing left; waiting for such a one could wait for itself.
        running = [done for done in pending if not done.cancel()]
        wait(running)
    for done in running:
        done.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="drepano")


if hasattr(os, "register_at_fork"):
    # Threads do not live on in a forked process, as PyTorch's data loaders start them.
    os.register_at_fork(after_in_child=_pool.cache_clear)
