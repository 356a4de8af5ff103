"""The captioning experiment that notebook 01 and the sweep call: a split's images put into words,
and how that went.

The captions themselves are in the captioner's store (`helpers.models.captions`), which all
notebooks share; the run holds their scores. Settings are the notebooks' parameters after the
profile, by their names.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from helpers.cases import Answer, Case
from helpers.data import POCKET, Dataset
from helpers.data.tables import skin_tones
from helpers.experiments.about import about_run
from helpers.experiments.caption_texts import (
    NOT_GIVEN,
    RECORDED,
    caption_cases,
    caption_paths,
    captioner_identity,
    captioners_to_compare,
    with_captioner,
)
from helpers.experiments.inputs import cases_to_answer
from helpers.experiments.parameters import recordable
from helpers.experiments.runs import Run, open_run
from helpers.files import LabError, fingerprint
from helpers.metrics import captions as caption_metrics
from helpers.metrics import concepts
from helpers.metrics.captions import caption_statistics, compare_failures, compare_length
from helpers.metrics.claims import verdict
from helpers.metrics.concepts import ConceptScores, concept_scores
from helpers.metrics.scores import Score
from helpers.models.api.address import api_host, is_api_model
from helpers.models.captioning import find_image_key
from helpers.models.captions import case_text, failed_caption, images_to_caption
from helpers.models.devices import Device, choose_device

CAPTIONING = "01_captioning"
EXAMPLES = 3  # images side by side, as in YuanAI's Table 4


def captioned_cases(data: Dataset, settings: SimpleNamespace) -> list[Case]:
    """Return the cases that name an image; a split without any is a `LabError`."""
    cases = [case for case in cases_to_answer(data, settings) if case.images]
    if not cases:
        raise LabError(
            f"Images of the split {settings.SPLIT!r} were to be put into words, but no case of "
            f"the data set {data.name!r} names one there: choose another SPLIT or DATASET."
        )
    return cases


def compare_captioners(data: Dataset, settings: SimpleNamespace) -> dict[str, Run]:
    """Caption with each captioner that is compared; return the runs by captioner.

    Raises:
        LabError: there is no image on disk; or one of the captioners cannot be had, before any of
            them works.
    """
    chosen = {
        name: with_captioner(settings, name) for name in captioners_to_compare(data, settings)
    }
    if not chosen:
        raise LabError(
            f"Images of the split {settings.SPLIT!r} were to be put into words, but of the data "
            f"set {data.name!r} none is on disk: only its texts are fetched by themselves; get the "
            "images (see the README), and name their folder as DATA_ROOT."
        )
    for one in chosen.values():
        captioner_identity(data, one)
    return {name: caption(data, one) for name, one in chosen.items()}


def caption(data: Dataset, settings: SimpleNamespace) -> Run:
    """Put the images of `settings.SPLIT` into words by `settings.CAPTIONER`, and measure the
    captions.

    The record of a run on simulated images holds some captions as examples; of patients' images
    it holds none.
    """
    cases = captioned_cases(data, settings)
    determines = captioner_identity(data, settings) | {
        "data": data.fingerprint(settings.SPLIT),
        "images": _images(cases),
        "split": settings.SPLIT,
        "limit": settings.LIMIT,
        "scoring": {
            "captions": caption_metrics.VERSION,
            "concepts": concepts.VERSION,
            "words": concepts.words_id(),
        },
    }
    about = about_run("captions", recordable(settings)["CAPTIONER"], data, settings.SPLIT, settings)
    run = open_run(CAPTIONING, determines=determines, about=about | {"model": about["name"]})
    with run.working() as needed:
        if needed:
            found = caption_cases(data, settings, cases)
            named = concept_scores(concept_pairs(cases, found))
            scores = caption_statistics(
                [caption for case in cases for caption in found[case.id]]
            ) | _concept_scores(named)
            run.save_scores(scores)
            run.save(
                device=_device(settings.CAPTIONER),
                examples=_examples(data, cases, found),
                concepts=named["concepts"],
                skin_tones=scores_by_tone(data, settings, cases, found),
            )
    return run


def caption_files(
    settings: SimpleNamespace, captioner: str, paths: Sequence[Path], store: str
) -> dict[Path, Answer]:
    """Caption single files; captions are kept under the name `store`, and no run records them."""
    if captioner == RECORDED:
        return {path: failed_caption(path.name, NOT_GIVEN) for path in paths}
    return caption_paths(with_captioner(settings, captioner), paths, store)


def concept_pairs(
    cases: Sequence[Case], found: dict[str, list[Answer]]
) -> list[tuple[tuple[str, ...], str]]:
    """What the images of each case show, and what its captions say, of the cases that know it."""
    return [(case.concepts, case_text(found[case.id])) for case in cases if case.concepts]


def scores_by_tone(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case], found: dict[str, list[Answer]]
) -> list[dict]:
    """Score the findings that captions name for each skin tone that is known, for the record.

    A row holds "skin tone", "cases", and "concept_precision" and "concept_recall" as in
    metrics.json.
    """
    tones, rows = skin_tones(data.name, settings.DATA_ROOT), []
    for tone in sorted(set(tones.values())):
        pairs = concept_pairs([case for case in cases if tones.get(case.id) == tone], found)
        scores = _concept_scores(concept_scores(pairs))
        row: dict[str, Any] = {"skin tone": tone, "cases": len(pairs)}
        rows.append(row | {name: score.as_dict() for name, score in scores.items()})
    return rows


def captions_of_run(
    data: Dataset, settings: SimpleNamespace, captioner: str
) -> dict[str, list[Answer]]:
    """The captions behind a run, from the store, by case id."""
    return caption_cases(data, with_captioner(settings, captioner), captioned_cases(data, settings))


def _device(captioner: str) -> dict:
    """Where captions were made, for the record."""
    if is_api_model(captioner):
        return asdict(Device(api_host(captioner), "unknown", "behind an API"))
    return {} if captioner == RECORDED else asdict(choose_device())


def _images(cases: list[Case]) -> str:
    """What identifies the images of these cases by their content."""
    return fingerprint([find_image_key(path) for case in cases for path in images_to_caption(case)])


def _concept_scores(named: ConceptScores) -> dict[str, Score]:
    """Return precision and recall of the concepts that captions name, where cases know theirs."""
    found = {"concept_precision": named["precision"], "concept_recall": named["recall"]}
    return {name: score for name, score in found.items() if score}


def _examples(data: Dataset, cases: list[Case], found: dict[str, list[Answer]]) -> list[dict]:
    """Captions of the first image of some cases, drawn once and for all captioners alike."""
    if data.name not in POCKET:
        return []
    drawn = random.Random(0).sample(cases, min(EXAMPLES, len(cases)))
    return [{"case": case.id, "caption": found[case.id][0].text} for case in drawn]


def caption_claims(
    first: dict[str, list[Answer]], second: dict[str, list[Answer]], names: tuple[str, str]
) -> list[dict]:
    """Hold YuanAI's claims about their Table 4 against two captioners: one row for each claim.

    A row holds "claim", "metric" (a key of `METRICS`), "paper" (what their table shows), "score"
    (our difference) and "verdict". `first` and `second`: the captions of two captioners for the
    same cases, in the parts of BLIP and of Gemini. No row about length where no image has a caption
    by both.
    """
    one, two = (
        [caption for row in captions.values() for caption in row] for captions in (first, second)
    )
    measured = [
        (
            f"{names[0]} fails more often than {names[1]}",
            "failed",
            "1 of 3; 0 of 3",
            compare_failures(one, two),
        )
    ]
    if more := compare_length(one, two):
        claim = f"{names[1]} says more of an image than {names[0]}"
        measured.append((claim, "words", "7 and 14 words; 73 and 91", more))
    return [
        {
            "claim": claim,
            "metric": metric,
            "paper": paper,
            "score": score,
            "verdict": verdict(score),
        }
        for claim, metric, paper, score in measured
    ]
