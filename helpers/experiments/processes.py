"""Many tasks in warm processes, which load their libraries once: one per GPU, or one per core.

Nothing heavy is imported here, so that a worker silences the libraries before they are loaded.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Queue, get_context, parent_process
from typing import Any, Protocol

from helpers.files import LabError, WorkFailed
from helpers.models.process import prepare_process


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
    failed = []
    with ProcessPoolExecutor(
        len(places), mp_context=context, initializer=_warm_up, initargs=(free,)
    ) as pool:
        futures = [pool.submit(work, task) for task in tasks]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc=name):
                if error := future.exception():
                    told = isinstance(error, (LabError, WorkFailed))
                    failed.append(str(error) if told else f"{type(error).__name__}: {error}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _places() -> list[str]:
    """Return one name per worker: the number of its GPU, or "" on a CPU, where each has a core."""
    import torch

    if torch.cuda.is_available():
        return [str(number) for number in range(torch.cuda.device_count())]
    return [""] * max(1, os.cpu_count() or 1)


def _warm_up(free: Queue) -> None:
    """Prepare a worker: it ends when the sweep ends, with its own GPU or one thread, no bars."""
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    os.environ["TQDM_DISABLE"] = "1"
    if place := free.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = _nth_visible(int(place))
    prepare_process()
    import torch

    torch.set_num_threads(1)


def _nth_visible(number: int) -> str:
    """Return the name of the nth GPU that this machine lets us see."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[number] if visible else str(number)


def _end_with_the_sweep() -> None:
    """End a worker whose sweep was killed: it would wait for its next task for ever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
