"""The form of MAGIC 2025's closed questions: which there are, and what a record of answers is.

A record is one encounter: its `encounter_id`, and for each of 27 question ids the place of an
option, from 0 on. The ids are places for the answers to 9 questions: CQID011-001 to -006 hold up to
six sites. A place that is not needed holds the last option, "Not mentioned". What the scorer reads
and what is loaded as cases (`magic2025`) are checked here in one way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.cases import Answer, Case
from helpers.data.option_lists import BETWEEN, listed_options
from helpers.data.records import LONGEST_ID, case_id_of, named, read_records
from helpers.data.texts import quoted, text_faults
from helpers.files import list_some

ENCOUNTER = "encounter_id"
PREFIX = "CQID"


@dataclass(frozen=True)
class Form:
    """One question.

    Attributes:
        places: how many answers a record has room for; each place is a question id.
        options: how many there are; the last one is "Not mentioned".
    """

    places: int
    options: int


# As published: closedquestions_definitions_imageclef2025.json has 27 ids.
FORMS = {
    "CQID010": Form(1, 4),  # how much of the body
    "CQID011": Form(6, 8),  # where
    "CQID012": Form(6, 4),  # how large, one for each of these sites
    "CQID015": Form(1, 7),  # since when
    "CQID020": Form(9, 10),  # texture
    "CQID025": Form(1, 3),  # itching
    "CQID034": Form(1, 12),  # colour
    "CQID035": Form(1, 3),  # how many lesions
    "CQID036": Form(1, 3),  # rough or smooth
}


def question_ids(question: str) -> tuple[str, ...]:
    """Return the ids of one question's places: CQID010 has CQID010-001 alone."""
    return tuple(f"{question}-{place:03}" for place in range(1, FORMS[question].places + 1))


# Id -> its question, in the published order.
QUESTION_OF = {one: question for question in FORMS for one in question_ids(question)}


def read_closed_answers(path: Path | str) -> list:
    """Read a file of records, its items unchecked: see `answer_faults`.

    Raises:
        LabError: it cannot be read, or holds no list.
    """
    return read_records(Path(path))


def answer_faults(record: object) -> Iterator[str]:
    """Yield a sentence for each fault of a record: no id, an answer that is missing or no option,
    an id of a question that there is not. Fields of other names are left alone.
    """
    if not isinstance(record, dict):
        yield f"is {named(record)}, but an object was expected"
        return
    yield from text_faults(record)
    if not (case_id := case_id_of(record)):
        yield f"has no `{ENCOUNTER}`"
    elif len(case_id) > LONGEST_ID:
        yield f"has an `{ENCOUNTER}` of {len(case_id):,} letters, but {LONGEST_ID} are the most"
    if missing := [one for one in QUESTION_OF if one not in record]:
        yield f"has no answer to {list_some(missing)}"
    if unknown := [one for one in record if one.startswith(PREFIX) and one not in QUESTION_OF]:
        yield f"answers {list_some([quoted(one) for one in unknown])}, which is no question"
    for one, question in QUESTION_OF.items():
        if one in record and (fault := _option_fault(record[one], FORMS[question].options)):
            yield f"`{one}` is {fault}"


def _option_fault(value: object, count: int) -> str:
    """Say why a value is no place of an option; "" if it is one."""
    expected = f"but a whole number from 0 to {count - 1} was expected"
    if isinstance(value, bool) or not isinstance(value, int):
        return f"{named(value)}, {expected}"
    return "" if 0 <= value < count else f"{named(value)}, {expected}"


def chosen(record: dict, question: str) -> tuple[int, ...]:
    """Return the options that a record without faults chooses of a question, each once, in order.

    "Not mentioned" is one of them only where nothing else is: elsewhere it fills a place.
    """
    last = FORMS[question].options - 1
    found = {record[one] for one in question_ids(question)}
    return tuple(sorted(found - {last})) or (last,)


def closed_records(cases: Sequence[Case], answers: Mapping[str, Answer]) -> list[dict]:
    """Write answers to the closed questions of encounters as the records that are submitted.

    A place that an answer does not need holds "Not mentioned", as does one that has no answer; what
    an answer names beyond a question's places is left out.

    Args:
        cases: as `magic2025` loads them, one for each question of an encounter.
        answers: by case id; their texts are options, with "; " between several.
    Returns:
        one record for each encounter, in their order; [] for cases that are no such questions.
    """
    records: dict[str, dict] = {}
    for case in cases:
        question, options = case.id.removeprefix(f"{case.group}-"), listed_options(case.question)
        if question not in FORMS or len(options) != FORMS[question].options:
            return []
        said = answers[case.id].text.split(BETWEEN) if case.id in answers else []
        places = [options.index(one) for one in said if one in options]
        ids, last = question_ids(question), len(options) - 1
        filled = [*places[: len(ids)], *[last] * (len(ids) - len(places))]
        records.setdefault(case.group, {ENCOUNTER: case.group}).update(zip(ids, filled))
    return list(records.values())
