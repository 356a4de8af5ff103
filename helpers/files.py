"""Files written whole or not at all, lines appended one by one, and content hashes.

Also the two exceptions that a person sees as a sentence instead of a traceback.
"""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
# How libraries word a full disk, in small letters, where they hide the system's error number:
# safetensors repeats the system's words; torch only says that its archive came out too short.
FULL_DISK_SIGNS = (
    "no space left",
    "os error 28",
    "disk quota exceeded",
    "enforce fail at inline_container",
)


class LabError(Exception):
    """A mistake in a request: one sentence says what was asked, what was found, what to do."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback; IPython calls it by this name."""
        return [str(self)]


class WorkFailed(Exception):
    """A failure of valid work: one sentence that says where it failed and how to go on."""


def disable_statistics() -> None:
    """Switch off the usage statistics of libraries; call it before they are imported.

    Nothing leaves this machine unless a person asks for it.
    """
    os.environ |= {"UNSLOTH_DISABLE_STATISTICS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def outputs_folder() -> Path:
    """Return the folder that runs write to: `LAB_OUTPUTS`, or `outputs/` of the repository."""
    return Path(os.environ.get("LAB_OUTPUTS") or REPOSITORY / "outputs").expanduser().resolve()


def display_path(path: Path | str) -> str:
    """Return a path to print or record: one that names no folder of this machine."""
    path = Path(path).expanduser().resolve()
    for root, name in ((outputs_folder(), "outputs"), (REPOSITORY, "")):
        if path.is_relative_to(root):
            return (Path(name) / path.relative_to(root)).as_posix()
    return path.name


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write `content` to `path` whole: into a neighbour file first, then one rename."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def write_text(path: Path | str, text: str) -> Path:
    """Write text as UTF-8, whole."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: object) -> Path:
    """Write `value` as indented JSON, whole."""
    return write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path | str) -> Any:  # JSON may be anything: whoever reads it checks it
    """Read JSON; a missing or malformed file is a `LabError` that names file, line and column."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise LabError(f"{path} does not exist: check the path.") from None
    except IsADirectoryError:
        raise LabError(
            f"{path} is a folder, but a JSON file was expected: name the file."
        ) from None
    except json.JSONDecodeError as error:
        raise LabError(
            f"{path} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}; "
            "correct the file."
        ) from None
    except RecursionError:
        raise LabError(f"{path} is nested too deeply to be data: correct the file.") from None
    except UnicodeDecodeError as error:
        raise LabError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8."
        ) from None
    except PermissionError:
        raise LabError(f"{path} may not be read by this user: change its permissions.") from None


def append_jsonl(path: Path | str, rows: Sequence[Mapping[str, object]]) -> None:
    """Append rows in one write and flush them; a kill leaves at most the last line half-written."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path | str, *, allow_torn_end: bool = False) -> list[dict]:
    """Read a file of one JSON value a line; nothing is written, and a missing file has no lines.

    A last line without a line break counts where it is whole.

    Args:
        allow_torn_end: skip a half-written last line, left by a kill or still being written by
            another process.

    Raises:
        LabError: A line is not JSON, or not UTF-8 text.
    """
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        is_end = number == len(lines)
        if is_end and not line.strip():
            break
        try:
            rows.append(json.loads(line.decode("utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            if is_end and allow_torn_end:
                break
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "no UTF-8 text"
            raise LabError(
                f"{path} is damaged at line {number} ({reason}): correct or delete that line."
            ) from None
    return rows


def mend_torn_end(path: Path | str) -> None:
    """Truncate a half-written last line, which a kill has left, before lines are appended.

    A last line that is whole but for its line break is completed. Call this only on a file that
    the lab itself writes, while holding its lock: a file that a person names as input is never
    changed.
    """
    path = Path(path)
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole == content:
        return
    with open(path, "rb+") as file:
        try:
            json.loads(content[len(whole) :])
        except ValueError:
            file.truncate(len(whole))
        else:  # the kill came between the line and its end
            file.seek(0, os.SEEK_END)
            file.write(b"\n")


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


def fingerprint(value: object) -> str:
    """Return twelve hex digits of a JSON-like value: equal content gives equal digits."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_hash(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_full(error: BaseException, folder: Path | str) -> str:
    """Return the sentence for a person if an error means a full disk, and "" if it does not.

    The errors that it was raised from are looked at too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if _says_disk_full(cause):
            return (
                f"The disk of {display_path(folder)} is full: free some space, or move "
                "LAB_OUTPUTS to another disk together with what is in it; the same command goes "
                "on where it stopped."
            )
        cause = cause.__cause__ or cause.__context__
    return ""


def _says_disk_full(error: BaseException) -> bool:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    message = str(error).lower()
    return any(sign in message for sign in FULL_DISK_SIGNS)


def split_names(text: str) -> list[str]:
    """Return the names that a text with commas lists."""
    return [name.strip() for name in text.split(",") if name.strip()]


def list_some(names: Sequence[str]) -> str:
    """List at most three names in words, and say how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
