"""Which side of a dataset each prompt is on: train, or validation.

A side is fixed when a prompt is first published and stays; it goes with the prompt's cluster of
near-duplicate questions. Where a later prompt ties clusters of both sides together, the prompts of train are
left out from then on. Python holds one batch of questions and the linked ones; the rest (about 0.5 KB a
prompt) is DuckDB's, which spills it to disk.
"""

import numpy as np
import pyarrow as pa

from tasks.publish.questions import BANDS, CROWD, Clusters, Question, buckets, key_id, question_key
from tasks.publish.reading import Connection, append, batches, column, create, one_row, pages, statement
from warehouse.errors import RunFailed

BATCH = 10_000  # prompts

_PROMPT = pa.schema([("prompt_id", pa.string()), ("key_id", pa.string()), ("key", pa.string())])
_BUCKET = pa.schema([pa.field("bucket", pa.uint64()), pa.field("question", pa.int64())])
_LINKED = pa.schema([("key_id", pa.string()), ("cluster_id", pa.string())])


def divide(connection: Connection, dataset: str, fraction: float) -> None:
    """Fill the temporary table `split_side` with (prompt_id, key_id, cluster_id, side, is_new, is_merged).

    `fraction` is the share of *new* clusters that go to validation; prompts seen before stay where they are.
    """
    _read_questions(connection, dataset)
    _hash_questions(connection)
    _link_questions(connection)
    connection.execute(statement("split_sides"), {"dataset": dataset, "fraction": fraction})
    _check_disjoint(connection)


def _read_questions(connection: Connection, dataset: str) -> None:
    """Fill `split_prompt` with each prompt's question key, and `split_question` with each key once."""
    connection.execute(statement("split_conversations"), {"dataset": dataset})
    create(connection, "split_prompt", _PROMPT)
    for rows in pages(connection, "split_conversation", BATCH):
        keys = [question_key(text) for text in column(rows, "conversation")]
        ids = [key_id(key) for key in keys]
        append(connection, "split_prompt", pa.table([rows["prompt_id"], ids, keys], schema=_PROMPT))
    connection.execute(
        "create or replace temp table split_question as "
        "select row_number() over (order by key_id) as n, key_id, min(key) as key from split_prompt group by key_id"
    )
    connection.execute("alter table split_prompt drop column key")


def _hash_questions(connection: Connection) -> None:
    """Fill `split_bucket` with the buckets of each question."""
    create(connection, "split_bucket", _BUCKET)
    for rows in pages(connection, "split_question", BATCH):
        numbered = np.repeat(rows["n"].to_numpy(), BANDS)
        hashed = buckets(column(rows, "key")).ravel()
        append(connection, "split_bucket", pa.table([hashed, numbered], schema=_BUCKET))


def _link_questions(connection: Connection) -> None:
    clusters = Clusters()
    for batch in batches(connection, statement("split_candidates"), {"crowd": CROWD}, BATCH):
        for pair in batch.to_pylist():
            clusters.consider(Question(pair["one_id"], pair["one_key"]), Question(pair["other_id"], pair["other_key"]))
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
