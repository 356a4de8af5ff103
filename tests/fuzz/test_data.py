"""Data of a person, with odd parts: it is loaded, or refused in one sentence, and what is loaded
goes through all that follows.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from helpers.cases import Answer, Case, check_matching, read_answers, submission
from helpers.data.authors import read_authors, scan_authors
from helpers.data.checks import check_data
from helpers.data.dermavqa import load_references, load_splits, read_facts
from helpers.data.given_captions import match_given_captions, scan_given_captions
from helpers.data.images import BadImage, open_image
from helpers.data.photos import load_photos
from helpers.data.sources import Dataset
from helpers.data.tables import skin_tones, table_1
from helpers.files import as_json, is_whole, with_seal
from helpers.files.reading import parse_json
from helpers.metrics.deltableu import score_texts
from helpers.models.prompts import build_prompt, question_text, vlm_question
from helpers.models.shipped import POCKET_MODELS
from helpers.report.widgets import read_reviews, review_table
from tests.fuzz.odd import NASTY, check_line, csv_files, fuzz, json_files, jsonl_files, outcome

RECORDS = [
    {
        "encounter_id": case_id,
        "author_id": "U1",
        "image_ids": ["a.jpg", "sub/b.png"],
        "query_title_en": "Red ring",
        "query_content_en": "On the arm for two weeks.",
        "query_title_es": "Anillo rojo",
        "responses": [
            {
                "author_id": "U2",
                "content_en": "Ringworm.",
                "completeness": 1.0,
                "contains_freq_ans": 0.0,
            },
            {"author_id": "U3", "content_en": " ", "completeness": 0.5, "contains_freq_ans": 1},
        ],
    }
    for case_id in ("ENC1", "ENC2")
]
FACTS = {
    "ENC1": {"label": "tinea", "concepts": ["Scale"], "skin_tone": 3, "seen": {"number": "one"}},
    "ENC2": {"label": "eczema", "concepts": [], "skin_tone": 6},
}
AUTHORS = [
    ["author_id", "validation_level", "rank_level"],
    ["U2", "md", "level_4"],
    ["U3", "", "unk"],
]
CAPTIONS = [["image", "caption"], ["a.jpg", "A red ring"], ["sub/b.png", "A dry patch"]]
QUESTIONS = [["id", "question"], ["a", "What is it?"], ["sub", ""]]
REVIEWS = [
    ["case_id", "verdict", "note", "reviewer", "time"],
    ["E1", "wrong", "a note", "Dr A", "2026-01-01T00:00:00Z"],
    ["E2", "correct", "", "Dr A", "2026-01-01T00:00:00Z"],
]
SUBMISSION = [
    {"encounter_id": "A", "responses": [{"content_en": "eczema"}]},
    {"encounter_id": "B", "responses": [{"content_en": ""}]},
]
ROWS = [
    {"case_id": "A", "text": "x", "seconds": 0.5, "tokens": 3, "finish": "stop", "error": ""},
    {"case_id": "B", "text": "y", "seconds": 1, "options": {"a": 0.5, "b": 0.25}},
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(POCKET_MODELS / "llama" / "tokenizer.json"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data folder with an image, and links that lead out of it."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jpg").write_bytes(b"secret")
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "images" / "link.jpg").symlink_to("../../secret/a.jpg")
    (data / "images" / "link").symlink_to("../../secret")
    return data


def goes_on(cases: tuple[Case, ...], tokenizer: Tokenizer) -> None:
    """What was loaded can be identified, asked, answered, written, read back and scored."""
    data = Dataset("odd", {"train": cases})
    assert len(data.fingerprint("train")) == 12 and table_1(data)
    for case in cases:
        prompts = [build_prompt(question_text(case, "title+content"), layout="alpaca")]
        prompts += [vlm_question(case, "P1"), str(build_prompt(question_text(case), layout="chat"))]
        texts = [reference.text for reference in case.references]
        for text in [*prompts, *texts, case.id, case.label, *case.concepts]:
            tokenizer.decode(tokenizer.encode(text).ids)
        answer = Answer(case.id, " ".join(texts))
        line = json.dumps(with_seal(answer.as_row(), "p"), ensure_ascii=False, allow_nan=False)
        row = parse_json(line.encode("utf-8").decode("utf-8"), "p")
        assert is_whole(row, "p") and Answer.from_row(row) == answer
    answers = [Answer(case.id, case.question) for case in cases]
    assert check_matching(cases, answers) == []
    written = as_json(submission(cases, answers)).encode("utf-8").decode("utf-8")
    assert [record["encounter_id"] for record in parse_json(written, "p")] == [c.id for c in cases]
    if scorable := [case for case in cases if case.references]:
        score_texts(scorable, [case.question for case in scorable])


def load(kind: str, folder: Path, tokenizer: Tokenizer) -> None:
    """Load a folder, check it, and hold one against the other."""
    files = [path for path in folder.iterdir() if path.is_file()]
    splits, sentence = outcome(lambda: load_splits(kind, folder), *files)
    found, _ = outcome(lambda: check_data(kind, folder), *files)
    for fault in found:
        check_line(str(fault))
    if sentence and "language 'en'" not in sentence:
        assert [fault for fault in found if not fault.is_note], sentence
    if splits:
        goes_on(splits["train"], tokenizer)
        for case in splits["train"]:
            for path in case.images:
                assert path.resolve().is_relative_to(folder.resolve()), path
            assert case.images_on_disk is not None


@fuzz(90)
@given(content=json_files(RECORDS), kind=st.sampled_from(["iiyi", "reddit"]))
def test_records(content, kind, folder, tokenizer):
    (folder / "train.json").write_bytes(content)
    load(kind, folder, tokenizer)
    outcome(lambda: load_references(folder / "train.json", keep_blank=True), folder / "train.json")


@fuzz(40)
@given(data=st.data(), kind=st.sampled_from(["iiyi", "reddit"]))
def test_records_of_the_clinic(data, kind, clinic, folder, tokenizer):
    records = json.loads((clinic / kind / "train.json").read_text())
    start = data.draw(st.integers(0, len(records) - 2))
    (folder / "train.json").write_bytes(data.draw(json_files(records[start : start + 2])))
    load(kind, folder, tokenizer)


@fuzz(40)
@given(name=st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=8)), deep=st.data())
def test_no_image_name_leads_out_of_the_folder(name, deep, folder, tokenizer):
    around = ["{}", "../{}", "link/{}", "{}/../../secret/a.jpg", "a/{}.jpg", "{}\\..\\..\\x", " {}"]
    names = [deep.draw(st.sampled_from(around)).format(name), "link/a.jpg", "link"]
    record = RECORDS[0] | {"image_ids": names[: deep.draw(st.integers(1, 3))]}
    (folder / "train.json").write_text(json.dumps([record]))
    load("iiyi", folder, tokenizer)


@fuzz(40)
@given(content=json_files(FACTS))
def test_facts(content, folder, tokenizer):
    (folder / "train.json").write_text(json.dumps(RECORDS))
    (folder / "facts.json").write_bytes(content)
    outcome(lambda: read_facts(folder / "facts.json"), folder / "facts.json")
    tones, _ = outcome(lambda: skin_tones("iiyi", folder))
    assert all(tone in range(1, 7) for tone in (tones or {}).values())
    load("iiyi", folder, tokenizer)


@fuzz(40)
@given(content=csv_files(AUTHORS))
def test_author_tables(content, folder, tokenizer):
    (folder / "train.json").write_text(json.dumps(RECORDS))
    table = folder / "df_userinfo.csv"
    table.write_bytes(content)
    authors, sentence = outcome(lambda: read_authors(table), table)
    (_, faults), _ = outcome(lambda: scan_authors(table), table)
    assert bool(faults) == bool(sentence) == (authors is None)
    load("iiyi", folder, tokenizer)


@fuzz(40)
@given(captions=csv_files(CAPTIONS), questions=csv_files(QUESTIONS))
def test_tables_beside_photos(captions, questions, tmp_path, tokenizer):
    for name in ("a.jpg", "sub/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    tables = tmp_path / "captions.csv", tmp_path / "questions.csv"
    for table, content in zip(tables, (captions, questions)):
        table.write_bytes(content)
    splits, _ = outcome(lambda: load_photos(tmp_path), *tables)
    (known, faults), _ = outcome(lambda: scan_given_captions(tmp_path), *tables)
    images = [tmp_path / "a.jpg", tmp_path / "sub/b.png"]
    matched, _ = outcome(lambda: match_given_captions(tmp_path, images), *tables)
    found, _ = outcome(lambda: check_data("photos", tmp_path), *tables)
    for fault in found:
        check_line(str(fault))
    for text in [*known.values(), *(matched or {}).values()]:
        tokenizer.encode(text.encode("utf-8").decode("utf-8"))
    assert not (faults and matched)
    if splits:
        goes_on(splits["valid"], tokenizer)


@fuzz(40)
@given(content=csv_files(REVIEWS))
def test_reviews(content, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_bytes(content)
    found, _ = outcome(lambda: read_reviews(path), path)
    if found is not None:
        outcome(lambda: review_table(path, 2), path)


@fuzz(60)
@given(content=json_files(SUBMISSION), rows=jsonl_files(ROWS))
def test_predictions(content, rows, tmp_path):
    for name, text in (("p.json", content), ("p.jsonl", rows)):
        path = tmp_path / name
        path.write_bytes(text)
        answers, _ = outcome(lambda path=path: read_answers(path), path)
        if answers:
            outcome(lambda found=answers: check_matching([Case("A"), Case("B")], found))
            assert sum(answer.seconds for answer in answers) >= 0
            written = as_json([answer.as_row() for answer in answers]).encode("utf-8")
            assert parse_json(written.decode("utf-8"), "p")


# Images

SAMPLES = ["JPEG", "PNG", "WEBP", "HEIF", "GIF", "BMP", "TIFF"]


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    """A small image in each format, as the bytes of its file."""
    import io

    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    made = {}
    for kind in SAMPLES:
        stream = io.BytesIO()
        Image.effect_noise((24, 16), 60).convert("RGB").save(stream, kind)
        made[kind] = stream.getvalue()
    return made


@fuzz(60)
@given(kind=st.sampled_from(SAMPLES), data=st.data())
def test_images(kind, data, samples, tmp_path):
    content = bytearray(samples[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        # The head, where the most can be wrong, as often as all the rest.
        end = data.draw(st.sampled_from([min(64, len(content)), len(content)]))
        at = data.draw(st.integers(0, end))
        new = data.draw(st.binary(max_size=4))
        content[at : at + data.draw(st.sampled_from([0, len(new), len(new), 400]))] = new
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    try:
        image, _ = outcome(lambda: open_image(path, max_side=64), path)
        assert image.mode == "RGB" and max(image.size) <= 64
    except BadImage as bad:
        check_line(str(bad))
        assert str(bad) and str(tmp_path) not in str(bad)
    assert path.read_bytes() == bytes(content)
