"""A folder of a person's own photos as a data set, and what check-data says of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from conftest import ROOT
from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.images import open_image
from helpers.data.photos import load_photos, natural_key
from helpers.files import LabError

pillow_heif.register_heif_opener()


def photo(path: Path, kind: str = "JPEG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (200, 120, 90)).save(path, format=kind)
    return path


def touch(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def ids(folder: Path) -> list[str]:
    return [case.id for case in load_dataset("photos", folder).split("valid")]


def said(folder: Path, notes: bool = False) -> list[str]:
    return [str(fault) for fault in check_data("photos", folder) if notes or not fault.is_note]


def test_images_and_sub_folders_are_cases(tmp_path):
    for name in ("IMG_10.JPG", "IMG_2.heic", "arm/IMG_10.png", "arm/IMG_9.webp", "back/one.tiff"):
        photo(
            tmp_path / name,
            {".heic": "HEIF", ".png": "PNG", ".webp": "WEBP"}.get(Path(name).suffix, "JPEG"),
        )
    data = load_dataset("photos", tmp_path)
    assert list(data.splits) == ["valid"]
    cases = data.split("valid")
    assert [case.id for case in cases] == ["arm", "back", "IMG_2", "IMG_10"]
    assert [path.name for path in cases[0].images] == ["IMG_9.webp", "IMG_10.png"]
    assert {
        (case.question, case.context, case.references, case.label, case.split) for case in cases
    } == {("", "", (), "", "valid")}
    assert all(open_image(path).size == (16, 12) for case in cases for path in case.images_on_disk)
    assert said(tmp_path, notes=True) == []


@pytest.mark.parametrize(
    "suffix", ["jpg", "jpeg", "png", "webp", "heic", "heif", "gif", "bmp", "tif", "tiff"]
)
def test_every_suffix_in_any_case(tmp_path, suffix):
    for name in (f"a.{suffix}", f"b.{suffix.upper()}", f"c.{suffix.capitalize()}"):
        touch(tmp_path / name)
    assert ids(tmp_path) == ["a", "b", "c"]


def test_ids_never_meet(tmp_path):
    for name in (
        "a.jpg",
        "a.png",
        "b.jpg",
        "b.jpg.png",
        "c.webp",
        "c/1.jpg",
        "d.JPG",
        "e.tar.png",
        "f.png/1.png",
    ):
        touch(tmp_path / name)
    touch(tmp_path / "f.jpg")
    assert ids(tmp_path) == [
        "a.jpg",
        "a.png",
        "b",
        "b.jpg.png",
        "c",
        "c.webp",
        "d",
        "e.tar",
        "f",
        "f.png",
    ]


def test_natural_order():
    names = [
        "IMG_10",
        "img_9",
        "IMG_2b",
        "IMG_2",
        "IMG_02",
        "a",
        "IMG_1234567890123",
        "10",
        "9",
        "é",
        "A",
    ]
    assert sorted(names, key=natural_key) == [
        "9",
        "10",
        "A",
        "a",
        "IMG_02",
        "IMG_2",
        "IMG_2b",
        "img_9",
        "IMG_10",
        "IMG_1234567890123",
        "é",
    ]


def test_what_is_left_out(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "trip/1.jpg")
    for name in (
        ".hidden.jpg",
        "Thumbs.db",
        ".DS_Store",
        "__MACOSX/a.jpg",
        "._a.jpg",
        "desktop.ini",
        "trip/.x.jpg",
        ".thumbnails/a.jpg",
        "trip/Thumbs.db",
        "@eaDir/a.jpg",
    ):
        touch(tmp_path / name)
    assert said(tmp_path, notes=True) == []  # of no interest to anyone
    for name in (
        "notes.txt",
        "IMG_1.MOV",
        "IMG_1.AAE",
        "report.pdf",
        "trip/list.csv",
        "trip/deeper/2.jpg",
        "empty/x.txt",
        "jpg",
    ):
        touch(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert ids(tmp_path) == ["a", "trip"]
    assert said(tmp_path) == []
    assert said(tmp_path, notes=True) == [
        "IMG_1.AAE, IMG_1.MOV, jpg and 3 more: note: left out (6): no image by its suffix",
        "pipe.jpg: note: left out (1): neither a file nor a folder",
        "empty: note: left out (1): a folder without images directly in it",
        "trip/deeper: note: left out (1): a folder in a sub-folder, which is not looked into",
    ]


def test_links_that_lead_out_are_left_out(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "photos"
    photo(outside / "secret.jpg")
    photo(folder / "a.jpg")
    photo(folder / "case/1.jpg")
    (folder / "out.jpg").symlink_to(outside / "secret.jpg")
    (folder / "all").symlink_to(outside)
    (folder / "case/2.jpg").symlink_to("../../outside/secret.jpg")
    (folder / "self").symlink_to(".")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "nowhere.jpg").symlink_to("absent.jpg")
    (folder / "again.jpg").symlink_to(
        "a.jpg"
    )  # within the folder: another case, if somebody wants that
    cases = load_dataset("photos", folder).split("valid")
    assert [case.id for case in cases] == ["a", "again", "case"]
    assert {path.resolve().parent for case in cases for path in case.images} == {
        folder,
        folder / "case",
    }
    assert said(folder, notes=True) == [
        "all, circle.jpg, nowhere.jpg and 3 more: note: left out (6): a link that leads out of the "
        "folder or nowhere"
    ]
    (tmp_path / "linked").symlink_to(
        folder
    )  # where the folder itself lies is the person's own business
    assert ids(tmp_path / "linked") == ["a", "again", "case"]


# Questions


def test_questions_by_id_or_file_name(tmp_path):
    for name in ("IMG_1.jpg", "IMG_2.jpg", "arm/1.jpg", "Rücken.png"):
        touch(tmp_path / name)
    # The accent of the last row is a sign of its own, as in the file names of some systems.
    rows = [
        "id,question",
        'IMG_1,"What is this, please?"',
        "arm,Is it ringworm?",
        "Ru\u0308cken.png, Und das? ",
    ]
    touch(tmp_path / "questions.csv", "\ufeff" + "\r\n".join(rows) + "\r\n")
    questions = {case.id: case.question for case in load_dataset("photos", tmp_path).split("valid")}
    assert questions == {
        "IMG_1": "What is this, please?",
        "IMG_2": "",
        "arm": "Is it ringworm?",
        "Rücken": "Und das?",
    }
    before = load_dataset("photos", tmp_path).fingerprint("valid")
    touch(tmp_path / "questions.csv", "id,question\nIMG_1,Why?\n")
    assert load_dataset("photos", tmp_path).fingerprint("valid") != before


@pytest.mark.parametrize(
    "table, faults",
    [
        ("name,text\na,Why?\n", ["the first line lacks the column id, question"]),
        ("", ["the first line lacks the column id, question"]),
        ("id;question\na;Why?\n", ["the first line lacks the column id, question"]),
        ("id,question\nz,Why?\n", ["line 2: 'z' is no image and no sub-folder with images"]),
        (
            "id,question\na,Why?\na.jpg,When?\n,Where?\n",
            ["line 3: 'a.jpg' is in the table twice", "line 4: the id is blank"],
        ),
        (
            "id,question\na,Why, and when?\n",
            [
                "line 2: has more cells than the first line: put a question with commas into "
                "double quotes"
            ],
        ),
        (
            "id,question\nb/1.jpg,Why?\n",
            ["line 2: 'b/1.jpg' is no image and no sub-folder with images"],
        ),
    ],
)
def test_a_faulty_table_is_refused_and_listed(tmp_path, table, faults):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b/1.jpg")
    touch(tmp_path / "questions.csv", table)
    assert said(tmp_path) == [f"questions.csv: {fault}" for fault in faults]
    with pytest.raises(LabError) as error:
        load_dataset("photos", tmp_path)
    assert faults[0] in str(error.value) and f"check-data photos {tmp_path}" in str(error.value)


def test_a_table_that_is_no_text_or_lies_elsewhere(tmp_path):
    photo(tmp_path / "photos/a.jpg")
    table = tmp_path / "photos/questions.csv"
    table.write_bytes("id,question\na,Où?\n".encode("latin-1"))
    assert said(tmp_path / "photos") == [
        "questions.csv: is not UTF-8 text (line 2, byte 15): save it as UTF-8"
    ]
    table.unlink()
    table.symlink_to(touch(tmp_path / "private.csv", "id,question\na,Why?\n"))
    assert said(tmp_path / "photos") == [
        "questions.csv: a link that leads out of the folder: put the table itself there"
    ]


# What is refused


def test_no_folder_or_an_empty_one(tmp_path):
    with pytest.raises(LabError, match="'photos' was asked for without its folder: set `root`"):
        load_dataset("photos")
    with pytest.raises(LabError, match="does not exist"):
        load_dataset("photos", tmp_path / "absent")
    with pytest.raises(LabError, match="is a file"):
        load_dataset("photos", photo(tmp_path / "a.jpg"))
    touch(tmp_path / "none/notes.txt")
    touch(tmp_path / "none/deeper/still/a.jpg")
    for work in (load_dataset, check_data):
        with pytest.raises(LabError, match=r"holds no photos.*\.jpg, \.jpeg.*check the path"):
            work("photos", tmp_path / "none")
    with pytest.raises(LabError, match="language 'fr' is unknown"):
        load_dataset("photos", tmp_path, language="fr")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    photo(tmp_path / "a.jpg")
    (tmp_path / "private").mkdir()
    real = os.scandir

    def scandir(path):  # no permission stops root, who may run these tests
        if Path(path).name == "private":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("helpers.data.photos.os.scandir", scandir)
    with pytest.raises(
        LabError, match=r"private cannot be read \(Permission denied\): change its permissions"
    ):
        load_dataset("photos", tmp_path)


def test_a_name_that_is_no_text(tmp_path):
    photo(tmp_path / "a.jpg")
    os.rename(tmp_path / "a.jpg", os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    photo(tmp_path / "b.jpg")
    with pytest.raises(LabError, match=r"the name 'caf\\udce9' is not UTF-8 text: rename it"):
        load_dataset("photos", tmp_path)
    found = said(tmp_path)
    assert found == [r"'caf\udce9': the name 'caf\udce9' is not UTF-8 text: rename it"]
    "".join(found).encode("utf-8")


def test_check_data_lists_every_image_that_cannot_be_used(tmp_path):
    photo(tmp_path / "good.jpg")
    whole = photo(tmp_path / "case/2.jpg").read_bytes()
    (tmp_path / "case/10.jpg").write_bytes(whole[:-200])
    touch(tmp_path / "text.jpg", "no image" * 99)
    touch(tmp_path / "none.jpg", "")
    Image.new("CMYK", (9, 9)).save(tmp_path / "print.jpg")
    photo(tmp_path / "wrong.png", "JPEG")  # what counts is the content
    found = said(tmp_path)
    assert [line.split(":")[0] for line in found] == [
        "case/10.jpg (case)",
        "none.jpg (none)",
        "print.jpg (print)",
        "text.jpg (text)",
    ]
    assert all(": cannot be used: " in line for line in found)
    assert str(tmp_path) not in "".join(found) and tmp_path.name not in "".join(found)
    assert len(load_photos(tmp_path)["valid"]) == 6  # loading opens no image


def test_the_command_line(tmp_path):
    photo(tmp_path / "good.jpg")
    touch(tmp_path / "none.jpg", "")
    command = [sys.executable, "-m", "helpers", "check-data", "photos", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(
        "none.jpg (none): cannot be used: the file is empty (0 bytes)\n1 faults and 0 notes"
    )


# Image ids of the published formats


SECRET = "secret"


@pytest.fixture
def published(tmp_path) -> Path:
    """A folder in the published layout, beside it an image that no id may reach."""
    photo(tmp_path / f"{SECRET}.jpg")
    photo(tmp_path / "data/images/a.jpg")
    photo(tmp_path / "data/images/b.HEIC", "HEIF")
    photo(tmp_path / "data/images/c.heif", "HEIF")
    return tmp_path / "data"


def ask(folder: Path, *names: str) -> Path:
    records = [
        {
            "encounter_id": f"case{number}",
            "author_id": "U1",
            "image_ids": [name],
            "query_title_en": "?",
            "query_content_en": "?",
            "responses": [
                {
                    "author_id": "U2",
                    "content_en": "Eczema.",
                    "completeness": 1,
                    "contains_freq_ans": 0,
                }
            ],
        }
        for number, name in enumerate(names)
    ]
    return touch(folder / "train.json", json.dumps(records))


@pytest.mark.parametrize("kind", ["iiyi", "reddit"])
def test_heic_images_of_the_published_formats(published, kind):
    ask(published, "a", "b", "c", "b.HEIC")
    images = [case.images[0].name for case in load_dataset(kind, published).split("train")]
    assert images == ["a.jpg", "b.HEIC", "c.heif", "b.HEIC"]
    assert [fault for fault in check_data(kind, published) if not fault.is_note] == []
    ask(published, "d.heic")
    assert load_dataset(kind, published).split("train")[0].images == (published / "images/d.heic",)


@pytest.mark.parametrize("kind", ["iiyi", "reddit"])
@pytest.mark.parametrize(
    "name", [f"../{SECRET}", f"../../{SECRET}.jpg", f"images/../../{SECRET}.jpg", f"..\\{SECRET}"]
)
def test_no_id_climbs_out_of_the_folder(published, kind, name):
    ask(published, "a", name)
    with pytest.raises(LabError, match="leaves the image folder"):
        load_dataset(kind, published)
    assert any("leaves the image folder" in str(fault) for fault in check_data(kind, published))


@pytest.mark.parametrize("kind", ["iiyi", "reddit"])
@pytest.mark.parametrize(
    "link, target, name",
    [
        ("images/out.jpg", f"../../{SECRET}.jpg", "out"),
        ("images/out.jpg", f"../../{SECRET}.jpg", "out.jpg"),
        ("out.jpg", f"../{SECRET}.jpg", "out"),
        ("images/deep", "../..", f"deep/{SECRET}.jpg"),
        ("images/deep", "../..", f"deep/{SECRET}"),
    ],
)
def test_no_link_leads_out_of_the_folder(published, kind, link, target, name):
    (published / link).symlink_to(target)
    ask(published, "a", name)
    faults = [str(fault) for fault in check_data(kind, published) if not fault.is_note]
    try:
        images = [
            path for case in load_dataset(kind, published).split("train") for path in case.images
        ]
    except LabError as error:
        assert "is a link that leads out of" in str(error)
        assert faults == [
            f"train.json, record 2 (case1): image {name!r} is a link that leads out of the data "
            "folder"
        ]
    else:  # a link beside the JSON files is passed over: images belong into the folder of images
        assert link == "out.jpg" and not images[1].exists()
        assert faults == [f"train.json, record 2 (case1): image {name!r} is not on disk"]


def test_a_linked_image_folder_and_links_within_it_are_the_persons_own(published, tmp_path):
    (published / "images").rename(tmp_path / "big_disk")
    (published / "images").symlink_to(tmp_path / "big_disk")
    (tmp_path / "big_disk/again.jpg").symlink_to("a.jpg")
    (tmp_path / "big_disk/out.jpg").symlink_to(tmp_path / f"{SECRET}.jpg")
    ask(published, "a", "again")
    assert [
        len(case.images_on_disk) for case in load_dataset("iiyi", published).split("train")
    ] == [1, 1]
    ask(published, "out")
    with pytest.raises(LabError, match="is a link that leads out of"):
        load_dataset("iiyi", published)
