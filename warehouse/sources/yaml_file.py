"""TODO."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from warehouse.errors import RecomartError
from warehouse.sources.declaration import RAW_COLUMNS, Sources


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key that is written twice is an error and not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(
                    problem="a list or a mapping stands where a name should be; put it in quotes if it is one",
                    problem_mark=key_node.start_mark,
                )
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_sources(path: Path) -> Sources:
    """Read and check a sources file.

    Raises:
        RecomartError: The file is missing, is no YAML, or declares something that does not exist.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except FileNotFoundError:
        raise RecomartError(f"{path}: no such sources file; name one with --sources") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecomartError(f"{path}: the sources file cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise RecomartError(f"{where}: the sources file is no valid YAML: {problem}") from error
    try:
        return Sources.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RecomartError(f"{path}: {where + ': ' if where else ''}{_describe_problem(first)}{more}") from error


def _describe_problem(error: ErrorDetails) -> str:
    """What is wrong, in words for whoever wrote the YAML."""
    value = error["input"]
    match error["type"]:
        case "missing" if error["loc"][-1] == "kind":
            return f"it must be given where the feed's name is none of {', '.join(RAW_COLUMNS)}"
        case "missing":
            return "it must be given"
        case "string_type" if value is None:
            return "nothing stands here; give it a text, or leave it out"
        case "string_type" if isinstance(value, list | dict):
            return "a text belongs here, and no list or mapping"
        case "string_type":
            return f"YAML reads this as {_dump_yaml(value)}, which is no text; put it in quotes"
        case "too_short":
            return "it is empty"
        case "union_tag_not_found":
            return f"{error['ctx']['discriminator']} must be given in it"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "names with their values belong here"
        case _:
            return error["msg"].removeprefix("Value error, ")


def _dump_yaml(value: Any) -> str:
    return yaml.safe_dump(value).splitlines()[0]
