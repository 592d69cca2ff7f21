"""The race's figures from the referee's pages, its card, and one run of it with a client of the standard library."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from simulated import SimulatedTeacher

RACE = Path(__file__).parents[2] / "bench" / "ask" / "race"
sys.path.insert(0, str(RACE))

import card  # noqa: E402
import conditions  # noqa: E402
import run as race  # noqa: E402
import score  # noqa: E402
from processes import Process, spent, tree  # noqa: E402

PEERS = RACE / "peers"

CLIENT = f"""
import json, sys
from urllib.request import ProxyHandler, Request, build_opener
sys.path.insert(0, {str(PEERS)!r})
from racing import Delivered, done, read_job, read_rows, ready
job, delivered = read_job(), None
delivered = Delivered(job)
print("what a tool prints is not heard")
ready()
for row in read_rows(job)[:int(sys.argv[2])]:
    body = {{"model": job["model"], "messages": row["messages"], "max_tokens": 64}}
    request = Request(job["base_url"] + "/chat/completions", json.dumps(body).encode(), method="POST")
    with build_opener(ProxyHandler({{}})).open(request) as answer:
        delivered.add(row["id"], bool(json.load(answer)["choices"][0]["message"]["content"]), 0.5)
sum(range(5_000_000))
if sys.argv[3] == "hangs":
    sys.stdin.readline()
if sys.argv[3] == "crashes":
    raise SystemExit("it broke")
done()
"""


def whole(**more: Any) -> dict[str, Any]:
    return {
        "first_request": 10.0,
        "last_admission": 39.0,
        "refused_429": {"tokens": 5, "requests": 1},
        "changes": [],
        **more,
    }


def seen(question: str, answered: int, undelivered: int = 0, tokens: int = 0) -> dict[str, Any]:
    return {"question": question, "answered": answered, "undelivered": undelivered, "completion_tokens": tokens}


def line(**more: Any) -> dict[str, Any]:
    """A line of the results."""
    names = ("used", "useful_tokens_per_min", "lost", "unfinished", "paid_twice", "cpu_ms_per_row", "run_s")
    more_names = ("overhead_p50_ms", "overhead_p99_ms", "used_after", "refused_told", "refused", "refused_after")
    base = dict.fromkeys((*names, *more_names), 0)
    fixed = {"scenario": "steady", "configuration": "ours-1", "repeat": 1, "ended": "done", "version": ""}
    counts = {
        "daemons_ms_per_row": 0,
        "delivered": 100,
        "delivered_after": 50,
        "machine_mean": 0.3,
        "machine": "m",
        "has_change": False,
    }
    return {**base, **fixed, **counts, **more}


class TestSpan:
    def test_steady_state_ends_before_the_rows_run_out(self) -> None:
        assert score.span(whole(), warm_up_s=8, seconds=30) == (18.0, 38.0)

    def test_it_ends_with_the_last_request_of_a_client_that_stops_early(self) -> None:
        assert score.span(whole(last_admission=25.0), warm_up_s=8, seconds=30) == (18.0, 25.0)

    def test_there_is_none_where_a_client_stops_within_the_warm_up(self) -> None:
        assert score.span(whole(last_admission=19.0), warm_up_s=8, seconds=30) is None
        assert score.span(whole(first_request=None, last_admission=None), warm_up_s=8, seconds=30) is None


class TestPaid:
    def test_a_row_is_its_messages_whatever_changes_between_its_attempts(self) -> None:
        questions = [seen("a1", 1, tokens=30), seen("a2", 2, 1, tokens=60), seen("b", 1, 1, tokens=10), seen("c", 0)]
        truth = [{"question": name, "prompt": name[0]} for name in ("a1", "a2", "b")]
        bought = score.paid(questions, truth)
        assert (bought.rows, bought.reached, bought.twice) == (2, 1, 2)
        assert bought.useful_share == pytest.approx((30 + 10) / 100)

    def test_nothing_bought_is_no_share(self) -> None:
        assert score.paid([seen("a", 0)], []) == score.Paid(0, 0, 0, 0.0)


class TestFigures:
    PAGE = {"used": 0.98, "binding": "tokens", "output_tokens": 4000, "span_s": 20.0}
    BOUGHT = score.Paid(rows=10, reached=10, twice=0, useful_share=0.5)

    def test_useful_tokens_are_those_of_steady_state_less_what_was_bought_twice(self) -> None:
        after = {"refused_429": {"tokens": 2}, "delivered": 40}
        found = score.budget_figures(whole(), self.PAGE, after, self.BOUGHT)
        assert found["useful_tokens_per_min"] == pytest.approx(6000)
        assert (found["refused"], found["refused_after"], found["delivered_after"]) == (6, 2, 40)
        assert found["used_after"] is None and not found["has_change"]

    def test_recovery_is_from_the_change_of_limits_and_not_from_its_end(self) -> None:
        comes = {"switches": {"tenant_share": [0.0, 0.3]}, "refused_untold": 1, "refused_told": 2, "used_after": 0.5}
        goes = {"switches": {"tenant_share": [0.3, 0.0]}, "refused_untold": 7, "refused_told": 8, "used_after": 9.0}
        found = score.budget_figures(whole(changes=[comes, goes]), None, None, self.BOUGHT)
        assert (found["refused_untold"], found["refused_told"], found["used_after"]) == (1, 2, 0.5)
        assert found["used"] is None and found["refused_after"] is None

    def test_overhead_is_above_the_teachers_own_time_and_needs_enough_rows(self) -> None:
        service = {str(row): 1.0 for row in range(101)}
        found = score.overhead({name: 1.0 + int(name) / 1000 for name in service}, service)
        assert found["overhead_p50_ms"] == pytest.approx(50) and found["overhead_p99_ms"] == pytest.approx(99)
        assert score.overhead({"1": 2.0}, service)["overhead_p99_ms"] is None
        assert score.overhead({"1": 2.0}, {})["overhead_p50_ms"] is None

    def test_refusals_are_by_a_thousand_rows(self) -> None:
        assert score.per_thousand(3, 1500) == 2.0
        assert score.per_thousand(3, 0) is None and score.per_thousand(None, 10) is None


class TestCard:
    def test_a_cell_has_the_median_and_the_spread(self) -> None:
        assert card.cell([0.97, 0.99, 0.98], 2) == "0.98 (0.97–0.99)"
        assert card.cell([5, 5], 0) == "5"

    def test_a_cell_says_how_many_repeats_it_knows(self) -> None:
        assert card.cell([1.0, None, 3.0], 1) == "2.0 (1.0–3.0), 2 of 3"
        assert card.cell([None], 1) == "–"

    def test_a_table_has_recovery_only_where_limits_change(self) -> None:
        assert "recovery" not in card.table("steady", [line()])
        assert "recovery" in card.table("halved", [line(has_change=True)])

    def test_what_ran_once_and_what_was_killed_are_marked(self) -> None:
        text = card.card([line(), line(configuration="openai-best", version="3.54.0", ended="killed", lost=None)])
        assert "### steady, once each" in text
        assert "| openai-best 3.54.0, killed 1 | 1 |" in text

    def test_the_cpu_of_rays_daemons_stands_apart(self) -> None:
        lines = [line(cpu_ms_per_row=4.0, daemons_ms_per_row=2.0), line(cpu_ms_per_row=6.0, daemons_ms_per_row=4.0)]
        assert "| 5.0 (4.0–6.0) + 3.0 |" in card.table("steady", lines)


class TestConditions:
    def test_rows_are_what_the_account_allows_in_that_time(self) -> None:
        per_s = conditions.ROWS_PER_S
        assert conditions.SCENARIOS["steady"].rows(30) == int(per_s * 30)
        assert conditions.SCENARIOS["halved"].rows(30) == int(per_s * (20 + 25 / 2))
        assert conditions.SCENARIOS["doubled"].rows(30) == int(per_s * (20 + 15 * 2))
        assert conditions.SCENARIOS["tenant"].rows(30) == int(per_s * (60 - 0.3 * 30))
        assert conditions.SCENARIOS["storm"].rows(30) == int(per_s * (45 - 10))

    def test_every_configuration_gets_the_same_rows(self) -> None:
        runs = [race.Run(conditions.SCENARIOS["steady"], one, 1, 10) for one in conditions.CONFIGURATIONS.values()]
        assert all(run.rows == runs[0].rows for run in runs)
        assert len({json.dumps(row["messages"]) for row in runs[0].rows}) == len(runs[0].rows) == 128


class TestProcesses:
    BEFORE = [Process(1, 0, "driver", 5.0, 0.0), Process(2, 1, "raylet", 1.0, 0.0), Process(3, 2, "python", 2.0, 0.0)]

    def test_a_tree_leaves_strangers_out(self) -> None:
        assert tree(2, [*self.BEFORE, Process(4, 9, "other", 1.0, 0.0)]) == self.BEFORE[1:]

    def test_a_worker_that_got_its_name_meanwhile_is_no_daemon(self) -> None:
        now = [
            Process(1, 0, "driver", 6.0, 0.0),
            Process(2, 1, "raylet", 1.5, 0.0),
            Process(3, 2, "ray::ask", 4.0, 0.0),
        ]
        found = spent(self.BEFORE, now, root=1, uses_ray=True)
        assert (found.client_s, found.daemons_s) == (3.0, 0.5)

    def test_a_child_that_ended_counts_for_what_it_did_meanwhile(self) -> None:
        now = [Process(1, 0, "driver", 5.0, 0.0), Process(2, 1, "raylet", 1.0, 2.75)]
        assert spent(self.BEFORE, now, root=1, uses_ray=False).client_s == 0.75


class TestRun:
    def drive(self, folder: Path, rows: int, ends: str, limit_s: float = 30.0) -> tuple[race.Ended, dict[str, Any]]:
        run = race.Run(conditions.SCENARIOS["steady"], conditions.CONFIGURATIONS["openai-best"], 1, 10)
        client = folder / "client.py"
        client.write_text(CLIENT)
        with SimulatedTeacher(preset="openai", latency=0.01) as teacher:
            job = folder / "job.json"
            job.write_text(json.dumps(race.job_of(run, folder, teacher, teacher)))
            command = [sys.executable, str(client), str(job), str(rows), ends]
            with race.Driver(command, folder) as driver:
                ended = race.race(driver, teacher, limit_s, uses_ray=False)
                figures = race.judge(run, teacher)
        return ended, figures

    def test_a_client_is_measured_from_its_first_request_to_its_last_row(self, tmp_path: Path) -> None:
        ended, figures = self.drive(tmp_path, 12, "well")
        good, latencies = race.delivered_in(tmp_path / "out.jsonl")
        assert ended.how == "done" and ended.spent.client_s >= 0.03 and ended.spent.daemons_s == 0
        assert len(good) == figures["paid_rows"] == figures["answers_reached"] == 12 and figures["paid_twice"] == 0
        assert latencies["row-000000"] == 0.5
        assert b"is not heard" in (tmp_path / "stderr.log").read_bytes()

    def test_a_client_that_does_not_end_is_killed_and_keeps_what_it_delivered(self, tmp_path: Path) -> None:
        ended, figures = self.drive(tmp_path, 3, "hangs", limit_s=1.0)
        assert ended.how == "killed" and figures["answers_reached"] == 3
        assert len(race.delivered_in(tmp_path / "out.jsonl")[0]) == 3

    def test_a_client_that_breaks_is_said_so(self, tmp_path: Path) -> None:
        ended, _ = self.drive(tmp_path, 2, "crashes")
        assert ended.how == "crashed"
        assert b"it broke" in (tmp_path / "stderr.log").read_bytes()


def test_a_run_that_is_in_the_results_is_not_run_again(tmp_path: Path) -> None:
    results = tmp_path / "race.jsonl"
    assert race.already(results) == set()
    results.write_text(json.dumps(line()) + "\n")
    assert race.already(results) == {("steady", "ours-1", 1)}


def test_a_run_on_a_busy_machine_is_run_again_and_on_no_card(tmp_path: Path) -> None:
    results = tmp_path / "race.jsonl"
    results.write_text(json.dumps(line(machine_mean=0.51)) + "\n")
    assert race.already(results) == set()
    text = card.card([line(), line(repeat=2, machine_mean=0.51, used=0.1)])
    assert "1 runs on a busier machine are left out" in text and "0.100" not in text


@pytest.mark.parametrize("path", sorted(PEERS.glob("*.py")), ids=lambda path: path.name)
def test_a_peers_driver_imports_nothing_of_ours(path: Path) -> None:
    tops = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            tops.add((node.module or "").split(".")[0])
    assert not tops & {"flows", "tasks", "warehouse", "infra", "conditions", "run", "score"}


@pytest.mark.parametrize("peer", conditions.PEERS)
def test_every_peer_has_a_driver_and_pinned_requirements(peer: str) -> None:
    wanted = [text for text in (PEERS / f"{peer}.txt").read_text().splitlines() if not text.startswith("#")]
    assert (PEERS / f"with_{peer}.py").exists()
    assert wanted and all("==" in text for text in wanted)
