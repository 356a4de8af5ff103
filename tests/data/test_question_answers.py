"""VQA-RAD and SLAKE as published, and split by picture."""

import json
from collections import Counter

import pytest

from helpers.cases import Case
from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.question_answers import leak
from helpers.data.splits import split_by_group
from helpers.files import LabError

GOOD = {"image_name": "a.jpg", "question": " Is it  large? ", "answer": "Yes"}
BAD = {
    "no object": (3, "is the number 3"),
    "no question": (GOOD | {"question": " "}, "has no question"),
    "no answer": (GOOD | {"answer": ""}, "has no answer"),
    "a truth value": (GOOD | {"answer": True}, "has no answer"),
    "no picture": ({"question": "What?", "answer": "A"}, "names no picture in the folder"),
    "a picture elsewhere": (GOOD | {"image_name": "../a.jpg"}, "names no picture in the folder"),
    "half an emoji": (GOOD | {"question": "What \ud83d?"}, "broken character"),
}


def write(folder, rows, name="trainset.json"):
    (folder / name).write_text(json.dumps(rows))
    return folder


def test_a_question_becomes_a_case_whose_group_is_its_picture(tmp_path):
    (case,) = load_dataset("vqa_rad", write(tmp_path, [GOOD])).split("train")
    assert (case.id, case.question, case.group, case.split) == (
        *("train-1", "Is it  large?", "a.jpg", "train"),
    )
    assert [one.text for one in case.references] == ["Yes"]
    assert case.images == (tmp_path / "images" / "a.jpg",)


def test_an_answer_may_be_a_number(tmp_path):
    (case,) = load_dataset("vqa_rad", write(tmp_path, [GOOD | {"answer": 4}])).split("train")
    assert case.references[0].text == "4"


@pytest.mark.parametrize(("row", "said"), BAD.values(), ids=BAD)
def test_a_question_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path, row, said):
    write(tmp_path, [GOOD, row, GOOD])
    cases = load_dataset("vqa_rad", tmp_path).split("train")
    assert [case.id for case in cases] == ["train-1", "train-3"]
    (fault,) = check_data("vqa_rad", tmp_path)
    assert (fault.file, fault.record) == ("trainset.json", 2)
    assert said in fault.message


def test_a_picture_that_leads_out_of_the_folder_is_named(tmp_path):
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (tmp_path / "a.jpg").write_bytes(b"")
    (folder / "images" / "a.jpg").symlink_to(tmp_path / "a.jpg")
    (fault,) = check_data("vqa_rad", write(folder, [GOOD]))
    assert "leads out of the folder" in fault.message


def test_a_folder_without_the_files_or_without_the_language_is_refused(tmp_path):
    with pytest.raises(LabError, match=r"holds none of trainset\.json, testset\.json"):
        load_dataset("vqa_rad", tmp_path)
    row = {"img_name": "a.jpg", "question": "What?", "answer": "A", "q_lang": "zh"}
    write(tmp_path, [row], "train.json")
    assert len(load_dataset("slake", tmp_path, language="zh").split("train")) == 1
    with pytest.raises(LabError, match=r"no case in language 'en'.*check-data slake"):
        load_dataset("slake", tmp_path)


def test_a_split_by_group_cuts_none_and_stays_when_cases_are_added():
    cases = [Case(str(number), group=f"picture {number // 3}") for number in range(600)]
    shares = {"train": 0.5, "valid": 0.25, "test": 0.25}
    few, many = split_by_group(cases[:300], shares), split_by_group(cases, shares)
    for split in shares:
        assert {case.id for case in few[split]} <= {case.id for case in many[split]}
        assert {case.split for case in many[split]} == {split}
    groups = [{case.group for case in chosen} for chosen in many.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 200
    assert [len(names) / 200 for names in groups] == pytest.approx([0.5, 0.25, 0.25], abs=0.08)


# The published files


def test_the_published_vqa_rad(shared):
    folder = shared / "data" / "vqa_rad"
    data = load_dataset("vqa_rad", folder)
    assert {split: len(cases) for split, cases in data.splits.items()} == {
        "train": 3064,
        "test": 451,
    }
    assert leak(data.splits) == (203, 203)
    assert check_data("vqa_rad", folder) == []
    numbers = [case for case in data.split("train") if case.references[0].text.isdigit()]
    assert len(numbers) >= 10  # which are no texts in the file
    apart = load_dataset("vqa_rad_by_image", folder).splits
    assert sum(map(len, apart.values())) == 3515
    assert [leak(apart, split)[1] for split in ("valid", "test")] == [0, 0]
    unseen = load_dataset("vqa_rad_unseen", folder).splits
    assert {split: len(cases) for split, cases in unseen.items()} == {"train": 2128, "test": 144}
    assert leak(unseen) == (64, 0)
    kinds = Counter(case.question_type for cases in data.splits.values() for case in cases)
    assert kinds["PRES"] == 1377 and kinds["ORGAN"] == 59 and "" not in kinds


def test_the_published_slake(shared):
    folder = shared / "data" / "slake"
    english, chinese = (load_dataset("slake", folder, language=one) for one in ("en", "zh"))
    sizes = [[len(cases) for cases in data.splits.values()] for data in (english, chinese)]
    assert sizes == [[4918, 1053, 1061], [4916, 1046, 1033]]
    (fault,) = check_data("slake", folder)
    assert (fault.record, fault.message) == (1623, "has no answer")
    # Within a language no picture is on two sides; over both, most are.
    assert leak(english.splits) == (96, 0)
    both = {
        split: english.split(split) + chinese.split(split) for split in ("train", "valid", "test")
    }
    assert leak(both) == (180, 142)
    apart = [load_dataset("slake_by_image", folder, language=one).splits for one in ("en", "zh")]
    assert leak({"train": apart[0]["train"], "test": apart[1]["test"]})[1] == 0
    assert leak(load_dataset("slake_unseen", folder, language="en").splits)[1] == 0
