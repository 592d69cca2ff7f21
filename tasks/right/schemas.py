"""JSON Schema of the registry's files, made from the models that read them, for editors and for other programs.

    python -m tasks.right.schemas infra/teachers/schema

writes them. What a schema cannot say (licence ids, hosts of routes, what goes together) only loading the registry
checks.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.right.entries import DataFile, ReviewFile, RouteFile, TeacherEntry, WeightsFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, type[BaseModel]] = {
    "teacher": TeacherEntry,
    "weights": WeightsFile,
    "route": RouteFile,
    "dataset": DataFile,
    "review": ReviewFile,
}


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of one kind of file; a file of teachers holds one entry or a list of them."""
    schema = FILES[kind].model_json_schema()
    definitions = schema.pop("$defs", {})
    if kind == "teacher":
        definitions["TeacherEntry"], one = schema, {"$ref": "#/$defs/TeacherEntry"}
        schema = {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    title = f"A {kind} file of the teacher registry"
    return {**schema, "$schema": DIALECT, "title": title, "$defs": definitions}


def text_of(kind: str) -> str:
    """The schema as it is published."""
    return json.dumps(schema_of(kind), indent=2, sort_keys=True) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into a folder; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}.json" for kind in FILES]
    for path in paths:
        path.write_text(text_of(path.stem), encoding="utf-8")
    return paths


if __name__ == "__main__":
    for written in write_schemas(Path(sys.argv[1])):
        print(written)
