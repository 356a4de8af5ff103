"""What notebooks 07, 07b and 07c show: the ladder of techniques, calibration, conformal sets,
confusions, and the options that a chain of them is made of.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pandas import DataFrame

from helpers.cases import Answer, Case
from helpers.data.ham10000 import LESIONS
from helpers.data.images import open_image
from helpers.data.near_duplicates import Copy
from helpers.experiments.runs import Run
from helpers.files import LabError
from helpers.metrics.differences import share_gap
from helpers.metrics.options import first
from helpers.metrics.scores import Score, share_score
from helpers.report.frame import best_first, frame, summarize
from helpers.training.chain import most_probable, with_truth
from helpers.training.options_recipe import GROWING, OptionsRecipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "top_3", "calibration_error")
# What is on in a run, by parameter, in the order of the ladder; the last one on names the rung.
TECHNIQUES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("augment", bool, "+ images changed a little"),
    ("duplicates", lambda value: value == "remove", "+ copies removed"),
    ("balance", bool, "+ rare labels as often"),
    ("schedule", lambda value: value == "cosine", "+ warm-up and cosine"),
    ("label_smoothing", bool, "+ label smoothing"),
    ("mixup", bool, "+ mixup"),
    ("averaging", bool, "+ averaged weights"),
    ("classifier_epochs", lambda value: value > 20, "+ half as many passes again"),
    ("image_side", lambda value: value > 64, "+ larger images"),
    ("views", lambda value: value > 1, "+ eight views of an image"),
)
PLAIN = "plain"
# Fitzpatrick's skin tones in three groups.
TONES = {"light (I, II)": (1, 2), "middle (III, IV)": (3, 4), "dark (V, VI)": (5, 6)}


def list_rungs(runs: Iterable[Run]) -> DataFrame:
    """Return one row for each rung of the ladder, in its order, its seeds together."""
    data = frame(runs)
    data["rung"] = [_rung(row) for row in data.to_dict("records")]
    found = summarize(data, SCORES, by=["rung"])
    names = [PLAIN, *(name for *_, name in TECHNIQUES)]
    order = found["rung"].map(names.index).sort_values()
    return found.loc[order.index].reset_index(drop=True)


def _rung(row: Mapping[str, Any]) -> str:
    on = [name for parameter, is_on, name in TECHNIQUES if is_on(row[parameter])]
    return on[-1] if on else PLAIN


def list_named(runs: Iterable[Run], metrics: Sequence[str] = SCORES) -> DataFrame:
    """Return one row for each system that has options, its seeds together, the best first."""
    scored = [run for run in runs if metrics[0] in run.scores]
    found = summarize(frame(scored), metrics, by=["name"]).rename(columns={"name": "system"})
    return best_first(found, metrics[0])


def tell_copies(copies: Sequence[Copy], kept: int) -> str:
    """Say how many training images are left out, and why.

    Args:
        kept: how many training images are left.
    """
    here = [one for one in copies if one.split == "train"]
    across = sum(one.across for one in here)
    return (
        f"Of {kept + len(here)} training images {len(here)} are left out: {across} copies of "
        f"images of other splits, {len(here) - across} of other training images."
    )


def conformal_rows(
    cases: Sequence[Case],
    answers: Mapping[str, Answer],
    sets: Mapping[str, Sequence[str]],
    parts: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return how often sets of labels hold the right one, and how large they are: of all cases, and
    of each part of them.

    Args:
        sets: case id -> the labels of its set.
        parts: case id -> the part that it belongs to, such as its skin tone.
    """
    named = [("all", list(cases))]
    for part in sorted({*parts.values()}):
        named.append((part, [case for case in cases if parts.get(case.id) == part]))
    return [
        {
            "cases": name,
            "n": len(chosen),
            "first label is right (%)": _percent([first(answers[c.id]) == c.label for c in chosen]),
            "set holds the right one (%)": _percent([c.label in sets[c.id] for c in chosen]),
            "labels in a set": f"{np.mean([len(sets[c.id]) for c in chosen]):.1f}",
        }
        for name, chosen in named
        if chosen
    ]


def _percent(hits: Sequence[bool]) -> str:
    found: Score = share_score(hits, signature="")
    return f"{100 * found.value:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def draw_reliability(curves: Mapping[str, tuple[Sequence[Case], Mapping[str, Answer]]]) -> "Figure":
    """Draw how often answers are right against how probable they call themselves, in ten bins.

    Args:
        curves: name -> cases and their answers; at most four.
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    axis.plot([0, 100], [0, 100], color="#888888", linestyle=":", label="as sure as right")
    for (name, (cases, answers)), marker in zip(curves.items(), "os^D"):
        sure = np.array([max(answers[case.id].options.values()) for case in cases])
        right = np.array([first(answers[case.id]) == case.label for case in cases])
        bins = np.minimum((sure * 10).astype(int), 9)
        places = [place for place in range(10) if (bins == place).sum() >= 5]
        axis.plot(
            [100 * sure[bins == place].mean() for place in places],
            [100 * right[bins == place].mean() for place in places],
            marker=marker,
            label=name,
        )
    axis.set(xlabel="probability of the answer (%)", ylabel="answers that are right (%)")
    axis.set_title("How sure, and how right")
    axis.legend(fontsize=8)
    return figure


def draw_shares(rows: Mapping[str, Score], *, title: str, label: str) -> "Figure":
    """Draw shares with their intervals as dots, the first at the top."""
    import matplotlib.pyplot as plt

    names = list(rows)
    figure, axis = plt.subplots(figsize=(5.2, 0.36 * len(names) + 0.9), layout="constrained")
    for place, score in enumerate(rows.values()):
        axis.plot([100 * score.low, 100 * score.high], [place, place], color="#444444")
        axis.plot(100 * score.value, place, marker="o", color="#1f6f9f")
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel=label, title=title, xlim=(0, 100))
    axis.grid(axis="x", alpha=0.3)
    return figure


def share_by_tone(
    cases: Sequence[Case], answers: Mapping[str, Answer], tones: Mapping[str, int]
) -> dict[str, Score]:
    """Return the share of right first labels by group of skin tones; groups without a case are left
    out.

    Args:
        tones: case id -> skin tone, 1 (palest) to 6 (darkest).
    """
    hits: dict[str, list[bool]] = {name: [] for name in TONES}
    for case in cases:
        for name, group in TONES.items():
            if tones.get(case.id) in group:
                hits[name].append(first(answers[case.id]) == case.label)
    return {name: share_score(found, signature="") for name, found in hits.items() if found}


def tell_gap(shares: Mapping[str, Score]) -> str:
    """Say how far the first share is from the last one, with the interval."""
    (light, *_, dark), (name, *_, last) = shares.values(), shares
    value, low, high = (100 * number for number in share_gap(light, dark))
    return f"{name} minus {last}: {value:.0f} points [{low:.0f}, {high:.0f}]"


def list_confusions(
    cases: Sequence[Case], answers: Mapping[str, Answer], look_alikes: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Return the most frequent confusions, and whether they are known look-alikes.

    Args:
        look_alikes: label -> labels that look like it.
    """
    said = Counter((case.label, first(answers[case.id])) for case in cases)
    wrong = [(count, true, one) for (true, one), count in said.items() if true != one]
    return [
        {"it is": true, "it is said to be": one, "images": count, "look-alikes": "yes" * is_known}
        for count, true, one in sorted(wrong, reverse=True)
        for is_known in [one in look_alikes.get(true, ())]
    ]


def show_chain(
    cases: Sequence[Case], options: Mapping[str, Answer], recipe: OptionsRecipe
) -> list[dict[str, Any]]:
    """Return what one story is read with in each step of a chain: of the first case whose right
    label is not the most probable one.
    """
    given = {case.id: options[case.id].options for case in cases if case.id in options}
    mistaken = [one for one in cases if most_probable(given.get(one.id, {}), 1) != [one.label]]
    case = (mistaken or cases)[0]
    own = given.get(case.id, {})
    lists = {f"{count} options": with_truth(own, case.label, count) for count in GROWING}
    lists["the real task"] = most_probable(own, recipe.count)
    return [
        {
            "step": name,
            "options": ", ".join(one.upper() if one == case.label else one for one in listed),
            "the right one": "inside" if case.label in listed else "missing",
        }
        for name, listed in lists.items()
    ]


def show_case(
    case: Case, systems: Mapping[str, Mapping[str, Answer]], count: int = 4
) -> list[dict[str, Any]]:
    """Return the most probable labels of a case by each system, with their probabilities, and the
    right one.
    """
    rows = []
    for name, answers in systems.items():
        options = answers[case.id].options
        best = [f"{one} {100 * options[one]:.0f} %" for one in most_probable(options, count)]
        rows.append({"by": name, "most probable": ", ".join(best), "right": case.label})
    return rows


def ask_lesion_classifier(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Return what `sklesion` says of the images of cases; where it is not installed, say so."""
    # Late: it loads Keras.
    from helpers.models.classifiers import load_lesion_classifier

    try:
        model = load_lesion_classifier()
    except LabError as error:
        print(error)
        return []
    said = model.classify([open_image(case.images[0]) for case in cases])
    return [
        {
            "it is": case.label,
            "it says": LESIONS[first_label],
            "as sure as (%)": round(100 * options[first_label]),
        }
        for case, options in zip(cases, said)
        for first_label in [next(iter(options))]
    ]
