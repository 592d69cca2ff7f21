"""Reading registry files: YAML whose `yes` is a word, no key twice; errors name file and field."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from warehouse.errors import BadInput

Model = TypeVar("Model", bound=BaseModel)

_BOOL = "tag:yaml.org,2002:bool"
_NEVER_SHOWN = ("api_key_env", "base_url")  # where a key is most likely to have been pasted by mistake


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # with libyaml, 5 times faster


class _Loader(_SafeLoader):  # type: ignore[misc]  # which of the two is known only when it runs
    """PyYAML reads YAML 1.1, where `no` is false and the key `on` is true: here they are words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} twice", problem_mark=key.start_mark)
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(folder: Path) -> list[Path]:
    """The YAML files directly in a folder, sorted; none when it does not exist."""
    return sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def read_document(path: Path) -> list[dict[str, object]]:
    """The mappings of one file: one mapping, or a list of them. BadInput names the file and the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}. Put a UTF-8 YAML file there") from error
    return read_text(text, path)


def read_text(text: str, path: Path) -> list[dict[str, object]]:
    """The mappings of a file's text; `path` is for errors."""
    try:
        content = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-40
        raise BadInput(f"{path}{_problem(error)}. Mend the YAML") from error
    mappings = content if isinstance(content, list) else [content]
    if not mappings or not all(isinstance(mapping, dict) for mapping in mappings):
        raise BadInput(f"{path} holds no entry: write one as `name: ...`, or a list of them")
    return mappings


def parse(model: type[Model], fields: dict[str, object], path: Path) -> Model:
    """Check one mapping against its model. BadInput names the file, the field and what is wrong with it."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False)
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        raise BadInput(f"{path}: {_fault(model, details[0])}{more}") from None  # the cause would show values


def _problem(error: yaml.YAMLError | ValueError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    return f"{line}: {getattr(error, 'problem', None) or error}"


def _fault(model: type[BaseModel], detail: ErrorDetails) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "the entry"
    if detail["type"] == "missing":
        return f"{field} is missing"
    if detail["type"] == "extra_forbidden":
        known = f": known fields are {', '.join(model.model_fields)}" if len(detail["loc"]) == 1 else ""
        return f"unknown field {field!r}{known}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = detail["input"]
    shown = isinstance(value, str | int | float) and detail["loc"][-1:] and field not in _NEVER_SHOWN
    return f"{field}: {message}" + (f", not {value!r}" if shown and detail["type"] != "value_error" else "")
