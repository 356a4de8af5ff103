"""What a person may set, in rows and as a page: every parameter with what it takes, its help, and
its value by profile. All of it is read from the sections.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from helpers.settings.mistakes import WANTED
from helpers.settings.profiles import PROFILES
from helpers.settings.section import Section, has_effect, parameter_of, sections_in, without_folders

# What a notebook declares for the type of a field -> what a person is told.
TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "True or False",
    "list": "list",
}
# Said of a parameter without effect: it only has to fit, or acts through what else it sets.
NO_EFFECT = "no part of a run's id"
# A limit of a field -> the mistake that it finds; pydantic names both.
LIMITS = {
    "ge": "greater_than_equal",
    "gt": "greater_than",
    "le": "less_than_equal",
    "lt": "less_than",
}


@dataclass(frozen=True)
class Described:
    """One parameter as some sections have it.

    Attributes:
        kind: how a notebook declares it: str, int, float, bool or list.
        takes: choices, or type and bounds, in words.
        values: its value by profile.
        effect: whether results depend on it.
        home: the section that declares the field.
        owners: names of the sections that have it so.
    """

    parameter: str
    kind: str
    takes: str
    help: str
    values: Mapping[str, Any]
    effect: bool
    home: type[Section]
    owners: tuple[str, ...] = ()


def describe_parameters(sections: Iterable[tuple[str, type[Section]]]) -> list[Described]:
    """Describe the parameters of sections, with a name for each; those of one home together.

    A parameter that differs from section to section (other bounds, help or values) has a row for
    each form.
    """
    rows: dict[str, Described] = {}
    for owner, section in sections:
        made = {profile: section.of_profile(profile) for profile in PROFILES}
        for found in _walk(section, made):
            key = repr(replace(found, home=Section))
            row = rows.get(key, found)
            rows[key] = replace(row, owners=tuple(dict.fromkeys([*row.owners, owner])))
    homes = list(dict.fromkeys(row.home for row in rows.values()))
    names = list(dict.fromkeys(row.parameter for row in rows.values()))
    return sorted(
        rows.values(), key=lambda row: (homes.index(row.home), names.index(row.parameter))
    )


def as_markdown(rows: Sequence[Described]) -> str:
    """Return a table for each home, under its headline."""
    lines: list[str] = []
    for home in dict.fromkeys(row.home for row in rows):
        here = [row for row in rows if row.home is home]
        lines += [f"## {home.__name__}", "", _summary(home), ""]
        lines += [_line("parameter", "takes", *PROFILES, "what it is", "for")]
        lines += [_line(*["---"] * (4 + len(PROFILES)))]
        lines += [_markdown_row(row) for row in here] + [""]
    return "\n".join(lines)


def say_help(row: Described) -> str:
    """Return a parameter's help, and whether results depend on it."""
    return row.help if row.effect else f"{row.help} ({NO_EFFECT})"


def show_value(value: Any) -> str:
    """Return a value as a person reads it."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _walk(section: type[Section], made: Mapping[str, Section]) -> Iterator[Described]:
    """Describe each parameter of a section and of those in it (but for another of its own kind),
    from the section by profile.
    """
    for name, field in section.model_fields.items():
        inner = {profile: getattr(one, name) for profile, one in made.items()}
        for kind in sections_in(field.annotation):
            if kind is section:
                continue
            chosen = {
                profile: value if type(value) is kind else kind.of_profile(profile)
                for profile, value in inner.items()
            }
            yield from _walk(kind, chosen)
        if not sections_in(field.annotation) and (parameter := parameter_of(name, field)):
            yield Described(
                parameter,
                _kind(field),
                _takes(field),
                field.description or "",
                {profile: without_folders(value) for profile, value in inner.items()},
                has_effect(field),
                _home(section, name),
            )


def _kind(field: FieldInfo) -> str:
    """Return how a notebook declares a parameter for this field."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        annotation = type(get_args(annotation)[0])
    name = getattr(get_origin(annotation) or annotation, "__name__", "")
    return {"tuple": "list"}.get(name, name if name in TYPES else "str")


def _takes(field: FieldInfo) -> str:
    """Say which values a field takes: its choices, or its type and bounds."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(str, get_args(field.annotation)))
    bounds = [
        WANTED[mistake].format(**{limit: getattr(known, limit)})
        for limit, mistake in LIMITS.items()
        for known in field.metadata
        if getattr(known, limit, None) is not None
    ]
    return ", ".join([TYPES[_kind(field)], *bounds])


def _home(section: type[Section], name: str) -> type[Section]:
    """Return the class that declares a field: the section, or one that it builds on."""
    return next(one for one in section.__mro__ if name in vars(one).get("__annotations__", {}))


def _summary(section: type[Section]) -> str:
    """Return the first sentence of what a section says of itself."""
    said = " ".join((section.__doc__ or "").split())
    return said.partition(". ")[0].removesuffix(".") + "."


def _markdown_row(row: Described) -> str:
    values = [f"`{shown}`" if (shown := show_value(row.values[one])) else "" for one in PROFILES]
    return _line(f"`{row.parameter}`", row.takes, *values, say_help(row), ", ".join(row.owners))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
