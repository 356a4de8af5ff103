"""Fetch the published DermaVQA texts (CC BY 4.0) once, at a pinned commit, into `outputs/data/`.

The images are not fetched: they are 1.1 GB on OSF (https://osf.io/72rp3) and belong beside the
JSON files.
"""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from helpers.data.authors import scan_author_text
from helpers.files import LabError, outputs_folder, write_bytes
from helpers.files.reading import decode, parse_json

SOURCE = (
    "https://raw.githubusercontent.com/wyim/DermaVQA/89e1c227e4a4827ae028bc530f2bd06161b5e4d8/data"
)
FILES = {
    "iiyi": ("train.json", "valid_ht.json", "test_ht.json", "df_userinfo.csv"),
    "reddit": ("train_answersonly.json", "valid_answersonly.json", "test_answersonly.json"),
}
MOST_BYTES = 64_000_000  # of a file: ten times the largest published one


def fetch(name: str, *, source: str = SOURCE) -> Path:
    """Download the texts of "iiyi" or "reddit" that are not there yet, and return their folder.

    A file comes whole and as the kind of file that it should be, or is not kept.

    Raises:
        LabError: There is no network, the server does not have a file, or sends something else.
    """
    folder = outputs_folder() / "data" / name
    for file in FILES[name]:
        if not os.path.exists(folder / file):
            write_bytes(folder / file, _download(f"{source}/{name}/{file}", name))
    return folder


def _download(address: str, name: str) -> bytes:
    try:
        with urllib.request.build_opener(_KeepHttps).open(address, timeout=60) as response:
            content = _read_whole(response)
        _check_kind(content, address)
    except (OSError, http.client.HTTPException, LabError) as error:
        reason = getattr(error, "reason", None) or error
        raise LabError(
            f"The data set {name!r} is not on this machine and could not be fetched from {address} "
            f"({str(reason).removesuffix('.')}): check the network, or set `root` to a folder that "
            f"holds {', '.join(FILES[name])}."
        ) from None
    return content


class _KeepHttps(urllib.request.HTTPRedirectHandler):
    """Follows no redirect from an encrypted address to another kind of address."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str):
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise urllib.error.URLError("the server redirects to an address without encryption")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read_whole(response: http.client.HTTPResponse) -> bytes:
    """Read what a server sends: all that it announced, and no more than a file may have."""
    announced = response.length
    content = response.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise urllib.error.URLError(f"the server sends more than {MOST_BYTES:,} bytes")
    if announced is not None and len(content) < announced:
        raise urllib.error.URLError(
            f"the connection ended after {len(content):,} of {announced:,} bytes"
        )
    return content


def _check_kind(content: bytes, address: str) -> None:
    """Refuse what is no list in JSON, or no table of authors: a login page, for one."""
    file = address.rpartition("/")[2]
    text = decode(content, file, any_text=True)
    if file.endswith(".json"):
        if not isinstance(parse_json(text, file, any_text=True), list):
            raise LabError(f"{file} holds no list of records")
    elif faults := scan_author_text(text)[1]:
        raise LabError(f"{file}: {faults[0]}")
