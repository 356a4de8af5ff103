"""Which parameter of a notebook an error means: the rooms below name their own arguments.

A sentence from below says "lower `batch` from 8 to 4"; whoever set ANSWER_BATCH in a notebook reads
that name in its place. The sections know both names.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from helpers.files import LabError, WorkFailed
from helpers.settings.section import Section, all_parameters


@contextmanager
def parameters_named(section: type[Section], **others: str) -> Iterator[None]:
    """Put the names of parameters into an error's sentence, in place of `argument` in backticks.

    Args:
        others: argument -> parameter, where the section does not tell.
    """
    try:
        yield
    except (LabError, WorkFailed) as error:
        sentence = str(error)
        for argument, parameter in (parameter_names(section) | others).items():
            sentence = sentence.replace(f"`{argument}`", parameter)
        error.args = (sentence,)
        raise


def parameter_names(section: type[Section]) -> dict[str, str]:
    """Return what the rooms below call each notebook parameter of a section.

    That is its name in small letters, or the field's; where two sections have a field of one name
    (`batch` of an LLM and of its captioner), the first one means it.
    """
    found: dict[str, str] = {}
    for parameter, name, _ in all_parameters(section):
        found.setdefault(parameter.lower(), parameter)
        if name != "name":  # a model, data, a prompt
            found.setdefault(name, parameter)
    return found
