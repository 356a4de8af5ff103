"""What trains: recipes, training examples, the trainer, PEFT and Unsloth; `zoo/` makes the models
shipped with the lab.

Built on `models` (and, for the zoo, on `pocket`); nothing here knows an experiment or a notebook's
parameters. `recipe`, `backends`, `failures`, `progress` and `unsloth_process` load no torch; the
other modules do, at the top.
"""
