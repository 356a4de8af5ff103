"""Fetch the published DermaVQA texts (CC BY 4.0) once, at a pinned commit, into `outputs/data/`.

The images are not fetched: they are 1.1 GB on OSF (https://osf.io/72rp3) and belong beside the
JSON files.
"""

import urllib.error
import urllib.request
from pathlib import Path

from helpers.files import LabError, outputs_folder, write_bytes

SOURCE = (
    "https://raw.githubusercontent.com/wyim/DermaVQA/89e1c227e4a4827ae028bc530f2bd06161b5e4d8/data"
)
FILES = {
    "iiyi": ("train.json", "valid_ht.json", "test_ht.json", "df_userinfo.csv"),
    "reddit": ("train_answersonly.json", "valid_answersonly.json", "test_answersonly.json"),
}


def fetch(name: str, *, source: str = SOURCE) -> Path:
    """Download the texts of "iiyi" or "reddit" that are not there yet, and return their folder.

    Raises:
        LabError: There is no network, or the server does not have a file.
    """
    folder = outputs_folder() / "data" / name
    for file in FILES[name]:
        if not (folder / file).exists():
            write_bytes(folder / file, _download(f"{source}/{name}/{file}", name))
    return folder


def _download(address: str, name: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=60) as response:
            return response.read()
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise LabError(
            f"The data set {name!r} is not on this machine and could not be fetched from {address} "
            f"({reason}): check the network, or set `root` to a folder that holds "
            f"{', '.join(FILES[name])}."
        ) from None
