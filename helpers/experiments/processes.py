"""Many tasks in warm processes, which load their libraries once: one per GPU, or one per core.

Nothing heavy is imported here, so that a worker silences the libraries before they are loaded.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Queue, get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

from helpers.files import LabError, WorkFailed, display_path, one_line
from helpers.files.workers import signals_held_back
from helpers.models.process import prepare_process

PATIENCE = 10  # seconds that an interrupted worker has to end by itself
_stopped = threading.Event()  # in a worker: it was told to end


class Each(Protocol):
    """What does a list of tasks, wherever: on this machine, or elsewhere."""

    def __call__(self, work: Callable[[Any], object], tasks: Sequence[Any], name: str) -> list[str]:
        """Do the work for every task; return why some failed."""


def in_processes(work: Callable[[Any], object], tasks: Sequence[Any], name: str) -> list[str]:
    """Do the work for every task on this machine, behind one bar; return why some failed."""
    from tqdm import tqdm

    if not tasks:
        return []
    # All workers are started at once, each with its own libraries.
    context, places = get_context("spawn"), _places()[: len(tasks)]
    free: Queue = context.Queue()
    for place in places:
        free.put(place)
    theirs, ours = context.Pipe(duplex=False)  # workers see it end when the sweep does
    failed = []
    with ProcessPoolExecutor(
        len(places), mp_context=context, initializer=_warm_up, initargs=(free, theirs)
    ) as pool:
        try:
            with signals_held_back():
                futures = [pool.submit(_do, work, task) for task in tasks]
            for future in tqdm(as_completed(futures), total=len(futures), desc=name):
                if error := future.exception():
                    failed.append(_why(error))
        except KeyboardInterrupt:
            ours.close()
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def _why(error: BaseException) -> str:
    """Return why a task failed, in one line that names no folder of this machine."""
    if isinstance(error, (LabError, WorkFailed)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        named = f"{display_path(error.filename)}: " if isinstance(error.filename, str) else ""
        return f"{named}{error.strerror}."
    return one_line(f"{type(error).__name__}: {error}")


def _places() -> list[str]:
    """Return one name per worker: the number of its GPU, or "" on a CPU, where each has a core."""
    import torch

    if torch.cuda.is_available():
        return [str(number) for number in range(torch.cuda.device_count())]
    return [""] * max(1, os.cpu_count() or 1)


def _warm_up(free: Queue, sweep: Connection) -> None:
    """Prepare a worker: it ends when the sweep ends, with its own GPU or one thread, no bars."""
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    threading.Thread(target=_end_with, args=(sweep,), daemon=True).start()
    os.environ["TQDM_DISABLE"] = "1"
    if place := free.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = _nth_visible(int(place))
    prepare_process()
    import torch

    torch.set_num_threads(1)


def _do(work: Callable[[Any], object], task: Any) -> object:
    """Do one task in a worker; a worker that was stopped begins no other."""
    return None if _stopped.is_set() else work(task)


def _stop(number: int, frame: object) -> None:
    """Interrupt what a worker is doing, once: a run in work marks itself, and the sweep tells."""
    if not _stopped.is_set():
        _stopped.set()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # of crates written in Rust, too
        raise KeyboardInterrupt


def _nth_visible(number: int) -> str:
    """Return the name of the nth GPU that this machine lets us see."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[number] if visible else str(number)


def _end_with(sweep: Connection) -> None:
    """End a worker whose sweep was interrupted or killed: it would wait for tasks for ever."""
    sweep.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)
