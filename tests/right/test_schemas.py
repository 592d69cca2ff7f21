"""The published JSON Schemas are those of the models, and every shipped file is valid by them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tasks.right.documents import documents, read_document
from tasks.right.registry import shipped_teachers
from tasks.right.schemas import FILES, schema_of, text_of

FOLDER = shipped_teachers()
FOLDERS = {"teacher": FOLDER, "weights": FOLDER / "weights", "route": FOLDER / "routes", "dataset": FOLDER / "datasets"}


def as_json(value: Any) -> Any:
    """What YAML reads as a date is a text in JSON."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def validate(kind: str, document: object) -> None:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema_of(kind), format_checker=checker).validate(as_json(document))


def shipped() -> Iterator[tuple[str, Path]]:
    for kind, folder in FOLDERS.items():
        yield from ((kind, path) for path in documents(folder))


@pytest.mark.parametrize(("kind", "path"), list(shipped()), ids=lambda value: getattr(value, "stem", value))
def test_a_shipped_file_is_valid_by_the_published_schema(kind: str, path: Path) -> None:
    for mapping in read_document(path):
        validate(kind, mapping)


@pytest.mark.parametrize("kind", FILES)
def test_the_published_schema_is_the_one_that_the_models_give(kind: str) -> None:
    published = (FOLDER / "schema" / f"{kind}.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))
    assert published == text_of(kind), "stale: run `python -m tasks.right.schemas infra/teachers/schema`"


def test_every_file_of_the_shipped_registry_is_of_a_kind_with_a_schema() -> None:
    assert {path for _, path in shipped()} == set(FOLDER.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("teacher", {"model": "nameless"}),
        ("teacher", []),
        ("teacher", {"name": "a", "api_key": "sk-1"}),
        ("weights", {"weights": "a", "license": "MIT", "outputs_trainable": "maybe"}),
        (
            "weights",
            {"weights": "a", "license": "MIT", "outputs_trainable": "conditional", "conditions": [{"id": "x"}]},
        ),
        (
            "route",
            {"route": "a", "provider": "A", "license": None, "outputs_trainable": "yes", "hosts": ["No Host"]},
        ),
        ("review", {"teacher": "a", "by": "Ada", "on": "2026-11-01"}),
        ("review", {"teacher": "a", "by": "Ada", "on": "yesterday", "terms_sha256": "0" * 64}),
        ("dataset", {"dataset": "a", "license": "MIT", "sources": ["x"], "use": "yes"}),
    ],
)
def test_what_no_model_would_read_is_invalid_by_the_schema_too(kind: str, document: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(kind, document)
