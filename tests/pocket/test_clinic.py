"""The pocket clinic is written in DermaVQA's formats, whole, deterministic, and keeps told and seen
apart.
"""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from conftest import ROOT
from helpers.files import LabError
from helpers.pocket import clinic, doctors, lesions, patients
from helpers.pocket.conditions import (
    ARRANGEMENTS,
    COLOUR_CONCEPTS,
    CONCEPTS,
    NUMBERS,
    PRIMARIES,
    SURFACES,
    by_id,
    compatible,
    load_conditions,
    load_sentences,
)

SIZES = {"train": 60, "valid": 12, "test": 16}
SHORT = {"train": "train.json", "valid": "valid_ht.json", "test": "test_ht.json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pocket") / "clinic"
    clinic.build(folder, seed=7, sizes=SIZES)
    return folder


def _read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def _short(folder: Path) -> dict[str, list[dict]]:
    return {split: _read(folder / "iiyi" / name) for split, name in SHORT.items()}


def _long(folder: Path) -> dict[str, list[dict]]:
    return {split: _read(folder / "reddit" / f"{split}.json") for split in SHORT}


def _facts(folder: Path) -> dict[str, dict]:
    return _read(folder / "iiyi/facts.json") | _read(folder / "reddit/facts.json")


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_sizes_and_summary(folder):
    assert {split: len(rows) for split, rows in _short(folder).items()} == SIZES
    assert {split: len(rows) for split, rows in _long(folder).items()} == {
        "train": 30,
        "valid": 6,
        "test": 8,
    }
    summary = _read(folder / "clinic.json")
    assert summary["seed"] == 7 and summary["sizes"] == SIZES
    assert summary["cases"] == 88 + 44 == len(_facts(folder))
    assert summary["images"] == len(list(folder.rglob("*.jpg")))


def test_short_answers_have_the_keys_of_the_real_files(folder):
    for split, rows in _short(folder).items():
        for row in rows:
            assert list(row) == [
                "encounter_id",
                "author_id",
                "image_ids",
                "query_title_en",
                "query_content_en",
                "responses",
            ]
            assert re.fullmatch(r"ENC9\d{4}", row["encounter_id"])
            assert 2 <= len(row["responses"]) <= 8 and 1 <= len(row["image_ids"]) <= 3
            for number, name in enumerate(row["image_ids"], start=1):
                assert name == f"IMG_{row['encounter_id']}_{number:05}.jpg"
                assert (folder / "iiyi/images_final" / f"images_{split}" / name).is_file()


def test_flags_only_in_validation_and_test(folder):
    for split, rows in _short(folder).items():
        for response in (response for row in rows for response in row["responses"]):
            flags = {"completeness", "contains_freq_ans"} & response.keys()
            assert len(flags) == (0 if split == "train" else 2)
            if flags:
                assert response["completeness"] in (0.0, 0.5, 1.0) and response[
                    "contains_freq_ans"
                ] in (0.0, 1.0)


def test_frequent_answers_are_those_of_the_most_named_condition():
    replies = [
        {"author_id": "U1", "content_en": "x", "opinion": opinion, "advised": advised}
        for opinion, advised in (("acne", True), ("acne", False), ("rosacea", True), (None, False))
    ]
    flags = [(row["completeness"], row["contains_freq_ans"]) for row in doctors.with_flags(replies)]
    assert flags == [(1.0, 1.0), (0.5, 1.0), (1.0, 0.0), (0.0, 0.0)]


def test_authors_are_in_the_table_with_the_values_of_the_real_one(folder):
    with open(folder / "iiyi/df_userinfo.csv", newline="", encoding="utf-8") as file:
        authors = {row["author_id"]: row for row in csv.DictReader(file)}
    for rows in _short(folder).values():
        for row in rows:
            assert {
                row["author_id"],
                *(response["author_id"] for response in row["responses"]),
            } <= authors.keys()
    validations = {"", "md_validated", "md1_validated", "md2_validated", "realid_validated"}
    assert {author["validation_level"] for author in authors.values()} <= validations
    assert all(
        re.fullmatch(r"unk|level_[0-7]", author["rank_level"]) for author in authors.values()
    )


def test_long_answers_have_the_keys_and_lengths_of_the_real_files(folder):
    for split, rows in _long(folder).items():
        for row in rows:
            assert list(row) == [
                "encounter_id",
                "image_ids",
                "query_title_en",
                "query_content_en",
                "responses",
            ]
            assert re.fullmatch(r"[0-9a-z]{7}", row["encounter_id"]) and row["image_ids"] == [
                row["encounter_id"]
            ]
            assert (folder / "reddit/images" / f"{row['encounter_id']}.jpg").is_file()
            assert len(row["responses"]) == (2 if split == "test" else 1)
            for response in row["responses"]:
                assert response["author_id"] in ("annotator1", "annotator2")
                assert (response["completeness"], response["contains_freq_ans"]) == (1, 1)
                assert 50 <= len(response["content_en"].split()) <= 105


def test_ids_are_unique(folder):
    for forum in (_short(folder), _long(folder)):
        ids = [row["encounter_id"] for rows in forum.values() for row in rows]
        assert len(ids) == len(set(ids))


def test_some_patients_ask_again_in_the_same_split_with_the_same_skin(folder):
    facts, again = _facts(folder), 0
    for rows in (*_short(folder).values(), *_long(folder).values()):
        patients_here: dict[str, list[dict]] = {}
        for row in rows:
            patients_here.setdefault(facts[row["encounter_id"]]["group"], []).append(row)
        for asked in patients_here.values():
            known = [facts[row["encounter_id"]] for row in asked]
            again += len(asked) > 1
            assert len({(one["condition"], one["skin_tone"]) for one in known}) == 1
            assert len({row.get("author_id") for row in asked}) == 1
            assert len({name for row in asked for name in row["image_ids"]}) >= len(asked)
    assert again >= 2


def test_no_patient_is_in_two_splits(folder):
    facts = _facts(folder)
    for forum in (_short(folder), _long(folder)):
        groups = [{facts[row["encounter_id"]]["group"] for row in rows} for rows in forum.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))


@pytest.mark.parametrize(
    "sizes, said",
    [
        ({"train": 0}, "0 cases in its split 'train'"),
        ({"valid": -3}, "-3 cases"),
        ({"test": 2.5}, "2.5 cases"),
        ({"dev": 10}, "a split 'dev'"),
        ({"train": 46_000, "valid": 46_000}, "92000 cases"),
    ],
)
def test_sizes_that_no_clinic_can_have_are_refused(tmp_path, sizes, said):
    with pytest.raises(LabError, match=re.escape(said)):
        clinic.build(tmp_path / "clinic", sizes=sizes)
    assert not list(tmp_path.iterdir())


def test_a_title_mostly_tells_as_much_as_it_can():
    told = {"site": "elbow", "duration": "3 weeks", "complaint": "rash", "itch": "strong"}
    titles = [patients.post(told, "iiyi", random.Random(seed))[0].lower() for seed in range(200)]
    full = [title for title in titles if "elbow" in title and "3 weeks" in title]
    assert 120 < len(full) < 195


def test_facts_name_the_condition_and_split_told_from_seen(folder):
    for facts in _facts(folder).values():
        condition = by_id()[facts["condition"]]
        assert facts["label"] == condition.name and set(facts["concepts"]) <= set(CONCEPTS)
        assert (
            facts["concepts"] == facts["seen"]["concepts"]
            and facts["skin_tone"] == facts["seen"]["skin_tone"]
        )
        assert ("site" in facts["told"]) != ("site" in facts["seen"])
        assert not (facts["told"].keys() & facts["seen"].keys())


def test_nothing_that_only_the_image_shows_is_in_the_text(folder):
    seen = {word for concept in CONCEPTS for word in re.split(r"[/() -]", concept.lower()) if word}
    seen |= {*COLOUR_CONCEPTS, *PRIMARIES, *ARRANGEMENTS, *NUMBERS, *SURFACES}
    names = {name.lower() for condition in load_conditions() for name in condition.names}
    forbidden = re.compile(r"\b(" + "|".join(map(re.escape, seen | names)) + r")s?\b")
    for rows in (*_short(folder).values(), *_long(folder).values()):
        for row in rows:
            text = f"{row['query_title_en']} {row['query_content_en']}".lower()
            assert not forbidden.search(text), text


def test_told_sites_and_ages_are_in_the_text_and_untold_sites_are_not(folder):
    facts = _facts(folder)
    for rows in (*_short(folder).values(), *_long(folder).values()):
        for row in rows:
            text = f"{row['query_title_en']} {row['query_content_en']}".lower()
            told, seen = facts[row["encounter_id"]]["told"], facts[row["encounter_id"]]["seen"]
            for key in ("site", "age", "duration"):
                assert key not in told or str(told[key]) in text, (key, text)
            assert "site" not in seen or not re.search(rf"\b{seen['site']}\b", text), text


def test_what_is_told_always_leaves_several_conditions(folder):
    for facts in _facts(folder).values():
        possible = compatible(facts["told"])
        assert facts["condition"] in possible and len(possible) >= patients.AMBIGUITY


def test_some_titles_are_short_and_some_contents_empty(folder):
    rows = [row for split in _long(folder).values() for row in split]
    assert any(row["query_content_en"] in ("", "[removed]", "[deleted]") for row in rows)
    shorts = set(load_sentences()["posts"]["short_titles"])
    assert (
        0.02
        < sum(row["query_title_en"] in shorts for split in _short(folder).values() for row in split)
        / 88
        < 0.3
    )


def test_half_a_clinic_is_built_again_and_what_kills_left_is_swept(tmp_path):
    sizes = {"train": 4, "valid": 2, "test": 2}
    summary = clinic.build(tmp_path / "pocket", sizes=sizes)
    shutil.rmtree(tmp_path / "pocket" / "reddit")
    (tmp_path / "pocket" / "clinic.json").unlink()
    assert clinic.build(tmp_path / "pocket", sizes=sizes) == summary
    assert (tmp_path / "pocket" / "reddit" / "train.json").exists()


def test_what_a_killed_build_has_left_is_deleted_by_the_next_one(tmp_path):
    code = "from helpers.pocket import clinic; clinic.build('pocket', sizes={'train': 4000})"
    killed = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    while not list(tmp_path.glob(".pocket.*.part/iiyi")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert list(tmp_path.glob(".pocket.*.part"))
    clinic.build(tmp_path / "pocket", sizes={"train": 4, "valid": 2, "test": 2})
    assert {path.name for path in tmp_path.iterdir()} == {"pocket", ".pocket.lock"}


def test_doctors_disagree_and_the_skilled_less(folder):
    condition, rng = by_id()["eczema"], random.Random(0)
    staff = doctors.staff(7)
    assert len(staff) == 40 and len({doctor.style for doctor in staff}) == 8
    best, worst = max(staff, key=lambda d: d.skill), min(staff, key=lambda d: d.skill)
    opinions = [
        [doctors.reply(doctor, condition, rng)["opinion"] for _ in range(400)]
        for doctor in (best, worst)
    ]
    assert 400 > opinions[0].count("eczema") > opinions[1].count("eczema") > 150
    flags = [
        response["contains_freq_ans"]
        for row in _short(folder)["test"]
        for response in row["responses"]
    ]
    assert 0.1 < flags.count(0.0) / len(flags) < 0.5


def test_short_answers_are_short_and_recur(folder):
    rows = [row for split in _short(folder).values() for row in split]
    answers = [response["content_en"] for row in rows for response in row["responses"]]
    lengths = sorted(len(answer.split()) for answer in answers)
    assert 3 <= lengths[len(lengths) // 2] <= 6 and lengths[-1] <= 60
    assert Counter(answer.lower().strip(".!?") for answer in answers).most_common(1)[0][
        1
    ] >= 0.012 * len(answers)


def test_images_carry_no_metadata(folder):
    for path in list(folder.rglob("*.jpg"))[:20]:
        with Image.open(path) as image:
            assert image.size == (96, 96) and not image.getexif()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.slow
def test_same_seed_same_bytes_other_seed_other_cases(folder, tmp_path):
    clinic.build(tmp_path / "again", seed=7, sizes=SIZES)
    clinic.build(tmp_path / "other", seed=8, sizes=SIZES)
    assert _contents(tmp_path / "again") == _contents(folder)
    assert _short(tmp_path / "other") != _short(folder)


def test_richer_drawings_change_neither_cases_nor_words(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(lesions, "draw", lambda facts, **_: Image.new("RGB", (96, 96)))
    clinic.build(tmp_path / "clinic", seed=7, sizes=SIZES)
    assert _short(tmp_path / "clinic") == _short(folder) and _facts(tmp_path / "clinic") == _facts(
        folder
    )


def test_a_finished_clinic_is_left_alone_and_an_incomplete_or_older_one_replaced(tmp_path):
    small, folder = {"train": 4, "valid": 2, "test": 2}, tmp_path / "clinic"
    summary = clinic.build(folder, sizes=small)
    before = (folder / "iiyi/train.json").stat().st_mtime_ns
    assert clinic.build(folder, sizes=small) == summary
    assert (folder / "iiyi/train.json").stat().st_mtime_ns == before
    next(folder.rglob("*.jpg")).unlink()
    assert (
        clinic.build(folder, sizes=small) == summary
        and len(list(folder.rglob("*.jpg"))) == summary["images"]
    )
    assert clinic.build(folder, seed=8, sizes=small)["seed"] == 8


@pytest.mark.parametrize("name", ["iiyi/valid_ht.json", "iiyi/*/*/*.jpg", "clinic.json"])
def test_a_clinic_that_changed_is_built_again_and_kept_beside(tmp_path, name, capsys):
    small, folder = {"train": 4, "valid": 2, "test": 2}, tmp_path / "clinic"
    clinic.build(folder, sizes=small)
    before, path = _contents(folder), next(folder.glob(name))
    path.write_bytes(path.read_bytes()[:-3] + b"  \n")
    changed = _contents(folder)
    clinic.build(folder, sizes=small)
    assert _contents(folder) == before and _contents(tmp_path / "clinic.damaged") == changed
    assert "not as it was built: it is built again, and was kept" in capsys.readouterr().out


def test_interrupted_there_is_nothing_half_done(tmp_path, monkeypatch):
    calls, real = [], lesions.draw

    def interrupted(*arguments, **settings):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    monkeypatch.setattr(lesions, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clinic.build(tmp_path / "clinic", sizes={"train": 6, "valid": 2, "test": 2})
    assert [path.name for path in tmp_path.iterdir()] == [".clinic.lock"]


def test_interrupted_an_older_clinic_stays_whole(tmp_path, monkeypatch):
    small, folder = {"train": 4, "valid": 2, "test": 2}, tmp_path / "clinic"
    clinic.build(folder, sizes=small)
    before = _contents(folder)
    monkeypatch.setattr(clinic, "_write_long", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clinic.build(folder, seed=9, sizes=small)
    assert _contents(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"clinic", ".clinic.lock"}


def test_a_folder_with_something_else_is_refused_and_untouched(tmp_path):
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic/notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(LabError, match="no pocket clinic"):
        clinic.build(tmp_path / "clinic")
    assert (tmp_path / "clinic/notes.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(LabError, match="no pocket clinic"):
        clinic.build(tmp_path / "clinic/notes.txt")
