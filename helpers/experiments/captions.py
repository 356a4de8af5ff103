"""The images of a split put into words by a captioner, and how that went (YuanAI, Table 4).

An image is captioned once, whatever asks for it: the captioner's store (see
`helpers.models.captioning`) is shared. The run holds the captions of its cases, and their scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

from helpers.cases import Answer, Case
from helpers.data import Cases, Source, is_simulated
from helpers.data.tables import skin_tones
from helpers.experiments.caption_texts import (
    caption_cases,
    captions_identity,
    has_given_captions,
)
from helpers.experiments.case_answers import draw_examples
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading
from helpers.files import LabError, file_hash, read_json, write_json
from helpers.metrics import captions as caption_metrics
from helpers.metrics import concepts
from helpers.metrics.captions import caption_statistics
from helpers.metrics.concepts import ConceptScores, concept_scores
from helpers.metrics.scores import Score
from helpers.models.api.address import api_host
from helpers.models.captions import GIVEN, NONE, Captioner, Captioners, case_text
from helpers.models.devices import Device, choose_device
from helpers.settings.section import Section

CAPTIONS = "captions.json"  # of a run: case id -> the captions of its images


class Captions(Experiment):
    """Caption the images of a split, and measure the captions.

    The record of a run on simulated images holds some captions as examples; of patients' images
    it holds none.
    """

    version: ClassVar = 3
    needs_images: ClassVar = True
    said: ClassVar = frozenset({"CAPTIONER"})
    data: Cases = Cases()
    captioner: Captioner = Captioner()

    def cases(self) -> list[Case]:
        """Load the cases that name an image; a split without any is a `LabError`."""
        cases = [case for case in self.data.cases() if case.images]
        if not cases:
            raise LabError(
                f"Images of the split {self.data.split!r} were to be captioned, but no case of the "
                f"data set {self.data.name!r} names one there: choose another `split` or `dataset`."
            )
        return cases

    def captions(self) -> dict[str, list[Answer]]:
        """Read the captions by case id; images without one are captioned."""
        return caption_cases(self.captioner, self.data, self.cases())

    def inputs(self) -> dict[str, Any]:
        """Also the images."""
        asked = captions_identity(self.captioner, self.data, self.cases())
        return super().inputs() | {"captioner": asked}

    def about(self) -> dict[str, Any]:
        """The model is the captioner."""
        return super().about() | {"model": self.label()}

    def check(self) -> None:
        """Refuse data of which no image is on disk, and which came without captions."""
        if not (self.data.has_images() or has_given_captions(self.data)):
            raise LabError(
                f"Images of the data set {self.data.name!r} were to be captioned, but none is on "
                "disk: only its texts are fetched by themselves; get the images (see the README), "
                "and name their folder as `root`."
            )

    def variants(self, settings: Callable[[type[Section]], Any]) -> list[Self]:
        """Compare the captioners that are listed, and the captions that came with the data.

        Where there is nothing to caption, there is nothing to compare.
        """
        names = settings(Captioners).listed if self.data.has_images() else []
        if has_given_captions(self.data):
            names = [*names, GIVEN]
        return [self.but({"captioner.name": name}) for name in dict.fromkeys(names)]

    def label(self) -> str:
        """Say who captions."""
        return self.captioner.parameters()["CAPTIONER"]

    def work(self, run: Run) -> None:
        """Caption what has no caption yet."""
        cases = self.cases()
        found = caption_cases(self.captioner, self.data, cases)
        rows = {case_id: [one.as_row() for one in captions] for case_id, captions in found.items()}
        write_json(run.folder / CAPTIONS, rows)
        examples = _examples(self.data, cases, found)
        run.save(device=_device(self.captioner), examples=examples)

    def score(self, run: Run, grading: Grading) -> None:
        """Score the captions, unless that is done in the same way."""
        versions = [caption_metrics.VERSION, concepts.VERSION, concepts.words_id()]
        scoring = [*versions, file_hash(run.folder / CAPTIONS)]
        if run.record.get("scoring") == scoring and run.has_scores():
            return
        cases, found = self.cases(), read_captions(run)
        named = concept_scores(concept_pairs(cases, found))
        every = [caption for case in cases for caption in found[case.id]]
        run.save_scores(caption_statistics(every) | _concept_scores(named))
        tones = scores_by_tone(self.data, cases, found)
        run.save(concepts=named["concepts"], skin_tones=tones, scoring=scoring)


def captions_of(captioner: Captioner, data: Cases, profile: str) -> dict[str, Captions]:
    """Return the captioning of a split as what another experiment starts from, under "captions".

    Nothing where nothing captions.
    """
    if captioner.name == NONE:
        return {}
    asked = {name: getattr(captioner, name) for name in Captioner.model_fields}
    return {"captions": Captions(profile=profile, data=data, captioner=Captioner(**asked))}


def read_captions(run: Run) -> dict[str, list[Answer]]:
    """Read the captions of a run's cases, by case id."""
    rows = read_json(run.folder / CAPTIONS)
    return {case_id: [Answer.from_row(row) for row in found] for case_id, found in rows.items()}


def read_case_texts(run: Run | None, cases: Sequence[Case]) -> dict[str, str]:
    """Read the captions of cases from the run that captioned them, joined to one text each.

    {} where nothing was captioned; a case without images has the words for a failed caption.
    """
    found = read_captions(run) if run else {}
    return {case.id: case_text(found.get(case.id, [])) for case in cases} if run else {}


def concept_pairs(
    cases: Sequence[Case], found: dict[str, list[Answer]]
) -> list[tuple[tuple[str, ...], str]]:
    """Pair what the images of each case show with what its captions say, where that is known."""
    return [(case.concepts, case_text(found[case.id])) for case in cases if case.concepts]


def scores_by_tone(
    source: Source, cases: Sequence[Case], found: dict[str, list[Answer]]
) -> list[dict]:
    """Score the findings that captions name for each skin tone that is known, for the record.

    A row holds "skin tone", "cases", and "concept_precision" and "concept_recall" as in
    metrics.json.
    """
    tones, rows = skin_tones(source.name, source.root), []
    for tone in sorted(set(tones.values())):
        pairs = concept_pairs([case for case in cases if tones.get(case.id) == tone], found)
        scores = _concept_scores(concept_scores(pairs))
        row: dict[str, Any] = {"skin tone": tone, "cases": len(pairs)}
        rows.append(row | {name: score.as_dict() for name, score in scores.items()})
    return rows


def _device(captioner: Captioner) -> dict:
    """Return where captions were made, for the record."""
    if not captioner.is_model:
        return {}
    if captioner.ref.is_remote:
        return asdict(Device(api_host(captioner.ref.id), "unknown", "behind an API"))
    return asdict(choose_device())


def _concept_scores(named: ConceptScores) -> dict[str, Score]:
    """Return precision and recall of the concepts that captions name, where cases know theirs."""
    found = {"concept_precision": named["precision"], "concept_recall": named["recall"]}
    return {name: score for name, score in found.items() if score}


def _examples(source: Source, cases: list[Case], found: dict[str, list[Answer]]) -> list[dict]:
    """Return captions of the first image of some cases, the same cases for all captioners."""
    if not is_simulated(source.name):
        return []
    drawn = draw_examples(cases)
    return [{"case": case.id, "caption": found[case.id][0].text} for case in drawn]
