"""BERTScore of 1,000 answers with 6 references each: ours against calls of the bert-score package,
same values.

Run `python tests/benchmarks/bench_bertscore.py`. Status 1 if values differ or ours is not 5 times
as fast as one `bert_score.score` call per case, which loads its model every time. Such calls are
timed on a sample and scaled.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from helpers.metrics.bertscore import bert_scores
from helpers.models.encoders import load_encoder, packaged_minilm, quiet

CASES, REFERENCES = 1000, 6
NAIVE_SAMPLE, FAIR_SAMPLE = 20, 40
ROUNDS = (
    2  # of each, of which the fastest counts: what the machine can do when nothing else disturbs it
)
REQUIRED_RATIO = 5
TOLERANCE = 1e-5


def main() -> int:
    """Measure, print, and return the exit status."""
    answers, references, source = texts()
    distinct = len(set(answers) | {text for row in references for text in row})
    print(f"{CASES} answers x {REFERENCES} references from {source}: {distinct} distinct texts")
    bert_scores(["warm"], [["up"]], device="cpu")  # so that neither side pays for the imports

    ours, seconds = fastest(lambda: ours_afresh(answers, references))
    _, again = fastest(lambda: bert_scores(answers, references, device="cpu"))
    fair, fair_seconds = fastest(
        lambda: package_per_case(answers[:FAIR_SAMPLE], references, reload=False)
    )
    naive, naive_seconds = fastest(
        lambda: package_per_case(answers[:NAIVE_SAMPLE], references, reload=True)
    )
    fair_seconds *= CASES / FAIR_SAMPLE
    naive_seconds *= CASES / NAIVE_SAMPLE
    print(f"ours, model loading included             {seconds:7.1f} s")
    print(f"ours again, with the references kept     {again:7.1f} s")
    print(
        f"one BERTScorer kept, a call per case     {fair_seconds:7.1f} s  (scaled up from "
        f"{FAIR_SAMPLE} cases)"
    )
    print(
        f"one bert_score.score call per case       {naive_seconds:7.1f} s  (scaled up from "
        f"{NAIVE_SAMPLE} cases)"
    )
    difference = max(
        np.abs(fair - ours[:FAIR_SAMPLE]).max(), np.abs(naive - ours[:NAIVE_SAMPLE]).max()
    )
    ratio = naive_seconds / seconds
    print(f"ratio to bert_score.score per case: {ratio:.1f} (at least {REQUIRED_RATIO} wanted)")
    print(f"ratio to one scorer kept: {fair_seconds / seconds:.1f}")
    print(f"largest difference of F1: {difference:.1e} (at most {TOLERANCE:.0e} allowed)")
    return 0 if ratio >= REQUIRED_RATIO and difference <= TOLERANCE else 1


def texts() -> tuple[list[str], list[list[str]], str]:
    """Answers and references drawn from the IIYI train set, where short answers recur; made up if
    it is not here.
    """
    draw = random.Random(0)
    path = (
        Path(os.environ.get("LAB_SHARED") or REPOSITORY.parent / "shared")
        / "data/dermavqa/iiyi/train.json"
    )
    if path.is_file():
        records = json.loads(path.read_text(encoding="utf-8"))
        pool = [
            answer["content_en"].strip() for record in records for answer in record["responses"]
        ]
        pool, source = [text for text in pool if text], "the IIYI train set"
    else:
        names = (
            "eczema psoriasis rosacea ringworm scabies urticaria vitiligo acne lichen melasma"
        ).split()
        advice = [
            "",
            "See a doctor.",
            "Use a mild steroid cream twice daily.",
            "Keep the skin moist and wait two weeks.",
        ]
        pool = [
            f"{start} {name}. {end}".strip()
            for start in ("It is", "Perhaps", "Typical")
            for name in names
            for end in advice
        ]
        source = "made-up sentences"
    references = [draw.sample(pool, REFERENCES) for _ in range(CASES)]
    return [draw.choice(pool) for _ in range(CASES)], references, source


def fastest(work) -> tuple:
    """What `work` returns, and the least seconds of a few rounds."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - started)
    return result, min(taken)


def ours_afresh(answers: list[str], references: list[list[str]]) -> np.ndarray:
    """F1 of all cases, with nothing loaded or kept before."""
    load_encoder.cache_clear()
    return bert_scores(answers, references, device="cpu").f1


def package_per_case(
    answers: list[str], references: list[list[str]], *, reload: bool
) -> np.ndarray:
    """Best F1 of each answer by the package, one call each: with the model loaded every time, or
    once.
    """
    import bert_score

    settings = {"model_type": str(packaged_minilm()), "num_layers": 6, "device": "cpu"}
    with quiet():
        scorer = None if reload else bert_score.BERTScorer(**settings)
        best = []
        for answer, row in zip(answers, references):
            candidates = [answer] * len(row)
            scored = (
                bert_score.score(candidates, row, **settings)
                if reload
                else scorer.score(candidates, row)
            )
            best.append(float(scored[2].max()))
    return np.array(best)


if __name__ == "__main__":
    sys.exit(main())
