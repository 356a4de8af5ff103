"""Load DermaVQA as published: IIYI (the M3G 2024 challenge) and Reddit (MAGIC 2024).

The images and the test answers are at https://osf.io/72rp3, the rest at
https://github.com/wyim/DermaVQA (CC BY 4.0). Nothing is opened here but the JSON files and the
author table.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.authors import AUTHOR_FILE, Author, read_authors, reference_weight
from helpers.data.layout import index_images, split_files
from helpers.data.records import (
    FACT_FIELDS,
    LANGUAGES,
    case_id_of,
    clean_text,
    image_names,
    languages_of,
    named,
    numbered_responses,
    read_records,
    stopping_faults,
    wrong_types,
)
from helpers.data.texts import quoted, same_name, shown, text_faults
from helpers.files import LabError, read_json, text_fault

FACTS_FILE = "facts.json"


@dataclass(frozen=True)
class _Source:
    """The file that cases are read from, and what they share; no `image_path`: no images."""

    path: Path
    language: str
    advice: str
    split: str = ""
    authors: dict[str, Author] = field(default_factory=dict)
    facts: dict[str, dict] = field(default_factory=dict)
    image_path: Callable[[str], Path] | None = None
    keep_blank: bool = False


def load_splits(
    kind: str, root: Path, name: str = "", language: str = "en"
) -> dict[str, tuple[Case, ...]]:
    """Load the splits that a folder has, in one of the two formats ("iiyi" or "reddit").

    `name` is what the person called the data set, for the advice in errors. Blank references are
    dropped, blank titles stay "". Weights come from df_userinfo.csv if it is there (see
    `reference_weight`), labels, concepts and groups from facts.json if it is there.

    Raises:
        LabError: A record cannot be loaded; the first such record is named.
    """
    check_language(language)
    files = split_files(kind, root, language)
    command = f"python -m helpers check-data {name or kind} {shlex.quote(str(root))}"
    advice = f"run `{command}` to see every fault at once"
    authors = read_authors(root / AUTHOR_FILE) if (root / AUTHOR_FILE).exists() else {}
    facts = read_facts(root / FACTS_FILE) if (root / FACTS_FILE).exists() else {}
    facts = {same_name(case_id): fact for case_id, fact in facts.items()}
    splits = {}
    for split, path in files.items():
        images = index_images(kind, root, split)
        source = _Source(path, language, advice, split, authors, facts, images.path)
        splits[split] = _read_cases(source)
    return splits


def load_references(
    path: Path | str,
    authors_path: Path | str | None = None,
    language: str = "en",
    *,
    keep_blank: bool = False,
) -> tuple[Case, ...]:
    """Load the cases of one references file of either format, for scoring, without images.

    All weights are 1 unless an author table is given. A case without references keeps its place:
    whoever scores decides about it. `keep_blank` keeps blank answers as references with text "".
    """
    check_language(language)
    authors = read_authors(authors_path) if authors_path else {}
    advice = (
        "run `python -m helpers check-data iiyi` (or `reddit`) with its folder to see every fault "
        "at once"
    )
    source = _Source(Path(path), language, advice, authors=authors, keep_blank=keep_blank)
    return _read_cases(source)


def check_language(language: str) -> None:
    """Check that DermaVQA has the language; another one is a `LabError`."""
    if language not in LANGUAGES:
        raise LabError(
            f"The language {language!r} is unknown: choose one of {', '.join(LANGUAGES)}."
        )


def read_facts(path: Path) -> dict[str, dict]:
    """Read the file of facts about each case, which the pocket clinic writes.

    Returns: {encounter id: {"label": text, "concepts": [text], ...}}.
    """
    facts = read_json(path, any_text=True)
    if faults := facts_faults(facts):
        raise LabError(f"{path}: {faults[0]}; correct the file.")
    return facts


def facts_faults(facts: object) -> list[str]:
    """List every fault of a facts file that has been read."""
    if not isinstance(facts, dict):
        return [f"holds {named(facts)}, but an object of encounter ids was expected"]
    faults = []
    for case_id, fact in facts.items():
        if fault := text_fault(case_id):
            faults.append(f"the id {quoted(case_id)} has {fault}")
        if isinstance(fact, dict):
            found = [*wrong_types(fact, FACT_FIELDS), *text_faults(fact)]
            faults += [f"{shown(case_id)}: {message}" for message in found]
        else:
            faults.append(f"{shown(case_id)} is {named(fact)}, but an object was expected")
    return faults


def _read_cases(source: _Source) -> tuple[Case, ...]:
    try:
        records = read_records(source.path)
    except LabError as error:
        if not os.path.isfile(source.path):
            raise
        raise LabError(f"{str(error).removesuffix('.')}, or {source.advice}.") from None
    _check_records(source, records)
    languages = languages_of(records)
    if languages and source.language not in languages:
        has = ", ".join(languages)
        raise LabError(
            f"{source.path} has no text in language {source.language!r}, only in {has}: choose one "
            "of them."
        )
    return tuple(_case(source, number, record) for number, record in enumerate(records, start=1))


def _check_records(source: _Source, records: list) -> None:
    """Raise for the first record that cannot be loaded, or whose id came before."""
    seen: dict[str, int] = {}
    for number, record in enumerate(records, start=1):
        if fault := next(stopping_faults(record), None):
            raise _unfit(source, number, record, fault)
        first = seen.setdefault(same_name(record["encounter_id"]), number)
        if first != number:
            raise _unfit(source, number, record, f"has the id of record {first}")


def _case(source: _Source, number: int, record: dict) -> Case:
    case_id = record["encounter_id"]
    fact = source.facts.get(same_name(case_id), {})
    return Case(
        id=case_id,
        question=clean_text(record, f"query_title_{source.language}"),
        context=clean_text(record, f"query_content_{source.language}"),
        images=_images(source, record),
        references=_references(source, number, record),
        label=fact.get("label", ""),
        concepts=tuple(fact.get("concepts", ())),
        group=fact.get("group", ""),
        split=source.split,
    )


def _images(source: _Source, record: dict) -> tuple[Path, ...]:
    if source.image_path is None:
        return ()
    return tuple(source.image_path(name) for name in image_names(record))


def _references(source: _Source, number: int, record: dict) -> tuple[Reference, ...]:
    references = []
    for _, response in numbered_responses(record):
        text = clean_text(response, f"content_{source.language}")
        if not text and not source.keep_blank:
            continue
        try:
            weight = reference_weight(response, source.authors)
        except LabError as error:
            raise _unfit(source, number, record, str(error).removesuffix(".")) from None
        references.append(Reference(text, weight, response.get("author_id", "")))
    return tuple(references)


def _unfit(source: _Source, number: int, record: object, message: str) -> LabError:
    """Make the error for a record that cannot be loaded."""
    case_id = case_id_of(record)
    shown_id = f" ({shown(case_id)})" if case_id else ""
    return LabError(f"{source.path}, record {number}{shown_id}: {message}; {source.advice}.")
