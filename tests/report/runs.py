"""Hand-made runs for the tests of tables and figures."""

from helpers.experiments.runs import Run, open_run
from helpers.metrics.scores import Score


def score(value: float, low: float | None = None, high: float | None = None, n: int = 60) -> Score:
    """A score whose interval reaches from 1 below to 1 above, if it is not given."""
    low = value - 1 if low is None else low
    high = value + 1 if high is None else high
    return Score(value, low, high, n, "")


def make_run(kind: str, name: str, scores: dict[str, Score], *, verdicts=None, **about) -> Run:
    """A finished run of a kind; `about` are entries of its record."""
    record = {
        "kind": kind,
        "name": name,
        "profile": "pocket",
        "dataset": "pocket",
        "language": "en",
        "split": "valid",
        "data_fingerprint": "0" * 12,
        "model": "pocket/llama",
        "revision": "",
        "seed": 1,
    } | about
    record["parameters"] = {"ENCODER": "minilm"} | about.get("parameters", {})
    determines = {"name": name, "seed": record["seed"], "dataset": record["dataset"]}
    parent = record.pop("parent", "")
    run = open_run("03_few_shot_inference", determines=determines, about=record, parent=parent)
    run.save(status="done")
    if scores:
        run.save_scores(scores, verdicts)
    return run


def few_shot_run(
    value: float, *, name: str = "", shots: int = 0, tuned: bool = True, **about
) -> Run:
    """Answers of the pocket Llama with this deltaBLEU, and a BERTScore of a hundredth of it."""
    scores = {
        "deltableu": score(value),
        "bertscore_f1": score(value / 100, value / 100 - 0.1, value / 100 + 0.1),
        "bertscore_precision": score(0.5, 0.4, 0.6),
        "bertscore_recall": score(0.4, 0.3, 0.5),
        "named": score(0.25, 0.125, 0.5),
    }
    name = name or f"llama, {shots} shots, {tuned}, {about.get('parameters', {})}"
    return make_run("answers", name, scores, shots=shots, tuned=tuned, **about)


def vlm_run(value: float, *, epochs: float = 0, augmentation: str = "none", prompt="P1", **about):
    """Answers of a VLM, fine-tuned for so many epochs."""
    scores = {
        "deltableu": score(value),
        "bertscore_f1": score(0.5, 0.4, 0.6),
        "seconds": score(0.5, 0.4, 0.6),
        "distinct": score(0.5, 0.4, 0.6),
        "repeated": score(0.1, 0.0, 0.2),
    }
    return make_run(
        "picture_answers",
        f"llava, {prompt}, {epochs} epochs, {augmentation}",
        scores,
        **{"model": "pocket/llava", "weights_mb": 5.5, "parent": ""} | about,
        epochs=epochs,
        tuned=bool(epochs),
        parameters={"VLM_PROMPT": prompt, "AUGMENTATION": augmentation},
    )
