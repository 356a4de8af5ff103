"""Many experiments: what they start from first, failures told and nothing else stopped, and workers
that end with their sweep.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from helpers.cases import Answer
from helpers.experiments import environment, recorded, runs, sweep
from helpers.experiments.answers import Answers
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import Experiment, record, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.nearest_answer import NearestAnswer
from helpers.experiments.processes import _nth_visible, in_processes
from helpers.experiments.recorded import read_study
from helpers.experiments.runs import find_run, find_runs
from helpers.experiments.scores import Grading
from helpers.experiments.studies import Claim, Study
from helpers.files import LabError, WorkFailed, write_text
from helpers.settings.section import setting
from tests.experiments.conftest import changed_at


class Lesson(Experiment):
    """A training in no time, which can fail."""

    length: float = setting(1.0, "how long", parameter="EPOCHS")
    fails: bool = setting(False, "whether it fails")

    def work(self, run: runs.Run) -> None:
        """Write what was learnt."""
        if self.fails:
            raise WorkFailed("The lesson was too long: lower `length`.")
        write_text(run.folder / "learnt", f"{self.length}")


class Pupil(CaseAnswers):
    """Answers what its lesson taught."""

    adapter: Lesson = Lesson()

    def work(self, run: runs.Run) -> None:
        """Write the answers."""
        learnt = (run.needs["adapter"].folder / "learnt").read_text()
        run.answers.add(Answer(case.id, learnt) for case in self.cases())


class Loop:
    """Does tasks here, one by one, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, work, tasks, name: str) -> list[str]:
        """Do the tasks; return why some failed."""
        self.asked.append((name, list(tasks)))
        failed = []
        for task in tasks:
            try:
                work(task)
            except (LabError, WorkFailed) as error:
                failed.append(str(error))
        return failed


@pytest.fixture
def pupil(small):
    """A function that makes a pupil after a lesson."""

    def make(length: float, *, fails: bool = False, limit: int = 2) -> Pupil:
        lesson = Lesson(length=length, fails=fails)
        return small(Pupil, LIMIT=limit).but(adapter=lesson)

    return make


def test_trainings_are_done_once_the_longest_first_and_then_what_starts_from_them(pupil):
    points = [pupil(length, limit=limit) for length in (1.0, 3.0, 2.0) for limit in (1, 2)]
    each = Loop()
    assert sweep.sweep([*points, points[0]], Grading(), each=each) == []
    (first, lessons), (second, pupils), (last, scored) = each.asked
    assert [one.length for one in lessons] == [3.0, 2.0, 1.0]
    assert len(pupils) == len(scored) == 6 and {type(one) for one in pupils} == {Pupil}
    assert (first, second, last) == ("experiments, layer 1", "experiments, layer 2", "scores")
    assert all(record(one).scores for one in points)
    before = changed_at(runs.outputs_folder() / "runs")
    assert sweep.sweep(points, Grading(), each=Loop()) == []
    after = changed_at(runs.outputs_folder() / "runs")
    written = {path.name for path in after if after[path] != before[path]}
    assert written <= {"metrics.json", "prediction.json"}


def test_what_fails_is_told_once_and_all_else_is_done(pupil):
    points = [pupil(1.0, fails=True), pupil(2.0), pupil(1.0, fails=True, limit=1)]
    failed = sweep.sweep(points, Grading(), each=Loop())
    assert failed == ["The lesson was too long: lower EPOCHS."]
    assert find_run("test_sweep", run_id(points[1])).scores
    assert find_run("test_sweep", run_id(points[0])) is None
    states = sorted(run.record["status"] for run in find_runs()[0])
    assert states == ["done", "done", "failed"]


@pytest.mark.slow
def test_a_model_is_trained_before_it_is_asked(small):
    training = small(Finetune, STEPS=2)
    points = [small(Answers, SHOTS=shots, LIMIT=2).but(adapter=training) for shots in (0, 1)]
    assert sweep.sweep([*points, small(NearestAnswer)], Grading(), each=Loop()) == []
    done = [run.record["kind"] for run in find_runs()[0] if run.done and run.scores]
    assert sorted(done) == ["answers", "answers", "nearest_answer"]
    assert find_run("finetune", run_id(training)).done


# Studies


@pytest.fixture
def clean(monkeypatch, tmp_path) -> Path:
    """A clean commit, and a folder for recorded studies; returns that."""
    monkeypatch.setattr(recorded, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(
        environment, "_git", lambda *arguments: "a commit" if arguments[0] == "rev-parse" else ""
    )
    return tmp_path / "recorded"


@pytest.fixture
def study(clinic, tmp_path, monkeypatch) -> Study:
    """A small study of constants, of which one data set is not here."""
    here = {"DATASET": "pocket", "DATA_ROOT": str(clinic / "iiyi")}
    absent = {"DATASET": "iiyi", "DATA_ROOT": str(tmp_path / "nowhere")}
    names = ["It is eczema.", "Fungal infection"]
    claims = [Claim("eczema is better", {"name": names[0]}, {"name": names[1]})]
    made = Study("small", "Which?", "constant", [here, absent], {"name": names}, {}, claims)
    monkeypatch.setattr(sweep, "load_studies", lambda names: [made])
    return made


@pytest.mark.slow
def test_a_study_is_done_its_claims_checked_and_recorded(study, clean, capsys):
    (done,) = sweep.sweep_studies(each=Loop())
    assert done.name == "small" and "iiyi is left out" in capsys.readouterr().out
    found = read_study("small")
    assert found.asks == "Which?" and len(found.runs) == 2
    said = {run.record["constant"]: run for run in found.runs}
    assert said.keys() == set(study.vary["name"])
    assert {run.record["dataset"] for run in found.runs} == {"pocket"}
    assert {one.metric for one in found.verdicts} == {"deltableu", "bertscore_f1", "named"}
    assert {one.verdict for one in found.verdicts} == {"undecided: fewer than 10 cases"}
    first = (clean / "small.jsonl").read_text()
    sweep.sweep_studies(each=Loop())
    assert (clean / "small.jsonl").read_text() == first


def test_a_study_of_which_a_point_fails_is_not_recorded(study, clean, monkeypatch):
    def fail(self, run):
        raise WorkFailed("No power.")

    monkeypatch.setattr(Constant, "work", fail)
    with pytest.raises(WorkFailed, match=r"1 failures in 6 points; the same .* No power\."):
        sweep.sweep_studies(each=Loop())
    assert not clean.exists()


def test_studies_are_not_recorded_from_uncommitted_code(study, clean, monkeypatch):
    record(next(study.points()).experiment).save(dirty=True)
    with pytest.raises(LabError, match="1 runs were made from uncommitted code"):
        sweep.sweep_studies(each=Loop())
    monkeypatch.setattr(sweep, "environment", lambda: {"dirty": True})
    with pytest.raises(LabError, match="uncommitted changes: commit"):
        sweep.sweep_studies(each=Loop())
    assert not clean.exists()


# Processes


def work_in_a_worker(task: tuple[str, str]) -> None:
    """Do what a test asks of a worker."""
    what, folder = task
    if what == "refuse":
        raise LabError("This cannot be.")
    if what == "break":
        raise ZeroDivisionError("by nothing")
    Path(folder, what).write_text(f"{os.getpid()} {os.environ.get('TQDM_DISABLE')}")
    if what == "sleep":
        time.sleep(600)


@pytest.mark.slow
def test_workers_do_what_can_be_done_and_tell_the_rest(tmp_path):
    tasks = [(what, str(tmp_path)) for what in ("one", "refuse", "two", "break")]
    failed = in_processes(work_in_a_worker, tasks, "tasks")
    assert sorted(failed) == ["This cannot be.", "ZeroDivisionError: by nothing"]
    for name in ("one", "two"):
        process, quiet = (tmp_path / name).read_text().split()
        assert int(process) != os.getpid() and quiet == "1"
    assert in_processes(work_in_a_worker, [], "nothing") == []


@pytest.mark.slow
def test_workers_end_with_the_sweep_that_started_them(tmp_path):
    code = (
        "from helpers.experiments import processes\n"
        "from tests.experiments.test_sweep import work_in_a_worker\n"
        "processes._places = lambda: ['']\n"
        "if __name__ == '__main__':\n"
        f"    processes.in_processes(work_in_a_worker, [('sleep', {str(tmp_path)!r})], 'tasks')\n"
    )
    (tmp_path / "sweep.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "sweep.py")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + 120
    while not (tmp_path / "sleep").exists():
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert workers and not psutil.wait_procs(workers, timeout=30)[1]


def test_each_worker_has_its_own_gpu(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert _nth_visible(1) == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert _nth_visible(1) == "6"
