"""Sections: small frozen groups of settings, at home with what they describe.

    class LoraRecipe(Section):
        rank: int = setting(16, "rank of the adapter's matrices", ge=1)
        batch: int = setting(2, "examples at once", ge=1, effect=False)
        profiles = {"pocket": {"batch": 8}}

The same type serves the notebook (whose parameter RANK sets `rank`), the command line, a study and
the function that does the work. A section is checked when it is made: a wrong value is a
`LabError` that names the field in backticks.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from helpers.files import LabError, display_path, split_names
from helpers.settings.mistakes import explain
from helpers.settings.profiles import profile_chain

LARGEST_BATCH = 4096  # a larger one is a slip of the finger


def setting(
    default: Any, help: str, *, parameter: str = "", effect: bool = True, **limits: Any
) -> Any:
    """Declare a field of a section.

    Args:
        help: one sentence for a person; the notebooks, the command line and the reference show it.
        parameter: the notebook parameter that sets it; "" is the field's name in capitals.
        effect: False if the value changes no result (a batch that only has to fit).
        limits: what pydantic checks: ge, gt, lt, min_length, allow_inf_nan, ...
    """
    extra: dict[str, Any] = {"parameter": parameter, "effect": effect}
    return Field(default, description=help, json_schema_extra=extra, **limits)


def parameter_of(name: str, field: FieldInfo) -> str:
    """Return the notebook parameter that sets a field; "" for one that no parameter sets."""
    extra = field.json_schema_extra
    return (str(extra["parameter"]) or name.upper()) if isinstance(extra, dict) else ""


def has_effect(field: FieldInfo) -> bool:
    """True if a result depends on this field."""
    extra = field.json_schema_extra
    return bool(extra["effect"]) if isinstance(extra, dict) else True


class Section(BaseModel):
    """A group of settings. `profiles`: profile -> the values in which it departs from the fields'
    own; a subclass adds to those of its parent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    profiles: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise LabError(explain(error, type(self).__name__)) from None

    @classmethod
    def of_profile(cls, profile: str, given: Mapping[str, Any] | None = None) -> Self:
        """Make the section that a profile has, with other values for some notebook parameters.

        Args:
            given: parameter -> value; those of other sections are passed over.
        """
        given, values = given or {}, profile_values(cls, profile)
        named: dict[str, str] = {}
        for name, field in cls.model_fields.items():
            kinds = sections_in(field.annotation)
            if kinds and not is_optional(field.annotation):
                values.setdefault(name, kinds[0].of_profile(profile, given))
            elif (parameter := parameter_of(name, field)) in given:
                values[name], named[name] = given[parameter], parameter
        try:
            return cls(**values)
        except LabError as error:  # a person has set the parameter, not the field
            for name, parameter in named.items():
                error.args = (str(error).replace(f"`{name}`", parameter),)
            raise

    def effective(self) -> dict[str, Any]:
        """Return the fields on which a result depends, by name; a section may know better."""
        fields = type(self).model_fields
        return {name: getattr(self, name) for name, field in fields.items() if has_effect(field)}

    def identity(self) -> Any:
        """Return what identifies the section in a run's id, as JSON-like values.

        A section that names something from outside (a model, data) gives that thing's fingerprint.
        """
        return {name: _identity(value) for name, value in self.effective().items()}

    def parameters(self) -> dict[str, Any]:
        """Return the notebook parameters on which a result depends, without a machine's folders.

        Where several sections have one of the same name, such as an answer's prompt and that of the
        training before it, it is that of the first.
        """
        fields = type(self).model_fields
        found: dict[str, Any] = {}
        inner: dict[str, Any] = {}
        for name, value in self.effective().items():
            if isinstance(value, Section):
                inner |= {k: v for k, v in value.parameters().items() if k not in inner}
            elif parameter := parameter_of(name, fields[name]) if name in fields else name.upper():
                found[parameter] = without_folders(value)
        return inner | found

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the section for readers, besides its settings."""
        found: dict[str, Any] = {}
        for value in self.effective().values():
            if isinstance(value, Section):
                found |= value.about()
        return found

    def but(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """Return the section with other values, checked anew.

        Args:
            changes: "rank" changes a field, "adapter.recipe.rank" one further down, "RANK" every
                field below that the notebook parameter sets.
        Raises:
            LabError: there is nothing of that name, or the value does not fit.
        """
        wanted = dict(changes or {}) | fields
        new, used = _change(self, wanted)
        if unknown := sorted(wanted.keys() - used):
            known = ", ".join(sorted({name for name, *_ in all_parameters(type(self))}))
            raise LabError(
                f"{unknown[0]!r} was to be changed in {type(self).__name__}, which has no such "
                f"setting now: its parameters are {known}; its fields "
                f"{', '.join(self.effective())}."
            )
        return new


def all_values(section: Section) -> dict[str, Any]:
    """Return all notebook parameters of a section and those in it, whether they have effect now or
    not.
    """
    found: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            found |= all_values(value)
        elif parameter := parameter_of(name, field):
            found[parameter] = without_folders(value)
    return found


def profile_values(section: type[Section], profile: str) -> dict[str, Any]:
    """Return the values in which a section departs from its fields' own under a profile."""
    values: dict[str, Any] = {}
    for name in profile_chain(profile):
        for parent in reversed(section.__mro__):
            values |= vars(parent).get("profiles", {}).get(name, {})
    return values


def all_parameters(section: type[Section]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield every notebook parameter of a section and of those in it, with its field; one that may
    hold another of its own kind has no more than it has.
    """
    for name, field in section.model_fields.items():
        inner = sections_in(field.annotation)
        for kind in inner:
            if kind is not section:
                yield from all_parameters(kind)
        if not inner and parameter_of(name, field):
            yield parameter_of(name, field), name, field


def without_folders(value: Any) -> Any:
    """Return a value as a record may hold it: a folder of this machine only by its name, also in a
    list with commas.
    """
    if isinstance(value, Path):
        return display_path(value)
    if isinstance(value, tuple):
        return [without_folders(part) for part in value]
    if isinstance(value, str) and value:
        if _names_folder(value):
            return display_path(value)
        names = split_names(value)
        shown = [without_folders(name) for name in names] if len(names) > 1 else names
        return value if shown == names else ", ".join(shown)
    return value


def _names_folder(text: str) -> bool:
    try:
        path = Path(text).expanduser()
        return path.is_absolute() or path.is_dir()
    except (OSError, RuntimeError):  # a text that is too long for a name, or of no person's home
        return False


def _identity(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    return list(value) if isinstance(value, tuple) else value


def _change(section: Any, changes: Mapping[str, Any]) -> tuple[Any, set[str]]:
    """Return a section with changes, and which of them found their place."""
    values: dict[str, Any] = {}
    used: set[str] = set()
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        for key in {name, parameter_of(name, field)} & changes.keys():
            value, used = changes[key], used | {key}
        if isinstance(value, Section):
            head = f"{name}."
            below = {key: new for key, new in changes.items() if key.isupper()}
            below |= {k.removeprefix(head): v for k, v in changes.items() if k.startswith(head)}
            value, found = _change(value, below)
            used |= {key if key.isupper() else head + key for key in found}
        values[name] = value
    return type(section)(**values), used


def sections_in(annotation: Any) -> list[type["Section"]]:
    """Return the sections that a field may hold: its type, or the parts of `A | B | None`."""
    parts = getattr(annotation, "__args__", (annotation,))
    return [part for part in parts if isinstance(part, type) and issubclass(part, Section)]


def is_optional(annotation: Any) -> bool:
    """True if a field may be None."""
    return type(None) in getattr(annotation, "__args__", ())
