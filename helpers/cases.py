"""Cases, references and answers: the one form into which every data set is loaded."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from helpers.files import LabError, list_some, read_json, read_jsonl, text_fault

# What an answer file may say: numbers that can be added up and written again.
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Tokens = Annotated[int, Field(ge=0, le=10**9)]
Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Reference:
    """One expert's answer to a case, with the weight that deltaBLEU gives it (0.6 to 1.0, or 1)."""

    text: str
    weight: float = 1.0
    author: str = ""


@dataclass(frozen=True)
class Case:
    """One question about zero or more images, with zero or more expert answers.

    `question` is the short text (a DermaVQA title), `context` the long one (its content). `images`
    are paths that may not exist on this machine; they are opened late, one at a time. A case
    without references can be answered, not scored. `group` names what cases share, such as one
    patient: splits never cut a group, and intervals are clustered by it; "": the case is alone.
    `question_type` says what a question with one short right answer asks for, in the words of its
    data set; "": it is no such question.
    """

    id: str
    question: str = ""
    context: str = ""
    images: tuple[Path, ...] = ()
    references: tuple[Reference, ...] = ()
    label: str = ""
    concepts: tuple[str, ...] = ()
    group: str = ""
    split: str = ""
    question_type: str = ""

    @property
    def images_on_disk(self) -> tuple[Path, ...]:
        """The images whose files are here; each call looks at the disk."""
        return tuple(path for path in self.images if os.path.isfile(path))

    def content(self) -> dict[str, object]:
        """Return what a fingerprint covers: every field, with images by name and not by path.

        A question without a type is what it was before there were types.
        """
        found = asdict(self) | {"images": [path.name for path in self.images]}
        if not self.question_type:
            del found["question_type"]
        return found


@dataclass(frozen=True)
class Answer:
    """What a model says of one case or image.

    Attributes:
        case_id: the case; of a caption, the key of its image's content.
        seconds: how long it took; of a batch, its share.
        tokens: how many tokens it has.
        finish: "stop" (the model ended it), "length" (cut at the limit of tokens) or "" (it was not
            generated).
        error: why there is no answer.
        options: probability of each label that a classifier chose from; empty for other models.
    """

    case_id: str
    text: str
    seconds: Seconds = 0.0
    tokens: Tokens = 0
    finish: str = ""
    error: str = ""
    options: dict[str, Probability] = field(default_factory=dict)

    def as_row(self) -> dict:
        """Return the row of an answer file; without options where there are none."""
        row = asdict(self)
        if not self.options:
            del row["options"]
        return row

    @classmethod
    def from_row(cls, row: dict) -> "Answer":
        """Read a row of an answer file; entries that this version does not know are passed over."""
        return cls(**{key: row[key] for key in cls.__dataclass_fields__ if key in row})


def check_matching(cases: Sequence[Case], predictions: Iterable[Answer]) -> list[str]:
    """Check that answers fit the cases, and return the ids of cases without an answer.

    Raises:
        LabError: An answer is for an unknown case, or two answers are for the same case.
    """
    counts = Counter(prediction.case_id for prediction in predictions)
    if doubled := [repr(case_id[:60]) for case_id, count in counts.items() if count > 1]:
        raise LabError(
            f"The predictions answer {list_some(doubled)} more than once: keep one answer per case."
        )
    known = {case.id for case in cases}
    if unknown := [repr(case_id[:60]) for case_id in counts if case_id not in known]:
        raise LabError(
            f"The predictions name {list_some(unknown)}, not among the {len(cases)} references: "
            "check that both files are of the same split."
        )
    return [case.id for case in cases if case.id not in counts]


def read_answers(path: Path | str, language: str = "en") -> list[Answer]:
    """Read answers from a challenge file (prediction.json) or from a run's predictions.jsonl."""
    path = Path(path)
    if path.suffix == ".jsonl":
        if not os.path.exists(path):
            raise LabError(f"{path} does not exist: check the path.")
        rows = read_jsonl(path)
        return [_from_row(path, number, row) for number, row in enumerate(rows, start=1)]
    records = read_json(path, any_text=True)
    if not isinstance(records, list):
        raise LabError(
            f"{path} holds a {type(records).__name__}, but a list of records was expected: see the "
            "submission format in the README."
        )
    return [
        _from_record(path, number, record, f"content_{language}")
        for number, record in enumerate(records, start=1)
    ]


def submission(
    cases: Sequence[Case], predictions: Iterable[Answer], language: str = "en"
) -> list[dict]:
    """Return answers in the challenge's format, one record per case in the cases' order.

    A case without an answer gets an empty text.
    """
    texts = {prediction.case_id: prediction.text for prediction in predictions}
    return [
        {
            "encounter_id": case.id,
            "responses": [{f"content_{language}": texts.get(case.id, "")}],
        }
        for case in cases
    ]


def _from_row(path: Path, number: int, row: object) -> Answer:
    fields = row if isinstance(row, dict) else {}
    if not (isinstance(fields.get("case_id"), str) and isinstance(fields.get("text"), str)):
        raise LabError(
            f"{path}, line {number}, lacks a text `case_id` or `text`: was this written by a run "
            "of the lab?"
        )
    try:
        return _answer_type().validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise LabError(
            f"{path}, line {number}: `{first['loc'][0]}` is not what a run of the lab writes "
            f"({first['msg']}): correct the file."
        ) from None


@lru_cache
def _answer_type() -> TypeAdapter[Answer]:
    return TypeAdapter(Answer)


def _from_record(path: Path, number: int, record: dict, key: str) -> Answer:
    try:
        case_id = record["encounter_id"]
        text = record["responses"][0][key]
    except (KeyError, IndexError, TypeError):
        raise LabError(
            f"{path}, record {number}, lacks `encounter_id` or `responses[0].{key}`: see the "
            "submission format in the README."
        ) from None
    if not (isinstance(case_id, str) and isinstance(text, str)):
        raise LabError(f"{path}, record {number}: `encounter_id` and `{key}` must both be text.")
    if fault := text_fault(case_id) or text_fault(text):
        raise LabError(
            f"{path}, record {number} ({case_id[:60]!r}), has {fault}: correct the text."
        )
    return Answer(case_id, text)
