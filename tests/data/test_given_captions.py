"""captions.csv, captions that came from elsewhere: what is read, what is refused, what check-data
says of it.
"""

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers.data import Cases, load_dataset
from helpers.data.checks import check_data
from helpers.data.given_captions import (
    match_given_captions,
    read_given_captions,
    scan_given_captions,
)
from helpers.experiments.caption_texts import caption_cases
from helpers.files import LabError
from helpers.models.captions import FAILED, Captioner

HEAD = "image,caption\n"


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (200, 120, 90)).save(path)
    return path


def write(folder: Path, rows: str | bytes, head: str = HEAD) -> Path:
    folder.mkdir(exist_ok=True)
    content = rows if isinstance(rows, bytes) else (head + rows).encode()
    (folder / "captions.csv").write_bytes(content)
    return folder


def said(folder: Path, name: str = "photos") -> list[str]:
    return [str(fault) for fault in check_data(name, folder)]


def test_given_captions_are_read(tmp_path):
    with pytest.raises(
        LabError,
        match="Given captions were asked for, but there is no captions.csv in the data folder: ",
    ):
        read_given_captions(tmp_path)
    assert scan_given_captions(tmp_path) == ({}, [])
    content = '\ufeffimage,who,caption\r\na.jpg,me," A red patch,\r\ndry. "\r\n b.jpg ,me,\r\n\r\n'
    write(tmp_path, content.encode())
    assert read_given_captions(tmp_path) == {"a.jpg": "A red patch,\r\ndry.", "b.jpg": ""}


MORE_CELLS = (
    "line 2: has more cells than the first line: put a caption with commas into double quotes"
)
LEFT_OPEN = "look for a double quote that is left open"
FAULTS = [
    ("picture,text\na.jpg,x\n", ["the first line lacks the column image, caption"]),
    ("", ["the first line lacks the column image, caption"]),
    ("image;caption\na.jpg;x\n", ["the first line lacks the column image, caption"]),
    ("image,caption,caption\na.jpg,x,y\n", ["the first line has the column caption twice"]),
    (HEAD, ["no row follows the first line"]),
    (f"{HEAD}a.jpg,A red, dry plaque\n", [MORE_CELLS]),
    (
        f"{HEAD}a.jpg,one\nb.jpg,two\na.jpg,three\n,four\n./b.jpg,five\n",
        [
            "line 4: 'a.jpg' is in the table twice",
            "line 5: the image is blank",
            "line 6: './b.jpg' is in the table twice",
        ],
    ),
    (
        f"{HEAD}a.jpg\n",
        [
            "line 2: has fewer cells than the first line: end it with a comma where there is "
            "nothing to say"
        ],
    ),
    (
        f"{HEAD}a.jpg,Où?\n".encode("latin-1"),
        ["is not UTF-8 text (line 2, byte 21): save it as UTF-8"],
    ),
    (f"{HEAD}a.jpg,red\n".encode("utf-16"), ["is UTF-16 text: save it as UTF-8"]),
    (
        f"{HEAD}a.jpg,one\0two\n\x1b[2Jb.jpg,red\n",
        [
            "line 2: `caption` has the control character U+0000",
            "line 3: `image` has the control character U+001B",
        ],
    ),
    (
        f'{HEAD}a.jpg,"A red patch\nb.jpg,dry\n',
        [f"line 2: cannot be read as a table (unexpected end of data): {LEFT_OPEN}"],
    ),
    (
        f"{HEAD}a.jpg,{'x' * 140_000}\n",
        [
            "line 2: cannot be read as a table (field larger than field limit (131072)): "
            f"{LEFT_OPEN}"
        ],
    ),
]


@pytest.mark.parametrize("content, faults", FAULTS)
def test_a_faulty_table_is_refused_and_listed(tmp_path, content, faults):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg")
    write(tmp_path, content, head="")
    assert [line for line in said(tmp_path) if "note" not in line] == [
        f"captions.csv: {fault}" for fault in faults
    ]
    with pytest.raises(LabError) as error:
        read_given_captions(tmp_path)
    assert faults[0] in str(error.value) and f"python -m helpers check-data NAME {tmp_path}" in str(
        error.value
    )
    assert (
        len(load_dataset("photos", tmp_path).split("valid")) == 2
    )  # who does not ask for captions needs none


def test_a_table_that_lies_elsewhere_or_may_not_be_read(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    photo(folder / "a.jpg")
    write(tmp_path, "a.jpg,private\n")
    (folder / "captions.csv").symlink_to("../captions.csv")
    assert said(folder) == [
        "captions.csv: a link that leads out of the folder: put the table itself there"
    ]
    (folder / "captions.csv").unlink()
    write(folder, "a.jpg,red\n")
    real = open

    def refuse(path, *args, **options):  # no permission stops root, who may run these tests
        if Path(path).name == "captions.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    monkeypatch.setattr("builtins.open", refuse)
    assert scan_given_captions(folder) == (
        {},
        ["may not be read by this user: change its permissions"],
    )


# Which image a name means


def test_an_image_is_found_by_its_path_else_by_its_bare_name(tmp_path):
    names = ("a.jpg", "ann/IMG_1.jpg", "bob/IMG_1.jpg", "bob/2.jpg", "bob/3.jpg", "Rücken.png")
    paths = [tmp_path / name for name in names]
    write(
        tmp_path,
        "a.jpg,own\nann/IMG_1.jpg,Ann's\nbob\\IMG_1.jpg,Bob's\n2.jpg,bare\n3.jpg,\nRu\u0308cken.png,back\n",
    )
    found = match_given_captions(tmp_path, [*paths, tmp_path / "4.jpg", Path("elsewhere/2.png")])
    assert list(found.values()) == ["own", "Ann's", "Bob's", "bare", "", "back", "", ""]
    assert match_given_captions(tmp_path, []) == {}
    assert match_given_captions(tmp_path, paths[:1] * 2) == {paths[0]: "own"}


def test_the_folder_may_be_written_in_another_way(tmp_path, monkeypatch):
    write(tmp_path, "ann/1.jpg,red\n")
    monkeypatch.chdir(tmp_path.parent)
    assert match_given_captions(Path(tmp_path.name), [tmp_path / "ann/1.jpg"]) == {
        tmp_path / "ann/1.jpg": "red"
    }
    (tmp_path / "x").mkdir()
    assert match_given_captions(tmp_path / "x" / "..", [tmp_path / "ann/1.jpg"]) == {
        tmp_path / "ann/1.jpg": "red"
    }


@pytest.mark.parametrize("rows", ["IMG_1.jpg,Ann's\n", "IMG_1.jpg,Whose?\nann/IMG_1.jpg,Ann's\n"])
def test_a_bare_name_of_several_images_is_refused(tmp_path, rows):
    paths = [photo(tmp_path / name) for name in ("ann/IMG_1.jpg", "bob/IMG_1.jpg")]
    write(tmp_path, rows)
    message = "'IMG_1.jpg' fits 2 images, 'ann/IMG_1.jpg' and 'bob/IMG_1.jpg' among them: write the path relative to "  # noqa: E501
    with pytest.raises(LabError, match=message):
        match_given_captions(tmp_path, paths)
    assert said(tmp_path)[0] == f"captions.csv: {message}the folder instead"


def test_the_name_of_an_image_directly_in_the_folder_means_no_other(tmp_path):
    paths = [photo(tmp_path / name) for name in ("IMG_1.jpg", "ann/IMG_1.jpg", "bob/IMG_1.jpg")]
    write(tmp_path, "IMG_1.jpg,mine\n")
    assert list(match_given_captions(tmp_path, paths).values()) == ["mine", "", ""]
    assert said(tmp_path) == []


def test_what_a_bare_name_means_does_not_hang_on_which_cases_are_asked_about(tmp_path):
    for name in ("ann/IMG_1.jpg", "bob/IMG_1.jpg"):
        photo(tmp_path / name)
    given, source = Captioner(name="given"), Cases(name="photos", root=str(tmp_path))
    write(tmp_path, "IMG_1.jpg,Ann's\n")
    with pytest.raises(LabError, match="fits 2 images"):
        caption_cases(given, source, source.cases()[1:])
    write(tmp_path, "ann/IMG_1.jpg,Ann's\n")
    found = [caption for (caption,) in caption_cases(given, source, source.cases()).values()]
    assert [(caption.text, bool(caption.error)) for caption in found] == [
        ("Ann's", False),
        (FAILED, True),
    ]


# check-data


def test_captions_of_no_image_are_a_note(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "trip/1.jpg")
    write(tmp_path, "a.jpg,red\ntrip/1.jpg,dry\n")
    assert said(tmp_path) == []  # the table is no "left out" file either
    write(tmp_path, f"a.jpg,red\n../a.jpg,x\ny.jpg,y\nz.jpg,z\n{'n' * 300}.jpg,long\n")
    assert said(tmp_path) == [
        "captions.csv: note: 4 of 5 captions are of no image here: ../a.jpg, y.jpg, z.jpg and 1 "
        "more"
    ]
    write(tmp_path / "trip", "a.jpg,red\n")  # only the one of the data folder is read
    assert "trip/captions.csv: note: left out (1): no image by its suffix" in said(tmp_path)


@pytest.mark.parametrize("kind", ["iiyi", "reddit"])
def test_the_published_formats_may_have_captions_too(tmp_path, kind):
    record = {
        "encounter_id": "A",
        "image_ids": ["a"],
        "query_title_en": "?",
        "query_content_en": "?",
        "responses": [
            {"author_id": "U2", "content_en": "Eczema.", "completeness": 1, "contains_freq_ans": 0}
        ],
    }
    (tmp_path / "train.json").write_text(json.dumps([record]))
    write(tmp_path, "a.jpg,A red, dry plaque\nb.jpg,none\n")
    found = [line for line in said(tmp_path, kind) if line.startswith("captions.csv")]
    assert found == [f"captions.csv: {MORE_CELLS}"]
    photo(tmp_path / "images/a.jpg")
    write(tmp_path, "a.jpg,red\nb.jpg,none\n")
    found = [line for line in said(tmp_path, kind) if line.startswith("captions.csv")]
    assert found == ["captions.csv: note: 1 of 2 captions are of no image here: b.jpg"]
    images = load_dataset(kind, tmp_path).split("train")[0].images
    assert match_given_captions(tmp_path, images) == {tmp_path / "images/a.jpg": "red"}
