"""What trains: recipes, training examples, the trainer, PEFT and Unsloth; `zoo/` makes the models
shipped with the lab.

Built on `models` (and, for the zoo, on `pocket`); nothing here knows an experiment.
"""
