"""The rules that look at all traces together, in their order: vote, pass rate, duplicates, so many a prompt.

Vote and pass rate see every sample, before deduplication takes any away. Each rule fills a temporary table; the last
word on a trace is the first of: what a row-wise rule said, the vote, the pass rate, the duplicate, the one too many.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from tasks.judge import vote
from tasks.judge.duplicates import compare
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import PASS_RATE_VERSION
from tasks.judge.statements import Connection, statement

_PROMPTS_AT_ONCE = 200
_CANDIDATES = pa.schema([("prompt_id", pa.string()), ("ballot", pa.string()), ("candidate", pa.string())])


def judge_together(
    connection: Connection,
    files: Sequence[str],
    policy: JudgePolicy,
    scratch: Path,
    start_ray: Callable[[], None] = lambda: None,
) -> None:
    """Fill the temporary table `last_word`: one row for each trace of which these rules say something.

    `files` hold what the row-wise rules found; `scratch` may be spilled to; `start_ray` is called before Ray is used.
    """
    vote_and_rate(connection, files, policy, start_ray)
    compare(connection, files, policy, scratch)
    versions = {"vote_version": vote.VERSION, "pass_rate_version": PASS_RATE_VERSION}
    connection.execute(statement("last_word"), versions)


def vote_and_rate(
    connection: Connection, files: Sequence[str], policy: JudgePolicy, start_ray: Callable[[], None] = lambda: None
) -> None:
    """Fill the temporary tables `vote` and `pass_rate`, from all samples."""
    judged = {"judged": list(files)}
    connection.register("candidate_of", _candidates(connection, judged, start_ray))
    connection.execute(statement("vote"), judged | {"share": policy.vote_share, "fewest": policy.vote_samples})
    connection.unregister("candidate_of")
    rates = {"fewest": policy.pass_rate_samples, "least": policy.min_pass_rate, "most": policy.max_pass_rate}
    connection.execute(statement("pass_rate"), judged | rates)


def _candidates(connection: Connection, judged: dict[str, list[str]], start_ray: Callable[[], None]) -> pa.Table:
    """Which different ballots of a prompt say the same, by its verifier, on Ray."""
    several = connection.execute(statement("ballots"), judged).fetchall()
    if several:
        start_ray()
    counting = ray.remote(num_cpus=1, max_retries=2)(vote.candidates_of_prompts)
    pieces = ray.get([counting.remote(some) for some in _cut(several)]) if several else []
    rows = [row for piece in pieces for row in piece]
    return pa.Table.from_pylist([dict(zip(_CANDIDATES.names, row, strict=True)) for row in rows], schema=_CANDIDATES)


def _cut(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _PROMPTS_AT_ONCE):
        yield rows[start : start + _PROMPTS_AT_ONCE]
