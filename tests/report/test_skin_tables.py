"""SkinGPT-4's Tables 1 and 2, from made-up cases and from the published annotations."""

import pytest

from helpers.cases import Case, Reference
from helpers.data import load_dataset
from helpers.data.dermnet import major_classes
from helpers.files import LabError
from helpers.models.prompts import REQUESTS
from helpers.pocket.vocabulary import CONCEPTS
from helpers.report.skin_tables import (
    count_classes,
    count_concepts,
    remark_on_concepts,
    show_steps,
)
from tests.report.runs import make_run


def test_pictures_are_counted_by_concept():
    rows = count_concepts(
        [Case("a", concepts=("Papule", "Scale")), Case("b", concepts=("Scale",)), Case("c")]
    )
    assert {row["concept"] for row in rows} == {*CONCEPTS} and len(rows) == 48
    assert rows[0] == {"concept": "Erythema", "pictures here": 0, "in the paper": 2139}
    here = {row["concept"]: row["pictures here"] for row in rows if row["pictures here"]}
    assert here == {"Papule": 1, "Scale": 2}
    # "22 of which have at least 50 images", as the paper says of SKINCON.
    assert sum(row["in the paper"] >= 50 for row in rows) == 22
    assert "Fitzpatrick17k alone" in remark_on_concepts()


def test_published_counts_are_those_of_the_kept_pictures_of_fitzpatrick17k(shared):
    cases = load_dataset("skincon", shared / "data" / "skincon").split("train")
    kept = [case for case in cases if case.id.startswith("fitzpatrick17k-")]
    rows = count_concepts(kept)
    off = [row["pictures here"] - row["in the paper"] for row in rows]
    assert len(kept) == 3230 and sorted(map(abs, filter(None, off))) == [1, 1, 1]
    with_ddi = count_concepts(cases)
    assert with_ddi[0]["pictures here"] - rows[0]["pictures here"] == 235


def test_pictures_are_counted_by_class_and_split():
    splits = {
        "train": [Case("a", label="Herpes"), Case("b", label="Herpes"), Case("c", label="Others")],
        "test": [Case("d", label="Urticaria")],
    }
    rows = {row["class"]: row for row in count_classes(splits)}
    assert rows.keys() == {*major_classes().values()}
    assert rows["Herpes"] == {
        "class": "Herpes",
        "train": 2,
        "test": 0,
        "in the paper": 405,
        "rated in the paper": 10,
    }
    assert (rows["Others"]["train"], rows["Urticaria"]["test"]) == (1, 1)
    assert sum(row["in the paper"] for row in rows.values()) == 18_856 + 30_187
    assert sum(row["rated in the paper"] for row in rows.values()) == 150


def test_other_labels_are_refused():
    with pytest.raises(LabError, match="labels are Eczema Photos"):
        count_classes({"train": [Case("a", label="Eczema Photos")]})


def test_answers_after_each_step_stand_beside_the_clinicians():
    cases = [Case("a", references=(Reference("It is herpes."),), label="Herpes"), Case("b")]
    stages = {
        "both": "m, concepts (x), 6 epochs, then disease (y), 6 epochs",
        "second": "m, disease (y), 6 epochs",
        "plain": None,
    }
    runs = [
        make_run(
            "question_answers",
            name,
            {},
            stages=stages[name],
            examples=[{"case": "a", "answer": f"said {name}"}],
            parameters={"PROMPT": prompt},
        )
        for name, prompt in (("both", "demo"), *((name, "disease") for name in stages))
    ]
    control = make_run("image_control", "none kept", {}, parameters={"PROMPT": "disease"})
    found = show_steps([*runs, control], cases, lambda path: path, prompt="disease", caption="c")
    order = [found.text.index(f"said {name}") for name in ("plain", "second", "both")]
    assert order == sorted(order) and found.text.count("said both") == 1
    assert "It is herpes." in found.text and "step 1 alone" not in found.text
    assert found.html.count("<tr>") == 2  # the head and one case
    assert any(request in found.text for request in REQUESTS["disease"])
