"""Warm workers for many experiments: processes that load their libraries once.

On a CPU there is one per core, with one thread each; on a GPU there is one. Nothing heavy is
imported here, so that a worker silences the libraries before they are loaded.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process

from helpers.files import LabError, WorkFailed, fingerprint
from helpers.models.process import prepare_process


def in_workers(work: Callable, tasks: Sequence[tuple], name: str) -> list[str]:
    """Do all tasks in warm workers behind one bar; returns why some failed."""
    from tqdm import tqdm

    tasks = list({fingerprint(task): task for task in tasks}.values())
    failed = []
    with ProcessPoolExecutor(
        _count_workers(), mp_context=get_context("spawn"), initializer=_warm_up
    ) as pool:
        futures = [pool.submit(work, *task) for task in tasks]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc=name):
                if future.exception():
                    error = future.exception()
                    told = isinstance(error, (LabError, WorkFailed))
                    failed.append(str(error) if told else f"{type(error).__name__}: {error}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _count_workers() -> int:
    """Return one per core, or one on a GPU, which is fastest with all of it for one model."""
    import torch

    return 1 if torch.cuda.is_available() else max(1, os.cpu_count() or 1)


def _end_with_the_sweep() -> None:
    """End a worker whose sweep was killed: it would wait for its next task for ever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _warm_up() -> None:
    """Prepare a worker: it ends when the sweep ends, with one thread, no bars and no chatter."""
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    os.environ["TQDM_DISABLE"] = "1"
    prepare_process()
    import torch

    torch.set_num_threads(1)
