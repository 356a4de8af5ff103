"""Files written whole or not at all, lines appended one by one, and content hashes.

Also the two exceptions that a person sees as a sentence instead of a traceback.
"""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


class LabError(Exception):
    """A mistake in what was asked: one sentence with what was asked, what was found, what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback (IPython asks for it by this name)."""
        return [str(self)]


class WorkFailed(Exception):
    """Work that was rightly asked for and still failed: one sentence that says where, and how to go
    on.
    """


def disable_statistics() -> None:
    """Switch off the usage statistics of libraries, before they are imported: nothing leaves this
    machine unasked.
    """
    os.environ |= {"UNSLOTH_DISABLE_STATISTICS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def outputs_folder() -> Path:
    """The folder for everything that runs write: `LAB_OUTPUTS`, or `outputs/` of the repository."""
    return Path(os.environ.get("LAB_OUTPUTS") or REPOSITORY / "outputs").expanduser().resolve()


def display_path(path: Path | str) -> str:
    """A path as it may be printed or recorded: never with the folders of this machine in it."""
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


def write_json(path: Path | str, value) -> Path:
    """Write `value` as indented JSON, whole."""
    return write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path | str):
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


def append_jsonl(path: Path | str, rows: list[dict]) -> None:
    """Append rows in one write and flush them to disk, so that a kill tears at most the last line."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path | str, *, allow_torn_end: bool = False) -> list[dict]:
    """Read a file of one JSON value a line; nothing is written, and a missing file has no lines.

    A last line without a line break counts where it is whole.

    Args:
        allow_torn_end: pass over a last line that a kill has torn, or that another process is
            writing just now.
    Raises:
        LabError: a line that is no JSON, or text that is no UTF-8.
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
    """End a file of our own with a whole line, before lines are added: what a kill has torn is cut
    off.

    Only for whoever writes the file, and holds its lock: a file that a person names as input is
    never changed.
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
    """One process at a time holds the lock of this file; it goes with the process, however that
    ends.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # some network drives know no locks
        lock = None
    try:
        yield
    finally:
        if lock:
            lock.release()


def fingerprint(value) -> str:
    """Twelve hex digits that identify a JSON-like value: the same content gives the same digits."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_hash(path: Path | str) -> str:
    """SHA-256 of a file's content, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_full(error: BaseException, folder: Path | str) -> str:
    """The sentence for an error, or one that it came from, that says that a disk is full; "" for
    any other.

    safetensors reports the system's words in an exception of its own; torch only that its archive
    came out too short.
    """
    signs = (
        "no space left",
        "os error 28",
        "disk quota exceeded",
        "enforce fail at inline_container",
    )
    while error is not None:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or any(
            sign in str(error).lower() for sign in signs
        ):
            return (
                f"The disk of {display_path(folder)} is full: free some space, or move LAB_OUTPUTS to "
                "another disk together with what is in it; the same command goes on where it "
                "stopped."
            )
        error = error.__cause__ or error.__context__
    return ""
