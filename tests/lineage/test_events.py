"""OpenLineage events: what they say, that they fit the standard's classes and our facet's schema, and that they never
stop a run."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import UUID

import jsonschema
import pytest
from openlineage.client.event_v2 import RunEvent, RunState
from openlineage.client.facet_v2 import dataset_version_dataset
from publish.kept_answers import NOW, judged, sums

from flows.settings import tells_lineage_elsewhere
from tasks.lineage.events import NAMESPACE, Told, event
from tasks.lineage.facets import SCHEMA_ID, facet_schema
from tasks.lineage.facts import read_facts
from tasks.lineage.telling import Telling, events_file
from warehouse.layout import DataRoot
from warehouse.manifest import load_manifest

RUN = "0b1e9c1e-7c1d-4c57-9d5e-6f6c3c1f2a10"
LATER = NOW + timedelta(minutes=1)


def told(flow: str = "distill", **fields: object) -> Told:
    return Told(RUN, flow, "sums", None if flow == "train" else "problems.jsonl", **fields)


def lines(root: DataRoot) -> list[dict]:
    return [json.loads(line) for line in events_file(root).read_text().splitlines()]


@pytest.fixture
def events(data_root: DataRoot) -> list[dict]:
    """START and COMPLETE of a run that has published a version of two teachers."""
    line = judged(data_root, [*sums(12), *sums(6, start=100, teacher="theirs")]).with_(run_id=RUN)
    telling = Telling(data_root, told(), elsewhere=False)
    telling.started(NOW)
    line.published()
    telling.ended("completed", LATER)
    return lines(data_root)


def test_a_run_starts_and_ends_with_one_event_each(events: list[dict]) -> None:
    assert [one["eventType"] for one in events] == ["START", "COMPLETE"]
    for one in events:
        assert (one["run"]["runId"], one["job"]) == (
            RUN,
            {"namespace": NAMESPACE, "name": "distill.sums", "facets": {}},
        )
        assert one["inputs"][0]["name"] == "prompts/problems.jsonl"
        assert datetime.fromisoformat(one["eventTime"]) in (NOW, LATER) and UUID(one["run"]["runId"])
        assert one["schemaURL"].startswith("https://openlineage.io/spec/") and one["producer"] == "urn:stillhouse"


def test_the_end_names_the_version_its_rows_and_every_decision(data_root: DataRoot, events: list[dict]) -> None:
    (output,) = events[1]["outputs"]
    manifest = load_manifest(data_root.version("sums", "2026.11.21.1"))
    assert output["name"] == "sums" and output["facets"]["version"]["datasetVersion"] == manifest.version
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == manifest.rows == 18
    terms = output["facets"]["teacherTerms"]["teachers"]
    assert [(one["teacher"], one["decisionId"], one["rows"]) for one in terms] == [
        (teacher.teacher, teacher.decision_id, teacher.rows) for teacher in manifest.teachers
    ]
    asked = events[1]["run"]["facets"]["teacherTerms"]["teachers"]
    assert {(one["teacher"], one["purpose"], one["verdict"]) for one in asked} == {
        ("mine", "publish", "allow"),
        ("theirs", "publish", "allow"),
    }
    assert asked[0]["licenses"] == ["MIT"] and "teacherTerms" not in events[0]["run"]["facets"]


def test_our_facets_fit_the_schema_that_is_shipped(events: list[dict]) -> None:
    validator = jsonschema.Draft202012Validator(facet_schema())
    facets = [events[1]["run"]["facets"]["teacherTerms"], events[1]["outputs"][0]["facets"]["teacherTerms"]]
    for facet in facets:
        assert facet["_schemaURL"] == SCHEMA_ID == facet_schema()["$id"]
        validator.validate(facet)
    broken = {**facets[0], "teachers": [{**facets[0]["teachers"][0], "termsSha256": "x"}]}
    assert not validator.is_valid(broken)


def test_events_are_of_the_clients_own_classes(data_root: DataRoot, events: list[dict]) -> None:
    decisions, published = read_facts(data_root, RUN)
    made = event(told(decisions=decisions, published=published), RunState.COMPLETE, LATER)
    assert isinstance(made, RunEvent)
    facet = made.outputs[0].facets["version"]
    assert isinstance(facet, dataset_version_dataset.DatasetVersionDatasetFacet)
    with pytest.raises(ValueError, match="badly formed"):
        event(Told("no uuid", "distill", "sums", None), RunState.START, NOW)


def test_a_training_reads_a_version_and_a_failed_or_stopped_run_says_so(data_root: DataRoot) -> None:
    published = judged(data_root, sums(6)).published()
    version = load_manifest(Path(published.folder))
    for state, kind in (("failed", "FAIL"), ("cancelled", "ABORT")):
        telling = Telling(data_root, told("train", trained_on=version), elsewhere=False)
        telling.started(NOW)
        telling.ended(state, LATER)
        last = lines(data_root)[-1]
        assert (last["eventType"], last["outputs"]) == (kind, [])
        (read,) = last["inputs"]
        assert read["name"] == "sums" and read["facets"]["version"]["datasetVersion"] == version.version


def test_an_event_that_cannot_be_told_is_said_once_and_stops_nothing(
    data_root: DataRoot, caplog: pytest.LogCaptureFixture
) -> None:
    (data_root.path / "lineage").write_text("a file where the folder should be")
    telling = Telling(data_root, told(), elsewhere=False)
    with caplog.at_level(logging.WARNING):
        telling.started(NOW)
        telling.ended("completed", LATER)
    assert len([record for record in caplog.records if "are not told" in record.message]) == 1


@contextmanager
def collector() -> Iterator[tuple[str, list[dict]]]:
    """A real server that takes events, as Marquez does."""
    taken: list[dict] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Take) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()


def test_events_go_where_the_users_own_settings_lead(data_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(data_root, sums(6))
    with collector() as (url, taken):
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert tells_lineage_elsewhere()
        telling = Telling(data_root, told(), elsewhere=True)
        telling.started(NOW)
        telling.ended("completed", LATER)
    assert [one["eventType"] for one in taken] == ["START", "COMPLETE"]
    assert not events_file(data_root).exists()


def test_only_openlineages_own_settings_lead_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not tells_lineage_elsewhere({"PATH": "/bin"})
    assert tells_lineage_elsewhere({"OPENLINEAGE_URL": "http://marquez:5000"})
    assert tells_lineage_elsewhere({"OPENLINEAGE_DISABLED": "true"})
    (tmp_path / "openlineage.yml").write_text("transport: {type: noop}\n")
    assert tells_lineage_elsewhere({})
