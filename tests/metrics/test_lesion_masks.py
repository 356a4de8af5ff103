"""Masks of lesions: every result of MAGIC 2025's own program, and what the mode `aligned` refuses
or does otherwise.
"""

import warnings

import numpy as np
import pytest

from helpers.files import LabError, read_json
from helpers.metrics.lesion_masks import majority, score_masks

FULL, EMPTY = np.ones((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
LEFT = np.array([[1, 0], [1, 0]], np.uint8)
TOP = np.array([[1, 1], [0, 0]], np.uint8)
# What the challenge's program ends with -> what our sentence says.
ERRORS = {
    "only_fifth_annotator": "has a mask of none of ann0, ann1, ann2, ann3",
    "prediction_missing": "no prediction 'IMG_ENC00860_00003_mask_sys'",
    "wrong_suffix": "no prediction 'IMG_ENC00852_00001_mask_sys'",
    "other_size": "8 x 8 pixels was to be compared with one of 12 x 10",
    "annotators_of_two_sizes": "have 12 x 10 and 10 x 12 pixels",
}
# What it scores and `aligned` refuses, or scores otherwise.
REFUSED = {
    "fifth_annotator": "masks of 'ann4', 'majority",
    "prediction_more": "not among the 1 pictures",
    "no_predictions": "no prediction",
    "turned": "have 10 x 12 and 12 x 10 pixels",
    "values_of_255": "whole numbers that are 0 or 1",
    "reference_of_255": "whole numbers that are 0 or 1",
    "probabilities": "of float32 and 12 x 10 pixels",
}
OTHERWISE = ("both_empty", "everything_empty")


def masks(rows):
    return {
        name: np.array(one["values"], dtype=np.dtype(one["dtype"])) for name, one in rows.items()
    }


def golden(shared):
    cases = read_json(shared / "golden" / "magic2025" / "segmentation.json")["cases"]
    assert len(cases) == 23
    for case in cases:
        yield case, masks(case["reference"]), masks(case["prediction"]), case["suffix"]


def one_picture(said, **truths):
    """Scores of one picture, its annotators' masks by their names."""
    references = {f"IMG_E1_1_mask_{who}": mask for who, mask in truths.items()}
    return score_masks(references, {"IMG_E1_1_mask_sys": said})


def test_every_case_of_the_challenges_program(shared):
    seen = []
    for case, references, predictions, suffix in golden(shared):
        seen.append(case["name"])
        if "error" in case:
            with pytest.raises(LabError, match=ERRORS[case["name"]]):
                score_masks(references, predictions, suffix=suffix, mode="official")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = score_masks(references, predictions, suffix=suffix, mode="official")
        expected = {
            name: np.nan if value is None else value for name, value in case["scores"].items()
        }
        count = expected.pop("number_segmentation_instances")
        values = {name: one.value for name, one in found.items()}
        assert values == pytest.approx(expected, abs=1e-12, nan_ok=True), case["name"]
        assert {one.n for one in found.values()} == {count}
    assert {*ERRORS, *REFUSED, *OTHERWISE} < {*seen}


def test_aligned_refuses_what_the_program_lets_pass_and_scores_the_rest_alike(shared):
    for case, references, predictions, suffix in golden(shared):
        name = case["name"]
        if "error" in case or name in REFUSED:
            with pytest.raises(LabError, match=REFUSED.get(name)) as refused:
                score_masks(references, predictions, suffix=suffix)
            assert "\n" not in str(refused.value)
        elif name not in OTHERWISE:
            found = score_masks(references, predictions, suffix=suffix)
            expected = {key: case["scores"][key] for key in found}
            assert {key: one.value for key, one in found.items()} == pytest.approx(expected)


def test_two_empty_masks_agree():
    found = one_picture(EMPTY, ann0=EMPTY, ann1=FULL)
    assert found["jaccard_meanofmax"].value == 1 and found["jaccard_meanofmean"].value == 0.5
    assert found["jaccard"].value == 0  # of two annotators one is enough
    assert one_picture(EMPTY, ann0=EMPTY)["dice"].value == 1


def test_by_hand():
    found = one_picture(LEFT, ann0=TOP, ann1=FULL)
    # With TOP one of three pixels is shared, with FULL two of four.
    assert found["jaccard_meanofmax"].value == pytest.approx(1 / 2)
    assert found["jaccard_meanofmean"].value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found["dice_meanofmean"].value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["jaccard"].value == pytest.approx(1 / 2) and found["dice"].value == 2 / 3
    assert (majority([LEFT, TOP, EMPTY]) == [[1, 0], [0, 0]]).all()
    assert (majority([LEFT, TOP]) == [[1, 1], [1, 0]]).all()


def test_an_interval_holds_its_score_and_counts_encounters():
    pictures = [f"IMG_E{n // 2}_{n % 2}" for n in range(20)]
    references = {f"{one}_mask_ann0": LEFT for one in pictures}
    predictions = {f"{one}_mask_sys": LEFT if n % 3 else TOP for n, one in enumerate(pictures)}
    for one in score_masks(references, predictions).values():
        assert one.low < one.value < one.high and one.n == 20
        assert one.signature.endswith("|groups:10")


def test_a_name_that_is_no_masks_and_nothing_at_all_are_refused():
    for references, said in (({"a": FULL}, "was expected"), ({}, "hold no mask")):
        with pytest.raises(LabError, match=said):
            score_masks(references, {})
    with pytest.raises(LabError, match="mode asked for is 'other'"):
        score_masks({}, {}, mode="other")
