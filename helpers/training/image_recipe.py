"""The recipe of an image classifier's training: each step of the ladder is one of its settings."""

from typing import ClassVar, Literal

from helpers.settings.section import LARGEST_BATCH, Section, setting
from helpers.training.recipe import LARGEST_SEED


class ImageRecipe(Section):
    """What determines the training of an image classifier besides model and images.

    The optimiser is AdamW. The paper (Yang & Yang 2024) speaks of "various optimization techniques"
    and names none: which there are here is our reading. The defaults were chosen on the
    validation split of the pocket images.
    """

    side: int = setting(
        64, "images are shrunk to so many pixels a side", parameter="IMAGE_SIDE", ge=32, le=1024
    )
    epochs: int = setting(
        30,
        "passes of the classifier over the training images",
        parameter="CLASSIFIER_EPOCHS",
        ge=1,
        le=10_000,
    )
    learning_rate: float = setting(
        4e-3, "the classifier's peak learning rate", parameter="CLASSIFIER_RATE", gt=0, le=10
    )
    weight_decay: float = setting(
        0.05, "the classifier's weight decay", parameter="CLASSIFIER_DECAY", ge=0, le=10
    )
    batch: int = setting(64, "images at once", parameter="CLASSIFIER_BATCH", ge=2, le=LARGEST_BATCH)
    augment: bool = setting(
        True, "whether training images are mirrored, turned, cropped and recoloured a little"
    )
    balance: bool = setting(False, "whether rare classes are shown as often as frequent ones")
    schedule: Literal["constant", "cosine"] = setting(
        "cosine", "learning rate: constant, or cosine (down to 0, after a warm-up)"
    )
    label_smoothing: float = setting(
        0.0, "share of a label that is given to all others", ge=0, lt=1
    )
    mixup: float = setting(
        0.0, "mixup: parameter of the Beta distribution of shares; 0 mixes no images", ge=0, le=10
    )
    averaging: bool = setting(
        False, "whether a moving average of all weights is kept, and not the last ones"
    )
    seed: int = setting(3407, "one seed for first weights, order and draws", ge=0, le=LARGEST_SEED)
    profiles: ClassVar = {
        "t4": {"side": 224, "epochs": 12, "learning_rate": 3e-4},
    }
