"""Which side of a dataset each prompt is on: train, or validation.

A side is fixed when a prompt is first published and stays; it goes with the prompt's cluster of near-duplicate questions.
Where a later prompt ties clusters of both sides together, the prompts of train are left out from then on. Python holds one
batch of questions and the linked ones; the rest (about 0.5 KB a prompt) is DuckDB's, which spills it to disk.
"""

from dataclasses import dataclass

import pyarrow as pa

from tasks.publish.questions import BANDS, CROWD, Clusters, Question, buckets, key_id, question_key
from tasks.publish.reading import Connection, append, batches, create, one_row, read_table, statement
from warehouse.errors import RunFailed

BATCH = 10_000  # prompts

_PROMPT = pa.schema([("prompt_id", pa.string()), ("key_id", pa.string()), ("key", pa.string())])
_BUCKET = pa.schema({"bucket": pa.uint64(), "key_id": pa.string()})
_LINKED = pa.schema([("key_id", pa.string()), ("cluster_id", pa.string())])


@dataclass(frozen=True)
class Sides:
    """How many prompts are where."""

    train: int
    validation: int
    merged: int
    """Prompts of train that are left out, because their cluster reaches into validation."""


def divide(connection: Connection, dataset: str, fraction: float) -> Sides:
    """Fill the temporary table `split_side` with (prompt_id, key_id, cluster_id, side, is_new, is_merged).

    `fraction` is the share of *new* clusters that go to validation; prompts seen before stay where they are.
    """
    _read_questions(connection, dataset)
    _link_questions(connection)
    connection.execute(statement("split_sides"), {"dataset": dataset, "fraction": fraction})
    _check_disjoint(connection)
    counted = one_row(
        connection,
        "select count_if(side = 'train' and not is_merged) as train, count_if(side = 'validation') as validation, "
        "count_if(is_merged) as merged from split_side",
    )
    return Sides(**counted)


def _read_questions(connection: Connection, dataset: str) -> None:
    connection.execute(statement("split_conversations"), {"dataset": dataset})
    total = one_row(connection, "select count(*) as prompts from split_conversation")["prompts"]
    create(connection, "split_prompt", _PROMPT)
    create(connection, "split_bucket", _BUCKET)
    page = "select prompt_id, conversation from split_conversation where n between $first and $last"
    for first in range(1, total + 1, BATCH):
        rows = read_table(connection, page, {"first": first, "last": first + BATCH - 1})
        keys = [question_key(conversation) for conversation in rows["conversation"].to_pylist()]
        ids = [key_id(key) for key in keys]
        append(connection, "split_prompt", pa.table([rows["prompt_id"], ids, keys], schema=_PROMPT))
        flat = [buckets(keys).ravel(), [one for one in ids for _ in range(BANDS)]]
        append(connection, "split_bucket", pa.table(flat, schema=_BUCKET))


def _link_questions(connection: Connection) -> None:
    clusters = Clusters()
    for batch in batches(connection, statement("split_candidates"), {"crowd": CROWD}, BATCH):
        for pair in batch.to_pylist():
            clusters.consider(
                Question(pair["one_id"], pair["one_key"]), Question(pair["other_id"], pair["other_key"])
            )
    linked = clusters.linked()
    create(connection, "split_linked", _LINKED)
    append(connection, "split_linked", pa.table([list(linked), list(linked.values())], schema=_LINKED))


def _check_disjoint(connection: Connection) -> None:
    """No question key may be on both sides of what is published."""
    shared = one_row(
        connection,
        "select count(*) as keys, min(key_id) as example from (select key_id from split_side where not is_merged "
        "group by key_id having count(distinct side) > 1)",
    )
    if shared["keys"]:
        raise RunFailed(
            f"{shared['keys']} questions would be in train and in validation (e.g. key {shared['example']}): "
            "nothing was published; please report this with the output of `still doctor`"
        )
