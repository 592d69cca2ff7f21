"""The facet of ours, beside those of the OpenLineage client: which terms, and whose decision (pure)."""

import json
from collections.abc import Mapping
from importlib.resources import files

import attr
from openlineage.client.generated.base import DatasetFacet, RunFacet

SCHEMA_ID = "urn:stillhouse:openlineage:teacherTerms:1"
PRODUCER = "urn:stillhouse"
"""Instead of the client's own address, which stands for whoever uses it without a name."""


@attr.define
class TermsOfTeacher:
    """One teacher's terms; `rows` only where a version is told of."""

    teacher: str
    termsId: str
    termsSha256: str
    decisionId: str
    purpose: str
    verdict: str
    licenses: list[str]
    rows: int | None = None


@attr.define
class TeacherTermsRunFacet(RunFacet):
    """What the gate said of every teacher in this run."""

    teachers: list[TermsOfTeacher] = attr.field(factory=list)

    @staticmethod
    def _get_schema() -> str:
        return SCHEMA_ID


@attr.define
class TeacherTermsDatasetFacet(DatasetFacet):
    """Under which terms the rows of a version were let in."""

    teachers: list[TermsOfTeacher] = attr.field(factory=list)

    @staticmethod
    def _get_schema() -> str:
        return SCHEMA_ID


def facet_schema() -> Mapping[str, object]:
    """The JSON Schema of the facet, as it is shipped."""
    text = (files("tasks.lineage") / "teacher_terms.schema.json").read_text()
    schema: Mapping[str, object] = json.loads(text)
    return schema
