"""Fetching the published texts, against a real HTTP server on loopback."""

import http.server
import threading
import urllib.error
import urllib.request

import pytest

from helpers.data import download
from helpers.data.download import FILES, fetch
from helpers.files import LabError

TABLE = "author_id,validation_level,rank_level\nU1,md,level_4\n"


def content_of(name: str) -> str:
    return TABLE if name.endswith(".csv") else f'[{{"encounter_id": "{name}"}}]'


def refused(address: str) -> str:
    """The sentence for a failed fetch of Reddit, of which nothing may be left."""
    with pytest.raises(LabError) as error:
        fetch("reddit", source=address)
    assert "could not be fetched" in str(error.value) and "set `root`" in str(error.value)
    return str(error.value)


@pytest.fixture
def server(tmp_path):
    """A file server for a folder; yields (address, folder, list of requested paths)."""
    requested = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def do_GET(self):
            if "/elsewhere/" in self.path:
                self.send_response(302)
                self.send_header("Location", self.path.replace("/elsewhere/", "/reddit/"))
                self.end_headers()
            elif "/cut/" in self.path:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"[]")
            else:
                super().do_GET()

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
        (folder / "iiyi" / name).write_text(content_of(name))
    assert fetch("iiyi", source=address) == outputs / "data" / "iiyi"
    assert (outputs / "data" / "iiyi" / "train.json").read_text() == content_of("train.json")
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>Log in</html>", "train_answersonly.json is not valid JSON: line 1"),
        (b'{"message": "rate limit"}', "train_answersonly.json holds no list of records"),
        (b'[{"a": 1, "a": 2}]', "the key 'a' twice"),
        ("[]".encode("utf-16"), "is UTF-16 text"),
        (b"[" + b" " * 3000 + b"]", "the server sends more than 2,000 bytes"),
    ],
)
def test_what_is_no_data_is_not_kept(server, outputs, monkeypatch, content, said):
    address, folder, _ = server
    monkeypatch.setattr(download, "MOST_BYTES", 2000)
    (folder / "reddit").mkdir()
    (folder / "reddit" / "train_answersonly.json").write_bytes(content)
    assert said in refused(address)
    assert not (outputs / "data").exists()


def test_a_page_in_place_of_the_author_table_is_not_kept(server, outputs):
    address, folder, _ = server
    (folder / "iiyi").mkdir()
    for name in FILES["iiyi"]:
        (folder / "iiyi" / name).write_text(content_of("train.json"))
    with pytest.raises(LabError, match="df_userinfo.csv: the first line lacks the column"):
        fetch("iiyi", source=address)
    assert not (outputs / "data" / "iiyi" / "df_userinfo.csv").exists()


def test_an_answer_that_ends_too_early_is_not_kept(server, outputs, monkeypatch):
    monkeypatch.setitem(FILES, "cut", ("train.json",))
    with pytest.raises(LabError, match="the connection ended after 2 of 1,000 bytes"):
        fetch("cut", source=server[0])
    assert not (outputs / "data").exists()


def test_a_redirect_is_followed_but_never_off_encryption(server, outputs, monkeypatch):
    address, folder, _ = server
    (folder / "reddit").mkdir()
    (folder / "reddit" / "train.json").write_text("[]")
    monkeypatch.setitem(FILES, "elsewhere", ("train.json",))
    assert (fetch("elsewhere", source=address) / "train.json").read_text() == "[]"

    handler = download._KeepHttps()
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(urllib.error.URLError, match="without encryption"):
        handler.redirect_request(request, None, 302, "", {}, "http://example.org/a")
    found = handler.redirect_request(request, None, 302, "", {}, "https://example.org/b")
    assert found.full_url == "https://example.org/b"
