"""Write what patients post: which facts they tell, and the title and content that tell them.

The told facts of a case always fit several conditions, so whoever wants the diagnosis has to look.
"""

import random
import re
import string
from collections.abc import Mapping

from helpers.pocket.conditions import capitals, compatible, load_sentences

# The fewest conditions that a case's told facts may fit.
AMBIGUITY = 3
# How often each fact is told at all.
TELLING = {
    "age": 0.7,
    "sex": 0.75,
    "complaint": 0.65,
    "site": 0.6,
    "duration": 0.65,
    "itch": 0.55,
    "pain": 0.3,
    "trigger": 0.45,
    "course": 0.3,
    "history": 0.25,
    "tried": 0.3,
}
# Which fact goes first where all together would give the condition away.
TELLTALE = ("trigger", "history", "site", "course", "duration", "pain", "age", "itch", "complaint")
TITLE_FIELDS = {
    "noun": ("age", "sex"),
    "person": ("age", "sex"),
    "mf": ("sex",),
    "thing": ("complaint",),
    "feels": ("itch",),
    "after": ("trigger",),
}


def tell(possible: Mapping, rng: random.Random) -> dict:
    """Choose some of the facts that could be told, but never so many that they fit few conditions.

    What is told always fits at least `AMBIGUITY` conditions.
    """
    told = {key: value for key, value in possible.items() if rng.random() < TELLING[key]}
    for key in TELLTALE:
        if len(compatible(told)) >= AMBIGUITY:
            break
        told.pop(key, None)
    return told


def post(told: Mapping, forum: str, rng: random.Random) -> tuple[str, str, dict]:
    """Write title and content of a post, and return them with the facts that stand in either."""
    posts, fields = load_sentences()["posts"], _fields(told, rng)
    template = _choose_title(posts, forum, fields, rng)
    title = _with_article(template.format(**fields))
    in_title = {fact for field in _needs(template) for fact in TITLE_FIELDS.get(field, (field,))}
    empty = rng.random() < (0.04 if forum == "iiyi" else 0.5)
    if empty:
        # Deleted posts are common where the real texts come from, and read just like that.
        content = rng.choice(("", "", "", "[removed]", "[deleted]")) if forum == "reddit" else ""
        return title, content, {key: told[key] for key in told if key in in_title}
    # Short texts repeat little of what the title says.
    parts = {key: value for key, value in told.items() if key not in in_title or rng.random() < 0.3}
    content, in_content = _content(parts, fields, posts[forum], rng)
    shown = {key: told[key] for key in told if key in in_title | in_content}
    return title, _with_article(content), shown


def write_content(told: Mapping, forum: str, rng: random.Random) -> str:
    """Write sentences that tell these facts, as people of a forum do, without a title."""
    fields = _fields(told, rng)
    content, _ = _content(told, fields, load_sentences()["posts"][forum], rng)
    return _with_article(content)


def _choose_title(posts: Mapping, forum: str, fields: Mapping, rng: random.Random) -> str:
    """Choose the template of a title: a short one, any that fits, or mostly one that tells as many
    facts as can be told.
    """
    fitting = [title for title in posts[forum]["titles"] if _needs(title) <= fields.keys()]
    kind = rng.random()
    if kind < 0.1:
        return rng.choice(posts["short_titles"])
    most = max(map(_count_facts, fitting))
    telling = [title for title in fitting if _count_facts(title) == most]
    return rng.choice(telling if kind < 0.9 else fitting)


def _content(
    parts: Mapping, fields: Mapping, words: Mapping, rng: random.Random
) -> tuple[str, set[str]]:
    """Write sentences for the told facts, the person first, and return which facts they tell."""
    sentences: list[str] = []
    shown: set[str] = set()
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


def _fields(told: Mapping, rng: random.Random) -> dict[str, str]:
    """Return the words that templates may name, each also with a capital letter."""
    fields = {key: str(told[key]) for key in ("age", "sex", "site", "duration") if key in told}
    if "complaint" in told:
        fields["thing"] = rng.choice(load_sentences()["told"]["complaint"][told["complaint"]])
    if "itch" in told:
        fields["feels"] = rng.choice(load_sentences()["told"]["feels"][told["itch"]])
    if "trigger" in told:
        fields["after"] = rng.choice(load_sentences()["told"]["after"][told["trigger"]])
    if {"age", "sex"} <= told.keys():
        nouns = ("girl", "woman") if told["sex"] == "female" else ("boy", "man")
        fields["noun"] = nouns[told["age"] >= 18]
        fields["person"] = f"a {fields['noun']}"
        fields["mf"] = told["sex"][0].upper()
    return fields | capitals(fields)


def _with_article(text: str) -> str:
    """Correct the article: an 8 year old, an 18 year old, an 80 year old."""
    return re.sub(r"\b([Aa]) (?=8|11 |18 )", r"\1n ", text)


def _count_facts(template: str) -> int:
    return len({fact for field in _needs(template) for fact in TITLE_FIELDS.get(field, (field,))})


def _needs(template: str) -> set[str]:
    """Return the fields that a template names."""
    return {name.lower() for _, name, _, _ in string.Formatter().parse(template) if name}
