"""Work in processes of its own, which leave Ctrl-C to the one that started them and end with it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def map_in_workers(
    work: Callable[[Item], Made], items: Sequence[Item], *, share: int = 64
) -> Iterator[Made]:
    """Yield what `work` makes of each item, in their order, from as many workers as there are
    cores; few items are done here, because a worker takes a second to start.

    Args:
        work: a function that a fresh process can import.
        share: items that a worker takes at a time.
    """
    workers = min(count_cores(), len(items) // (4 * share))
    if workers < 2:
        yield from map(work, items)
        return
    # Fresh processes: a fork of one that runs threads of torch could hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            with signals_held_back():
                made = pool.map(work, items, chunksize=share)
            yield from made
        except BaseException:  # an interruption, too, must not wait for what is left to do
            pool.shutdown(cancel_futures=True)
            raise


def count_cores() -> int:
    """Count the cores that this process may use, or where the system does not say (macOS), all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return min(os.cpu_count() or 1, 61)  # Windows cannot wait for more processes at once


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back Ctrl-C and `kill` while workers start.

    They inherit it, so that a terminal's Ctrl-C reaches the parent alone, and no worker reports in
    a traceback what it was just importing.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End a worker whose parent was killed: it would wait for work for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if parent := multiprocessing.parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)
