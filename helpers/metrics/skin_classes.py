"""Find which of SkinGPT-4's 15 classes an answer names, and judge it by the label of its case.

The paper has dermatologists say whether a diagnosis is right; this is what a machine can count. An
answer names a class by the class's own words, by names of diseases in it (`skin_class_words`) and
by those of the clinic's conditions. The class named first counts, so naming everything does not
help.

Gaps, in plain words: names are English; a denied name ("not eczema") counts as named, and so does
the wart of "wart-like"; a name that is in no table is not found. A right class is not yet the right
disease: "melanoma" is right of a mole.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from helpers.cases import Case
from helpers.data.dermnet import OTHERS, major_class, major_classes
from helpers.files import fingerprint
from helpers.metrics.diagnosis import compile_names, folded
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import mean_columns, mean_from_sums, score_of, share_score
from helpers.metrics.skin_class_words import CLASS_WORDS
from helpers.pocket.conditions import load_conditions

# Raised by hand when the same answers would score differently; words are told apart by themselves.
VERSION = 1
METRICS = {
    "class_accuracy": Metric("right class (of 15)", PERCENT, 1),
    "class_macro_f1": Metric("macro F1 of classes", "", 3),
}
LEFT_OUT = ("words", "interval")


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    labels = [[case.id, case.label] for case in graded.cases]
    return [words_id(), graded.language, fingerprint(labels)]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score English answers to pictures of SkinGPT-4's classes; {} for other cases.

    They are such pictures if every label is a class or "Others", to the letter, and there are two
    classes at least: the clinic's labels are conditions. Those of "Others" are left out.
    """
    cases = _judged(graded.cases)
    if graded.language != "en" or not cases:
        return {}
    labels = [case.label for case in cases]
    said = [class_named(text) for text in graded.texts(cases)]
    hits = [one == label for one, label in zip(said, labels)]
    ids, groups = tuple(case.id for case in cases), groups_of(cases)
    columns = class_columns(labels, said)
    share = share_score(hits, signature=_signature("class_accuracy", "wilson"), groups=groups)
    macro = score_of(
        columns, macro_f1, signature=_signature("class_macro_f1", "bootstrap"), groups=groups
    )
    return {
        "class_accuracy": Measured(share, ids, mean_columns(hits)),
        "class_macro_f1": Measured(macro, ids, columns),
    }


def class_named(text: str) -> str:
    """Find the class that a text names first: one of the 15, "Others", or "" if it names none.

    Names count as whole words in capitals or not, in the plural, with hyphens for spaces, and in
    British or American spelling. A longer name hides a shorter one inside it: "papular urticaria"
    is a bite.
    """
    pattern, owners = _names()
    found = pattern.search(_folded(text))
    return owners[(found.lastindex or 0) - 1] if found else ""


@lru_cache
def classes() -> tuple[str, ...]:
    """Return the 15 classes, in the order of the alphabet."""
    return tuple(sorted({*major_classes().values()} - {OTHERS}))


def class_columns(labels: Sequence[str], said: Sequence[str]) -> np.ndarray:
    """Return what each case contributes to `macro_f1`: (n_cases, 45), three columns of 0 and 1 for
    each class in their order: it is the label (15 of them), it is named (15), both (15).
    """
    true, named = (
        np.array([[one == name for name in classes()] for one in column])
        for column in (labels, said)
    )
    return np.concatenate([true, named, true & named], axis=1).astype(float)


def macro_f1(sums: np.ndarray) -> np.ndarray:
    """Compute the mean F1 (...), 0 to 1, over the classes that are labels, from sums (..., 45).

    An answer that names no class misses its own and is held against no other one.
    """
    true, named, both = np.split(sums, 3, axis=-1)
    occurs = true > 0
    f1 = np.where(occurs, 2 * both / np.maximum(true + named, 1), 0.0)
    return f1.sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1)


STATISTICS = {"class_accuracy": mean_from_sums, "class_macro_f1": macro_f1}


@lru_cache
def words_id() -> str:
    """Compute the fingerprint of all names: other names count other classes."""
    return fingerprint(_owners())


def _judged(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with a class; [] where some label is none, or there are not two of them."""
    with_class = [case for case in cases if case.label != OTHERS]
    labels = {case.label for case in with_class}
    return with_class if len(labels) > 1 and labels <= {*classes()} else []


def _signature(key: str, interval: str) -> str:
    return f"{key}|rule:first|words:{words_id()}|interval:{interval}|v:{VERSION}"


def _folded(text: str) -> str:
    return folded(text.replace("’", "'"))


@lru_cache
def _names() -> tuple[re.Pattern, tuple[str, ...]]:
    return compile_names(_owners())


def _owners() -> dict[str, str]:
    """Return the class of each name in folded form."""
    # Late: it needs Pillow, which answers do not.
    from helpers.pocket.skin_sets import class_folders

    found = {name: name for name in classes()}
    found |= {word: name for name, words in CLASS_WORDS.items() for word in words}
    for condition in load_conditions():
        owner = major_class(class_folders()[condition.skin_class])
        found |= dict.fromkeys(condition.names, owner)
    return {_folded(name): owner for name, owner in found.items()}
