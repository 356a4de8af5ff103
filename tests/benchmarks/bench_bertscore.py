"""BERTScore of 1,000 answers with 6 references each: ours against calls of the bert-score package, same values.

Run `python tests/benchmarks/bench_bertscore.py`. Status 1 if values differ or ours is not 5 times as fast as one
`bert_score.score` call per case, which loads its model every time. Such calls are timed on a sample and scaled.
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

from helpers.metrics.bertscore import bert_scores  # noqa: E402
from helpers.metrics.encoders import load_encoder, packaged_minilm, quiet  # noqa: E402

CASES, REFERENCES = 1000, 6
NAIVE_SAMPLE, FAIR_SAMPLE = 20, 200
REQUIRED_RATIO = 5
TOLERANCE = 1e-5


def main() -> int:
    """Measure, print, and return the exit status."""
    answers, references, source = texts()
    distinct = len(set(answers) | {text for row in references for text in row})
    print(f"{CASES} answers x {REFERENCES} references from {source}: {distinct} distinct texts")
    load_everything()

    started = time.perf_counter()
    ours = bert_scores(answers, references, device="cpu").f1
    seconds = time.perf_counter() - started
    print(f"ours, first call (model loaded in it)      {seconds:8.1f} s")
    started = time.perf_counter()
    bert_scores(answers[::-1], references[::-1], device="cpu")
    print(f"ours, second call (references kept)        {time.perf_counter() - started:8.1f} s")

    fair, fair_seconds = package_per_case(answers, references, FAIR_SAMPLE, reload=False)
    naive, naive_seconds = package_per_case(answers, references, NAIVE_SAMPLE, reload=True)
    print(f"one BERTScorer kept, a call per case       {fair_seconds:8.1f} s  (from {FAIR_SAMPLE} cases)")
    print(f"bert_score.score per case                  {naive_seconds:8.1f} s  (from {NAIVE_SAMPLE} cases)")
    difference = max(np.abs(fair - ours[:FAIR_SAMPLE]).max(), np.abs(naive - ours[:NAIVE_SAMPLE]).max())
    ratio = naive_seconds / seconds
    print(f"ratio to bert_score.score per case: {ratio:.1f} (at least {REQUIRED_RATIO} wanted)")
    print(f"ratio to one scorer kept: {fair_seconds / seconds:.1f}")
    print(f"largest difference of F1: {difference:.1e} (at most {TOLERANCE:.0e} allowed)")
    return 0 if ratio >= REQUIRED_RATIO and difference <= TOLERANCE else 1


def texts() -> tuple[list[str], list[list[str]], str]:
    """Answers and references drawn from the IIYI train set, where short answers recur; made up if it is not here."""
    draw = random.Random(0)
    path = Path(os.environ.get("LAB_SHARED") or REPOSITORY.parent / "shared") / "data/dermavqa/iiyi/train.json"
    if path.is_file():
        records = json.loads(path.read_text(encoding="utf-8"))
        pool = [answer["content_en"].strip() for record in records for answer in record["responses"]]
        pool, source = [text for text in pool if text], "the IIYI train set"
    else:
        names = "eczema psoriasis rosacea ringworm scabies urticaria vitiligo acne lichen melasma".split()
        advice = ["", "See a doctor.", "Use a mild steroid cream twice daily.", "Keep the skin moist and wait two weeks."]
        pool = [f"{start} {name}. {end}".strip() for start in ("It is", "Perhaps", "Typical") for name in names for end in advice]
        source = "made-up sentences"
    references = [draw.sample(pool, REFERENCES) for _ in range(CASES)]
    return [draw.choice(pool) for _ in range(CASES)], references, source


def load_everything() -> None:
    """Import the libraries and warm up, so that neither side pays for it; the encoder itself is dropped again."""
    bert_scores(["warm"], [["up"]], device="cpu")
    load_encoder.cache_clear()


def package_per_case(answers, references, sample: int, *, reload: bool) -> tuple[np.ndarray, float]:
    """Best F1 of the first `sample` cases by the package, one call each, and the seconds that all cases would take."""
    import bert_score

    settings = {"model_type": str(packaged_minilm()), "num_layers": 6, "device": "cpu"}
    best = []
    started = time.perf_counter()
    with quiet():
        scorer = None if reload else bert_score.BERTScorer(**settings)
        loaded = time.perf_counter()
        for answer, row in zip(answers[:sample], references[:sample]):
            candidates = [answer] * len(row)
            scored = bert_score.score(candidates, row, **settings) if reload else scorer.score(candidates, row)
            best.append(float(scored[2].max()))
    ended = time.perf_counter()
    return np.array(best), (loaded - started) + (ended - loaded) * CASES / sample


if __name__ == "__main__":
    sys.exit(main())
