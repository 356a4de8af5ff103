"""Which image classifier is meant, and what it begins with; nothing is loaded for it."""

from functools import lru_cache
from typing import Any, ClassVar

from helpers.models.failures import explain_loading
from helpers.models.packaged import fingerprint_packaged
from helpers.settings.section import Section, setting

IMAGENET = "efficientnet-lite0"  # its ImageNet weights come in a package
HUB = "/"  # in the names of models that timm takes from the hub


class ImageModelRef(Section):
    """An image classifier before its training on the labels of a data set."""

    name: str = setting(
        "small-resnet",
        "small-resnet, small-vgg, small-efficientnet, small-vit, efficientnet-lite0, or a model of "
        "timm on the hub, such as timm/resnet50.a1_in1k (with @revision if need be)",
        parameter="CLASSIFIER",
        min_length=1,
    )
    pretrained: bool = setting(
        False, "whether the classifier begins with ImageNet's weights, where it has some"
    )
    frozen: bool = setting(
        False, "whether only the classifier's last layer learns (a linear probe)"
    )
    profiles: ClassVar = {"t4": {"name": "timm/resnet50.a1_in1k", "pretrained": True}}

    def identity(self) -> dict[str, Any]:
        """Also which weights it begins with."""
        return super().identity() | ({"weights": self.first_weights()} if self.pretrained else {})

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the model for readers."""
        found = {"model": self.name.partition("@")[0]}
        return found | ({"weights": self.first_weights()} if self.pretrained else {})

    def first_weights(self) -> str:
        """Identify the weights that a pretrained one begins with: a hash, or a commit."""
        if self.name == IMAGENET:
            return fingerprint_packaged(IMAGENET)
        return _ask_commit(self.name) if HUB in self.name else self.name

    def timm_name(self) -> str:
        """Return the name for timm, at the commit that identifies it."""
        if HUB not in self.name:
            return self.name
        own = self.name.partition("@")[0]
        return f"hf-hub:{own}@{_ask_commit(self.name)}" if self.pretrained else f"hf-hub:{own}"


@lru_cache
def _ask_commit(name: str) -> str:
    """Ask the hub once at which commit a model stands."""
    from huggingface_hub import model_info  # late: it takes a while

    own, _, revision = name.partition("@")
    with explain_loading(own):
        return str(model_info(own, revision=revision or None).sha)
