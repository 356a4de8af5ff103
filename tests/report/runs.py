"""Hand-made runs for the tests of tables and figures."""

from helpers.experiments.runs import Run, open_run
from helpers.files import fingerprint
from helpers.metrics.differences import Difference
from helpers.metrics.scores import Score

# As BERTScore signs its scores: what tables tell encoders apart by.
BERTSCORE = "BERTScore|mode:aligned|encoder:{encoder}|layers:6"


def score(
    value: float,
    low: float | None = None,
    high: float | None = None,
    n: int = 60,
    signature: str = "",
) -> Score:
    """A score whose interval reaches from 1 below to 1 above, if it is not given."""
    low = value - 1 if low is None else low
    high = value + 1 if high is None else high
    return Score(value, low, high, n, signature)


def difference(
    value: float, low: float | None = None, high: float | None = None, n: int = 60, seeds: int = 3
) -> Difference:
    """A difference with the interval of `score`, over cases that are alone."""
    one = score(value, low, high, n)
    errors = ((one.high - one.low) / 4, 0.0)
    return Difference(one.value, one.low, one.high, n, "", *errors, n, seeds)


def make_run(
    kind: str, name: str, scores: dict[str, Score], *, parents: dict | None = None, **about
) -> Run:
    """A finished run of a kind; `about` are entries of its record."""
    record = {
        "name": name,
        "profile": "pocket",
        "version": 3,
        "dataset": "pocket",
        "language": "en",
        "split": "valid",
        "data_fingerprint": "0" * 12,
        "model": "pocket/llama",
        "seed": 1,
        "parameters": {},
    } | about
    run_id = fingerprint([kind, record])
    run = open_run(kind, run_id, about=record, parents=parents)
    run.save(status="done", minutes=0.5)
    if scores:
        run.save_scores(scores)
    return run


def few_shot_run(
    value: float,
    *,
    name: str = "",
    shots: int = 0,
    tuned: bool = True,
    encoder: str = "minilm",
    parameters: dict | None = None,
    **about,
) -> Run:
    """Answers of the pocket Llama with this deltaBLEU, and a BERTScore of a hundredth of it."""
    signed = BERTSCORE.format(encoder=encoder)
    scores = {
        "deltableu": score(value),
        "bertscore_f1": score(value / 100, value / 100 - 0.1, value / 100 + 0.1, 60, signed),
        "bertscore_precision": score(0.5, 0.4, 0.6),
        "bertscore_recall": score(0.4, 0.3, 0.5),
        "named": score(0.25, 0.125, 0.5),
    }
    made_with = {"MODEL": "pocket/llama", "SHOTS": shots, "CAPTIONER": "none"}
    made_with |= {"RANK": 16, "SEED": about.get("seed", 1)} if tuned else {}
    made_with |= parameters or {}
    name = name or f"llama, {shots} shots, {tuned}, {parameters}"
    return make_run("answers", name, scores, tuned=tuned, parameters=made_with, **about)


def vlm_run(
    value: float,
    *,
    epochs: float = 0,
    augmentation: str = "none",
    prompt: str = "P1",
    model: str = "pocket/llava",
    **about,
) -> Run:
    """Answers of a VLM, fine-tuned for so many epochs."""
    scores = {
        "deltableu": score(value),
        "bertscore_f1": score(0.5, 0.4, 0.6),
        "seconds": score(0.5, 0.4, 0.6),
        "distinct": score(0.5, 0.4, 0.6),
        "repeated": score(0.1, 0.0, 0.2),
    }
    made_with: dict = {"MODEL": model, "PROMPT": prompt}
    made_with |= {"EPOCHS": epochs, "AUGMENTATION": augmentation} if epochs else {}
    return make_run(
        "vlm_answers",
        f"{model}, {prompt}, {epochs} epochs, {augmentation}",
        scores,
        **{"weights_mb": 5.5} | about,
        model=model,
        epochs=epochs,
        tuned=bool(epochs),
        parameters=made_with,
    )
