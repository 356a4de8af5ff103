"""Ratios that the lab promises for generation, on a clinic's cases, each in one run: `python
tests/benchmarks/bench_generation.py [MODEL LAYOUT CASES REPEATS]`, without them of pocket/llama.

Batched at least 5x one by one (no shots, 48 tokens for each answer); a shared prefix of four fixed
shots at least 2x batched without it, token for token the same. Status 1 if one of them is missed.
Best of three, or of REPEATS, because other work disturbs. Where answers end by themselves after a
few tokens, a batch waits for its longest one, and gains less: that ratio is printed, too.
"""

import sys
import time
from dataclasses import replace
from functools import partial

from helpers.data import load_dataset
from helpers.models.llm import LocalLLM, load_llm
from helpers.models.prompts import build_prompt, question_text, stop_text
from helpers.models.refs import ModelRef
from helpers.models.shots import as_pairs, choose_shots, shot_pool

BATCH, NEW_TOKENS, STOP = 32, 48, stop_text("alpaca", "block")


def texts(
    model: LocalLLM, prompts: dict, *, batch: int, shared: bool, stop: str = STOP
) -> dict[str, str]:
    """Answers by case id, in batches in order of length, the common beginning read once or not."""
    order = sorted(prompts, key=lambda case_id: -model.count_tokens(prompts[case_id]))
    model = model.prepare(prompts, stop=stop) if shared else replace(model, stop=stop)
    answers: dict[str, str] = {}
    for start in range(0, len(order), batch):
        part = {case_id: prompts[case_id] for case_id in order[start : start + batch]}
        answers |= {
            row.case_id: row.text for row in model.answer_batch(part, max_new_tokens=NEW_TOKENS)
        }
    return answers


def best_of(repeats: int, work) -> tuple[float, dict]:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        answers = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), answers


def main(
    name: str = "pocket/llama", layout: str = "alpaca", count: str = "60", repeats: str = "3"
) -> int:
    model, data = load_llm(ModelRef(name)), load_dataset("pocket")
    cases, pool = data.split("valid")[: int(count)], shot_pool(data.split("train"))
    plain = {case.id: build_prompt(question_text(case), layout=layout) for case in cases}
    shots = choose_shots(cases, pool, count=4, choice="fixed", seed=1)
    fixed = {
        case.id: build_prompt(question_text(case), as_pairs(shots[case.id]), layout=layout)
        for case in cases
    }

    best = partial(best_of, int(repeats))
    single, alone = best(lambda: texts(model, plain, batch=1, shared=False, stop=""))
    batched, together = best(lambda: texts(model, plain, batch=BATCH, shared=True, stop=""))
    short_single, _ = best(lambda: texts(model, plain, batch=1, shared=False))
    short_batched, _ = best(lambda: texts(model, plain, batch=BATCH, shared=True))
    whole, without = best(lambda: texts(model, fixed, batch=BATCH, shared=False))
    prefixed, with_prefix = best(lambda: texts(model, fixed, batch=BATCH, shared=True))

    same = sum(alone[case_id] == together[case_id] for case_id in alone)
    print(
        f"0 shots, {len(cases)} cases: one by one {single:.2f} s, in batches of {BATCH} "
        f"{batched:.2f} s: {single / batched:.1f}x; {same} of {len(alone)} answers the same"
    )
    print(
        f"the same, each answer ended where it ends: {short_single:.2f} s, {short_batched:.2f} s: "
        f"{short_single / short_batched:.1f}x"
    )
    print(
        f"4 fixed shots: batched {whole:.2f} s, shared prefix {prefixed:.2f} s: "
        f"{whole / prefixed:.1f}x; answers the same: {without == with_prefix}"
    )
    return 0 if single >= 5 * batched and whole >= 2 * prefixed and without == with_prefix else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
