"""`still report` and `still show`, as processes of their own."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from report.judged_root import DATASET
from still import BIN

from warehouse.layout import DataRoot
from warehouse.query import run_query

pytestmark = pytest.mark.line


def still(root: DataRoot, *arguments: object, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STILLHOUSE_DATA": str(root.path), "COLUMNS": "160"}
    done = subprocess.run(
        [BIN / "still", *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done


def test_a_report_is_written_and_its_path_printed(judged_root: DataRoot, tmp_path: Path) -> None:
    out = tmp_path / "here" / "r.html"
    printed = still(judged_root, "report", DATASET, "--out", out).stdout
    assert printed.strip() == str(out)
    assert out.read_text().startswith("<!doctype html>")


def test_an_unknown_dataset_is_one_line_and_exit_2(judged_root: DataRoot) -> None:
    said = still(judged_root, "report", "sumz", exit_code=2).stderr
    assert said.count("\n") == 1 and "near it: sums" in said


def test_show_explains_and_its_json_has_the_whole_story(judged_root: DataRoot) -> None:
    sql = "select min(trace_id) as trace_id from rejected where reason = 'truncated'"
    trace_id = run_query(judged_root, sql).to_pylist()[0]["trace_id"]
    assert "truncated: this decided" in still(judged_root, "show", trace_id[:12]).stdout
    story = json.loads(still(judged_root, "show", trace_id[:12], "--json").stdout)
    assert story["trace"]["trace_id"] == trace_id
    assert [each["rule"] for each in story["explained"][0]["rules"] if each["decided"]] == ["finish"]
