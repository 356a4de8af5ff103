"""What a person is told of a value that a setting cannot have: one sentence."""

from pydantic import ValidationError

from helpers.files import quoted

# What pydantic calls a mistake -> what the setting takes, with what pydantic knows of its limits.
WANTED = {
    "greater_than_equal": "{ge} or more",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "literal_error": "one of {expected}",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "True or False",
    "string_type": "a text",
    "string_unicode": "a text without half of an emoji",
    "int_parsing_size": "a smaller number",
    "string_too_short": "a name",
    "too_short": "at least {min_length} of them",
    "tuple_type": "a list",
    "is_instance_of": "a {class}",
}


def explain(error: ValidationError, section: str) -> str:
    """Say what was asked, what it is, and what the setting takes; of several mistakes the first."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return f"{section} has no setting `{place[-1]}`: correct its name."
    limits = {
        name: f"{limit:.12g}" if isinstance(limit, (int, float)) else limit
        for name, limit in first.get("ctx", {}).items()
    }
    wanted = WANTED.get(first["type"], first["msg"]).format(**limits)
    wanted = wanted.replace("'", "").replace(" or ", ", ") if "literal" in first["type"] else wanted
    return f"`{place[0]}` is {quoted(first['input'])}, but it must be {wanted}."
