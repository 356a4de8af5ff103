"""A notebook's parameters: from flat upper-case names to the sections that they set.

The start cell and the command line call the same checks, so a mistake is found before any model is
loaded. Nothing here imports torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from helpers.data import Cases, name_or_instead
from helpers.experiments.advice import parameters_named
from helpers.experiments.experiment import Experiment, find_kind
from helpers.experiments.scores import Grading
from helpers.experiments.stage_data import CaptionStage, QuestionStage
from helpers.files import LabError, quoted
from helpers.models.captions import Captioners
from helpers.models.refs import Vlms
from helpers.settings.profiles import is_unset, profile_chain
from helpers.settings.section import Section, all_parameters, all_values, sections_in

# Sections that any notebook may set, besides those of its kinds of experiment.
SHARED: tuple[type[Section], ...] = (
    Cases,
    Grading,
    Captioners,
    Vlms,
    CaptionStage,
    QuestionStage,
)
# What a notebook itself asks, which changes no result: whether images may stand in its outputs.
OWN = {"PROFILE", "SEED", "SHOW_IMAGES"}

TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
}

LONGEST_TYPED = 1000  # letters of a number or a list

AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True)
class Parameters:
    """What a person has set, the profile of all else, and the kinds of experiment that it is for.

    Attributes:
        given: parameter -> value; of a list, each value is an experiment of its own.
    """

    profile: str
    given: Mapping[str, Any]
    kinds: tuple[type[Experiment], ...]

    def settings(self, section: type[AnySection], **given: Any) -> AnySection:
        """Make a section; of a list, its first value counts unless `given` says otherwise."""
        first = {name: _first(value) for name, value in self.given.items()}
        with parameters_named(section):
            return section.of_profile(self.profile, first | given)

    def cases(self) -> Cases:
        """Return the cases that the notebook is about."""
        return self.settings(cases_of(self.kinds))

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield one value for each of the parameters that hold a list, in all combinations."""
        lists = {name: value for name, value in self.given.items() if isinstance(value, list)}
        for values in product(*lists.values()):
            yield dict(zip(lists, values))

    def after_profile(self) -> dict[str, Any]:
        """Return every parameter with its value after the profile."""
        found: dict[str, Any] = {"PROFILE": self.profile}
        for section in (*SHARED, *self.kinds):
            found |= all_values(self.settings(section))
        return found | dict(self.given)

    def check(self) -> None:
        """Refuse what no experiment can have; data that is named is loaded.

        Raises:
            LabError: an unknown profile, a value of the wrong type or size, data or a split that is
                not there.
        """
        for name, value in self.given.items():
            if value == []:
                raise LabError(f"{name} is an empty list, but it takes at least one value.")
        for section in SHARED:
            self.settings(section)
        combinations = list(self.combinations())
        made = [self.settings(kind, **one) for kind in self.kinds for one in combinations]
        for experiment in made:  # now data is loaded
            with parameters_named(type(experiment)):
                experiment.check()


def read(values: Mapping[str, Any], kinds: Sequence[str]) -> Parameters:
    """Read a notebook's parameters; "" and -1 are left to the profile.

    Args:
        kinds: the kinds of experiment that they set, by name.
    Raises:
        LabError: see `Parameters.check`; also a parameter that none of the kinds knows.
    """
    given = {name: value for name, value in values.items() if not is_unset(value)}
    profile = str(given.pop("PROFILE", "pocket"))
    with parameters_named(Experiment):
        profile_chain(profile)
    asked = tuple(find_kind(name) for name in kinds)
    if "DATASET" in values and not given.keys() & {"DATASET", "DATA_ROOT"}:
        needed = any(kind.needs_images for kind in asked)
        section = cases_of(asked)
        given["DATASET"] = name_or_instead(profile, with_images=needed, section=section)
    found = Parameters(profile, given, asked)
    known = known_parameters(found.kinds)
    if unknown := sorted(given.keys() - known - OWN):
        raise LabError(f"{unknown[0]} is no parameter; there are {', '.join(sorted(known | OWN))}.")
    found.check()
    if "DATASET" in values:
        with parameters_named(Cases):
            found.cases().cases()
    return found


def cases_of(kinds: Sequence[type[Experiment]]) -> type[Cases]:
    """Return the section that tells which cases a notebook's first kind of answers is about."""
    for kind in kinds:
        field = kind.model_fields.get("data")
        for section in sections_in(field.annotation) if field else []:
            if issubclass(section, Cases):
                return section
    return Cases


def known_parameters(kinds: Sequence[type[Experiment]]) -> set[str]:
    """Return the parameters that some kinds, and what all notebooks share, can be set by."""
    return {name for section in (*SHARED, *kinds) for name, *_ in all_parameters(section)}


def parse(name: str, text: str, kind: str) -> Any:
    """Read the value that a person typed for a parameter, by the type that the notebook declares.

    "" leaves a text or a number to the profile. A list is typed with commas: `-p SHOTS 0,1,4`.

    Raises:
        LabError: the text is no such value.
    """
    import yaml

    if kind == "str":
        return text
    if kind in ("int", "float") and not text:
        return -1
    if len(text) > LONGEST_TYPED:
        raise LabError(
            f"{name} is {quoted(text)}, but it must be of type {kind}, in at most {LONGEST_TYPED} "
            "letters: correct the parameter."
        )
    try:
        value = yaml.safe_load(f"[{text}]" if kind == "list" else text)
    except (yaml.YAMLError, ValueError, RecursionError):  # Python reads no number that is too long
        value = text
    if kind == "float" and isinstance(value, str):  # YAML reads 2e-4 as text
        value = _as_float(value)
    check_type(name, value, kind)
    return value


def check_type(name: str, value: Any, kind: str) -> None:
    """Refuse a parameter whose value is not of its declared type (a bool is no number here)."""
    wanted: type | tuple[type, ...] = TYPES[kind]
    nested = isinstance(value, list) and any(isinstance(one, (list, dict)) for one in value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool") or nested:
        raise LabError(
            f"{name} is {quoted(value)}, but it must be of type {kind}: correct the parameter."
        )


def _as_float(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
