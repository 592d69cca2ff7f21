"""A segment becomes rows: each intent has one end, and the same segment gives the same bytes."""

import hashlib
from typing import Any

import pytest
from asking import call_of, teacher_at
from small_segment import AT, PRICE, answer, received, segment_file, sent

from tasks.ask.journal import MAGIC, encode
from tasks.ask.segment import SegmentHeader, billed, read_segment, write_parts
from tasks.ask.spend import Amount
from warehouse.layout import DataRoot


def rows(root: DataRoot, *frames: bytes) -> list[dict[str, Any]]:
    segment = read_segment(segment_file(root, *frames))
    assert segment is not None
    return [dict(row) for row in segment.attempts]


@pytest.mark.parametrize(
    ("end", "state", "outcome", "cost"),
    [
        (received(1, 200, answer()), "paid", "ok", Amount(1, 120, 0.0003)),
        (received(1, 200, answer(finish="length")), "paid", "truncated", Amount(1, 120, 0.0003)),
        (received(1, 200, answer(finish="content_filter")), "paid", "refused", Amount(1, 120, 0.0003)),
        (received(1, 200, answer("")), "paid", "empty", Amount(1, 120, 0.0003)),
        (received(1, 200, answer(usage=False)), "paid", "ok", Amount(1, 400, 0.003)),
        (received(1, 200, b'{"choi'), "failed", "malformed", Amount(1, 400, 0.003)),
        (received(1, 429, {}), "failed", "rate_limited", Amount(1)),
        (received(1, 503, {}), "failed", "overloaded", Amount(1)),
        (received(1, 400, {}), "failed", "rejected", Amount(1)),
        (received(1, 401, {}), "failed", "unauthorised", Amount(1)),
        (encode("lost", {"n": 1, "outcome": "timeout", "error": "600 s", "at": AT}), "maybe_paid", "timeout",
         Amount(1, 400, 0.003)),
        (encode("lost", {"n": 1, "outcome": "connection", "error": "reset", "at": AT}), "maybe_paid", "connection",
         Amount(1, 400, 0.003)),
        (encode("unsent", {"n": 1, "error": "refused", "at": AT}), "failed", "connection", Amount()),
        (b"", "maybe_paid", "connection", Amount(1, 400, 0.003)),
    ],
)  # fmt: skip
def test_every_end_has_its_state_its_outcome_and_its_cost(
    data_root: DataRoot, end: bytes, state: str, outcome: str, cost: Amount
) -> None:
    (row,) = rows(data_root, sent(1), end)
    assert (row["state"], row["outcome"]) == (state, outcome)
    spent = billed(row)
    assert (spent.requests, spent.tokens) == (cost.requests, cost.tokens)
    assert spent.usd == pytest.approx(cost.usd)


def test_an_intent_given_up_before_it_was_sent_leaves_no_row(data_root: DataRoot) -> None:
    assert rows(data_root, sent(1), encode("unsent", {"n": 1, "error": None, "at": AT})) == []


def test_a_sample_stands_where_its_best_attempt_does(data_root: DataRoot) -> None:
    frames = (sent(1, "a"), received(1, 503, {}), sent(2, "a"), received(2, 200, answer()), sent(3, "b"), sent(4, "c"),
              received(4, 429, {}))  # fmt: skip
    segment = read_segment(segment_file(data_root, *frames))
    assert segment is not None
    assert segment.states == {"a": "paid", "b": "maybe_paid", "c": "failed"}
    assert segment.settled == {"a", "b"}, "only what was turned away may be asked again by who takes the batch over"


def test_an_answer_has_its_trace_with_every_field(data_root: DataRoot) -> None:
    segment = read_segment(segment_file(data_root, sent(1), received(1, 200, answer())))
    assert segment is not None
    (trace,) = segment.traces
    assert (trace["reasoning"], trace["reasoning_source"], trace["answer"]) == ("2+2 = 4", "field", "4")
    assert (trace["prompt_tokens"], trace["completion_tokens"], trace["usage_source"]) == (100, 20, "reported")
    assert (trace["served_model"], trace["latency_s"], trace["simulated"]) == ("m", 1.0, True)
    assert trace["attempt_id"] == segment.attempts[0]["attempt_id"]


def test_the_same_segment_gives_the_same_bytes(data_root: DataRoot) -> None:
    path = segment_file(data_root, sent(1), sent(2), received(2, 200, answer()), received(1, 200, answer("5")))

    def convert() -> list[str]:
        segment = read_segment(path)
        assert segment is not None
        files = write_parts(data_root, segment)
        return [hashlib.sha256((data_root.path / file.path).read_bytes()).hexdigest() for file in files]

    assert convert() == convert()


def test_parts_say_their_teacher_terms_and_segment(data_root: DataRoot) -> None:
    segment = read_segment(segment_file(data_root, sent(1), received(1, 200, answer()), sent(2)))
    assert segment is not None
    ledger, traces = write_parts(data_root, segment)
    assert (ledger.kind, ledger.rows, traces.kind, traces.rows) == ("ledger", 2, "traces", 1)
    assert {ledger.segment_id, traces.segment_id} == {"seg-1"}
    assert (ledger.teacher, ledger.terms_sha256, ledger.dataset) == ("simulated", "0" * 64, "sums")


def test_a_segment_in_which_nothing_was_asked_gives_no_parts(data_root: DataRoot) -> None:
    segment = read_segment(segment_file(data_root))
    assert segment is not None
    assert write_parts(data_root, segment) == ()


def test_a_segment_of_before_providers_had_names_reads_as_it_did(data_root: DataRoot) -> None:
    header = SegmentHeader.of(call_of(data_root, teacher_at("http://x/v1", PRICE)), "b", "seg-1")
    older = {name: value for name, value in vars(header).items() if name != "provider"}
    path = data_root.journal / "seg.journal"
    path.write_bytes(MAGIC + encode("segment", older) + sent(1) + received(1, 200, answer()))
    segment = read_segment(path)
    assert segment is not None
    assert (segment.header.provider, segment.attempts[0]["state"]) == ("unknown", "paid")
    assert segment.header == header


def test_a_segment_is_read_as_its_provider_s(data_root: DataRoot) -> None:
    azure = teacher_at("http://x/v1", PRICE).model_copy(update={"provider": "azure"})
    filtered = received(1, 400, {"error": {"code": "content_filter", "message": "filtered"}})
    path = data_root.journal / "seg.journal"
    header = vars(SegmentHeader.of(call_of(data_root, azure), "b", "seg-1"))
    path.write_bytes(MAGIC + encode("segment", header) + sent(1) + filtered)
    segment = read_segment(path)
    assert segment is not None
    (attempt,), (trace,) = segment.attempts, segment.traces
    assert (attempt["state"], attempt["outcome"], attempt["usage_source"]) == ("paid", "refused", "unknown")
    assert (trace["answer"], trace["finish_reason"]) == ("", "content_filter")
    assert billed(attempt) == Amount(1, 400, 0.003), "billed, at an amount that nobody says"


def test_a_cost_that_the_provider_states_is_the_cost(data_root: DataRoot) -> None:
    paid = answer() | {"usage": {"prompt_tokens": 100, "completion_tokens": 20, "cost": 0.0123}}
    (row,) = rows(data_root, sent(1), received(1, 200, paid))
    assert row["cost_usd"] == 0.0123


def test_a_price_that_is_unknown_stays_unknown(data_root: DataRoot) -> None:
    header = SegmentHeader.of(call_of(data_root, teacher_at("http://x/v1")), "b", "seg-1")
    assert header.rates is None
    path = data_root.journal / "seg.journal"
    path.write_bytes(MAGIC + encode("segment", vars(header)) + sent(1) + received(1, 200, answer()))
    segment = read_segment(path)
    assert segment is not None and segment.attempts[0]["cost_usd"] is None
