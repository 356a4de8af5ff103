"""The data sets: real files of DermaVQA, and small folders in their formats made here."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from helpers.data import Dataset, load_dataset
from helpers.data.dermavqa import load_references, read_authors, reference_weight
from helpers.data.tables import table_1
from helpers.files import LabError


def record(case_id: str = "ENC00001", **changes) -> dict:
    return {
        "encounter_id": case_id,
        "author_id": "U1",
        "image_ids": [f"IMG_{case_id}_00001.jpg"],
        "query_title_en": "Red ring",
        "query_content_en": "On the arm for two weeks.",
        "responses": [{"author_id": "U2", "content_en": "Ringworm."}],
    } | changes


def write(path: Path, value) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (200, 120, 90)).save(path)
    return path


def write_authors(path: Path, *rows: str) -> Path:
    path.write_text(
        "\n".join(("author_id,validation_level,rank_level", *rows)) + "\n", encoding="utf-8"
    )
    return path


# The published files


def test_iiyi_counts(shared):
    data = load_dataset("iiyi", shared / "data/dermavqa/iiyi")
    train, valid = data.split("train"), data.split("valid")
    assert list(data.splits) == ["train", "valid"]
    assert (len(train), len(valid)) == (842, 56)
    assert sum(len(case.images) for case in train) == 2473
    # 5,871 and 417 responses are published; 9 and 5 of them have no English text.
    assert sum(len(case.references) for case in train) == 5871 - 9
    assert sum(len(case.references) for case in valid) == 417 - 5
    assert sum(not case.question for case in train) == 21
    assert sum(not case.context for case in train) == 3
    assert train[0].question == "Pleural effusion accompanied by rash"
    assert train[0].references[1].text == "Typical Psoriasis"
    assert train[0].references[1].author == "U00214"
    assert train[0].split == "train"


def test_iiyi_weights_of_all_417_answers(shared):
    folder = shared / "data/dermavqa/iiyi"
    cases = load_references(folder / "valid_ht.json", folder / "df_userinfo.csv", keep_blank=True)
    weights = Counter(reference.weight for case in cases for reference in case.references)
    assert weights == {0.7: 155, 0.8: 129, 0.6: 70, 0.9: 59, 1.0: 4}


def test_iiyi_train_has_no_flags_so_weights_are_one(shared):
    data = load_dataset("iiyi", shared / "data/dermavqa/iiyi")
    assert {reference.weight for case in data.split("train") for reference in case.references} == {
        1.0
    }
    # In Chinese no answer is blank: the same numbers as over all 417.
    chinese = load_dataset("iiyi", shared / "data/dermavqa/iiyi", language="zh").split("valid")
    weights = Counter(reference.weight for case in chinese for reference in case.references)
    assert weights == {0.7: 155, 0.8: 129, 0.6: 70, 0.9: 59, 1.0: 4}


def test_iiyi_in_chinese_and_spanish(shared):
    root = shared / "data/dermavqa/iiyi"
    chinese, spanish = (
        load_dataset("iiyi", root, language="zh"),
        load_dataset("iiyi", root, language="es"),
    )
    assert chinese.split("train")[0].references[1].text == "典型的银屑病"
    assert spanish.split("train")[0].references[1].text == "Psoriasis Típica"
    assert sum(len(case.references) for case in chinese.split("train")) == 5871
    assert sum(len(case.references) for case in spanish.split("valid")) == 417 - 6
    prints = {
        load_dataset("iiyi", root, language=language).fingerprint("valid")
        for language in ("en", "zh", "es")
    }
    assert len(prints) == 3


def test_reddit_counts(shared):
    data = load_dataset("reddit", shared / "data/dermavqa/reddit")
    assert {split: len(cases) for split, cases in data.splits.items()} == {
        "train": 347,
        "valid": 50,
    }
    assert {len(case.references) for cases in data.splits.values() for case in cases} == {1}
    assert {
        r.weight for cases in data.splits.values() for case in cases for r in case.references
    } == {1.0}
    assert {case.question + case.context for case in data.split("train")} == {""}
    assert data.split("train")[0].images[0].name == f"{data.split('train')[0].id}.jpg"


def test_reddit_has_no_spanish(shared):
    with pytest.raises(LabError, match="no text in language 'es', only in en"):
        load_dataset("reddit", shared / "data/dermavqa/reddit", language="es")


def test_table_1_of_the_published_files(shared):
    rows = table_1(load_dataset("iiyi", shared / "data/dermavqa/iiyi"))
    assert [row["split"] for row in rows] == ["train", "valid"]
    assert rows[0]["all cases"] == rows[0]["with image"] == 842
    assert (rows[0]["images"], rows[0]["references"], rows[0]["references per case"]) == (
        2473,
        5862,
        6.96,
    )


# Names, splits, languages


def test_unknown_names_are_refused_with_those_there_are(tmp_path):
    write(tmp_path / "train.json", [record()])
    with pytest.raises(
        LabError, match="'ham1000' is unknown: choose one of iiyi, reddit, pocket, pocket_reddit"
    ):
        load_dataset("ham1000", tmp_path)
    with pytest.raises(LabError, match="'fr' is unknown: choose one of en, zh, es"):
        load_dataset("iiyi", tmp_path, language="fr")
    with pytest.raises(LabError, match="no split 'test': it has train"):
        load_dataset("iiyi", tmp_path).split("test")
    with pytest.raises(LabError, match="has no split 'train': it has none"):
        Dataset("empty", {}).split("train")


@pytest.mark.parametrize(
    "kind, names, chosen",
    [
        ("iiyi", ["valid.json", "valid_ht_v2.json", "valid_ht.json"], {"valid": "valid_ht.json"}),
        (
            "iiyi",
            ["valid_inputonly.json", "input.json"],
            {"valid": "valid_inputonly.json", "test": "input.json"},
        ),
        ("reddit", ["train_answersonly.json", "train.json"], {"train": "train.json"}),
        ("reddit", ["test_answersonly.json"], {"test": "test_answersonly.json"}),
    ],
)
def test_the_first_accepted_file_of_a_split_is_loaded(tmp_path, kind, names, chosen):
    for name in names:
        write(tmp_path / name, [record(name)])
    splits = load_dataset(kind, tmp_path).splits
    assert {split: cases[0].id for split, cases in splits.items()} == chosen


def test_the_corrected_spanish_test_set_is_for_spanish_only(tmp_path):
    write(tmp_path / "test_ht.json", [record(query_title_es="vieja")])
    write(
        tmp_path / "test_ht_spanishtestsetcorrected.json",
        [record(query_title_es="nueva", query_title_en="new")],
    )
    assert load_dataset("iiyi", tmp_path, language="es").split("test")[0].question == "nueva"
    assert load_dataset("iiyi", tmp_path).split("test")[0].question == "Red ring"


# Texts, references, weights


def test_texts_taken_down_and_blank_answers(tmp_path):
    answers = [
        {"content_en": " \n"},
        {"author_id": "U2", "content_en": "Ringworm."},
        {"content_en": "[deleted]"},
    ]
    write(
        tmp_path / "train.json",
        [record(query_title_en="  ", query_content_en="[removed]", responses=answers)],
    )
    case = load_dataset("reddit", tmp_path).split("train")[0]
    assert (case.question, case.context) == ("", "")
    assert [(reference.text, reference.author) for reference in case.references] == [
        ("Ringworm.", "U2")
    ]


def test_a_test_set_without_answers(tmp_path):
    case = record()
    del case["responses"]
    write(tmp_path / "input.json", [case])
    assert load_dataset("iiyi", tmp_path).split("test")[0].references == ()


@pytest.mark.parametrize(
    "level, rank, complete, frequent, weight",
    [
        ("", "unk", 0.0, 0.0, 0.6),
        ("realid_validated", "level_3", 0.5, 0, 0.6),
        ("realid_validated", "level_3", 1.0, 0.0, 0.7),
        ("md_validated", "level_0", 0.5, 0.0, 0.7),
        ("md2_validated", "level_4", 0.5, 0.0, 0.8),
        ("", "level_7", 0.0, 1.0, 0.8),
        ("md1_validated", "level_4", 0.5, 1.0, 0.9),
        ("md1_validated", "unk", 1, 1, 0.9),
        ("md1_validated", "level_6", 1.0, 1.0, 1.0),
    ],
)
def test_reference_weight(tmp_path, level, rank, complete, frequent, weight):
    authors = read_authors(write_authors(tmp_path / "df_userinfo.csv", f"U2,{level},{rank}"))
    response = {"author_id": "U2", "completeness": complete, "contains_freq_ans": frequent}
    assert reference_weight(response, authors) == weight
    assert reference_weight(response, {}) == 1.0
    assert reference_weight({"author_id": "U2"}, authors) == 1.0
    for flag in ("completeness", "contains_freq_ans"):  # one alone tells too little
        assert reference_weight({"author_id": "U2", flag: 1.0}, authors) == 1.0


def test_a_weight_is_not_guessed_for_an_unknown_author(tmp_path):
    write_authors(tmp_path / "df_userinfo.csv", "U9,,unk")
    answer = {
        "author_id": "U2",
        "content_en": "Eczema.",
        "completeness": 1.0,
        "contains_freq_ans": 0.0,
    }
    path = write(tmp_path / "valid_ht.json", [record(responses=[answer])])
    with pytest.raises(
        LabError, match=r"record 1 \(ENC00001\): Author 'U2' is not in the table of 1 authors"
    ):
        load_dataset("iiyi", tmp_path)
    assert load_references(path)[0].references[0].weight == 1.0


@pytest.mark.parametrize(
    "lines, words",
    [
        (["author_id,rank_level", "U1,unk"], "lacks the column validation_level"),
        (
            ["author_id,validation_level,rank_level", "U1,,unk", "U1,,unk"],
            "line 3: author U1 is in the table twice",
        ),
        (["author_id,validation_level,rank_level", "U1,,high"], "line 2: rank_level is 'high'"),
        (["author_id,validation_level,rank_level", ",,unk"], "line 2: the author_id is blank"),
    ],
)
def test_a_faulty_author_table_is_refused(tmp_path, lines, words):
    path = tmp_path / "df_userinfo.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(LabError, match=words):
        read_authors(path)


def test_references_of_one_file_for_scoring(tmp_path):
    path = write(
        tmp_path / "mine.json", [{"encounter_id": "a", "responses": [{"content_en": "Eczema."}]}]
    )
    cases = load_references(path)
    assert [(case.id, case.references[0].text, case.images) for case in cases] == [
        ("a", "Eczema.", ())
    ]
    with pytest.raises(LabError, match="no text in language 'zh'"):
        load_references(path, language="zh")
    with pytest.raises(LabError, match=r"absent.json does not exist: check the path\.$"):
        load_references(tmp_path / "absent.json")


def test_facts_give_label_and_concepts(tmp_path):
    write(tmp_path / "train.json", [record("a"), record("b")])
    write(
        tmp_path / "facts.json",
        {"a": {"label": "tinea", "concepts": ["plaque", "scale"], "tone": 3}},
    )
    first, second = load_dataset("iiyi", tmp_path).split("train")
    assert (first.label, first.concepts) == ("tinea", ("plaque", "scale"))
    assert (second.label, second.concepts) == ("", ())
    write(tmp_path / "facts.json", {"a": {"label": 3}})
    with pytest.raises(
        LabError, match="facts.json: a: `label` is the number 3, but text was expected"
    ):
        load_dataset("iiyi", tmp_path)


# Images


@pytest.mark.parametrize("folder", ["images_final/images_train", "images_train", "images", "."])
def test_images_are_found_in_the_published_places(tmp_path, folder):
    there = image(tmp_path / folder / "IMG_ENC00001_00001.jpg")
    write(
        tmp_path / "train.json",
        [record(image_ids=["IMG_ENC00001_00001.jpg", "IMG_ENC00001_00002.png"])],
    )
    case = load_dataset("iiyi", tmp_path).split("train")[0]
    assert case.images[0] == there
    assert case.images_on_disk == (there,)
    assert case.images[1].name == "IMG_ENC00001_00002.png"


def test_each_split_has_its_own_images(tmp_path):
    name = "IMG_ENC00001_00001.jpg"
    for split in ("train", "valid"):
        image(tmp_path / f"images_final/images_{split}" / name)
    write(tmp_path / "train.json", [record()])
    write(tmp_path / "valid.json", [record()])
    data = load_dataset("iiyi", tmp_path)
    assert data.split("train")[0].images[0] == tmp_path / "images_final/images_train" / name
    assert data.split("valid")[0].images[0] == tmp_path / "images_final/images_valid" / name


@pytest.mark.parametrize("ending", [".jpg", ".png", ".PNG", ".webp", ".peg"])
def test_reddit_images_are_found_by_their_id(tmp_path, ending):
    image(tmp_path / "made.jpg").rename(tmp_path / f"11mk4th{ending}")
    write(tmp_path / "train.json", [record("11mk4th", image_ids=["11mk4th"])])
    assert load_dataset("reddit", tmp_path).split("train")[0].images_on_disk == (
        tmp_path / f"11mk4th{ending}",
    )


def test_without_images_the_expected_place_is_given(tmp_path):
    write(tmp_path / "train.json", [record("ab", image_ids=["ab"])])
    assert load_dataset("reddit", tmp_path).split("train")[0].images == (
        tmp_path / "images/ab.jpg",
    )
    write(tmp_path / "train.json", [record(image_ids=["x.png"])])
    case = load_dataset("iiyi", tmp_path).split("train")[0]
    assert case.images == (tmp_path / "images_final/images_train/x.png",)
    assert case.images_on_disk == ()


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/hosts", "a/../../b.jpg", "..\\b.jpg", "C:\\b.jpg", "", ".."]
)
def test_an_image_name_that_leaves_the_folder_is_refused(tmp_path, name):
    write(tmp_path / "train.json", [record(), record("ENC00002", image_ids=[name])])
    with pytest.raises(
        LabError, match=r"record 2 \(ENC00002\): image name .* leaves the image folder"
    ):
        load_dataset("iiyi", tmp_path)


def test_table_1_counts_images_on_disk(tmp_path):
    image(tmp_path / "images/a.png")
    cases = [
        record("a", image_ids=["a"]),
        record("b", image_ids=["b"]),
        record("c", image_ids=[], responses=[]),
    ]
    write(tmp_path / "train.json", cases)
    assert table_1(load_dataset("reddit", tmp_path)) == [
        {
            "split": "train",
            "all cases": 3,
            "with image": 2,
            "image on disk": 1,
            "images": 2,
            "references": 2,
            "references per case": 0.67,
        }
    ]


# What is refused, and fingerprints


@pytest.mark.parametrize(
    "content, words",
    [
        ('[{"encounter_id": "a",}]', "not valid JSON: line 1, column 2"),
        ('{"encounter_id": "a"}', "holds an object, but a list of records was expected"),
        ('[{"image_ids": []}]', "record 1: has no `encounter_id`"),
        ('[{"encounter_id": " "}]', "has a blank `encounter_id`"),
        (
            '[{"encounter_id": 7}]',
            "record 1: `encounter_id` is the number 7, but text was expected",
        ),
        (
            '[{"encounter_id": "a"}, "b"]',
            "record 2: is text, but an object with fields was expected",
        ),
        (
            '[{"encounter_id": "a", "image_ids": "a.jpg"}]',
            r"record 1 \(a\): `image_ids` is text, but a list of texts",
        ),
        (
            '[{"encounter_id": "a", "responses": [null]}]',
            "`responses` item 1 is null, but an object was expected",
        ),
        (
            '[{"encounter_id": "a", "responses": [{"content_en": []}]}]',
            "response 1: `content_en` is a list, but text",
        ),
        (
            '[{"encounter_id": "a", "responses": [{"completeness": "1"}]}]',
            "`completeness` is text, but a number from",
        ),
        (
            '[{"encounter_id": "a"}, {"encounter_id": "a"}]',
            r"record 2 \(a\): has the id of record 1",
        ),
    ],
)
def test_loading_stops_at_the_first_unfit_record(tmp_path, content, words):
    (tmp_path / "train.json").write_text(content, encoding="utf-8")
    with pytest.raises(LabError, match=words) as error:
        load_dataset("iiyi", tmp_path)
    assert f"python -m helpers check-data iiyi {tmp_path}" in str(error.value)
    assert "train.json" in str(error.value)


def test_the_fingerprint_is_of_the_content_not_of_the_place(tmp_path):
    for folder in ("here", "there/deeper", "changed", "renamed"):
        write(tmp_path / folder / "train.json", [record()])
    image(tmp_path / "here/images/IMG_ENC00001_00001.jpg")
    write(tmp_path / "changed/train.json", [record(query_content_en="On the arm for three weeks.")])
    write(tmp_path / "renamed/train.json", [record(image_ids=["IMG_ENC00001_00002.jpg"])])
    folders = ("here", "there/deeper", "changed", "renamed")
    here, there, changed, renamed = (
        load_dataset("iiyi", tmp_path / name).fingerprint("train") for name in folders
    )
    assert here == there
    assert len({here, changed, renamed}) == 3


def test_with_another_author_table_the_data_are_others(tmp_path):
    """The weights are part of what deltaBLEU is computed from."""
    answer = {"author_id": "U2", "content_en": "Eczema."}
    flags = {"completeness": 1.0, "contains_freq_ans": 1.0}
    write(tmp_path / "valid_ht.json", [record(responses=[answer | flags])])
    found = {}
    for level in ("level_3", "level_4"):
        write_authors(tmp_path / "df_userinfo.csv", f"U2,,{level}")
        data = load_dataset("iiyi", tmp_path)
        found[data.split("valid")[0].references[0].weight] = data.fingerprint("valid")
    assert found.keys() == {0.8, 0.9} and len(set(found.values())) == 2


def test_loading_imports_no_heavy_package(tmp_path):
    write(tmp_path / "train.json", [record()])
    program = (
        "import sys; from helpers.data import checks, load_dataset, tables; load_dataset('iiyi', "
        "sys.argv[1]); print(sorted({'pandas', 'numpy', 'PIL', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
