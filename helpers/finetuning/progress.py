"""One progress bar for a training, in a terminal and in a notebook alike, with the loss beside it."""


def one_bar(trainer) -> None:
    """Replace the trainer's printing of log entries by one bar that goes away when training ends.

    The trainer must have been built with `disable_tqdm=True`; the log stays in `trainer.state.log_history`.
    """
    from tqdm.auto import tqdm
    from transformers import PrinterCallback, TrainerCallback

    class OneBar(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc="training", unit="step", leave=False)

        def on_step_end(self, args, state, control, **kwargs):
            self.bar.update(state.global_step - self.bar.n)

        def on_log(self, args, state, control, logs=None, **kwargs):
            self.bar.set_postfix({name: f"{logs[name]:.3f}" for name in ("loss", "eval_loss") if name in logs})

        def on_train_end(self, args, state, control, **kwargs):
            self.bar.close()

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(OneBar())
