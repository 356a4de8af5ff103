"""Questions after worked examples with images: which examples, what a model reads, and what cannot
be.
"""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.cases import Answer
from helpers.data.images import find_image_key, open_image
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.few_shot_answers import FewShotAnswers, check_several_images
from helpers.experiments.question_answers import QuestionAnswers
from helpers.experiments.scores import Grading
from helpers.experiments.vlm_cases import first_image
from helpers.files import LabError, read_json, write_json
from helpers.models.answer_file import AnswerFile
from helpers.models.answering import answer_images
from helpers.models.base import AsksOnce, ImagePrompt, ImageShot
from helpers.models.processors import load_processor, read, turn_text
from helpers.models.prompts import IMAGE_PLACE, vlm_question
from helpers.models.refs import ModelRef
from helpers.pocket.scans import build_scans
from helpers.report.frame import frame
from tests.experiments.conftest import texts

SIZES = {"train": 8, "validation": 2, "test": 2, "scans": 20, "slides": 4}
GIVEN = {"SPLIT": "test", "LIMIT": 6, "MAX_NEW_TOKENS": 6, "ANSWER_BATCH": 4, "SEED": 5}
SIX = GIVEN["LIMIT"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans") / "made"
    build_scans(folder, sizes=SIZES)
    return folder / "vqa_rad"


@pytest.fixture
def few(scans):
    """A function that makes an experiment with worked examples, by default of the leaking split."""

    def make(kind=FewShotAnswers, **parameters):
        data = {"DATASET": "vqa_rad", "DATA_ROOT": str(scans)}
        return kind.of_profile("pocket", data | GIVEN | parameters)

    return make


def shot_ids(experiment) -> dict[str, list[str]]:
    return {case_id: [one.id for one in some] for case_id, some in experiment.chosen().items()}


# Which examples


@pytest.mark.parametrize("choice", ["random", "fixed", "lexical"])
def test_no_example_shows_the_image_that_is_asked_about(few, choice):
    """All pictures of this test set are training pictures."""
    asked = few(SHOTS=3, SHOT_CHOICE=choice, LIMIT=0)
    cases = {case.id: case for case in asked.cases()}
    known = {find_image_key(first_image(one)) for one in asked.pool()}
    assert {find_image_key(first_image(case)) for case in cases.values()} <= known
    for case_id, shots in asked.chosen().items():
        assert len({one.id for one in shots}) == 3 and {one.split for one in shots} == {"train"}
        own = find_image_key(first_image(cases[case_id]))
        assert own not in {find_image_key(first_image(one)) for one in shots}


def test_an_image_is_known_by_its_content_whatever_its_file_is_called(few, scans, tmp_path):
    root = tmp_path / "renamed"
    shutil.copytree(scans, root)
    asked = few(SHOTS=1, LIMIT=1, DATASET="vqa_rad_by_image", DATA_ROOT=str(root))
    (case,), pool = asked.cases(), asked.pool()
    # All training pictures but one have the content of the one that is asked about.
    other = pool[0].images[0]
    for image in {one.images[0] for one in pool} - {other}:
        shutil.copy(first_image(case), image)
    ((shot,),) = asked.chosen().values()
    assert shot.images == (other,)
    shutil.copy(first_image(case), other)
    with pytest.raises(LabError, match="^SHOTS is 1, but .* there are 0 training cases"):
        record(asked)


def test_examples_come_again_from_the_seed_whatever_other_cases_are_asked(few):
    asked = few(SHOTS=2)
    found = shot_ids(asked)
    assert found == shot_ids(asked) != shot_ids(asked.but({"SEED": 6}))
    alone = shot_ids(few(SHOTS=2, LIMIT=2, DATASET="vqa_rad_by_image"))
    more = shot_ids(few(SHOTS=2, LIMIT=0, DATASET="vqa_rad_by_image"))
    assert alone.items() <= more.items() and len({tuple(one) for one in more.values()}) > 2
    # Fewer examples are some of the same.
    fewer = shot_ids(few(SHOTS=1, LIMIT=0, DATASET="vqa_rad_by_image"))
    assert all(one == more[case_id][:1] for case_id, one in fewer.items())
    fixed = shot_ids(few(SHOTS=2, SHOT_CHOICE="fixed", DATASET="vqa_rad_by_image"))
    assert len({tuple(one) for one in fixed.values()}) == 1


def test_the_most_similar_question_stands_last(few):
    asked = few(SHOTS=2, SHOT_CHOICE="lexical", DATASET="vqa_rad_by_image", LIMIT=0)
    questions = {one.question for one in asked.pool()}
    repeated = [case for case in asked.cases() if case.question in questions]
    found = asked.chosen()
    assert repeated and all(found[one.id][-1].question == one.question for one in repeated)


def test_what_examples_are_chosen_from_is_part_of_a_runs_id(few, scans, tmp_path):
    root = tmp_path / "other"
    shutil.copytree(scans, root)
    changes = {"DATASET": "vqa_rad_by_image", "DATA_ROOT": str(root)}
    plain, asked = few(SHOTS=0, **changes), few(SHOTS=2, **changes)
    before = run_id(plain), run_id(asked)
    assert before[0] != before[1] != run_id(few(SHOTS=2, SHOT_CHOICE="fixed", **changes))
    assert run_id(plain) == run_id(plain.but({"SEED": 6})) and "SEED" not in plain.parameters()
    first, *_, last = asked.pool()
    shutil.copy(last.images[0], first.images[0])
    assert run_id(plain) == before[0] and run_id(asked) != before[1]


def test_records_and_labels_tell_the_number_of_examples(few):
    asked = few(SHOTS=4)
    assert asked.label() == "pocket/idefics2, brief, 4 shots (random)"
    assert few(SHOTS=1, SHOT_CHOICE="fixed").label().endswith(", 1 shot (fixed)")
    assert few(SHOTS=0).label() == "pocket/idefics2, brief, 0 shots"
    assert "SHOT" not in asked.title().partition(";")[2]
    assert (asked.parameters()["SHOTS"], asked.parameters()["SHOT_CHOICE"]) == (4, "random")


# What cannot be


def test_models_that_see_one_image_at_a_time_are_refused(few, tmp_path):
    sentence = "^MODEL is 'pocket/skingpt4', but .* sees one image at a time.*: set SHOTS to 0, or"
    with pytest.raises(LabError, match=sentence):
        record(few(SHOTS=1, MODEL="pocket/skingpt4"))
    with pytest.raises(LabError, match="^MODEL is 'pocket/blip', but a model of type 'blip' goes"):
        record(few(SHOTS=1, MODEL="pocket/blip"))
    assert run_id(few(SHOTS=0, MODEL="pocket/skingpt4"))
    write_json(tmp_path / "moon" / "config.json", {"model_type": "moondream1"})
    with pytest.raises(LabError, match="a model of type 'moondream1' sees one image"):
        check_several_images(ModelRef(str(tmp_path / "moon")))


def test_more_examples_than_there_are_cases_are_refused(few):
    with pytest.raises(LabError, match="^SHOTS is 5000, but of the data set 'vqa_rad' there are"):
        record(few(SHOTS=5000))
    with pytest.raises(LabError, match="`shots` is 5000"):
        few(SHOTS=5000).check()
    asked = few(SHOTS=1)
    room = len(asked.pool()) - 7  # questions about one image in training
    found = few(SHOTS=room, SPLIT="train", LIMIT=3).chosen()
    assert all(len({one.id for one in some}) == room for some in found.values())


@pytest.mark.slow
def test_a_conversation_that_the_context_has_no_room_for_is_refused(few):
    with pytest.raises(LabError, match="after its worked examples has .* 2048: lower SHOTS, MAX"):
        record(few(SHOTS=75, LIMIT=1))


# What a model reads


@pytest.mark.parametrize(("name", "tokens"), [("pocket/idefics2", 16), ("pocket/llava", 64)])
def test_a_conversation_has_an_image_for_each_turn_in_their_order(few, name, tokens):
    asked = few(SHOTS=2)
    processor = load_processor(ModelRef(name))
    case = asked.cases()[0]
    shown = [*asked.chosen()[case.id], case]
    images = [open_image(first_image(one)) for one in shown]
    *shots, last = ((vlm_question(one, "brief"), one.references[0].text) for one in shown)
    text = turn_text(processor, last[0], shots=shots)
    inputs = read(processor, [text], [images], padding_side="left")
    pixels = inputs["pixel_values"].reshape(3, *inputs["pixel_values"].shape[-3:])
    for seen, image in zip(pixels, images, strict=True):
        alone = read(processor, [turn_text(processor, "?")], [image], padding_side="left")
        assert torch.equal(seen, alone["pixel_values"].reshape(seen.shape))
    assert not torch.equal(pixels[0], pixels[2]) and not torch.equal(pixels[1], pixels[2])
    places = inputs["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<image>")
    assert places.sum() == 3 * tokens
    # Question, answer, question, answer, question; the answer to the last one is open.
    at = 0
    for words in (*shots[0], *shots[1], last[0]):
        for part in words.split(IMAGE_PLACE):
            at = text.index(part, at) + len(part)
    assert text.count("Answer briefly.") == 3 and text.lower().endswith("assistant:")
    assert text.count(processor.tokenizer.bos_token) <= 1


def test_without_examples_a_turn_is_what_it_was():
    processor = load_processor(ModelRef("pocket/idefics2"))
    turn = "<s>User:<image>What is it?<end_of_utterance>\nAssistant: Eczema.<end_of_utterance>\n"
    assert turn_text(processor, "What is it?", "Eczema.") == turn
    assert turn_text(processor, "Why?", shots=[("What is it?", "Eczema.")]) == (
        f"{turn}User:<image>Why?<end_of_utterance>\nAssistant:"
    )


def test_a_prompt_as_messages_has_its_examples_first():
    first, own = (Image.new("RGB", (8, 8)) for _ in range(2))
    turns = ImagePrompt(own, "Why?", (ImageShot(first, "What?", "Eczema."),)).as_messages()
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[0]["content"][0]["image"] is first and turns[2]["content"][0]["image"] is own
    assert turns[1]["content"] == "Eczema."


class Parrot(AsksOnce):
    """Says which colours it is shown, and what it is told of them."""

    is_remote = False

    def answer_batch(self, questions, *, max_new_tokens):
        for case_id, one in questions.items():
            said = [f"{shot.image.getpixel((0, 0))[0]} {shot.answer}" for shot in one.shots]
            yield Answer(case_id, "; ".join([*said, f"{one.image.getpixel((0, 0))[0]} {one.text}"]))


def test_images_are_opened_for_their_turns_and_one_that_fails_is_told(tmp_path):
    files = [tmp_path / f"{shade}.png" for shade in (10, 20, 30)]
    for file in files:
        Image.new("RGB", (8, 8), (int(file.stem),) * 3).save(file)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    questions = {"a": (files[0], "?"), "b": (files[1], "??"), "c": (None, "?"), "d": (broken, "?")}
    before = [(files[2], "what?", "wart"), (files[0], "what?", "eczema")]
    shots = {"b": before, "c": before, "d": before, "e": [*before, (broken, "what?", "wart")]}
    questions["e"] = questions["a"]
    file = AnswerFile(tmp_path / "answers.jsonl")
    found = answer_images(Parrot(), questions, file, batch=2, max_new_tokens=4, shots=shots)
    assert [found[one].text for one in "ab"] == ["10 ?", "30 wart; 10 eczema; 20 ??"]
    assert [found[one].text for one in "cde"] == ["", "", ""]
    assert found["c"].error == "no image of it is on disk"
    assert found["e"].error == f"the image of a worked example: {found['d'].error}"


# The whole of it


def test_without_examples_answers_are_those_of_questions_alone(few):
    plain, none = (record(few(kind, SHOTS=0)) for kind in (QuestionAnswers, FewShotAnswers))
    assert plain.id != none.id and texts(plain) == texts(none)
    lines = [(run.folder / "predictions.jsonl").read_text().splitlines() for run in (plain, none)]
    ids = [[line.split('"case_id": ')[1].split(",")[0] for line in some] for some in lines]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("model", ["pocket/idefics2", "pocket/llava"])
def test_a_model_is_asked_after_examples(few, model):
    asked = few(SHOTS=2, MODEL=model)
    run = record_scored(asked, Grading())
    assert len(texts(run)) == SIX and all(texts(run).values())
    assert texts(run) != texts(record(few(SHOTS=0, MODEL=model)))
    rows = read_json(run.folder / "shots.json")
    assert {case_id: row["shots"] for case_id, row in rows.items()} == shot_ids(asked)
    assert run.record["parameters"]["SHOTS"] == 2 and "exact_match" in run.scores
    assert set(frame([run])["shots"]) == {2}
    assert str(Path(asked.data.root)) not in (run.folder / "run.json").read_text()
