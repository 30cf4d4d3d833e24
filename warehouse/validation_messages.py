"""Messages about wrong settings and values: the path and the problem of a Pydantic error."""

import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from warehouse.formatting import format_count
from warehouse.settings import Settings

LEADING_PATH_PATTERN = re.compile(r"(\w+(?:\.[^:]+)?): (.+)", re.DOTALL)
"""A setting before the problem, as in 'columns.user_id: it is not mapped'; validators of a whole model write it. Names
in the files, as in 'where.Order Status: ...', can have blanks."""

EXPECTED_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of names to values",
    "model": "a mapping of names to values",
    "model_attributes": "a mapping of names to values",
}
"""What a value must be, by the start of Pydantic's error types, such as int_parsing and int_type."""


def describe_validation_error(error: ValidationError) -> str:
    """Return the name of the first wrong setting and its problem."""
    name, problem = locate_problem(error.errors()[0])
    setting = f"RECOMART_{name.upper()}" if error.title == Settings.__name__ else f"{error.title}: {name}"
    return f"{setting}: {problem}"


def locate_problem(error: ErrorDetails, model: type[BaseModel] | None = None, noun: str = "setting") -> tuple[str, str]:
    """Return the dotted path of a wrong value, empty for the whole input, and its problem.

    For an unknown name, the problem lists the known names; they come from `model`, which was validated. `noun` is the
    word for a name in the messages.
    """
    path = ".".join(str(part) for part in error["loc"] if not str(part).startswith("["))
    problem = _describe_problem(error, model, noun)
    if error["type"] == "value_error" and (leading := LEADING_PATH_PATTERN.fullmatch(problem)):
        return f"{path}.{leading[1]}".removeprefix("."), leading[2]
    return path, problem


def _describe_problem(error: ErrorDetails, model: type[BaseModel] | None, noun: str) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "it must be given"
        case "extra_forbidden":
            return f"unknown {noun}. Known: {', '.join(_find_known_names(model, error['loc'][:-1]))}"
        case "literal_error" | "enum":
            return f"{error['input']!r} is unknown. Known: {context['expected'].replace(' or ', ', ')}"
        case "union_tag_not_found":
            return f"it must have the {noun} {context['discriminator']}"
        case "union_tag_invalid":
            return f"the {noun} {context['discriminator']} is {context['tag']!r}. Known: {context['expected_tags']}"
        case "json_invalid":
            return f"it is not valid JSON: {context['error']}"
        case "greater_than":
            return f"it must be above {context['gt']:g}"
        case "greater_than_equal":
            return f"it must be at least {context['ge']:g}"
        case "less_than":
            return f"it must be below {context['lt']:g}"
        case "less_than_equal":
            return f"it must be at most {context['le']:g}"
        case "finite_number":
            return "it must be a finite number"
        case "too_short" if context["actual_length"] == 0:
            return "it is empty"
        case "too_short":
            return f"it must have at least {format_count(context['min_length'], 'value')}"
        case "too_long":
            return f"it must have at most {format_count(context['max_length'], 'value')}"
        case "string_too_short":
            return f"it must have at least {format_count(context['min_length'], 'character')}"
        case "string_too_long":
            return f"it must have at most {format_count(context['max_length'], 'character')}"
        case "string_unicode":
            return "it is not valid Unicode text"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case error_type if (kind := re.sub("_(type|parsing|from_float)$", "", error_type)) in EXPECTED_TYPES:
            return f"it must be {EXPECTED_TYPES[kind]}"
        case _:
            return error["msg"]


def _find_known_names(model: type[BaseModel] | None, location: Sequence[int | str]) -> list[str]:
    """Return the fields of the model that is validated at a location in `model`."""
    annotation: Any = model
    for part in location:
        fields = next((submodel.model_fields for submodel in _find_models(annotation)), {})
        annotation = fields[part].annotation if isinstance(part, str) and part in fields else annotation
    return [name for submodel in _find_models(annotation)[:1] for name in submodel.model_fields]


def _find_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in an annotation such as `list[Item] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _find_models(argument)]
