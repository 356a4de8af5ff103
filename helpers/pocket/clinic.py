"""The pocket clinic: made-up skin cases, written to disk in DermaVQA's own formats.

What the patient tells (`told`) stands in title and text; what only the image shows (`seen`)
stands nowhere else. The told facts of a case always fit several conditions, so whoever wants the
diagnosis has to look.
"""

import csv
import io
import random
import shutil
import string
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from helpers.files import LabError, file_hash, read_json, write_json, write_text
from helpers.pocket import descriptions, doctors, lesions, patients
from helpers.pocket.conditions import PATH, Condition, draw_told, load_conditions
from helpers.pocket.skin import view

# Raised by hand when the cases of a seed or the files change; sentences and drawings have versions
# of their own.
VERSION = 3
SIZES = {"train": 400, "valid": 60, "test": 80}
# The long-answer forum is about half as large; its validation split stays big enough to measure on.
LONG_SHARE = {"train": 0.5, "valid": 2 / 3, "test": 0.5}


def build(folder: Path | str, *, seed: int = 7, sizes: dict[str, int] | None = None) -> dict:
    """Write the clinic of this seed to `folder`, whole or not at all, and return what it holds.

    `sizes` are the short-answer cases by split (`SIZES` unless given); the long-answer forum has
    about half as many. A folder that already holds this very clinic is left as it is; an older
    clinic is replaced; a folder with anything else in it is a `LabError`.
    """
    folder = Path(folder)
    # The sentences and the drawings belong to what a clinic is, so both are part of its version.
    version = (
        f"{VERSION}-{lesions.VERSION}-{file_hash(PATH)[:8]}-{file_hash(descriptions.PATH)[:8]}"
    )
    wanted = {"version": version, "seed": seed, "sizes": dict(sizes or SIZES)}
    found = _found(folder)
    if (
        found
        and {key: found.get(key) for key in wanted} == wanted
        and _images(folder) == found["images"]
    ):
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    workshop = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        counts = _write_short(workshop / "iiyi", seed, wanted["sizes"])
        half = {split: round(count * LONG_SHARE[split]) for split, count in wanted["sizes"].items()}
        counts += _write_long(workshop / "reddit", seed, half)
        summary = wanted | dict(counts)
        write_json(workshop / "clinic.json", summary)
        workshop.chmod(0o755)
        _replace(folder, workshop)
    except BaseException:
        shutil.rmtree(workshop, ignore_errors=True)
        raise
    return summary


def _found(folder: Path) -> dict:
    """The summary of the clinic in a folder, {} for no folder or an empty one."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    # What is found may be deleted, so it has to be a clinic and nothing else.
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= {
        "clinic.json",
        "iiyi",
        "reddit",
    }:
        raise LabError(
            f"{folder} holds something that is no pocket clinic: name a new or an empty folder."
        )
    return read_json(folder / "clinic.json") if (folder / "clinic.json").exists() else {}


def _replace(folder: Path, workshop: Path) -> None:
    """Put the finished clinic in its place; an old one is moved aside first, so that no half of it
    stays there.
    """
    old = workshop.with_name(f"{workshop.name}-old")
    if folder.exists():
        folder.rename(old)
    workshop.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Delete what builds that were killed more than an hour ago have left beside the clinic."""
    for left in folder.parent.glob(f".{folder.name}.*"):
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)


def _images(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*.jpg"))


def _cases(seed: int, forum: str, sizes: dict[str, int]):
    """Split, number, condition and a random stream of its own for every case of a forum."""
    by_weight, number = (
        [condition for condition in load_conditions() for _ in range(condition.weight)],
        0,
    )
    for split, count in sizes.items():
        # Evenly spaced in the weighted list, so that each split has every condition in its due
        # share.
        offset, step = (
            random.Random(f"{seed}/{forum}/{split}").random(),
            len(by_weight) / max(count, 1),
        )
        drawn = [by_weight[int((index + offset) * step) % len(by_weight)] for index in range(count)]
        random.Random(f"{seed}/{forum}/{split}/order").shuffle(drawn)
        for condition in drawn:
            number += 1
            yield split, number, condition, random.Random(f"{seed}/{forum}/{number}")


def _case(condition: Condition, forum: str, rng: random.Random) -> tuple[str, str, dict]:
    """Title, content and facts of one case."""
    possible, seen = draw_told(condition, rng), lesions.draw_seen(condition, rng)
    title, content, told = patients.post(patients.tell(possible, rng), forum, rng)
    if "site" not in told:
        seen["site"] = possible["site"]
    facts = {
        "label": condition.name,
        "condition": condition.id,
        "concepts": seen["concepts"],
        "skin_tone": seen["skin_tone"],
        "told": told,
        "seen": seen,
    }
    return title, content, facts


def _image_facts(facts: dict, names: Sequence[str], seed: int) -> dict:
    """What is known of each image of a case besides the case's own facts: how it was taken."""
    return facts | {"images": {name: view(_stream(seed, name)) for name in names}}


def _stream(seed: int, name: str) -> int:
    """A random stream by an image's name: richer drawings later must change neither cases nor
    words.
    """
    return random.Random(f"{seed}/{name}").getrandbits(32)


def _write_short(folder: Path, seed: int, sizes: dict[str, int]) -> Counter:
    """The forum of short answers, in the files of DermaVQA-IIYI."""
    staff, records, facts, images = doctors.staff(seed), {split: [] for split in sizes}, {}, {}
    for split, number, condition, rng in _cases(seed, "iiyi", sizes):
        # Numbers from 90001 on, so that no id is one of the real data's.
        case_id = f"ENC{90000 + number}"
        title, content, facts[case_id] = _case(condition, "iiyi", rng)
        names = [f"IMG_{case_id}_{k:05}.jpg" for k in range(1, rng.choice((1, 1, 2, 2, 3)) + 1)]
        facts[case_id] = _image_facts(facts[case_id], names, seed)
        images |= {
            folder / "images_final" / f"images_{split}" / name: facts[case_id] for name in names
        }
        authors = rng.sample(staff, rng.choice((2, 3, 3, 4, 4, 5, 6, 7, 8)))
        replies = [doctors.reply(doctor, condition, rng) for doctor in authors]
        records[split].append(
            {
                "encounter_id": case_id,
                "author_id": f"U{91000 + number}",
                "image_ids": names,
                "query_title_en": title,
                "query_content_en": content,
                "responses": doctors.with_flags(replies)
                if split != "train"
                else [
                    {key: reply[key] for key in ("author_id", "content_en")} for reply in replies
                ],
            }
        )
    for split, rows in records.items():
        write_json(folder / (f"{split}.json" if split == "train" else f"{split}_ht.json"), rows)
    write_json(folder / "facts.json", facts)
    rows = [f"{doctor.id},{doctor.validation},{doctor.rank}" for doctor in staff]
    rows += [f"{row['author_id']},,level_0" for split in records for row in records[split]]
    write_text(
        folder / "df_userinfo.csv",
        "\n".join(["author_id,validation_level,rank_level", *rows]) + "\n",
    )
    _draw(images, seed)
    _describe(folder, images, seed)
    return _counts(records, images)


def _write_long(folder: Path, seed: int, sizes: dict[str, int]) -> Counter:
    """The forum of long answers, in the files that DermaVQA-Reddit's download script writes."""
    records, facts, images = {split: [] for split in sizes}, {}, {}
    for split, number, condition, rng in _cases(seed, "reddit", sizes):
        # Seven characters in base 36 as in real post ids; those of the real data begin with 1,
        # never with z.
        case_id = "z" + _base36(rng.randrange(36**3)) + _base36(number)
        title, content, facts[case_id] = _case(condition, "reddit", rng)
        facts[case_id] = _image_facts(facts[case_id], [f"{case_id}.jpg"], seed)
        images[folder / "images" / f"{case_id}.jpg"] = facts[case_id]
        annotators = (
            ["annotator1", "annotator2"]
            if split == "test"
            else [rng.choice(("annotator1", "annotator2"))]
        )
        records[split].append(
            {
                "encounter_id": case_id,
                "image_ids": [case_id],
                "query_title_en": title,
                "query_content_en": content,
                "responses": [
                    {
                        "author_id": author,
                        "content_en": doctors.long_reply(author, condition, rng),
                        "completeness": 1,
                        "contains_freq_ans": 1,
                    }
                    for author in annotators
                ],
            }
        )
    for split, rows in records.items():
        write_json(folder / f"{split}.json", rows)
    write_json(folder / "facts.json", facts)
    _draw(images, seed)
    _describe(folder, images, seed)
    return _counts(records, images)


def _base36(number: int) -> str:
    digits = string.digits + string.ascii_lowercase
    return digits[number // 1296 % 36] + digits[number // 36 % 36] + digits[number % 36]


def _counts(records: dict, images: dict) -> Counter:
    rows = [row for split in records.values() for row in split]
    return Counter(
        cases=len(rows),
        responses=sum(len(row["responses"]) for row in rows),
        images=len(images),
    )


def _draw(images: dict[Path, dict], seed: int) -> None:
    """Draw and save all images; saved from bare pixels, so they carry no metadata."""
    for path, facts in tqdm(images.items(), desc="images", leave=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = lesions.draw(
            facts["seen"],
            skin_tone=facts["skin_tone"],
            site=_site(facts),
            seed=_stream(seed, path.name),
        )
        image.save(path, quality=88)


def _describe(folder: Path, images: dict[Path, dict], seed: int) -> None:
    """Write what each image really shows, in words: the captions of somebody who sees everything."""
    rows = [
        (
            path.name,
            descriptions.describe(
                facts["seen"],
                facts["images"][path.name],
                site=_site(facts),
                style="clinical",
                rng=random.Random(f"{seed}/{path.name}/words"),
            ),
        )
        for path, facts in images.items()
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("image", "caption"), *rows])
    write_text(folder / "captions.csv", text.getvalue())


def _site(facts: dict) -> str:
    return facts["seen"].get("site") or facts["told"]["site"]
