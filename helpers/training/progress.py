"""One progress bar for a training, in a terminal and in a notebook alike, with the loss beside it.

A training reports {"step", "total", "loss", "eval_loss"}, as far as it knows them, to any function
of one argument: the bar itself, or what sends the report to the process that shows the bar.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm.auto import tqdm

Report = Callable[[dict], None]
LOSSES = ("loss", "eval_loss")


class TrainingBar:
    """A bar that begins with the first report and goes away however the training ends."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, report: dict) -> None:
        """Show where the training stands."""
        if self._bar is None:
            self._bar = tqdm(
                total=report["total"],
                initial=report["step"],
                desc="training",
                unit="step",
                leave=False,
            )
        losses = {name: f"{report[name]:.3f}" for name in LOSSES if name in report}
        if losses:
            self._bar.set_postfix(losses, refresh=False)
        self._bar.update(report["step"] - self._bar.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
