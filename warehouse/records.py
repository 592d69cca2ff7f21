"""The rows: Arrow schemas of everything kept in Parquet, and the small records that go with them.

Every id is a content hash (`content_id`), every time is UTC, every duration is in seconds. One Parquet file of a
kind that carries `teacher` holds rows of exactly one (teacher, terms_sha256), so that a recall drops whole files.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

UTC = pa.timestamp("us", tz="UTC")
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

Outcome = Literal[
    "ok", "truncated", "refused", "empty", "malformed", "rate_limited",
    "overloaded", "timeout", "connection", "rejected", "over_budget", "unauthorised",
]  # fmt: skip
AttemptState = Literal["paid", "failed", "maybe_paid"]
VerdictOutcome = Literal["kept", "rejected", "undecided", "quarantined"]


def content_id(*fields: str | bytes | int | float | None) -> str:
    """Hash fields into 32 hex digits (BLAKE2b-128); lengths are framed: no two lists of fields collide by joining."""
    digest = hashlib.blake2b(digest_size=16)
    for field in fields:
        data = field if isinstance(field, bytes) else repr(field).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _schema(columns: list[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema(columns)


PROMPTS = _schema(
    [
        ("prompt_id", pa.string()),  # content hash of messages, reference and verifier
        ("question", pa.string()),  # the last user message, as the source gives it
        ("messages", MESSAGES),  # the row's own messages, before template, system prompt and examples
        ("reference", pa.string()),  # nullable
        ("verifier", pa.string()),  # exact | numeric | math | reasoning-gym | code | none
        ("family", pa.string()),  # nullable: a group to report by
        ("metadata", pa.string()),  # JSON; a reasoning-gym entry's metadata, needed by its scorer
        ("source", pa.string()),  # file or generator, as the recipe names it
        ("source_row", pa.int64()),  # 1-based line or row
        ("license", pa.string()),
    ]
)

PLANS = _schema(  # what a recipe wants: one row a sample
    [
        ("plan_id", pa.string()),
        ("dataset", pa.string()),
        ("request_key", pa.string()),
        ("prompt_id", pa.string()),
        ("sample_index", pa.int32()),
        ("teacher", pa.string()),
        ("max_tokens", pa.int32()),
    ]
)

IDENTITY: list[tuple[str, pa.DataType]] = [  # who answered, and under which terms; on every row from the first day
    ("teacher", pa.string()),
    ("route", pa.string()),
    ("teacher_model", pa.string()),
    ("teacher_revision", pa.string()),
    ("terms_id", pa.string()),
    ("terms_sha256", pa.string()),
    ("decision_id", pa.string()),
    ("simulated", pa.bool_()),
]

ATTEMPTS = _schema(  # the ledger: one row an HTTP request
    [
        ("attempt_id", pa.string()),
        ("request_key", pa.string()),
        ("prompt_id", pa.string()),
        ("sample_index", pa.int32()),
        ("dataset", pa.string()),
        ("run_id", pa.string()),
        ("batch_id", pa.string()),
        *IDENTITY,
        ("account", pa.string()),
        ("pool", pa.string()),
        ("state", pa.string()),  # AttemptState
        ("outcome", pa.string()),  # Outcome
        ("status", pa.int32()),  # HTTP status, null when no response arrived
        ("max_tokens", pa.int32()),
        ("sent_at", UTC),
        ("received_at", UTC),
        ("latency_s", pa.float64()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("usage_source", pa.string()),  # reported | estimated | unknown
        ("cost_usd", pa.float64()),  # null when the price is unknown
        ("worst_tokens", pa.int64()),  # what was reserved for it
        ("worst_cost_usd", pa.float64()),
        ("served_model", pa.string()),
        ("system_fingerprint", pa.string()),
        ("provider_request_id", pa.string()),
        ("error", pa.string()),  # one line, null when ok
        ("headers", pa.string()),  # JSON, keys redacted
        ("body", pa.large_binary()),  # the raw response
        ("prompt_class", pa.string()),  # requests worded alike, whose answers' lengths are looked at together
        ("resampled", pa.bool_()),  # a fresh draw, because an earlier one was cut off by its cap
        ("continues", pa.string()),  # attempt_id of the answer whose beginning was sent along; null for most
        ("provider", pa.string()),  # in whose form the response was read; null in parts of before it was kept
        ("parser", pa.int32()),  # the version of the parser that read it first; null: 1
    ]
)

READINGS = _schema(  # what a later parser made of a stored response, where that is something else than before
    [
        ("attempt_id", pa.string()),
        ("request_key", pa.string()),
        ("dataset", pa.string()),
        ("teacher", pa.string()),
        ("terms_sha256", pa.string()),
        ("reading", pa.int32()),  # counted within the dataset that asked, from 1; the highest holds
        ("parser", pa.int32()),
        ("read_at", UTC),
        ("state_before", pa.string()),
        ("outcome_before", pa.string()),
        ("trace_before", pa.string()),
        ("state", pa.string()),
        ("outcome", pa.string()),
        ("error", pa.string()),
        ("trace_id", pa.string()),  # null: no answer; else the trace of this reading
        ("changed", pa.list_(pa.string())),  # what was read otherwise: outcome, reasoning, answer, usage, ...
    ]
)

TRACES = _schema(
    [
        ("trace_id", pa.string()),  # content hash of request key, reasoning, content and finish reason
        ("attempt_id", pa.string()),
        ("request_key", pa.string()),
        ("prompt_id", pa.string()),
        ("sample_index", pa.int32()),
        *IDENTITY,
        ("served_model", pa.string()),
        ("system_fingerprint", pa.string()),
        ("run_id", pa.string()),
        ("outcome", pa.string()),  # ok | truncated | refused | empty; connection | timeout: a stream's beginning
        ("reasoning", pa.large_string()),
        ("reasoning_source", pa.string()),  # field | tags | none
        ("answer", pa.large_string()),  # content less the reasoning
        ("content", pa.large_string()),  # as the server gave it
        ("finish_reason", pa.string()),
        ("max_tokens", pa.int32()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("usage_source", pa.string()),
        ("cost_usd", pa.float64()),
        ("latency_s", pa.float64()),
        ("received_at", UTC),
        ("text_hash", pa.string()),  # of normalised reasoning + answer: exact duplicates share it
        ("resampled", pa.bool_()),  # as the attempt's
        ("continues", pa.string()),  # as the attempt's; texts, completion tokens and dollars are then of both
        ("parser", pa.int32()),  # the version of the parser that read it; null: 1
        ("reading", pa.int32()),  # 0 or null: the first; else that of READINGS
    ]
)

FINDINGS = _schema(  # what the row-wise rules found in a trace, and what the rules that compare traces need of it
    [
        ("row_rules", pa.string()),  # hash of the row-wise rules' names, versions and thresholds
        ("trace_id", pa.string()),
        ("request_key", pa.string()),
        ("prompt_id", pa.string()),
        ("text_hash", pa.string()),
        ("teacher", pa.string()),
        ("terms_sha256", pa.string()),
        ("given", pa.string()),  # stands for what the rules saw beside the texts of trace and prompt
        ("outcome", pa.string()),  # VerdictOutcome, as far as a trace's own rules go
        ("reason", pa.string()),
        ("rule", pa.string()),
        ("rule_version", pa.int32()),
        ("details", pa.string()),
        ("signals", pa.string()),
        ("is_right", pa.bool_()),  # the verifier accepted it
        ("is_tried", pa.bool_()),  # it was checked, or gave no answer that could be
        ("verifier", pa.string()),
        ("ballot", pa.string()),  # what it votes for where its prompt has no reference; null: nothing
        ("is_complete", pa.bool_()),  # the rule `finish` passed
        ("words", pa.int32()),
        ("numbers", pa.string()),  # hash of the multiset of its numbers
        ("digest", pa.binary()),  # 125 MinHash values of 4 bytes; null unless it may be kept
        ("bands", pa.list_(pa.uint64())),  # 25 keys; null unless it may be kept
        ("grams", pa.list_(pa.uint64())),  # sampled runs of 20 words; null unless it may be kept
    ]
)

VERDICTS = _schema(
    [
        ("trace_id", pa.string()),
        ("prompt_id", pa.string()),
        ("request_key", pa.string()),
        ("dataset", pa.string()),
        ("judge_run", pa.string()),
        ("rule_set", pa.string()),  # hash of every rule's name, version and threshold
        ("outcome", pa.string()),  # VerdictOutcome
        ("reason", pa.string()),  # the code of the first failing rule; null when kept
        ("rule", pa.string()),
        ("rule_version", pa.int32()),
        ("details", pa.string()),  # one line a person reads
        ("signals", pa.string()),  # JSON: what every rule measured
        ("teacher", pa.string()),
        ("terms_sha256", pa.string()),
        ("judged_at", UTC),
    ]
)

DUPLICATES = _schema(
    [
        ("dataset", pa.string()),
        ("judge_run", pa.string()),
        ("trace_id", pa.string()),
        ("duplicate_of", pa.string()),
        ("kind", pa.string()),  # exact | near
        ("jaccard", pa.float64()),
        ("teacher", pa.string()),
        ("duplicate_of_teacher", pa.string()),
    ]
)

SPLITS = _schema(  # a prompt's side, fixed when it is first published
    [
        ("dataset", pa.string()),
        ("prompt_id", pa.string()),
        ("cluster_id", pa.string()),
        ("side", pa.string()),  # train | validation
        ("version", pa.string()),  # the version that fixed it
    ]
)

VERSION_ROWS = _schema(
    [
        ("version", pa.string()),
        ("shard", pa.string()),
        ("row_index", pa.int64()),
        ("split", pa.string()),
        ("trace_id", pa.string()),
        ("request_key", pa.string()),
        ("prompt_id", pa.string()),
        ("teacher", pa.string()),
        ("terms_id", pa.string()),
        ("terms_sha256", pa.string()),
        ("decision_id", pa.string()),
    ]
)

RECALLED = _schema(  # what a recall withdrew: an attempt with each trace read in it, or a prompt
    [
        ("recall_id", pa.string()),
        ("reach", pa.string()),  # selected | continued | judged | prompt
        ("attempt_id", pa.string()),  # null: it is a prompt
        ("trace_id", pa.string()),  # null: no answer was read in it
        ("is_shared", pa.bool_()),  # an attempt that was not recalled brought the very same trace
        ("prompt_id", pa.string()),
        ("request_key", pa.string()),
        ("teacher", pa.string()),
        ("terms_sha256", pa.string()),
        ("marks", pa.list_(pa.uint64())),  # hashes of a few stretches of its text, by which files are searched
        ("recalled_at", UTC),
    ]
)

SCHEMAS: dict[str, pa.Schema] = {
    "prompts": PROMPTS,
    "plans": PLANS,
    "ledger": ATTEMPTS,
    "traces": TRACES,
    "readings": READINGS,
    "findings": FINDINGS,
    "verdicts": VERDICTS,
    "duplicates": DUPLICATES,
    "splits": SPLITS,
    "version_rows": VERSION_ROWS,
    "recalled": RECALLED,
}

LAYOUT = 3
"""Of the schemas: raised whenever a column is added, so that parts written before can still be read."""
SINCE: dict[tuple[str, str], int] = {
    ("ledger", "prompt_class"): 2,
    ("ledger", "resampled"): 2,
    ("ledger", "continues"): 2,
    ("traces", "resampled"): 2,
    ("traces", "continues"): 2,
    ("ledger", "provider"): 3,
    ("ledger", "parser"): 3,
    ("traces", "parser"): 3,
    ("traces", "reading"): 3,
}
"""The layout with which a column of a kind began; every other one is of the first."""


@dataclass(frozen=True)
class DataFile:
    """One Parquet file that is complete on disk; it exists for readers once a transaction has listed it."""

    kind: str
    """A key of SCHEMAS."""
    path: str
    """Relative to the data root, with forward slashes."""
    rows: int
    bytes: int
    sha256: str
    teacher: str | None = None
    terms_sha256: str | None = None
    dataset: str | None = None
    segment_id: str | None = None
    """The journal segment it was made from: a segment whose files are listed is done."""
    layout: int = LAYOUT
    """Of the schemas it was written by."""
