"""Files of MAGIC 2025 and HAM10000 with odd parts: what is loaded, scored or refused is so in one
sentence, and nothing leads out of the folder.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.closed_questions import FORMS, QUESTION_OF, read_closed_answers
from helpers.data.magic2025 import DEFINITIONS
from helpers.files import write_json
from helpers.metrics.closed_questions import closed_scores_json, score_closed
from tests.fuzz.odd import check_line, csv_files, fuzz, json_files, outcome

QUESTIONS = [
    {
        "qid": qid,
        "question_en": "1 Where is it?",
        "question_type_en": "Site",
        "options_en": [f"option {place}" for place in range(FORMS[question].options)],
    }
    for qid, question in QUESTION_OF.items()
]
ANSWERS = [{"encounter_id": name} | dict.fromkeys(QUESTION_OF, 0) for name in ("ENC1", "ENC2")]
ENCOUNTERS = [
    {
        "encounter_id": name,
        "image_ids": ["a.jpg", "sub/b.png"],
        "query_title_en": "Red ring",
        "query_content_en": "On the arm.",
        "responses": [],
    }
    for name in ("ENC1", "ENC2")
]
LESIONS = [
    ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"],
    ["L1", "a", "nv", "histo", "45.0", "male", "back"],
    ["L2", "sub/b", "mel", "histo", "", "unknown", "unknown"],
]


@pytest.fixture
def folder(tmp_path):
    """A sound folder with links that lead out of it."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jpg").write_bytes(b"secret")
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "images" / "link.jpg").symlink_to("../../secret/a.jpg")
    (data / "images" / "link").symlink_to("../../secret")
    for name, value in sound().items():
        write_json(data / name, value)
    return data


def sound():
    return {DEFINITIONS: QUESTIONS, "train_cvqa.json": ANSWERS, "train.json": ENCOUNTERS}


def load(name, folder):
    """Load a folder and check it: what is not loaded is told, and no image lies elsewhere."""
    files = [path for path in folder.iterdir() if path.is_file()]
    data, refused = outcome(lambda: load_dataset(name, folder), *files)
    found, _ = outcome(lambda: check_data(name, folder), *files)
    for fault in found or ():
        check_line(str(fault))
    if refused and found is not None:
        assert [fault for fault in found if not fault.is_note] or "no case" in refused
    for case in [case for cases in data.splits.values() for case in cases] if data else ():
        assert case.id and case.group and case.content()
        for path in case.images:
            assert path.resolve().is_relative_to(folder.resolve()), path


@fuzz(60)
@given(
    chosen=st.sampled_from(list(sound())).flatmap(
        lambda name: st.tuples(st.just(name), json_files(sound()[name]))
    )
)
def test_files_of_closed_questions(chosen, folder):
    name, content = chosen
    for other, value in sound().items():
        write_json(folder / other, value)
    (folder / name).write_bytes(content)
    load("magic2025", folder)


@fuzz(60)
@given(content=json_files(ANSWERS), mode=st.sampled_from(["aligned", "official"]))
def test_answers_to_closed_questions(content, mode, folder):
    path = folder / "predictions.json"
    path.write_bytes(content)
    found, _ = outcome(lambda: score_closed(ANSWERS, read_closed_answers(path), mode=mode), path)
    if found:
        assert 0 <= closed_scores_json(found)["accuracy_all"] <= 1


@fuzz(60)
@given(content=csv_files(LESIONS))
def test_tables_of_lesions(content, folder):
    (folder / "HAM10000_metadata.csv").write_bytes(content)
    load("ham10000", folder)
