"""Cases as Hugging Face datasets, there and back; rows of the hub's form, from files like its."""

import io
import json
import subprocess
import sys

import pytest
from PIL import Image

from helpers.data import Dataset, load_dataset
from helpers.data.catalogue import DataFault
from helpers.data.hf import from_hf, save_found, scan_rows
from helpers.data.hub import FORMS, Form, stream_hub
from helpers.files import REPOSITORY, LabError

FORM = FORMS["flaviagiammarino/vqa-rad"]


def picture(colour, suffix="PNG"):
    written = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(written, suffix)
    return {"bytes": written.getvalue(), "path": None}


def rows_of_the_hub(folder, rows):
    """Rows in a parquet file with a column of pictures, streamed as the hub's are."""
    from datasets import Dataset as Rows
    from datasets import Features, Value, load_dataset
    from datasets import Image as Pictures

    features = Features(
        {"image": Pictures(), "question": Value("string"), "answer": Value("string")}
    )
    Rows.from_list(rows, features=features).to_parquet(folder / "train.parquet")
    streamed = load_dataset(
        "parquet", data_files=str(folder / "train.parquet"), split="train", streaming=True
    )
    return streamed.cast_column("image", Pictures(decode=False))


def test_cases_go_there_and_back(clinic, tmp_path):
    from datasets import load_from_disk

    data = load_dataset("pocket", clinic / "iiyi")
    arrow = data.to_hf()
    assert Dataset.from_hf("pocket", arrow) == data
    arrow.save_to_disk(tmp_path / "saved")
    again = Dataset.from_hf("pocket", load_from_disk(tmp_path / "saved"))
    assert again.fingerprint("train") == data.fingerprint("train")


def test_rows_of_the_hub_become_cases(tmp_path):
    red, blue = picture("red"), picture("blue", "JPEG")
    rows = rows_of_the_hub(
        tmp_path,
        [
            {"image": red, "question": "Is it red?", "answer": "yes"},
            {"image": blue, "question": "Is it red?", "answer": "no"},
            {"image": red, "question": "What colour? ", "answer": "red"},
        ],
    )
    cases = list(scan_rows(rows, FORM, tmp_path, "train"))
    assert [(case.id, case.question, case.references[0].text) for case in cases] == [
        ("train-1", "Is it red?", "yes"),
        ("train-2", "Is it red?", "no"),
        ("train-3", "What colour?", "red"),
    ]
    assert cases[0].images == cases[2].images and cases[0].group == cases[2].group
    assert [case.images[0].suffix for case in cases[:2]] == [".png", ".jpg"]
    assert cases[1].images[0].read_bytes() == blue["bytes"]
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_captions_have_no_question(tmp_path):
    form = Form(question="", answer="caption", group="cui")
    rows = [{"image": picture("red"), "caption": "A red square.", "cui": ["C1", "C2"]}]
    (case,) = scan_rows(rows, form, tmp_path, "valid")
    assert (case.question, case.references[0].text) == ("", "A red square.")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"image": None, "question": "a", "answer": "b"}, "has no picture"),
        (
            {"image": {"bytes": b"x"}, "question": " ", "answer": ""},
            "has neither question nor answer",
        ),
    ],
)
def test_a_row_that_is_no_case_is_told(tmp_path, row, said):
    assert list(scan_rows([row], FORM, tmp_path, "train")) == [DataFault("train", 1, said)]


def test_other_columns_are_refused(clinic):
    arrow = load_dataset("pocket", clinic / "iiyi").to_hf()
    with pytest.raises(LabError, match="lacks the column label"):
        from_hf({"train": arrow["train"].remove_columns("label")})


def test_a_set_of_the_hub_is_pinned():
    with pytest.raises(LabError, match="'main', but a branch or tag may move"):
        stream_hub("flaviagiammarino/vqa-rad", "main", "train")
    with pytest.raises(LabError, match="rows of flaviagiammarino/vqa-rad"):
        stream_hub("someone/else", "0" * 40, "train")


# Many rows in a process of their own: what they add to its memory.
MANY = """
import io, json, resource, sys
from pathlib import Path
from PIL import Image
from helpers.data.hf import save_found, scan_rows
from helpers.data.hub import Form

def rows(count):
    pictures = []
    for colour in range(100):
        written = io.BytesIO()
        Image.new("RGB", (64, 64), (colour, 0, 0)).save(written, "PNG")
        pictures.append({"bytes": written.getvalue(), "path": None})
    for number in range(count):
        yield {"image": pictures[number % 100], "caption": f"Caption {number}: " + "words " * 40}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

form, folder, peaks = Form(question="", answer="caption"), Path(sys.argv[1]), []
for count in (2000, 65000):
    place = folder / str(count)
    saved = save_found(scan_rows(rows(count), form, place, "train"), place, "train")
    assert len(saved) == count and saved[count - 1]["references"][0]["text"].startswith("Caption")
    peaks.append(peak())
print(json.dumps(peaks))
"""


@pytest.mark.slow
def test_memory_stays_flat_over_65_000_captions(tmp_path):
    printed = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    few, many = json.loads(printed.splitlines()[-1])
    assert many - few < 60  # MB; the captions alone are 17, rows in Python would be 100


def test_saved_rows_are_cases(tmp_path):
    rows = [{"image": picture("red"), "question": "Is it red?", "answer": "yes"}]
    saved = save_found(scan_rows(rows, FORM, tmp_path, "train"), tmp_path, "train")
    ((case,),) = from_hf({"train": saved}).values()
    assert (case.id, case.split, case.references[0].text) == ("train-1", "train", "yes")
    assert case.images[0].is_file()
