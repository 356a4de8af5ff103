"""Questions that list what may be answered: how options stand in a question, and how they are found
in it and in an answer.
"""

import re
from collections.abc import Mapping, Sequence

ASKED_WITH = {"en": " Options: {}.", "zh": "选项：{}。"}  # after the question, by language
BETWEEN = "; "  # options


def with_options(question: str, options: Sequence[str], language: str = "en") -> str:
    """Put options behind a question."""
    return question + ASKED_WITH[language].format(BETWEEN.join(options))


def listed_options(question: str) -> tuple[str, ...]:
    """Return the options that a question ends with, in their order; () where it lists none."""
    for form in ASKED_WITH.values():
        before, after = form.split("{}")
        _, found, listed = question.rpartition(before)
        if found and listed.endswith(after):
            return tuple(listed.removesuffix(after).split(BETWEEN))
    return ()


def named_options(answer: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """Find the options that an answer names, as whole words, in order of first appearance.

    Args:
        names: option -> all that it may be called; a longer name hides a shorter one inside it.
    """
    owners = {name.casefold(): option for option, called in names.items() for name in called}
    longest = sorted(owners, key=lambda name: (-len(name), name))
    if not longest:
        return []
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)")
    found = (owners[match.group()] for match in pattern.finditer(answer.casefold()))
    return list(dict.fromkeys(found))
