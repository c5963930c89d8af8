"""Pieces of work on several threads: every piece once, errors seen, and alive after a fork."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from drepano.ops.threads import run_in_threads


@pytest.fixture
def threads():
    """Sets PyTorch's number of threads."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def numbers(count):
    return [(number,) for number in range(count)]


@pytest.mark.parametrize("number", [1, 2, 3, 16])
@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 100])
def test_every_piece_is_done_once(threads, number, pieces):
    threads(number)
    done = Counter()
    lock = threading.Lock()

    def work(piece):
        time.sleep(1e-4)
        with lock:
            done[piece] += 1

    run_in_threads(work, numbers(pieces))
    assert done == Counter(range(pieces))


def test_a_piece_is_the_arguments_of_one_call():
    seen = []
    run_in_threads(lambda *piece: seen.append(piece), [(1, "a"), (), (2, "b", None)])
    assert sorted(seen, key=str) == [(), (1, "a"), (2, "b", None)]


def test_with_one_thread_the_caller_does_all_in_order(threads):
    threads(1)
    seen = []
    run_in_threads(lambda piece: seen.append((piece, threading.get_ident())), numbers(5))
    assert seen == [(piece, threading.get_ident()) for piece in range(5)]


@pytest.mark.parametrize("number", [2, 3])
def test_no_more_run_at_once_than_pytorch_has_threads(threads, number):
    threads(number)
    running, most = set(), []

    def work(piece):
        running.add(piece)
        most.append(len(running))
        time.sleep(2e-3)
        running.discard(piece)

    run_in_threads(work, numbers(20))
    assert max(most) <= number
    assert os.cpu_count() == 1 or max(most) >= 2


def test_the_caller_waits_until_the_last_piece_is_done(threads):
    threads(2)
    done = []

    def work(piece):
        time.sleep(0.05 if piece == 0 else 0)
        done.append(piece)

    run_in_threads(work, numbers(2))
    assert sorted(done) == [0, 1]


class TestErrors:
    @pytest.mark.parametrize("number", [1, 2, 3])
    @pytest.mark.parametrize("bad", [0, 7, 19])
    def test_reach_the_caller_whichever_piece_fails(self, threads, number, bad):
        threads(number)

        def work(piece):
            time.sleep(1e-3)
            if piece == bad:
                raise ZeroDivisionError(f"piece {piece}")

        with pytest.raises(ZeroDivisionError, match=f"piece {bad}"):
            run_in_threads(work, numbers(20))

    def test_of_the_helper_reach_the_caller(self, threads):
        threads(2)
        caller = threading.get_ident()

        def work(piece):
            time.sleep(5e-3)
            if threading.get_ident() != caller:
                raise ZeroDivisionError("in another thread")

        with pytest.raises(ZeroDivisionError, match="in another thread"):
            run_in_threads(work, numbers(20))

    def test_do_no_harm_to_what_is_done_next(self, threads):
        threads(3)
        for _ in range(20):
            with pytest.raises(ZeroDivisionError):
                run_in_threads(lambda piece: 1 / 0, numbers(10))
        seen = []
        run_in_threads(lambda piece: seen.append(piece), numbers(10))
        assert sorted(seen) == list(range(10))

    def test_arrive_when_nothing_runs_any_more(self, threads):
        """Else a piece might still write into what its caller has given up."""
        threads(2)
        started, running = threading.Event(), threading.Event()
        caller = threading.get_ident()

        def work(piece):
            if threading.get_ident() == caller:
                started.wait(5)
                raise ZeroDivisionError
            running.set()
            started.set()
            time.sleep(0.05)
            running.clear()

        with pytest.raises(ZeroDivisionError):
            run_in_threads(work, numbers(2))
        assert not running.is_set()


def test_several_callers_at_once_do_not_mix(threads):
    threads(3)

    def call(caller):
        seen = []
        run_in_threads(lambda piece: (time.sleep(1e-4), seen.append((caller, piece))), numbers(25))
        return sorted(seen) == [(caller, piece) for piece in range(25)]

    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(call, range(40)))


def _count_in_child(queue):
    torch.set_num_threads(3)
    seen = []
    run_in_threads(lambda piece: (time.sleep(1e-3), seen.append(piece)), numbers(12))
    queue.put(sorted(seen))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_it_works_in_a_forked_process_though_threads_do_not_live_on_there(threads):
    """Data loaders fork; the parent's helpers are not in the child."""
    threads(3)
    run_in_threads(lambda piece: time.sleep(1e-3), numbers(12))
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    child = fork.Process(target=_count_in_child, args=(queue,))
    child.start()
    child.join(timeout=30)
    if child.exitcode is None:
        child.kill()
        pytest.fail("the child hangs")
    assert child.exitcode == 0
    assert queue.get() == list(range(12))
    seen = []
    run_in_threads(lambda piece: seen.append(piece), numbers(12))
    assert sorted(seen) == list(range(12))
