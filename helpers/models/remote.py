"""The kind of model that is behind an API."""

from helpers.models.api.model import ApiModel, open_api_model
from helpers.models.refs import ModelRef


def fits(ref: ModelRef) -> bool:
    """True for a model behind an API."""
    return ref.is_remote


def open_model(ref: ModelRef, *, allow_upload: bool) -> ApiModel:
    """Open its client; see `open_api_model`."""
    return open_api_model(ref.id, allow_upload=allow_upload)
