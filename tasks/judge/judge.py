"""The judge's task: every answered trace that a dataset wants gets exactly one verdict, and nothing is
dropped.

Inputs go to the scratch folder in chunks; Ray workers judge each chunk row by row; then all traces are
compared in DuckDB; verdicts, duplicates and the judge run are listed in one transaction. What a verdict
says depends on the traces and the policy, not on order, chunks or time.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.judge.judging import OUTCOMES, STREAM_ROWS, Counted, Judging, run
from tasks.judge.opinion import dataset_of
from tasks.judge.packs import read_packs
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import described, row_rule_set, rule_set
from tasks.judge.screens.held import held
from tasks.judge.screens.look import Firing
from tasks.judge.statements import Connection, statement
from warehouse.catalog import Transaction, connect, transaction
from warehouse.layout import DataRoot
from warehouse.records import DataFile, content_id

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """What a judging came to; `traces` is the sum of the four outcomes."""

    judge_run: str
    traces: int
    kept: int
    rejected: int
    undecided: int
    quarantined: int
    reasons: dict[str, int] = field(default_factory=dict)
    """Traces by reason, the most frequent first."""
    is_new: bool = True
    """False: the same traces were judged by the same rules before."""


@task(name="judge-traces", task_run_name="judge {dataset}", cache_policy=NO_CACHE)
def judge_traces(
    root: DataRoot,
    run_id: str,
    dataset: str,
    plan_id: str,
    policy: JudgePolicy,
    now: datetime,
    firings: Sequence[Firing] = (),
) -> Judged:
    """`judge_answers` as a task."""
    return judge_answers(root, run_id, dataset, plan_id, policy, now, firings)


def judge_answers(
    root: DataRoot,
    run_id: str,
    dataset: str,
    plan_id: str,
    policy: JudgePolicy,
    now: datetime,
    firings: Sequence[Firing] = (),
    start_ray: Callable[[], None] = lambda: None,
) -> Judged:
    """Judge what the dataset's current plan has answers for, and make it the dataset's current judging.

    The id of a judging is the hash of the dataset, the rule set, the traces and what screens hold back: judging the
    same again finds it and writes nothing. Ray must be initialised, or `start_ray` does it where an answer was not
    judged by these rules before, or a prompt's samples vote.

    Raises:
        BadInput: there is no warehouse, or an evaluation pack cannot be read.
        RunFailed: a part could not be written; or traces and verdicts do not add up, which would be a bug.
    """
    packs = read_packs(policy.eval_packs)
    rules = rule_set(policy, packs)
    with closing(connect(root)) as connection:
        aside = held(policy.screens, firings)
        judge_run = _judge_run(connection, dataset, policy, rules, aside)
        known = _known(connection, dataset, judge_run)
        if known is None:
            by_row = row_rule_set(policy, packs)
            judging = Judging(root, connection, dataset, judge_run, rules, by_row, policy, packs, now, aside, start_ray)
            counted, files = run(judging, root.scratch(run_id) / "judge")
    if known is not None:
        _make_current(root, dataset, judge_run, plan_id, now)
        return known
    _record(root, dataset, plan_id, judge_run, described(policy, packs), rules, counted, files, now)
    logger.info("judged %d traces of %s: %s", counted.traces, dataset, counted.outcomes)
    return _judged(judge_run, counted, is_new=True)


def _judged(judge_run: str, counted: Counted, is_new: bool) -> Judged:
    return Judged(judge_run, counted.traces, **counted.outcomes, reasons=counted.reasons, is_new=is_new)


def _judge_run(connection: Connection, dataset: str, policy: JudgePolicy, rules: str, aside: pa.Table) -> str:
    digest = _traces_digest(connection, dataset, policy)
    if not aside.num_rows:
        return content_id(dataset, rules, digest)
    held_back = [{name: value for name, value in row.items() if value is not None} for row in aside.to_pylist()]
    return content_id(dataset, rules, digest, json.dumps(held_back, default=str))


def is_judged(root: DataRoot, dataset: str, policy: JudgePolicy, firings: Sequence[Firing] = ()) -> bool:
    """Whether these rules have judged just what the dataset's current plan has answers for; then Ray is not needed."""
    rules = rule_set(policy, read_packs(policy.eval_packs))
    with closing(connect(root)) as connection:
        judge_run = _judge_run(connection, dataset, policy, rules, held(policy.screens, firings))
        return _known(connection, dataset, judge_run) is not None


def _traces_digest(connection: Connection, dataset: str, policy: JudgePolicy) -> str:
    """A digest of which trace answers which prompt, in the order of their ids; the texts are in the ids."""
    digest = hashlib.blake2b(digest_size=16)
    whose = {"dataset": dataset, "opinions": dataset_of(dataset) if policy.llm else ""}
    reader = connection.sql(statement("answers"), params=whose).to_arrow_reader(STREAM_ROWS)
    for batch in reader:
        for row in batch.to_pylist():
            digest.update(content_id(*row.values()).encode())
    return digest.hexdigest()


def _known(connection: Connection, dataset: str, judge_run: str) -> Judged | None:
    """The judging of this id, if there was one."""
    columns = ", ".join(OUTCOMES)
    counts = connection.execute(
        f"select {columns} from store.judge_run where judge_run = ? and dataset = ?", [judge_run, dataset]
    ).fetchone()
    if counts is None:
        return None
    reasons = connection.execute(
        "select reason, count(*) from verdicts where judge_run = ? and reason is not null "
        "group by reason order by count(*) desc, reason",
        [judge_run],
    ).fetchall()
    return _judged(judge_run, Counted(dict(zip(OUTCOMES, counts, strict=True)), dict(reasons)), is_new=False)


def _record(
    root: DataRoot,
    dataset: str,
    plan_id: str,
    judge_run: str,
    rules: Sequence[Mapping[str, object]],
    rule_set_id: str,
    counted: Counted,
    files: Sequence[DataFile],
    now: datetime,
) -> None:
    """List the parts and the judge run in one transaction, which also makes it the current one."""
    row = {
        "judge_run": judge_run, "dataset": dataset, "plan_id": plan_id, "rule_set": rule_set_id,
        "rules": json.dumps(rules), "judged_at": now, "traces": counted.traces,
        **counted.outcomes, "is_current": False,
    }  # fmt: skip
    with transaction(root, now) as changes:
        changes.add_files(files)
        changes.insert("judge_run", [row])
        _set_current(changes, dataset, judge_run, plan_id)


def _make_current(root: DataRoot, dataset: str, judge_run: str, plan_id: str, now: datetime) -> None:
    """Make an earlier judging the current one, if it is not."""
    with closing(connect(root)) as connection:
        is_so = connection.execute(
            "select 1 from store.judge_run where judge_run = ? and dataset = ? and plan_id = ? and is_current",
            [judge_run, dataset, plan_id],
        ).fetchone()
    if is_so is None:
        with transaction(root, now) as changes:
            _set_current(changes, dataset, judge_run, plan_id)


def _set_current(changes: Transaction, dataset: str, judge_run: str, plan_id: str) -> None:
    changes.execute("update store.judge_run set is_current = false where dataset = ? and is_current", [dataset])
    changes.execute(
        "update store.judge_run set is_current = true, plan_id = ? where dataset = ? and judge_run = ?",
        [plan_id, dataset, judge_run],
    )
