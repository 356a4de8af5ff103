"""Build the pocket clinic: made-up skin cases, written to disk in DermaVQA's own formats.

What the patient tells (`told`) stands in title and text; what only the image shows (`seen`)
stands nowhere else. The told facts of a case always fit several conditions, so whoever wants the
diagnosis has to look.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from helpers.files import file_hash, write_json, write_text
from helpers.pocket import descriptions, doctors, lesions, patients
from helpers.pocket.building import build_whole
from helpers.pocket.clinic_images import Facts, with_views, write_images
from helpers.pocket.conditions import PATH, Condition, draw_told
from helpers.pocket.plans import CasePlan, base36, check_sizes, plan_cases

# Raised by hand when the cases of a seed or the files change; sentences and drawings have versions
# of their own.
VERSION = 5
SIZES = {"train": 2000, "valid": 300, "test": 300}
LONG_SHARE = 0.5  # how large the long-answer forum is beside the other
ANNOTATORS = ("annotator1", "annotator2")
SUMMARY = "clinic.json"
FORUMS = ("iiyi", "reddit")


def build(
    folder: Path | str, *, seed: int = 7, sizes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Write the clinic of this seed to `folder`, whole or not at all, and return what it holds.

    `sizes` are the short-answer cases by split (`SIZES` unless given); the long-answer forum has
    about half as many. A folder that already holds this very clinic is left as it is; an older
    clinic is replaced whole.

    Raises:
        LabError: a folder holds anything else, or a size is none that a clinic can have.
    """
    folder = Path(folder)
    check_sizes(sizes or SIZES)
    # The sentences and the drawings belong to what a clinic is, so both are part of its version.
    version = (
        f"{VERSION}-{lesions.VERSION}-{file_hash(PATH)[:8]}-{file_hash(descriptions.PATH)[:8]}"
    )
    wanted = {"version": version, "seed": seed, "sizes": dict(sizes or SIZES)}
    return build_whole(folder, SUMMARY, wanted, FORUMS, partial(_write, wanted))


def _write(wanted: Mapping[str, Any], folder: Path) -> Counter[str]:
    """Write both forums; return how much each has."""
    seed, cases = wanted["seed"], wanted["sizes"]
    half = {split: max(round(count * LONG_SHARE), 1) for split, count in cases.items()}
    counts = _write_short(folder / "iiyi", seed, cases)
    return counts + _write_long(folder / "reddit", seed, half)


def _draw_case(plan: CasePlan, seed: int, forum: str) -> tuple[str, str, Facts]:
    """Draw title, content and facts of one case.

    A patient who asks again has the same skin, but tells other things of it, on other images.
    """
    patient_rng = random.Random(f"{seed}/{forum}/patient {plan.patient}")
    possible = draw_told(plan.condition, patient_rng)
    seen = lesions.draw_seen(plan.condition, patient_rng)
    title, content, told = patients.post(patients.tell(possible, plan.rng), forum, plan.rng)
    if "site" not in told:
        seen["site"] = possible["site"]
    facts = {
        "label": plan.condition.name,
        "condition": plan.condition.id,
        "group": f"patient {plan.patient}",
        "concepts": seen["concepts"],
        "skin_tone": seen["skin_tone"],
        "told": told,
        "seen": seen,
    }
    return title, content, facts


def _write_short(folder: Path, seed: int, sizes: Mapping[str, int]) -> Counter[str]:
    """Write the forum of short answers, in the files of DermaVQA-IIYI."""
    staff = doctors.staff(seed)
    records: dict[str, list[dict]] = {split: [] for split in sizes}
    facts: dict[str, Facts] = {}
    images: dict[Path, Facts] = {}
    for plan in plan_cases(seed, "iiyi", sizes):
        split, rng = plan.split, plan.rng
        # Numbers from 90001 on, so that no id is one of the real data's.
        case_id = f"ENC{90000 + plan.number}"
        title, content, case_facts = _draw_case(plan, seed, "iiyi")
        count = rng.choice((1, 1, 2, 2, 3))
        names = [f"IMG_{case_id}_{place:05}.jpg" for place in range(1, count + 1)]
        facts[case_id] = with_views(case_facts, names, seed)
        for name in names:
            images[folder / "images_final" / f"images_{split}" / name] = facts[case_id]
        authors = rng.sample(staff, rng.choice((2, 3, 3, 4, 4, 5, 6, 7, 8)))
        replies = [doctors.reply(doctor, plan.condition, rng) for doctor in authors]
        record = {
            "encounter_id": case_id,
            "author_id": f"U{91000 + plan.patient}",
            "image_ids": names,
            "query_title_en": title,
            "query_content_en": content,
            "responses": _short_responses(split, replies),
        }
        records[split].append(record)
    for split, rows in records.items():
        write_json(folder / (f"{split}.json" if split == "train" else f"{split}_ht.json"), rows)
    _write_authors(folder / "df_userinfo.csv", staff, records)
    write_images(folder, facts, images, seed)
    return _count(records, images)


def _short_responses(split: str, replies: Sequence[doctors.Reply]) -> list[dict[str, object]]:
    """Write replies as the split has them: in training without flags."""
    if split != "train":
        return doctors.with_flags(replies)
    return [
        {"author_id": reply["author_id"], "content_en": reply["content_en"]} for reply in replies
    ]


def _write_authors(
    path: Path, staff: Sequence[doctors.Doctor], records: Mapping[str, Sequence[dict]]
) -> None:
    """Write the author table: the doctors, and the patients of all cases."""
    lines = ["author_id,validation_level,rank_level"]
    lines += [f"{doctor.id},{doctor.validation},{doctor.rank}" for doctor in staff]
    asking = [row["author_id"] for rows in records.values() for row in rows]
    lines += [f"{author},,level_0" for author in dict.fromkeys(asking)]
    write_text(path, "\n".join(lines) + "\n")


def _write_long(folder: Path, seed: int, sizes: Mapping[str, int]) -> Counter[str]:
    """Write the forum of long answers, in the files of DermaVQA-Reddit's download script."""
    records: dict[str, list[dict]] = {split: [] for split in sizes}
    facts: dict[str, Facts] = {}
    images: dict[Path, Facts] = {}
    for plan in plan_cases(seed, "reddit", sizes):
        split, rng = plan.split, plan.rng
        # Seven characters in base 36 as in real post ids; those of the real data begin with 1,
        # never with z.
        case_id = "z" + base36(rng.randrange(36**3)) + base36(plan.number)
        title, content, case_facts = _draw_case(plan, seed, "reddit")
        facts[case_id] = with_views(case_facts, [f"{case_id}.jpg"], seed)
        images[folder / "images" / f"{case_id}.jpg"] = facts[case_id]
        record = {
            "encounter_id": case_id,
            "image_ids": [case_id],
            "query_title_en": title,
            "query_content_en": content,
            "responses": _long_responses(split, plan.condition, rng),
        }
        records[split].append(record)
    for split, rows in records.items():
        write_json(folder / f"{split}.json", rows)
    write_images(folder, facts, images, seed)
    return _count(records, images)


def _long_responses(
    split: str, condition: Condition, rng: random.Random
) -> list[dict[str, object]]:
    """Write an answer of both annotators in the test split, of one of them elsewhere."""
    authors = ANNOTATORS if split == "test" else (rng.choice(ANNOTATORS),)
    return [
        {
            "author_id": author,
            "content_en": doctors.long_reply(author, condition, rng),
            "completeness": 1,
            "contains_freq_ans": 1,
        }
        for author in authors
    ]


def _count(records: Mapping[str, Sequence[dict]], images: Mapping[Path, Facts]) -> Counter[str]:
    rows = [row for split in records.values() for row in split]
    return Counter(
        cases=len(rows),
        responses=sum(len(row["responses"]) for row in rows),
        images=len(images),
    )
