"""Files written whole or not at all, and on the disk before they count.

A rename is what makes a file appear, so its content goes to the disk before, and the folder's list
of names after it: a power cut leaves the old file or the new one, never half of one.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".part"  # how the name of a file ends that is still being written
DAMAGED = ".damaged"  # and of one, or a folder, that is no more as it was written


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write `content` to `path` whole: into a neighbour file first, then one rename."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        with open(temporary, "xb") as file:  # its permissions are what the person's umask says
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


def write_text(path: Path | str, text: str) -> Path:
    """Write text as UTF-8, whole."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: object) -> Path:
    """Write `value` as indented JSON, whole."""
    return write_text(path, as_json(value))


def as_json(value: object) -> str:
    """Return the text that `write_json` writes."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def append_jsonl(path: Path | str, rows: Sequence[Mapping[str, object]]) -> None:
    """Append rows in one write and flush them; a kill leaves at most the last line half-written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk, where the system has a way to do so."""
    with suppress(OSError):  # Windows, and some network drives, open no folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_tree(folder: Path) -> None:
    """Bring all that a library has written below a folder to the disk."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())


def move_into_place(made: Path, place: Path) -> None:
    """Give a folder that was filled its name, once all in it is on the disk."""
    sync_tree(made)
    made.rename(place)
    sync_folder(place.parent)


def set_aside(path: Path) -> Path:
    """Take a damaged file or folder out of its place, and keep it beside; return where it is.

    One that was kept there before is deleted.
    """
    kept = path.with_name(f"{path.name}{DAMAGED}")
    shutil.rmtree(kept, ignore_errors=True)
    path.replace(kept)
    return kept


@contextmanager
def workshop(place: Path) -> Iterator[Path]:
    """Give a new folder beside a place, to make something in that is then moved there; what is left
    of it at the end is deleted.

    What others have left, who were killed, is deleted first: who lives holds a lock.
    """
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(place)
    made = place.with_name(f".{place.name}.{secrets.token_hex(4)}{UNFINISHED}")
    lock = FileLock(f"{made}.lock")
    with suppress(OSError, NotImplementedError):  # some network drives have no locks
        lock.acquire()
    try:
        made.mkdir()
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _delete_abandoned(place: Path) -> None:
    """Delete the workshops of a place whose lock nobody holds."""
    from filelock import FileLock, Timeout

    for path in place.parent.glob(f".{place.name}.*{UNFINISHED}.lock"):
        lock = FileLock(path)
        with suppress(OSError, NotImplementedError, Timeout):
            lock.acquire(timeout=0)
            shutil.rmtree(str(path).removesuffix(".lock"), ignore_errors=True)
            lock.release()
            path.unlink(missing_ok=True)


def delete_unfinished(folder: Path, name: str = "") -> None:
    """Delete what a kill has left of files that were being written directly in a folder, of all or
    of one name.

    Call it only while nobody else writes there.
    """
    for path in folder.glob(f".{name}*{UNFINISHED}"):
        if path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold the lock of this file, which one process can have at a time.

    The system releases it when the process ends, however that happens. On a network drive without
    locks the work goes on unlocked.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    with suppress(OSError, NotImplementedError):  # some network drives have no locks
        lock.acquire()
    try:
        yield
    finally:
        lock.release()  # does nothing if the lock is not held
