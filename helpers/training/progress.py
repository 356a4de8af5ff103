"""One progress bar for a training, in a terminal and in a notebook alike, with the loss beside it.

A training reports {"step", "total", "loss", "eval_loss"}, as far as it knows them, to any function
of one
argument: the bar itself, or what sends the report to the process that shows the bar.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[dict], None]


@contextmanager
def training_bar() -> Iterator[Report]:
    """A bar that begins with the first report and goes away when the training ends, whatever way it
    ends.
    """
    from tqdm.auto import tqdm

    bars = []

    def show(report: dict) -> None:
        if not bars:
            bars.append(
                tqdm(
                    total=report["total"],
                    initial=report["step"],
                    desc="training",
                    unit="step",
                    leave=False,
                )
            )
        losses = {name: f"{report[name]:.3f}" for name in ("loss", "eval_loss") if name in report}
        if losses:
            bars[0].set_postfix(losses, refresh=False)
        bars[0].update(report["step"] - bars[0].n)

    try:
        yield show
    finally:
        for bar in bars:
            bar.close()


def progress_callback(report: Report):
    """The callback of a trainer that passes its progress on."""
    from transformers import TrainerCallback

    class Reporting(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            report({"step": state.global_step, "total": state.max_steps})

        def on_step_end(self, args, state, control, **kwargs):
            report({"step": state.global_step, "total": state.max_steps})

        def on_log(self, args, state, control, logs=None, **kwargs):
            losses = {name: logs[name] for name in ("loss", "eval_loss") if name in logs}
            report({"step": state.global_step, "total": state.max_steps} | losses)

    return Reporting()
