"""Where a model behind an API is asked: the provider's address, or another server's."""

import ipaddress
import os
from urllib.parse import urlsplit

from helpers.files import LabError

ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
}


def is_api_model(model_id: str) -> bool:
    """Tell whether a model is asked over HTTP: `openai:<model name>` or `gemini:<model name>`."""
    return model_id.partition(":")[0] in ADDRESSES and ":" in model_id


def api_host(model_id: str) -> str:
    """Return host and port that a model behind an API is asked at."""
    return find_address(model_id.partition(":")[0])[1]


def find_address(provider: str) -> tuple[str, str, bool]:
    """URL of a provider's server, its host and port as they are shown, and whether that is this
    very machine.
    """
    variable = f"{provider.upper()}_BASE_URL"
    url = os.environ.get(variable) or ADDRESSES[provider]
    try:
        parts = urlsplit(url)
        sound = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and "@" not in parts.netloc
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
    return url, parts.netloc, local
