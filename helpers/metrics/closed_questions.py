"""Score answers to MAGIC 2025's closed questions as the challenge does, in two modes.

Of each encounter and each of 9 questions the set of options that the truth has is compared with the
set that the system has: how many they share over the size of the larger one. The score of a
question is the mean over encounters, "all" the mean over encounters and questions. "Not mentioned"
is an option like any other. It fills every place that a question does not need, so an answer may
get a share for what it leaves open: nothing but "Not mentioned" is right by 0.27 on the published
validation set, each question's most frequent answer in training by 0.52.

`official` repeats the challenge's program (score_cvqa.py) with its faults. It puts doubled records
together, passes over encounters that were not asked, ids that are not 11 characters long and places
left out, counts an option that there is not as a wrong one, and cuts encounter ids at a hyphen.
`aligned` refuses each of these, and gives the same scores otherwise.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.data.closed_questions import ENCOUNTER, FORMS, answer_faults
from helpers.data.records import case_id_of, named
from helpers.data.texts import quoted, shown
from helpers.files import LabError, list_some
from helpers.metrics.scores import Score, mean_score

# Raised by hand when the same answers would score differently.
VERSION = 1
MODES = ("aligned", "official")
ALL = "all"
ID_LENGTH = 11  # characters of "CQID010-001"; the challenge's program reads no other key
# Encounter -> question -> its options, doubled ones too.
Sets = dict[str, dict[str, set]]


@dataclass(frozen=True)
class ClosedScores:
    """Scores (0 to 1) by question and of "all", and how many encounters the references have."""

    scores: dict[str, Score]
    encounters: int


def score_closed(references: list, predictions: list, *, mode: str = "aligned") -> ClosedScores:
    """Score records of answers against records of the truth, see `closed_questions` of `data`.

    Intervals are bootstraps over encounters.

    Raises:
        LabError: an unknown mode; in `aligned` a record with a fault, a doubled id, or other
            encounters than the references'; in `official` what ends the challenge's program.
    """
    if mode not in MODES:
        raise LabError(f"The mode asked for is {mode!r}: choose one of {', '.join(MODES)}.")
    if mode == "aligned":
        _check(references, predictions)
    signature = f"closed questions|mode:{mode}|interval:bootstrap|v:{VERSION}"
    if mode == "official" and not predictions:  # then the program gives zeros
        return ClosedScores(dict.fromkeys([*FORMS, ALL], Score(0.0, 0.0, 0.0, 0, signature)), 0)
    truths = _sets(references, "references")
    if not truths:
        raise LabError("The references hold no encounter: check that it is the right file.")
    shares = _shares(truths, _sets(predictions, "predictions"))
    scores = {
        question: mean_score(shares[:, place], signature=signature)
        for place, question in enumerate(FORMS)
    }
    groups = [encounter for encounter in truths for _ in FORMS]
    scores[ALL] = mean_score(shares.reshape(-1), signature=signature, groups=groups)
    return ClosedScores(scores, len({record[ENCOUNTER] for record in references}))


def closed_scores_json(found: ClosedScores) -> dict:
    """Return what the command `score-closed` prints: the challenge's names, each with an interval
    beside it, and the signatures in one line.
    """
    printed: dict[str, object] = {}
    for name, score in found.scores.items():
        printed[f"accuracy_{name}"] = score.value
        printed[f"accuracy_{name}_interval"] = [score.low, score.high]
    signatures = dict.fromkeys(score.signature for score in found.scores.values())
    return printed | {
        "number_cvqa_instances": found.encounters,
        "signature": " ".join(signatures),
    }


def _shares(truths: Sets, said: Sets) -> np.ndarray:
    """Return what each encounter gets of each question, (encounters, 9), 0 to 1."""
    shares = np.zeros((len(truths), len(FORMS)))
    for row, (encounter, truth) in enumerate(truths.items()):
        if encounter not in said:
            raise LabError(
                f"The predictions have no encounter {quoted(encounter)}: answer every encounter of "
                "the references."
            )
        for column, question in enumerate(FORMS):
            for name, one in (("references", truth), ("predictions", said[encounter])):
                if question not in one:
                    raise LabError(
                        f"The {name} have no answer to {question} of the encounter "
                        f"{quoted(encounter)}: answer every question."
                    )
            right, given = truth[question], said[encounter][question]
            shares[row, column] = len(right & given) / max(len(right), len(given))
    return shares


def _sets(records: Sequence[object], whose: str) -> Sets:
    """Put the options of each encounter's questions together, as the challenge's program does.

    Raises:
        LabError: what ends that program: a record without an id, a key of 11 characters that is not
            two parts with a hyphen between, or an answer that is a list or an object.
    """
    found: Sets = {}
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not isinstance(record.get(ENCOUNTER), str):
            raise LabError(
                f"The {whose}, record {number}: an object with a text `{ENCOUNTER}` was expected."
            )
        answers = found.setdefault(record[ENCOUNTER].partition("-")[0], {})
        for key, value in record.items():
            if key == ENCOUNTER or len(key) != ID_LENGTH:
                continue
            if key.count("-") != 1:
                raise LabError(
                    f"The {whose}, record {number}: {quoted(key)} is no id such as 'CQID010-001'."
                )
            if isinstance(value, (list, dict)):
                raise LabError(
                    f"The {whose}, record {number}: {quoted(key)} is {named(value)}, but a number "
                    "was expected."
                )
            answers.setdefault(key.partition("-")[0], set()).add(value)
    return found


def _check(references: list, predictions: list) -> None:
    """Refuse what the mode `aligned` does not score, in one sentence.

    Raises:
        LabError: see `score_closed`.
    """
    asked, said = _ids(references, "references"), _ids(predictions, "predictions")
    if missing := [quoted(one) for one in asked if one not in said]:
        raise LabError(
            f"The predictions have no encounter {list_some(missing)}: answer every encounter of "
            "the references."
        )
    if unknown := [quoted(one) for one in said if one not in asked]:
        raise LabError(
            f"The predictions name {list_some(unknown)}, not among the {len(asked)} references: "
            "check that both files are of the same split."
        )


def _ids(records: list, whose: str) -> dict[str, None]:
    """Return the encounters of a file in their order, or refuse it."""
    for number, record in enumerate(records, start=1):
        if fault := next(answer_faults(record), None):
            case_id = case_id_of(record)
            place = f"record {number}" + (f" ({shown(case_id)})" if case_id else "")
            raise LabError(f"The {whose}, {place}: {fault}; correct the file.")
    # Two ids that the challenge's program takes for one are one encounter.
    ids = [record[ENCOUNTER] for record in records]
    counts = Counter(one.partition("-")[0] for one in ids)
    if doubled := [quoted(one) for one, count in counts.items() if count > 1]:
        raise LabError(
            f"The {whose} have the encounter {list_some(doubled)} more than once: keep one record "
            "of each."
        )
    if not ids:
        raise LabError(f"The {whose} hold no encounter: check that it is the right file.")
    return dict.fromkeys(ids)
