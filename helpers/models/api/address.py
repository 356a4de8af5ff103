"""Where a model behind an API is asked: the provider's address, or another server's."""

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from helpers.files import LabError, split_names

ALLOW_HTTP = "LAB_ALLOW_HTTP"  # the environment variable with hosts that may be asked over http
ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
}


class Address(NamedTuple):
    """A server: its URL, host and port as they are shown, and whether it is this very machine."""

    url: str
    host: str
    local: bool

    @property
    def is_unencrypted(self) -> bool:
        """True if what is sent can be read on its way."""
        return not self.local and urlsplit(self.url).scheme == "http"


def is_api_model(model_id: str) -> bool:
    """Tell whether a model is asked over HTTP: `openai:<model name>` or `gemini:<model name>`."""
    return model_id.partition(":")[0] in ADDRESSES and ":" in model_id


def api_host(model_id: str) -> str:
    """Return host and port that a model behind an API is asked at."""
    return find_address(model_id.partition(":")[0]).host


def check_encryption(provider: str, address: Address) -> None:
    """Refuse to send without encryption, unless a person named that very server.

    Raises:
        LabError: no such consent.
    """
    if address.is_unencrypted and address.host not in split_names(os.environ.get(ALLOW_HTTP, "")):
        raise LabError(
            f"{provider.upper()}_BASE_URL is http://{address.host}, so key and questions would "
            "travel unencrypted: use https, or set "
            f"{ALLOW_HTTP}={address.host} if you trust the network in between."
        )


def find_address(provider: str) -> Address:
    """Find a provider's server: its own, or the one that an environment variable names.

    Raises:
        LabError: the variable holds no address.
    """
    variable = f"{provider.upper()}_BASE_URL"
    url = os.environ.get(variable) or ADDRESSES[provider]
    try:
        parts = urlsplit(url)
        sound = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and re.fullmatch(r"[\w.:\[\]-]+", parts.netloc)  # no password, nothing unseen
        )
    except ValueError:  # a port or a bracket that is none
        sound = False
    if not sound:
        raise LabError(
            f"{variable} is not an address of the form http://127.0.0.1:8000/v1 (scheme, host, "
            "port and path, no password): correct it, or unset it to ask the provider itself."
        )
    try:
        local = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:  # a name
        local = parts.hostname == "localhost"
    return Address(url, parts.netloc, local)
