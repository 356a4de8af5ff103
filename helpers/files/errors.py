"""The two exceptions that a person sees as a sentence instead of a traceback."""

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from helpers.files.places import display_path, outputs_folder, resolve

# How libraries word a full disk, in small letters, where they hide the system's error number:
# safetensors repeats the system's words; torch only says that its archive came out too short.
FULL_DISK_SIGNS = (
    "no space left",
    "os error 28",
    "disk quota exceeded",
    "enforce fail at inline_container",
)
LONGEST = 2000  # letters of a sentence
LONGEST_VALUE = 200  # of a value that a sentence quotes
LONGEST_WORD = 500  # letters: a longer one is no name that a person gave, and fills the screen
CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)  # would move the cursor or stop the print


class _Told(Exception):
    """An error that a person is told of in one line."""

    def __init__(self, sentence: str = ""):
        super().__init__(one_line(sentence))


class LabError(_Told):
    """A mistake in a request: one sentence says what was asked, what was found, what to do."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback; IPython calls it by this name."""
        return [str(self)]


class WorkFailed(_Told):
    """A failure of valid work: one sentence that says where it failed and how to go on."""


class Damaged(LabError):
    """A file that the lab wrote is not as it was written."""


def one_line(text: str) -> str:
    """Return a text for a terminal: in one line, what no font shows escaped, what is long cut."""
    words = [_shown(word) for word in re.split(r"[ \t\r\n]+", text.strip())]
    line = " ".join(words)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 400]} ... {line[-300:]}"


def quoted(value: object) -> str:
    """Return a value as a sentence quotes it: as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no number of thousands of digits
        return "a value that cannot be written"
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[: LONGEST_VALUE - 40]}...({len(text):,} letters)...{text[-10:]}"


def _shown(word: str) -> str:
    if len(word) > LONGEST_WORD:
        word = f"{word[:40]}...({len(word):,} letters)...{word[-20:]}"
    return CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], word)


def disk_full(error: BaseException, folder: Path | str) -> str:
    """Return the sentence for a person if an error means a full disk, and "" if it does not.

    The errors that it was raised from are looked at too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if _says_disk_full(cause):
            is_ours = resolve(folder).is_relative_to(outputs_folder())
            elsewhere = (
                "move LAB_OUTPUTS to another disk together with what is in it"
                if is_ours
                else "name a place on another disk"
            )
            return (
                f"The disk of {display_path(folder)} is full: free some space, or {elsewhere}; the "
                "same command goes on where it stopped."
            )
        cause = cause.__cause__ or cause.__context__
    return ""


@contextmanager
def full_disk_told(folder: Path | str) -> Iterator[None]:
    """Turn an error that means a full disk into its sentence, as `WorkFailed`."""
    try:
        yield
    except Exception as error:
        sentence = disk_full(error, folder)
        if not sentence:
            raise
        raise WorkFailed(sentence) from None


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
