"""What is shown of a server's words: none in which the key may hide, whatever it was made of.

A server knows the key and may repeat it, by mistake or in disguise. So a text in which a few
letters in a row are those of the key, in any common encoding and with whatever signs between them,
is not shown at all; of any other text, what is no word of a language and no number is left out.
"""

import base64
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

NO_KEY = "no-key-needed"  # what the clients are given where there is none; they insist on some text
HIDDEN = "its words hold the key, so they are not shown"
LEFT_OUT = "<...>"
LENGTH = 300  # letters of a server's text that are shown
LOOKED_AT = 20 * LENGTH  # letters before escapes are read; a sign takes twelve at most
SHARED = 5  # letters in a row that one line shares with no key by chance, or hardly ever
LONG_SHARED = 8  # letters in a row that even a long answer shares with no key by chance

UNICODE = re.compile(r"\\+(?:u\{?([0-9a-f]{4})\}?|x([0-9a-f]{2}))", re.IGNORECASE)
OCTAL = re.compile(r"\\+([0-7]{3})")
LONG_WORD = re.compile(r"[\w+/=-]{61,}", re.ASCII)
WORD = re.compile(r"[\w+/=-]+", re.ASCII)  # an image or a token in base64 is one, too
# A word of a language in one of three writings, "InvalidRequestError", a number, or a short name
# ("gpt", "4o", "base64").
PLAIN = re.compile(
    r"[a-z]{0,20}|[A-Z][a-z]{1,19}|[A-Z]{1,20}|(?:[A-Z]?[a-z]{2,}|[A-Z]{2,5}){2,6}|\d{1,7}"
    r"|[A-Za-z\d]{1,6}"
)


def quote(text: str, key: str) -> str:
    """Return the first line of what a server said, as far as it may be shown."""
    line = _read(text[:LOOKED_AT]).strip().partition("\n")[0]
    line = LONG_WORD.sub(LEFT_OUT, line)[:LENGTH]
    if _holds(line, key, SHARED):
        return HIDDEN
    shown = WORD.sub(lambda found: found[0] if _is_plain(found[0]) else LEFT_OUT, line)
    return " ".join(shown.split())


def holds_key(answer: str, key: str) -> bool:
    """Tell if an answer holds a good part of the key, in whatever encoding."""
    return len(_letters(key)) >= LONG_SHARED and _holds(_read(answer), key, LONG_SHARED)


def _holds(text: str, key: str, shared: int) -> bool:
    """Tell if a text holds so many letters of a key in a row, or all of a shorter one."""
    if key in ("", NO_KEY):
        return False
    said = _letters(text)
    return any(
        written[start : start + shared] in said
        for written in map(_letters, _writings(key))
        for start in range(max(1, len(written) - shared + 1))
        if written
    )


def _read(text: str) -> str:
    """Return a text with its escapes read, however often they were escaped, and in one writing of
    each letter; what cannot be seen is left out.
    """
    for _ in range(4):
        text = UNICODE.sub(lambda found: chr(int(found[1] or found[2], 16)), text)
        text = OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
        text = html.unescape(unquote(text))
    text = unicodedata.normalize("NFKC", text)
    kept = (sign for sign in text if sign in "\n\t" or unicodedata.category(sign)[0] != "C")
    return "".join(kept)


def _letters(text: str) -> str:
    """Return letters and digits alone, so that nothing hides between them."""
    return re.sub(r"[\W_]+", "", text).lower()


def _writings(key: str) -> Iterator[str]:
    """Write a key in all common encodings, forwards and backwards."""
    for text in (key, key[::-1], codecs.encode(key, "rot13")):
        content = text.encode()
        numbers = " ".join(map(str, content))
        packed = (base64.b32encode, base64.b85encode, base64.a85encode)
        plain = [text, content.hex(), numbers, *(pack(content).decode() for pack in packed)]
        # Where the key begins within base64 depends on what stands before it.
        shifted = [base64.b64encode(bytes(n) + content).decode()[2 * n :] for n in range(3)]
        for written in (*plain, *(one.rstrip("=")[:-1] for one in shifted)):
            yield written
            yield written[::-1]


def _is_plain(word: str) -> bool:
    return all(PLAIN.fullmatch(part) for part in re.split(r"[_+/=-]+", word))
