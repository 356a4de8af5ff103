"""MEDIQA-MAGIC 2025's closed questions about IIYI's encounters (DermaVQA-DAS, Yim et al. 2025).

Published are `train_cvqa.json` (300 encounters) and `valid_cvqa.json` (56), the options as numbers,
and what these mean, `closedquestions_definitions_imageclef2025.json`. The patients' texts and the
names of the images stand in IIYI's files (`train.json`, `valid.json` or `valid_ht.json`, ...), and
the images in IIYI's folders. All of them are looked for in one folder, or in a folder for each
split in it. Without IIYI's files cases have no texts and no images; without `test_cvqa.json` the
encounters of the test set are asked, not scored.

A case is one of 9 questions about one encounter, not one of 27 ids: the challenge scores the set of
options of a question, and its ids are places in any order. So its reference is the set in words,
"head; neck", without the "Not mentioned" that fills places. Which size (CQID012) belongs to which
site (CQID011) is therefore lost, in the official score, too. An encounter is the group of its
cases. The question has its options, in the published order; the context is the patient's words.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault
from helpers.data.closed_questions import (
    FORMS,
    QUESTION_OF,
    answer_faults,
    chosen,
    question_ids,
    read_closed_answers,
)
from helpers.data.layout import Images, accepted_files, index_images
from helpers.data.option_lists import ASKED_WITH, BETWEEN, with_options
from helpers.data.records import (
    case_id_of,
    clean_text,
    image_names,
    named,
    read_records,
    stopping_faults,
)
from helpers.data.scanned import ORDER, scanned
from helpers.data.texts import quoted, same_name, text_faults
from helpers.files import LabError, list_some

DEFINITIONS = "closedquestions_definitions_imageclef2025.json"
NUMBERED = "0123456789. "  # "2 Where is the affected area?" is asked once
IIYI = "iiyi"  # whose encounters these are
KIND = "question_type_en"  # in Chinese some are blank


@dataclass(frozen=True)
class Question:
    """A closed question in words.

    Attributes:
        name: such as "CQID011".
        kind: what it asks for, in English in every language, such as "Site Location".
        options: in the order of their numbers; the last one is "Not mentioned".
    """

    name: str
    kind: str
    text: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Encounters:
    """What IIYI's files say of one split: encounters by id, with the images; `file` "": nothing."""

    file: str = ""
    records: dict[str, dict] = field(default_factory=dict)
    images: Images | None = None


def read_questions(root: Path, language: str = "en") -> dict[str, Question]:
    """Read the questions in words, by name.

    Raises:
        LabError: the file is missing, another language is asked for, or a question has a fault.
    """
    questions, faults = _scan_questions(root, language)
    if faults:
        raise LabError(f"{faults[0]}; correct {root / DEFINITIONS}.")
    return questions


def scan_magic2025(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the splits that a folder has; a record with a fault gives no case.

    Raises:
        LabError: there is no file of questions or none of answers, or one is no list; a language
            other than en and zh.
    """
    language = language or "en"
    questions, faults = _scan_questions(root, language)
    yield from faults
    seen: dict[str, str] = {}
    asked = 0
    for split in ORDER:
        path = _find(root, split, (f"{split}_cvqa.json",))
        if path is None and split != "test":
            continue
        encounters, faults = _encounters(root, split)
        if path is None and not encounters.file:
            continue
        asked += 1
        yield from faults
        yield from _notes(encounters, path)
        for place, number, record in _records(path, encounters):
            case_id = case_id_of(record)
            if said := list(_faults(record, path, encounters, seen)):
                yield from (DataFault(place, number, fault, case_id) for fault in said)
            elif isinstance(record, dict):
                yield from _cases(record, split, questions, encounters, language)
            seen.setdefault(same_name(case_id), f"record {number} of {place}")
    if not asked:
        raise LabError(f"{root} holds none of train_cvqa.json, valid_cvqa.json: name their folder.")


def _find(root: Path, split: str, names: tuple[str, ...]) -> Path | None:
    """Find the first file of some names, in the folder or in its folder of the split."""
    places = [folder / name for folder in (root, root / split) for name in names]
    return next((path for path in places if path.is_file()), None)


def _records(path: Path | None, encounters: Encounters) -> Iterator[tuple[str, int, object]]:
    """Go through the records that are asked about: file, number and record."""
    if path is None:
        for number, case_id in enumerate(encounters.records, start=1):
            yield encounters.file, number, {"encounter_id": case_id}
    else:
        for number, record in enumerate(read_closed_answers(path), start=1):
            yield path.name, number, record


def _faults(
    record: object, path: Path | None, encounters: Encounters, seen: dict[str, str]
) -> Iterator[str]:
    """Yield why a record is no case."""
    if path:
        yield from answer_faults(record)
    case_id = case_id_of(record)
    if same_name(case_id) in seen and case_id:
        yield f"has the id of {seen[same_name(case_id)]}"
    if not case_id or not encounters.file:
        return
    if case_id not in encounters.records:
        yield f"has an id that {encounters.file} has not"
    elif encounters.images:
        for name in image_names(encounters.records[case_id]):
            try:
                encounters.images.path(name)
            except LabError:
                yield f"has an image ({quoted(name)}) that is a link and leads out of the folder"


def _cases(
    record: dict,
    split: str,
    questions: dict[str, Question],
    encounters: Encounters,
    language: str,
) -> Iterator[Case]:
    """Make the cases of one encounter whose record has no fault."""
    case_id = case_id_of(record)
    about = encounters.records.get(case_id, {})
    words = [clean_text(about, f"query_{part}_{language}") for part in ("title", "content")]
    images = encounters.images
    paths = tuple(images.path(name) for name in image_names(about)) if images else ()
    answered = QUESTION_OF.keys() <= record.keys()
    for name, question in questions.items():
        references: tuple[Reference, ...] = ()
        if answered:
            said = [question.options[place] for place in chosen(record, name)]
            references = (Reference(BETWEEN.join(said)),)
        yield Case(
            id=f"{case_id}-{name}",
            question=with_options(question.text, question.options, language),
            context="\n".join(word.strip() for word in words if word),
            images=paths,
            references=references,
            group=case_id,
            split=split,
            question_type=question.kind,
        )


def _encounters(root: Path, split: str) -> tuple[Encounters, list[DataFault]]:
    """Read the encounters of a split that can be used, and the faults of others."""
    path = _find(root, split, accepted_files(IIYI)[split])
    if path is None:
        return Encounters(), []
    found, faults = dict[str, dict](), list[DataFault]()
    for number, record in enumerate(read_records(path), start=1):
        case_id = case_id_of(record)
        if wrong := list(stopping_faults(record)):
            faults += [DataFault(path.name, number, fault, case_id) for fault in wrong]
        elif case_id in found:
            faults.append(DataFault(path.name, number, "has the id of a record before it", case_id))
        else:
            found[case_id] = record
    return Encounters(path.name, found, index_images(IIYI, path.parent, split)), faults


def _notes(encounters: Encounters, path: Path | None) -> Iterator[DataFault]:
    """Say what cases of a split lack."""
    if path and not encounters.file:
        message = "IIYI's file of this split is not here, so cases have no texts and no images"
        yield DataFault(path.name, 0, message, is_note=True)
    elif path is None:
        message = "test_cvqa.json is not here, so these cases can be asked, not scored"
        yield DataFault(encounters.file, 0, message, is_note=True)
    if encounters.images and not encounters.images.on_disk:
        yield DataFault(encounters.file, 0, "no images on disk", is_note=True)


def _scan_questions(root: Path, language: str) -> tuple[dict[str, Question], list[DataFault]]:
    """Read the questions that can be used, in the published order, and the faults of others."""
    if language not in ASKED_WITH:
        raise LabError(
            f"The closed questions are in {' and '.join(ASKED_WITH)}, but {language!r} was asked "
            "for: set `language` to one of them."
        )
    found, faults = dict[str, dict](), list[DataFault]()
    for number, record in enumerate(read_records(root / DEFINITIONS), start=1):
        if fault := _definition_fault(record, language, found):
            faults.append(DataFault(DEFINITIONS, number, fault))
        else:
            found[record["qid"]] = record
    if missing := [one for one in QUESTION_OF if one not in found]:
        faults.append(DataFault(DEFINITIONS, 0, f"has no usable question {list_some(missing)}"))
    questions = {
        name: _question(name, found[question_ids(name)[0]], language)
        for name in FORMS
        if set(question_ids(name)) <= found.keys()
    }
    return questions, faults


def _question(name: str, record: dict, language: str) -> Question:
    text = record[f"question_{language}"].strip().lstrip(NUMBERED)
    options = tuple(option.strip() for option in record[f"options_{language}"])
    return Question(name, record[KIND].strip(), text, options)


def _definition_fault(record: object, language: str, found: dict[str, dict]) -> str:
    """Say why a record defines no question; "" if it does."""
    if not isinstance(record, dict):
        return f"is {named(record)}, but an object was expected"
    if fault := next(text_faults(record), None):
        return fault
    qid = record.get("qid")
    if not isinstance(qid, str) or qid not in QUESTION_OF:
        return "has no `qid` of one of the 27 questions"
    if qid in found:
        return f"has the `qid` of a record before it, {qid}"
    for name in (f"question_{language}", KIND):
        if not isinstance(record.get(name), str) or not record[name].strip():
            return f"has no text `{name}`"
    options, count = record.get(f"options_{language}"), FORMS[QUESTION_OF[qid]].options
    if not isinstance(options, list) or len(options) != count:
        return f"has not {count} options in `options_{language}`"
    if not all(isinstance(one, str) and one.strip() for one in options):
        return f"has an option in `options_{language}` that is blank or no text"
    first = found.get(question_ids(QUESTION_OF[qid])[0])
    if first and first[f"options_{language}"] != options:
        return f"has other options than {first['qid']}, a place of the same question"
    return ""


DATASETS = {"magic2025": scanned(scan_magic2025)}
