"""What the warehouse knows of a run: the decisions made in it, the versions it published."""

import json
from contextlib import closing
from typing import Any

from tasks.lineage.facets import TermsOfTeacher
from tasks.publish.versions import folder_of
from warehouse.catalog import fresh_snapshot
from warehouse.layout import DataRoot
from warehouse.manifest import MANIFEST, Manifest, load_manifest

_DECISIONS = """
    select decision_id, purpose, verdict, teacher, terms_id, terms_sha256, record
    from store.decision
    where json_extract_string(record, '$.run_id') = ?
    order by "at", decision_id
"""


def read_facts(root: DataRoot, run_id: str) -> tuple[list[TermsOfTeacher], list[Manifest]]:
    """The decisions of a run, and the manifests of what it published; both may be none."""
    with closing(fresh_snapshot(root, views=False)) as connection:
        decisions = connection.execute(_DECISIONS, [run_id]).fetchall()
        sql = "select version from store.version where run_id = ? order by version"
        versions = [version for (version,) in connection.execute(sql, [run_id]).fetchall()]
    folders = [folder_of(root, version) for version in versions]
    return [_terms(*row) for row in decisions], [load_manifest(one) for one in folders if (one / MANIFEST).exists()]


def _terms(
    decision_id: str, purpose: str, verdict: str, teacher: str, terms_id: str, terms_sha256: str, record: str
) -> TermsOfTeacher:
    said: dict[str, Any] = json.loads(record)["teacher"]
    licenses = [said["weights"]["license"], said["route_terms"]["license"]]
    return TermsOfTeacher(
        teacher=teacher,
        termsId=terms_id,
        termsSha256=terms_sha256,
        decisionId=decision_id,
        purpose=purpose,
        verdict=verdict,
        licenses=[license for license in licenses if license],
    )
