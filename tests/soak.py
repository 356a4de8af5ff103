"""Endurance: a small lab is disturbed at random for some minutes, and must come out as if nothing
had happened.

    python -m tests.soak [--minutes 15] [--seed N]

What is done to it: experiments and sweeps are killed (SIGKILL, SIGTERM, SIGINT) at random moments,
two processes do the same work, the disk fills up, and files that the lab has written are cut,
emptied, deleted, changed in a bit or a digit, exchanged or put elsewhere. After a few of these, the
same experiments are done once more; then every answer, score, caption, submission and weight is
compared with those of a folder to which nothing was done. Nothing leaves the machine.
"""

import argparse
import hashlib
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from conftest import ROOT
from helpers.experiments.experiment import Experiment, find_kind, record_scored, run_id
from helpers.experiments.runs import find_run
from helpers.experiments.scores import Grading
from helpers.files import LabError, WorkFailed, full_disk_told, read_json
from tests.experiments.conftest import LOADED, SMALL
from tests.full_disk import ALONE, needs_full_disk

DISK = 256 << 20  # bytes of the disk that fills up
PATIENCE = 300  # seconds that undisturbed work may take
BETWEEN_CHECKS = 4  # disturbances
# Of a score. An encoder's vectors depend in their last bits on the texts that are beside one in its
# batch, and a process that has scored another run before has encoded some of them already.
DIGITS = 6
OF_TIME = ("seconds", "seconds_mean")  # what takes another time whenever it is done


def experiments(clinic: Path) -> list[Experiment]:
    """What is done again and again: each kind of file that the lab writes comes from one of them.
    The first one builds the clinic of the outputs folder.
    """
    given = SMALL | {"DATA_ROOT": str(clinic / "iiyi"), "CHECKPOINT_SECONDS": 0.0}
    kinds = {
        name: find_kind(name).of_profile("pocket", given)
        for name in ("constant", "one_doctor", "answers", "vlm_answers", "finetune", "captions")
    }
    tuned = kinds["answers"].but({"LIMIT": 3, "SHOTS": 1}).but(adapter=kinds["finetune"])
    return [
        find_kind("constant").of_profile("pocket", {"LIMIT": 3}),
        kinds["constant"],
        kinds["one_doctor"],
        kinds["captions"].but({"CAPTIONER": "pocket/blip", "LIMIT": 3}),
        kinds["answers"].but({"CAPTIONER": "pocket/blip", "LIMIT": 3}),
        kinds["vlm_answers"],
        kinds["finetune"],
        tuned,
    ]


def results(wanted: Sequence[Experiment], outputs: Path) -> dict[str, Any]:
    """Read all that a person would use of experiments."""
    os.environ["LAB_OUTPUTS"] = str(outputs)
    found: dict[str, Any] = {}
    for one in wanted:
        name = f"{one.kind()} {run_id(one)}"
        run = find_run(one.kind(), run_id(one))
        if run is None or not run.done:
            found[name] = "not done"
            continue
        weights = sorted((run.folder / "adapter").glob("*.safetensors"))
        submission = run.folder / "prediction.json"
        captions = run.folder / "captions.json"
        found |= {
            f"{name} answers": {key: said.text for key, said in run.answers.read().items()},
            f"{name} scores": {
                key: [round(number, DIGITS) for number in (score.value, score.low, score.high)]
                for key, score in run.scores.items()
                if key not in OF_TIME
            },
            f"{name} weights": [hashlib.sha256(p.read_bytes()).hexdigest() for p in weights],
            f"{name} submission": read_json(submission) if submission.exists() else None,
            f"{name} captions": {
                case: [row["text"] for row in rows] for case, rows in read_json(captions).items()
            }
            if captions.exists()
            else None,
        }
    return found


def work(wanted: Sequence[Experiment], outputs: Path, log: Path, whole: bool) -> None:
    """In a process of its own: do experiments; the exit status says how that ended."""
    os.setsid()
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {"LAB_OUTPUTS": str(outputs), "TQDM_DISABLE": "1"}
    status = 0
    try:
        for one in wanted:
            record_scored(one, Grading())
        if whole:
            from helpers.report.leaderboard import write_page

            with full_disk_told(outputs):
                write_page()
    except (LabError, WorkFailed) as error:
        print(error, flush=True)
        status = 2
    except KeyboardInterrupt:
        status = 1
    except BaseException:
        traceback.print_exc()
        status = 3
    sys.stdout.flush()
    os._exit(status)


def cut(path: Path, draw: random.Random) -> None:
    """Leave a beginning."""
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size + 1)])


def delete(path: Path, draw: random.Random) -> None:
    """Leave nothing."""
    path.unlink()


def flip_a_bit(path: Path, draw: random.Random) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    if content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def change_a_digit(path: Path, draw: random.Random) -> None:
    """Change one digit of a text."""
    content = path.read_bytes()
    places = [place for place, sign in enumerate(content) if 48 <= sign <= 57]
    if places:
        place = draw.choice(places)
        content = content[:place] + str(draw.randrange(10)).encode() + content[place + 1 :]
    path.write_bytes(content)


def exchange(path: Path, draw: random.Random) -> None:
    """Put another file of the same name in its place."""
    others = [one for one in path.parents[3].rglob(path.name) if one != path]
    if others:
        shutil.copy(draw.choice(others), path)


def append(path: Path, draw: random.Random) -> None:
    """Add something at the end."""
    with open(path, "ab") as file:
        file.write(
            draw.choice([b"{}\n", b"\0" * 9, b'{"case_id": "x", "text": "y"}\n', b"[", b"\n"])
        )


DAMAGES = [cut, delete, flip_a_bit, change_a_digit, exchange, append]
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


class Soak:
    """One lab, what is done to it, and what became of it."""

    def __init__(self, folder: Path, seed: int, disk: Path | None):
        self.folder, self.draw, self.disk = folder, random.Random(seed), disk
        self.outputs = disk or folder / "outputs"
        self.log = folder / "log.txt"
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.context = get_context("forkserver")
        self.context.set_forkserver_preload(LOADED)
        self.clinic = self._build_clinic()
        self.all = experiments(self.clinic)

    def _build_clinic(self) -> Path:
        from helpers.pocket import clinic

        clinic.build(self.folder / "clinic", sizes={"train": 24, "valid": 8, "test": 6})
        return self.folder / "clinic"

    def start(self, wanted: Sequence[Experiment], outputs: Path, whole: bool = False) -> Any:
        """Begin experiments in a process."""
        process = self.context.Process(target=work, args=(wanted, outputs, self.log, whole))
        process.start()
        return process

    def finish(self, process: Any) -> int:
        """Wait for a process; one that does not end is a fault."""
        process.join(PATIENCE)
        if process.is_alive():
            self.faults.append("a process did not end")
            process.kill()
            process.join()
        if process.exitcode == 3:
            self.faults.append(f"a traceback: {self.log.read_text(errors='replace')[-1500:]}")
        return process.exitcode

    def some(self) -> list[Experiment]:
        """Draw experiments, in any order."""
        return self.draw.sample(self.all, self.draw.randint(1, len(self.all)))

    def kill(self) -> None:
        """Do some experiments from their beginning; end the process at a moment drawn by lot."""
        for folder in self.outputs.glob("runs/*/*"):
            if self.draw.random() < 0.6:
                shutil.rmtree(folder)
        process, sign = self.start(self.some(), self.outputs), self.draw.choice(SIGNALS)
        process.join(self.draw.uniform(0.05, 8))
        if process.is_alive():
            os.kill(process.pid, sign)
            self.counts[f"killed by {sign.name}"] += 1
        else:
            self.counts["done before the kill"] += 1
        self.finish(process)

    def kill_a_sweep(self) -> None:
        """Sweep some experiments in warm processes; end the whole group, or the sweep alone."""
        process = self.context.Process(
            target=sweep_work, args=(self.some(), self.outputs, self.log)
        )
        process.start()
        process.join(self.draw.uniform(0.5, 25))
        if process.is_alive():
            self.draw.choice([os.kill, os.killpg])(process.pid, self.draw.choice(SIGNALS))
            self.counts["sweeps killed"] += 1
        self.finish(process)

    def work_together(self) -> None:
        """Do the same experiments in two processes at once."""
        wanted = self.some()
        for process in [self.start(wanted, self.outputs) for _ in range(2)]:
            self.finish(process)
        self.counts["two processes at once"] += 1

    def damage(self) -> None:
        """Change a file that the lab has written, whichever it is."""
        files = [
            path
            for path in self.outputs.rglob("*")
            if path.is_file() and ".damaged" not in str(path) and not path.name.endswith(".lock")
        ]
        # One file in ten of the clinic's thousand images is enough.
        files = [one for one in files if one.suffix != ".jpg" or self.draw.random() < 0.02]
        if files:
            path, damage = self.draw.choice(files), self.draw.choice(DAMAGES)
            damage(path, self.draw)
            name = path.relative_to(self.outputs).as_posix()
            self.log.open("a").write(f"--- {damage.__name__}: {name}\n")
            self.counts[f"files: {damage.__name__}"] += 1

    def fill_the_disk(self) -> None:
        """Do some experiments while there is little or no room."""
        if not self.disk:
            return
        filler, left = self.disk / "filler", self.draw.choice([0, 1, 64, 1024, 4096]) << 10
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(self.disk).free - left))
        status = self.finish(self.start(self.some(), self.outputs))
        filler.unlink(missing_ok=True)
        self.counts["disks full" if status else "disks nearly full"] += 1

    def check(self, expected: dict[str, Any]) -> None:
        """Do all experiments once more, undisturbed, and compare every result."""
        if status := self.finish(self.start(self.all, self.outputs, whole=True)):
            tail = self.log.read_text(errors="replace")[-600:]
            self.faults.append(f"not healed by the same call (status {status}): {tail}")
            return
        found = results(self.all, self.outputs)
        self.counts["checks"] += 1
        self.counts["results compared"] += len(expected)
        for name in expected:
            if found.get(name) == expected[name]:
                continue
            what = "lost" if found.get(name) in (None, "not done", {}, []) else "silently changed"
            self.faults.append(f"{what}: {name}: {_unlike(expected[name], found.get(name))}")
        left = [one.name for one in self.outputs.rglob(".*.part*") if one.exists()]
        self.faults += [f"rubbish left: {name}" for name in left]

    def go_on(self, minutes: float) -> None:
        """Disturb and check until the time is over; the last thing is a check."""
        undisturbed = self.folder / "undisturbed"
        assert self.finish(self.start(self.all, undisturbed, whole=True)) == 0, self.log.read_text()
        expected = results(self.all, undisturbed)
        ways: list[Callable[[], None]] = [self.kill, self.work_together, self.fill_the_disk]
        ways += [self.kill, self.kill_a_sweep, *[self.damage] * 4]
        ends = time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            for _ in range(BETWEEN_CHECKS):
                self.draw.choice(ways)()
            self.check(expected)
            done = sum(self.counts.values()) - self.counts["results compared"]
            print(f"{done} done, {len(self.faults)} faults", *self.faults[-1:], flush=True)
            for kept in self.outputs.rglob("*.damaged"):
                shutil.rmtree(kept) if kept.is_dir() else kept.unlink()


def _unlike(expected: Any, found: Any) -> str:
    """Say where two results differ."""
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return f"{found} instead of {expected}"[:300]
    keys = [key for key in {**expected, **found} if expected.get(key) != found.get(key)]
    return "; ".join(f"{k}: {found.get(k)} instead of {expected.get(k)}" for k in keys)[:300]


def sweep_work(wanted: Sequence[Experiment], outputs: Path, log: Path) -> None:
    """In a process of its own: a sweep."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {"LAB_OUTPUTS": str(outputs), "TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT)}
    from helpers.experiments.sweep import sweep

    try:
        failed = sweep(wanted, Grading())
    except KeyboardInterrupt:
        os._exit(1)
    print(*failed, sep="\n", flush=True)
    os._exit(2 if failed else 0)


def main() -> int:
    """Soak, print what was done and what became of it; 1 if anything was lost or changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--disk", type=Path, help=argparse.SUPPRESS)  # inside its own mount
    options = parser.parse_args()
    if options.disk is None and not needs_full_disk.args[0]:
        disk = Path(tempfile.mkdtemp())
        again = [sys.executable, "-m", "tests.soak", "--minutes", str(options.minutes)]
        again += ["--seed", str(options.seed), "--disk", str(disk)]
        mounted = f"mount -t tmpfs -o size={DISK} tmpfs {disk} && exec {shlex.join(again)}"
        os.execvp(ALONE[0], [*ALONE, mounted])
    print(f"Seed {options.seed}, {options.minutes:g} minutes.", flush=True)
    if options.disk is None:
        print("Full disks are not tried: this system gives processes no mounts of their own.")
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), options.seed, options.disk)
        soak.go_on(options.minutes)
        for what, count in sorted(soak.counts.items()):
            print(f"{count:6} {what}")
        print(*soak.faults, sep="\n")
        print(f"{len(soak.faults)} faults with seed {options.seed}.")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
