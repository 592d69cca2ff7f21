"""The funnel as an artifact shows it."""

import pytest
from report.judged_root import DATASET, VERSION

from tasks.report.facts import Flow
from tasks.report.markdown import funnel_markdown
from tasks.report.report import current_funnel
from warehouse.layout import DataRoot


def flow(teacher: str) -> Flow:
    return Flow(teacher, 5, {"failed": 1}, {"kept": 3, "rejected": 1}, {"wrong_answer": 1}, 3)


def test_each_teacher_has_a_column_and_each_reason_a_line() -> None:
    text = funnel_markdown("sums@1", [flow("a|b"), flow("c")])
    lines = text.splitlines()
    assert lines[2] == "| samples | all | a\\|b | c |"
    assert "| &nbsp;&nbsp;wrong_answer | 2 | 1 | 1 |" in lines
    assert "| **published** | 6 | 3 | 3 |" in lines
    assert len({line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}) == 1


def test_the_command_that_writes_the_report_is_named_and_nothing_is_linked() -> None:
    text = funnel_markdown("sums", [flow("a")])
    assert "`still report sums`" in text and "](" not in text


@pytest.mark.line
def test_the_funnel_of_a_data_root_counts_what_the_version_holds(judged_root: DataRoot) -> None:
    flows = current_funnel(judged_root, DATASET, VERSION)
    assert sum(each.held_back for each in flows) == 3
    assert sum(each.published for each in current_funnel(judged_root, DATASET, None)) == 0
