"""One run as OpenLineage events: what it read, what it published, which terms let it (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import dataset_version_dataset, output_statistics_output_dataset
from openlineage.client.generated.base import DatasetFacet

from tasks.lineage.facets import PRODUCER, TeacherTermsDatasetFacet, TeacherTermsRunFacet, TermsOfTeacher
from warehouse.manifest import Manifest

NAMESPACE = "stillhouse"
ENDS = {"completed": RunState.COMPLETE, "failed": RunState.FAIL, "cancelled": RunState.ABORT}


@dataclass(frozen=True)
class Told:
    """What is known of a run when an event is made."""

    run_id: str
    flow: str
    dataset: str
    prompts: str | None
    """The source of its prompts, for a run that may ask; None for a training."""
    decisions: Sequence[TermsOfTeacher] = ()
    trained_on: Manifest | None = None
    published: Sequence[Manifest] = ()


def event(told: Told, kind: RunState, at: datetime) -> RunEvent:
    """START, COMPLETE, FAIL or ABORT of a run."""
    terms = TeacherTermsRunFacet(teachers=list(told.decisions), producer=PRODUCER)
    return RunEvent(
        eventTime=at.isoformat(),
        eventType=kind,
        producer=PRODUCER,
        run=Run(told.run_id, {"teacherTerms": terms} if told.decisions else {}),
        job=Job(NAMESPACE, f"{told.flow}.{told.dataset}"),
        inputs=_inputs(told),
        outputs=[_output(manifest) for manifest in told.published],
    )


def _inputs(told: Told) -> list[InputDataset]:
    prompts = [InputDataset(NAMESPACE, f"prompts/{told.prompts}")] if told.prompts else []
    version = told.trained_on
    return [*prompts, *([InputDataset(NAMESPACE, version.dataset, facets=_facets(version))] if version else [])]


def _output(manifest: Manifest) -> OutputDataset:
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=manifest.rows,
        size=sum(shard.bytes for shard in manifest.shards),
        fileCount=len(manifest.shards),
        producer=PRODUCER,
    )
    return OutputDataset(
        NAMESPACE, manifest.dataset, outputFacets={"outputStatistics": statistics}, facets=_facets(manifest)
    )


def _facets(manifest: Manifest) -> dict[str, DatasetFacet]:
    version = dataset_version_dataset.DatasetVersionDatasetFacet(manifest.version, producer=PRODUCER)
    terms = [
        TermsOfTeacher(
            teacher=one.teacher,
            termsId=one.terms_id,
            termsSha256=one.terms_sha256,
            decisionId=one.decision_id,
            purpose="publish",
            verdict="allow",
            licenses=[license for license in (one.weights_license, one.route_license) if license],
            rows=one.rows,
        )
        for one in manifest.teachers
    ]
    return {"version": version, "teacherTerms": TeacherTermsDatasetFacet(teachers=terms, producer=PRODUCER)}
