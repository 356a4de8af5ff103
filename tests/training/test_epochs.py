"""Epochs with checkpoints: what goes on from where, with which random numbers."""

import pytest
import torch

from helpers.files import WorkFailed
from helpers.training.epochs import STATE, run_epochs


class Stopped(Exception):
    pass


class Work:
    """A layer that learns from numbers drawn anew; it may stop in the middle of an epoch."""

    def __init__(self, *, stop_in=None, loss=None):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(3, 1)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: 0.9**step)
        self.state = {"model": self.model, "optimiser": self.optimiser, "rate": self.schedule}
        self.stop_in, self.loss, self.done, self.reports = stop_in, loss, [], []

    def epoch(self, number):
        self.done.append(number)
        for step in range(3):
            if (number, step) == (self.stop_in, 1):
                raise Stopped
            loss = (self.model(torch.randn(8, 3)) - 1).square().mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
        return float(loss.detach()) if self.loss is None else self.loss

    def run(self, folder, *, epochs=4, seed=5):
        return run_epochs(
            self.epoch, self.state, folder, epochs=epochs, seed=seed, report=self.reports.append
        )

    def weights(self):
        return self.model.weight.tolist()


def checkpoints(folder):
    return sorted(path.name for path in folder.glob("*"))


def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path):
    whole, first, second = Work(), Work(stop_in=2), Work()
    log = whole.run(tmp_path / "whole")
    with pytest.raises(Stopped):
        first.run(tmp_path / "parts")
    assert checkpoints(tmp_path / "parts") == ["checkpoint-2"]
    torch.manual_seed(99)
    torch.randn(7)  # what else a process has drawn has no part in it
    assert second.run(tmp_path / "parts") == log
    assert (first.done, second.done) == ([0, 1, 2], [2, 3])
    assert second.weights() == whole.weights() != first.weights()
    assert second.optimiser.param_groups[0]["lr"] == whole.optimiser.param_groups[0]["lr"]


def test_the_log_has_a_row_for_each_epoch_and_progress_is_told(tmp_path):
    work = Work()
    log = work.run(tmp_path)
    assert [row["epoch"] for row in log] == [1, 2, 3, 4] and log[0]["loss"] > log[3]["loss"]
    steps = [(one["step"], "loss" in one) for one in work.reports]
    assert steps == [pair for n in range(4) for pair in ((n, False), (n + 1, True))]
    assert {one["total"] for one in work.reports} == {4}


def test_each_epoch_and_each_seed_has_random_numbers_of_its_own(tmp_path):
    drawn = []

    def epoch(number):
        drawn.append(torch.rand(2).tolist())
        return 1.0

    for seed in (5, 6, 5):
        folder = tmp_path / str(len(drawn))
        run_epochs(epoch, {}, folder, epochs=2, seed=seed, report=lambda row: None)
    assert drawn[:2] == drawn[4:]
    assert len({tuple(one) for one in drawn}) == 4


def test_a_finished_training_trains_no_more(tmp_path):
    log = Work().run(tmp_path)
    again = Work()
    assert again.run(tmp_path) == log and again.done == []


def test_a_damaged_checkpoint_is_passed_over(tmp_path, capsys):
    expected = Work()
    log = expected.run(tmp_path / "whole")
    with pytest.raises(Stopped):
        Work(stop_in=2).run(tmp_path / "parts")
    path = tmp_path / "parts" / "checkpoint-2" / STATE
    path.write_bytes(path.read_bytes()[:-9])
    again = Work()
    assert again.run(tmp_path / "parts") == log and again.done == [0, 1, 2, 3]
    assert again.weights() == expected.weights()
    assert "checkpoint-2 is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_training_that_diverges_is_stopped_and_keeps_no_checkpoint_of_it(tmp_path, loss):
    with pytest.raises(WorkFailed, match="not a number in epoch 1; lower `learning_rate`"):
        Work(loss=loss).run(tmp_path)
    assert checkpoints(tmp_path) == []
