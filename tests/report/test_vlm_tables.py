"""Tables of VLMs: VisionQAries' Table 2, curves over epochs, repetition, costs, small devices."""

import pandas

from helpers.metrics.scores import Score
from helpers.report import vlm_tables
from tests.report.runs import make_run, score, vlm_run

RUNS = {
    (0, "none"): [0.5],
    (2, "training"): [2.0, 4.0],
    (10, "none"): [8.0],
}


def runs():
    return [
        vlm_run(value, epochs=epochs, augmentation=augmentation, seed=seed)
        for (epochs, augmentation), values in RUNS.items()
        for seed, value in enumerate(values)
    ]


def test_table_2_stands_beside_the_papers_runs_of_the_same_settings():
    other = vlm_run(0.7, model="pocket/idefics2", seed=9)
    found = vlm_tables.compare_with_table_2([*runs(), other], tuned="pocket/llava")
    assert list(found["their run"]) == [
        "6: 8.629 / 0.848",
        "4: 2.231 / 0.834",
        "5: 1.404 / 0.839",  # TinyLLaVA's, for the model that is not fine-tuned
        "1: 1.502 / 0.839",
    ]
    assert list(found["runs"]) == [1, 2, 1, 1] and found["deltableu"][1].value == 3.0
    assert list(found["epochs"]) == [10, 2, 0, 0] and "named" not in found
    assert pandas.isna(found["augmentation"][3])  # it means nothing where nothing was trained


def test_a_cell_that_the_paper_lacks_is_not_run():
    run = vlm_run(1.0, epochs=10, augmentation="training")
    found = vlm_tables.compare_with_table_2([run], tuned="pocket/llava")
    assert list(found["their run"]) == ["not run"]


def test_repetition_is_sorted_by_settings():
    found = vlm_tables.describe_repetition(reversed(runs()))
    assert list(found["epochs"]) == [0, 2, 10]
    assert found["repeated"][0] == score(0.1, 0.0, 0.2) and found["copies"][0] is None
    assert "runs" not in found and "n" not in found


def test_curves_begin_with_the_answers_before_fine_tuning():
    found = vlm_tables.epoch_curves(runs(), "deltableu")
    start = (0, score(0.5))
    assert found == {
        "P1, augmented": [start, (2, Score(3.0, 2.0, 4.0, 60, "|mean of 2 runs"))],
        "P1, not augmented": [start, (10, score(8.0))],
    }
    assert vlm_tables.epoch_curves([], "deltableu") == {}


def test_costs_are_those_of_the_trainings_behind_the_answers():
    def training(seed: int, minutes: float, memory: dict):
        return make_run(
            "finetune_vlm",
            f"training {seed}",
            {},
            seed=seed,
            train_minutes=minutes,
            peak_memory_gb=memory,
            parameters={
                "MODEL": "pocket/llava",
                "PROMPT": "P1",
                "EPOCHS": 2,
                "AUGMENTATION": "none",
            },
        )

    trainings = [
        training(1, 1.0, {"ram": 1.5}),
        training(2, 2.0, {"gpu": 0.5, "ram": 9.0}),
        training(3, 100.0, {"ram": 100.0}),  # nothing that is shown came from it
    ]
    answered = [vlm_run(1.0, seed=0)]
    answered += [
        vlm_run(1.0, epochs=2, seed=n, parents={"adapter": trainings[n - 1]}) for n in (1, 2)
    ]
    found = vlm_tables.list_costs(answered, trainings)
    assert list(found["epochs"]) == [0, 2] and list(found["weights_mb"]) == [5.5, 5.5]
    assert found["seconds"][1].value == 0.5
    assert pandas.isna(found["train_minutes"][0]) and found["train_minutes"][1] == 1.5
    assert found["peak_memory_gb"][1] == 1.5
    assert "train_minutes" not in vlm_tables.list_costs(answered[:1], trainings)


def test_forms_stand_in_the_order_of_the_run_with_what_they_lost():
    forms = [
        {"form": "float32", "weights_mb": 11.0, "same_answers": 1.0, "deltableu": 9.0},
        {"form": "int8", "weights_mb": 4.5, "same_answers": 0.5, "deltableu": 7.0},
    ]
    run = make_run("small_device", "llava", {"int8: deltableu": score(-2.0)}, forms=forms)
    found = vlm_tables.list_forms(run)
    assert list(found.columns) == [
        "form",
        "weights_mb",
        "same_answers",
        "deltableu",
        "change in deltableu",
    ]
    assert list(found["form"]) == ["float32", "int8"] and list(found["deltableu"]) == [9.0, 7.0]
    assert found["change in deltableu"].tolist() == [None, score(-2.0)]
