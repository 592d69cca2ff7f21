"""What a report is about: `DATASET@VERSION`, or `DATASET` for its newest version or else its current judging."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tasks.publish.reading import Connection, all_rows
from tasks.publish.versions import folder_of, listed_versions
from tasks.report.facts import Subject
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.manifest import MANIFEST, load_manifest

_JUDGED = """
    select judge_run, plan_id, rule_set, judged_at, rules from store.judge_run
    where dataset = $dataset and case when $judge_run is null then is_current else judge_run = $judge_run end
"""
_VERSION = "select dataset, judge_run, published_at, rows from versions where version = $version"
_VERSIONS = "select version from versions order by version"
_DATASETS = "select dataset from store.plan union select dataset from versions order by dataset"


def find_subject(connection: Connection, root: DataRoot, name: str) -> Subject:
    """The judging, and the version, that `name` means.

    Raises:
        BadInput: there is no such dataset or version (near ones are named), or nothing of it was judged.
    """
    if "@" in name:
        return _of_version(connection, root, name)
    datasets = [row["dataset"] for row in all_rows(connection, _DATASETS)]
    if name not in datasets:
        raise BadInput(f"no dataset '{name}' in {root.path}: {_known(name, datasets)}; `still versions` lists versions")
    if versions := listed_versions(connection, name):
        return _of_version(connection, root, versions[0])
    return _of_judging(connection, name, None)


def current_subject(connection: Connection, dataset: str, version: str | None) -> Subject:
    """The dataset's current judging, whichever judging the version was made of.

    Raises:
        BadInput: nothing of the dataset was judged.
    """
    return replace(_of_judging(connection, dataset, None), version=version)


def _of_version(connection: Connection, root: DataRoot, version: str) -> Subject:
    rows = all_rows(connection, _VERSION, {"version": version})
    if not rows:
        known = [row["version"] for row in all_rows(connection, _VERSIONS)]
        raise BadInput(f"no version '{version}' in {root.path}: {_known(version, known)}; `still versions` lists them")
    (row,) = rows
    judging = _of_judging(connection, row["dataset"], row["judge_run"])
    folder = folder_of(root, version)
    plan_id = load_manifest(folder).plan_id if (folder / MANIFEST).exists() else judging.plan_id
    return Subject(
        judging.dataset, judging.judge_run, plan_id, judging.rule_set, judging.judged_at, judging.rules,
        version=version, published_at=row["published_at"], rows=row["rows"],
    )  # fmt: skip


def _of_judging(connection: Connection, dataset: str, judge_run: str | None) -> Subject:
    rows = all_rows(connection, _JUDGED, {"dataset": dataset, "judge_run": judge_run})
    if not rows:
        raise BadInput(f"nothing of '{dataset}' was judged yet: `still run RECIPE` or `still judge RECIPE` does it")
    row = rows[0]
    return Subject(
        dataset, row["judge_run"], row["plan_id"], row["rule_set"], row["judged_at"], described_rules(row["rules"])
    )


def described_rules(text: str | None) -> tuple[dict[str, Any], ...]:
    """A judging's rules as it stored them; none where it stored none."""
    given = json.loads(text or "[]") or []
    return tuple({"rule": each.get("name"), **each} for each in given)


def _known(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"near it: {', '.join(near)}" if near else f"known are {', '.join(names[:5]) or 'none'}"
