"""Fetching the published texts, against a real HTTP server on loopback."""

import http.server
import threading

import pytest

from helpers.data.download import FILES, fetch
from helpers.files import LabError


@pytest.fixture
def server(tmp_path):
    """A file server for a folder; yields (address, folder, list of requested paths)."""
    requested = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_):
            requested.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", tmp_path, requested
        running.shutdown()


def test_every_file_is_fetched_once(server, outputs):
    address, folder, requested = server
    (folder / "iiyi").mkdir()
    for name in FILES["iiyi"]:
        (folder / "iiyi" / name).write_text(f"content of {name}")
    assert fetch("iiyi", source=address) == outputs / "data" / "iiyi"
    assert (outputs / "data" / "iiyi" / "train.json").read_text() == "content of train.json"
    assert len(requested) == len(FILES["iiyi"])
    fetch("iiyi", source=address)
    assert len(requested) == len(FILES["iiyi"])


def test_a_missing_file_is_one_sentence_and_leaves_nothing_half_written(server, outputs):
    address, _, _ = server
    with pytest.raises(LabError, match="could not be fetched.*set `root`"):
        fetch("reddit", source=address)
    assert not (outputs / "data").exists()


def test_no_server_is_one_sentence(server):
    with pytest.raises(LabError, match="check the network"):
        fetch("iiyi", source="http://127.0.0.1:9")
