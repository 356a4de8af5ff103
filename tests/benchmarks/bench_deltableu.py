"""deltaBLEU with its interval for 1,000 cases: seconds in this process, and in a fresh one with all
its imports.

Run `python tests/benchmarks/bench_deltableu.py`. Status 1 if the fresh process takes 2 seconds or
more.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from helpers.cases import Answer, Case, Reference
from helpers.metrics.scoring import score_predictions

CASES, REFERENCES, REPEATS, LIMIT = 1000, 6, 3, 2.0
WORDS = (
    "the a rash skin is looks like eczema psoriasis use cream twice daily for weeks doctor see "
    "itchy red"
).split()


def main() -> int:
    """Measure, print, and return the exit status."""
    draw = random.Random(0)
    references = [[sentence(draw) for _ in range(REFERENCES)] for _ in range(CASES)]
    answers = [sentence(draw) for _ in range(CASES)]
    cases = [
        Case(str(number), references=tuple(map(Reference, row)))
        for number, row in enumerate(references)
    ]
    predictions = [Answer(str(number), text) for number, text in enumerate(answers)]
    seconds = best(lambda: score_predictions(cases, predictions, metrics=["deltableu"]))
    print(
        f"in this process: {seconds:.2f} s for {CASES} cases x {REFERENCES} references and 1,000 "
        "resamples"
    )
    fresh = best(lambda: fresh_process(answers, references))
    print(f"`python -m helpers score`, a fresh process: {fresh:.2f} s (under {LIMIT:.0f} s wanted)")
    return 0 if fresh < LIMIT else 1


def sentence(draw: random.Random) -> str:
    """A made-up answer of 5 to 60 words."""
    return " ".join(draw.choices(WORDS, k=draw.randint(5, 60))) + "."


def best(work) -> float:
    """The least seconds of a few repeats: what the machine can do when nothing else disturbs it."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def fresh_process(answers: list[str], references: list[list[str]]) -> None:
    """Score through the command line, from files in the challenge's format."""
    with tempfile.TemporaryDirectory() as folder:
        truth, given = Path(folder) / "reference.json", Path(folder) / "prediction.json"
        truth.write_text(json.dumps([record(number, row) for number, row in enumerate(references)]))
        given.write_text(
            json.dumps([record(number, [text]) for number, text in enumerate(answers)])
        )
        command = [
            sys.executable,
            "-m",
            "helpers",
            "score",
            str(truth),
            str(given),
            "--metrics",
            "deltableu",
        ]
        environment = {
            key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
        }
        subprocess.run(
            command, check=True, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL
        )


def record(number: int, texts: list[str]) -> dict:
    """One record of a references or prediction file."""
    responses = [
        {"author_id": "annotator1", "content_en": text, "completeness": 1, "contains_freq_ans": 1}
        for text in texts
    ]
    return {"encounter_id": f"case{number}", "image_ids": [], "responses": responses}


if __name__ == "__main__":
    sys.exit(main())
