"""The pocket clinic: made-up skin cases, written to disk in DermaVQA's own formats.

What the patient tells (`told`) stands in title and text; what only the picture shows (`seen`) stands nowhere else.
The told facts of a case always fit several conditions, so whoever wants the diagnosis has to look.
"""

import random
import shutil
import string
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from helpers.files import LabError, file_hash, read_json, write_json, write_text
from helpers.pocket import lesions
from helpers.pocket.conditions import PATH, Condition, by_id, compatible, draw_told, load_conditions, load_sentences

# Raised by hand when the cases of a seed change; sentences and drawings have versions of their own.
VERSION = 1
SIZES = {"train": 400, "valid": 60, "test": 80}
# The long-answer forum is about half as large; its validation split stays big enough to measure on.
LONG_SHARE = {"train": 0.5, "valid": 2 / 3, "test": 0.5}
# The fewest conditions that a case's told facts may fit.
AMBIGUITY = 3
# How often each fact is told at all.
TELLING = {"age": 0.7, "sex": 0.75, "complaint": 0.55, "site": 0.45, "duration": 0.65, "itch": 0.55, "pain": 0.3,
           "trigger": 0.35, "course": 0.3, "history": 0.25, "tried": 0.3}
# Which fact goes first where all together would give the condition away.
TELLTALE = ("trigger", "history", "site", "course", "duration", "pain", "age", "itch", "complaint")
TITLE_FIELDS = {"noun": ("age", "sex"), "person": ("age", "sex"), "mf": ("sex",), "thing": ("complaint",),
                "feels": ("itch",)}
VALIDATIONS = (("", 5), ("md_validated", 4), ("md1_validated", 3), ("realid_validated", 2), ("md2_validated", 1))


@dataclass(frozen=True)
class Doctor:
    """One doctor of the forum: standing, skill (share of right answers), and how he or she writes."""

    id: str
    validation: str
    rank: str
    skill: float
    style: str
    wordy: float
    synonym: int
    habit: str


def build(folder: Path | str, *, seed: int = 7, sizes: dict[str, int] | None = None) -> dict:
    """Write the clinic of this seed to `folder`, whole or not at all, and return what it holds.

    `sizes` are the short-answer cases by split (`SIZES` unless given); the long-answer forum has about half as
    many. A folder that already holds this very clinic is left as it is; an older clinic is replaced; a folder
    with anything else in it is a `LabError`.
    """
    folder = Path(folder)
    # The sentences and the drawings belong to what a clinic is, so both are part of its version.
    version = f"{VERSION}-{lesions.VERSION}-{file_hash(PATH)[:8]}"
    wanted = {"version": version, "seed": seed, "sizes": dict(sizes or SIZES)}
    found = _found(folder)
    if found and {key: found.get(key) for key in wanted} == wanted and _pictures(folder) == found["pictures"]:
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        counts = _write_short(workshop / "iiyi", seed, wanted["sizes"])
        half = {split: round(count * LONG_SHARE[split]) for split, count in wanted["sizes"].items()}
        counts += _write_long(workshop / "reddit", seed, half)
        summary = wanted | dict(counts)
        write_json(workshop / "clinic.json", summary)
        workshop.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        workshop.rename(folder)
    except BaseException:
        shutil.rmtree(workshop, ignore_errors=True)
        raise
    return summary


def _found(folder: Path) -> dict:
    """The summary of the clinic in a folder, {} for no folder or an empty one."""
    if not folder.exists() or folder.is_dir() and not any(folder.iterdir()):
        return {}
    # What is found may be deleted, so it has to be a clinic and nothing else.
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != {"clinic.json", "iiyi", "reddit"}:
        raise LabError(f"{folder} holds something that is no pocket clinic: name a new or an empty folder.")
    return read_json(folder / "clinic.json")


def _pictures(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*.jpg"))


def _tell(possible: dict, rng: random.Random) -> dict:
    """Of all that could be told, keep what is told: some facts, and never so many that they name the condition."""
    told = {key: value for key, value in possible.items() if rng.random() < TELLING[key]}
    for key in TELLTALE:
        if len(compatible(told)) >= AMBIGUITY:
            break
        told.pop(key, None)
    return told


def _post(told: dict, forum: str, rng: random.Random) -> tuple[str, str, dict]:
    """Title, content and the facts that stand in either of them."""
    posts, fields = load_sentences()["posts"], _fields(told, rng)
    titles = [title for title in posts[forum]["titles"] if _needs(title) <= fields.keys()]
    telling = [title for title in titles if _needs(title)]
    short = rng.random()
    title = rng.choice(posts["short_titles"] if short < 0.1 else telling if telling and short < 0.75 else titles)
    in_title = {fact for field in _needs(title) for fact in TITLE_FIELDS.get(field, (field,))}
    empty = rng.random() < (0.04 if forum == "iiyi" else 0.5)
    if empty:
        # Deleted posts are common where the real texts come from, and read just like that.
        content = rng.choice(("", "", "", "[removed]", "[deleted]")) if forum == "reddit" else ""
        return title.format(**fields), content, {key: told[key] for key in told if key in in_title}
    # Short texts say again little of what the title says.
    parts = {key: value for key, value in told.items() if key not in in_title or rng.random() < 0.3}
    content, shown = _content(parts, fields, posts[forum], rng)
    return title.format(**fields), content, {key: told[key] for key in told if key in in_title | shown}


def _content(parts: dict, fields: dict, words: dict, rng: random.Random) -> tuple[str, set[str]]:
    """Sentences for the told facts, the person first, and which facts they tell."""
    sentences, shown = [], set()
    if {"age", "sex"} <= parts.keys():
        sentences.append(rng.choice(words["who"]).format(**fields))
        shown |= {"age", "sex"}
    others = [key for key in parts if key not in ("age", "sex", "complaint")]
    for key in rng.sample(others, len(others)):
        options = words[key] if key in words else load_sentences()["told"][key][parts[key]]
        sentences.append(rng.choice(options).format(**fields))
        shown.add(key)
    if not sentences or rng.random() < 0.35:
        sentences.append(rng.choice(words["closing"]))
    return " ".join(sentences), shown


def _fields(told: dict, rng: random.Random) -> dict[str, str]:
    """What templates may name, each also with a capital letter."""
    fields = {key: str(told[key]) for key in ("age", "sex", "site", "duration") if key in told}
    if "complaint" in told:
        fields["thing"] = rng.choice(load_sentences()["told"]["complaint"][told["complaint"]])
    if "itch" in told:
        fields["feels"] = rng.choice(load_sentences()["told"]["feels"][told["itch"]])
    if {"age", "sex"} <= told.keys():
        nouns = ("girl", "woman") if told["sex"] == "female" else ("boy", "man")
        fields["noun"] = nouns[told["age"] >= 18]
        fields["person"] = f"a {fields['noun']}"
        fields["mf"] = told["sex"][0].upper()
    return fields | _capitals(fields)


def _capitals(values: dict[str, str]) -> dict[str, str]:
    """The same values with a capital letter, under keys with a capital letter."""
    return {key.capitalize(): value[:1].upper() + value[1:] for key, value in values.items()}


def _needs(template: str) -> set[str]:
    return {name.lower() for _, name, _, _ in string.Formatter().parse(template) if name}


def _cases(seed: int, forum: str, sizes: dict[str, int]):
    """Split, number, condition and a random stream of its own for every case of a forum."""
    by_weight, number = [condition for condition in load_conditions() for _ in range(condition.weight)], 0
    for split, count in sizes.items():
        # Evenly spaced in the weighted list, so that each split has every condition in its due share.
        offset, step = random.Random(f"{seed}/{forum}/{split}").random(), len(by_weight) / max(count, 1)
        drawn = [by_weight[int((index + offset) * step) % len(by_weight)] for index in range(count)]
        random.Random(f"{seed}/{forum}/{split}/order").shuffle(drawn)
        for condition in drawn:
            number += 1
            yield split, number, condition, random.Random(f"{seed}/{forum}/{number}")


def _case(condition: Condition, forum: str, rng: random.Random) -> tuple[str, str, dict]:
    """Title, content and facts of one case."""
    possible, seen = draw_told(condition, rng), lesions.draw_seen(condition, rng)
    title, content, told = _post(_tell(possible, rng), forum, rng)
    if "site" not in told:
        seen["site"] = possible["site"]
    facts = {"label": condition.name, "condition": condition.id, "concepts": seen["concepts"],
             "skin_tone": seen["skin_tone"], "told": told, "seen": seen}
    return title, content, facts


def _write_short(folder: Path, seed: int, sizes: dict[str, int]) -> Counter:
    """The forum of short answers, in the files of DermaVQA-IIYI."""
    doctors, records, facts, pictures = _doctors(seed), {split: [] for split in sizes}, {}, {}
    for split, number, condition, rng in _cases(seed, "iiyi", sizes):
        # Numbers from 90001 on, so that no id is one of the real data's.
        case_id = f"ENC{90000 + number}"
        title, content, facts[case_id] = _case(condition, "iiyi", rng)
        names = [f"IMG_{case_id}_{k:05}.jpg" for k in range(1, rng.choice((1, 1, 2, 2, 3)) + 1)]
        pictures |= {folder / "images_final" / f"images_{split}" / name: facts[case_id] for name in names}
        authors = rng.sample(doctors, rng.choice((2, 3, 3, 4, 4, 5, 6, 7, 8)))
        replies = [_reply(doctor, condition, rng) for doctor in authors]
        records[split].append({
            "encounter_id": case_id, "author_id": f"U{91000 + number}", "image_ids": names, "query_title_en": title,
            "query_content_en": content, "responses": _with_flags(replies) if split != "train" else
            [{key: reply[key] for key in ("author_id", "content_en")} for reply in replies],
        })
    for split, rows in records.items():
        write_json(folder / (f"{split}.json" if split == "train" else f"{split}_ht.json"), rows)
    write_json(folder / "facts.json", facts)
    rows = [f"{doctor.id},{doctor.validation},{doctor.rank}" for doctor in doctors]
    rows += [f"{row['author_id']},,level_0" for split in records for row in records[split]]
    write_text(folder / "df_userinfo.csv", "\n".join(["author_id,validation_level,rank_level", *rows]) + "\n")
    _draw(pictures, seed)
    return _counts(records, pictures)


def _write_long(folder: Path, seed: int, sizes: dict[str, int]) -> Counter:
    """The forum of long answers, in the files that DermaVQA-Reddit's download script writes."""
    records, facts, pictures = {split: [] for split in sizes}, {}, {}
    for split, number, condition, rng in _cases(seed, "reddit", sizes):
        # Seven characters in base 36 as in real post ids; those of the real data begin with 1, never with z.
        case_id = "z" + _base36(rng.randrange(36**3)) + _base36(number)
        title, content, facts[case_id] = _case(condition, "reddit", rng)
        pictures[folder / "images" / f"{case_id}.jpg"] = facts[case_id]
        annotators = ["annotator1", "annotator2"] if split == "test" else [rng.choice(("annotator1", "annotator2"))]
        records[split].append({
            "encounter_id": case_id, "image_ids": [case_id], "query_title_en": title, "query_content_en": content,
            "responses": [{"author_id": author, "content_en": _long_reply(author, condition, rng), "completeness": 1,
                           "contains_freq_ans": 1} for author in annotators],
        })
    for split, rows in records.items():
        write_json(folder / f"{split}.json", rows)
    write_json(folder / "facts.json", facts)
    _draw(pictures, seed)
    return _counts(records, pictures)


def _base36(number: int) -> str:
    digits = string.digits + string.ascii_lowercase
    return digits[number // 1296 % 36] + digits[number // 36 % 36] + digits[number % 36]


def _counts(records: dict, pictures: dict) -> Counter:
    rows = [row for split in records.values() for row in split]
    return Counter(cases=len(rows), responses=sum(len(row["responses"]) for row in rows), pictures=len(pictures))


def _draw(pictures: dict[Path, dict], seed: int) -> None:
    """Draw and save all pictures; saved from bare pixels, so they carry no metadata."""
    for path, facts in tqdm(pictures.items(), desc="pictures", leave=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A stream by name: richer drawings later must change neither cases nor words.
        stream = random.Random(f"{seed}/{path.name}").getrandbits(32)
        lesions.draw(facts["seen"], skin_tone=facts["skin_tone"], seed=stream).save(path, quality=88)


def _doctors(seed: int) -> list[Doctor]:
    """Forty doctors; the higher their standing, the more often they are right."""
    rng, styles, doctors = random.Random(f"{seed}/doctors"), list(load_sentences()["doctors"]["styles"]), []
    for number in range(40):
        validation = rng.choices(*zip(*VALIDATIONS))[0]
        level = rng.choices((None, 0, 1, 2, 3, 4, 6), (2, 8, 6, 3, 5, 4, 1))[0]
        skill = 0.6 + 0.12 * validation.startswith("md") + 0.04 * (level or 0) + rng.uniform(-0.05, 0.05)
        doctors.append(Doctor(
            id=f"U{90000 + number}", validation=validation, rank="unk" if level is None else f"level_{level}",
            skill=min(skill, 0.95), style=styles[number % len(styles)], wordy=rng.choice((0.1, 0.25, 0.5)),
            synonym=rng.choice((0, 0, 1, 2)), habit=rng.choice(("full stop", "full stop", "no full stop", "lower case")),
        ))
    return doctors


def _reply(doctor: Doctor, condition: Condition, rng: random.Random) -> dict:
    """One short answer: the doctor's own opinion, right or wrong, in the doctor's own style."""
    words, opinion = load_sentences()["doctors"], _opinion(condition, doctor.skill, rng)
    if rng.random() < 0.05:
        text = _by_habit(rng.choice(words["unhelpful"]), doctor.habit)
        return {"author_id": doctor.id, "content_en": text, "opinion": None, "advised": False}
    name = rng.choice((opinion.name, opinion.names[doctor.synonym % len(opinion.names)]))
    other = by_id()[rng.choice(opinion.look_alikes)].name
    # Who leaves the own style mostly writes the bare name.
    style = rng.choices((doctor.style, "bare", rng.choice(list(words["styles"]))), (6, 3, 1))[0]
    templates = words["hedges"] if rng.random() < 0.08 else words["styles"][style]
    text, advised = _fill(rng.choice(templates), name=name, other=other), rng.random() < doctor.wordy
    if advised:
        text = f"{text.rstrip('.')}{'' if text[-1] in '?!' else '.'} {_counsel(opinion, words, rng)}"
    text = _by_habit(text, doctor.habit)
    return {"author_id": doctor.id, "content_en": text, "opinion": opinion.id, "advised": advised}


def _by_habit(text: str, habit: str) -> str:
    """Not everybody ends with a full stop or begins with a capital letter, and scorers care."""
    text = text if habit == "full stop" else text.rstrip(".")
    return text[:1].lower() + text[1:] if habit == "lower case" and text[1:2].islower() else text


def _opinion(condition: Condition, skill: float, rng: random.Random) -> Condition:
    """What a doctor of this skill takes the condition for: itself or one that looks like it."""
    if rng.random() < skill:
        return condition
    # Common things come to mind first.
    others = [by_id()[other] for other in condition.look_alikes]
    return rng.choices(others, [other.weight for other in others])[0]


def _counsel(opinion: Condition, words: dict, rng: random.Random) -> str:
    """What to do, mostly in three to six words, at times at length."""
    kind = rng.random()
    if kind < 0.15:
        return " ".join(rng.sample(opinion.advice, rng.choice((2, 2, 3))))
    if kind < 0.3:
        return rng.choice(opinion.advice)
    if kind < 0.5:
        return _fill(rng.choice(words["tests"]), test=rng.choice(_useful(opinion.tests)))
    return _fill(rng.choice(words["advice"]), treatment=rng.choice(_useful(opinion.treatments)))


def _useful(items: tuple[str, ...]) -> list[str]:
    """Without "no treatment" and the like, which are no things to try or to order."""
    return [item for item in items if not item.startswith(("no ", "a careful"))]


def _fill(template: str, **values: str) -> str:
    """Fill a template that may name each value also with a capital letter."""
    return template.format(**values, **_capitals(values))


def _with_flags(replies: list[dict]) -> list[dict]:
    """Replies as validation and test have them: 1 / 0.5 / 0 complete, and whether with the most frequent opinion."""
    opinions = Counter(reply["opinion"] for reply in replies if reply["opinion"])
    frequent = opinions.most_common(1)[0][0] if opinions else ""
    return [{
        "author_id": reply["author_id"], "content_en": reply["content_en"],
        "completeness": (1.0 if reply["advised"] else 0.5) if reply["opinion"] else 0.0,
        "contains_freq_ans": float(reply["opinion"] == frequent),
    } for reply in replies]


def _long_reply(author: str, condition: Condition, rng: random.Random) -> str:
    """One long answer of an annotator: diagnosis, remarks, explanation, advice, and when to see a doctor."""
    words, opinion, aim = load_sentences()["annotators"][author], _opinion(condition, 0.92, rng), rng.randint(60, 82)
    values = {
        "name": opinion.name, "definition": opinion.definition, "cause": opinion.cause, "outlook": opinion.outlook,
        "clue": opinion.clue, "symptoms": " and ".join(rng.sample(opinion.symptoms, 2)),
        "treatment": rng.choice(_useful(opinion.treatments)), "test": rng.choice(_useful(opinion.tests)),
        "other": by_id()[rng.choice(opinion.look_alikes)].name,
    }
    parts = {key: [_fill(rng.choice(words[key]), **values)] for key in ("opening", "warning")}
    spare = [("remarks", _fill(text, **values)) for text in rng.sample(words["remarks"], 3)]
    spare += [(key, text) for key in ("explain", "advice") for text in rng.sample(getattr(opinion, key), 3)]
    for key, sentence in rng.sample(spare, len(spare)):
        if sum(len(text.split()) for texts in parts.values() for text in texts) < aim:
            parts.setdefault(key, []).append(sentence)
    return " ".join(text for key in words["order"] for text in parts.get(key, []))
