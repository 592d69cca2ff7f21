import hashlib
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tasks.right.chain import read_chain, read_head
from tasks.right.decide import decide
from tasks.right.decisions import GENESIS, Decision, head, record_of, seal, verify_chain
from tasks.right.gate import admit
from tasks.right.terms import StudentFacts, Teacher, canonical
from warehouse.catalog import connect
from warehouse.layout import DataRoot


@pytest.fixture
def chain(own, now: datetime) -> list[Decision]:
    """Three decisions about two teachers, one of them a denial."""
    teachers = own("name: a\nbase_url: http://10.0.0.5/v1\nmodel: m\nlicense: MIT\nreviewed: {by: Ada, on: 2026-11-25}")
    sealed: list[Decision] = []
    for name in ("a", "simulated", "deepseek-r1@fireworks"):
        record = _record(teachers[name], now)
        sealed.append(seal(record, head(sealed)))
    return sealed


def _record(teacher: Teacher, now: datetime) -> dict[str, object]:
    student = StudentFacts(name="Sums")
    return record_of(teacher, "MIT", "ask", student, "run-1", decide(teacher, "MIT", "ask", student, (), now), now)


def test_a_chain_holds_in_any_order(chain: list[Decision]) -> None:
    assert verify_chain(chain) == verify_chain(reversed(chain)) == verify_chain([]) == ()
    assert chain[0].prev_hash == GENESIS and head(chain) == chain[-1].decision_id
    assert [decision.verdict for decision in chain] == ["allow", "allow", "deny"]


def test_a_record_holds_what_an_auditor_needs(chain: list[Decision], now: datetime) -> None:
    record = json.loads(chain[0].record)
    assert record["teacher"]["review"] == {
        "by": "Ada",
        "on": "2026-11-25",
        "expires_after_days": 90,
        "scope": ["ask", "publish", "train"],
        "ticket": None,
        "terms_sha256": None,
    }
    assert record["teacher"]["weights"]["license"] == "MIT"
    assert (record["prompts_license"], record["student"]["name"], record["run_id"]) == (
        "MIT",
        "Sums",
        "run-1",
    )
    assert datetime.fromisoformat(record["at"]) == now
    denied = json.loads(chain[2].record)
    assert denied["reasons"][0]["code"] == "route_forbid"
    assert "machine learning" in denied["teacher"]["route_terms"]["evidence"]["quote"]


def test_the_same_ruling_seals_to_the_same_id(chain: list[Decision], own, now: datetime) -> None:
    again = seal(_record(own()["simulated"], now), chain[0].decision_id)
    assert again == chain[1]


@pytest.mark.parametrize("column", ["verdict", "purpose", "teacher", "terms_id", "terms_sha256", "reasons"])
def test_a_column_that_was_changed_is_found(chain: list[Decision], column: str) -> None:
    chain[1] = replace(chain[1], **{column: "other"})
    assert any(column in fault for fault in verify_chain(chain))


def test_any_byte_of_a_record_that_was_changed_is_found(chain: list[Decision]) -> None:
    record = chain[2].record
    for position in range(len(record)):
        flipped = record[:position] + chr(ord(record[position]) ^ 1) + record[position + 1 :]
        assert verify_chain([*chain[:2], replace(chain[2], record=flipped)])


def test_a_rewritten_record_breaks_what_follows(chain: list[Decision]) -> None:
    forged = seal({**json.loads(chain[1].record), "verdict": "deny"}, chain[1].prev_hash)
    assert any("is missing" in fault for fault in verify_chain([chain[0], forged, chain[2]]))


def test_a_removed_or_doubled_record_is_found(chain: list[Decision]) -> None:
    assert any("is missing" in fault for fault in verify_chain([chain[0], chain[2]]))
    fork = seal({**json.loads(chain[2].record), "run_id": "run-2"}, chain[2].prev_hash)
    assert any("2 decisions follow" in fault for fault in verify_chain([*chain, fork]))


def test_a_record_that_is_no_json_is_a_fault_not_a_crash(chain: list[Decision]) -> None:
    assert verify_chain([replace(chain[0], record="{")])


def test_a_sealed_record_that_the_gate_never_writes_is_a_fault_not_a_crash(chain: list[Decision]) -> None:
    said = json.loads(chain[2].record)
    for forged in ("{", "[]", "{}", '{"teacher": {"name": 9007199254740993}}', json.dumps(said, indent=1)):
        digest = hashlib.sha256(chain[2].prev_hash.encode() + forged.encode()).hexdigest()
        assert verify_chain([*chain[:2], replace(chain[2], decision_id=digest, record=forged)])


def test_numbers_and_letters_of_any_kind_have_one_spelling() -> None:
    """RFC 8785: the shortest number that reads back, letters as they are, keys by their UTF-16 units."""
    record = {"\U0001d306": 1e21, "￿": 0.1 + 0.2, "é": -0.0, "a": 100.0}
    assert canonical(record).decode() == '{"a":100,"é":0,"\U0001d306":1e+21,"￿":0.30000000000000004}'


def test_a_record_with_fractions_and_letters_beyond_ascii_is_the_same_from_the_catalog(
    data_root: DataRoot, own, now: datetime
) -> None:
    entry = "name: a\nbase_url: http://10.0.0.5/v1\nmodel: 教師-\U0001f9ea\nlicense: MIT\nbudget: {usd: 0.1}\n"
    teacher = own(f"{entry}reviewed: {{by: Zoë, on: 2026-11-25}}")["a"]
    admit(data_root, [teacher, teacher], "MIT", "ask", StudentFacts(name="Süms"), "run-1", now)
    with closing(connect(data_root)) as connection:
        stored, newest = read_chain(connection), read_head(connection)
    assert verify_chain(stored) == () and len(stored) == 2 and newest == head(stored)
    assert json.loads(stored[0].record)["teacher"]["budget"]["usd"] == 0.1 and "教師" in stored[0].record


def test_a_record_of_the_first_schema_still_holds() -> None:
    """Written by the first release of the gate: the bytes that were hashed then are canonical today."""
    record = (
        '{"at":"2026-11-21T12:00:00.000000+00:00","purpose":"ask","reasons":[],"run_id":"r","schema":"decision/1",'
        '"teacher":{"name":"a"},"terms_id":"a.1","terms_sha256":"1","verdict":"allow"}'
    )
    digest = "fce537e5bb44211a915647066ce7667df275115e75f1c1c4a2ae6802d73ea773"
    row = Decision(
        digest, GENESIS, datetime(2026, 11, 21, 12, tzinfo=UTC), "allow", "ask", "a", "a.1", "1", "[]", record
    )
    assert verify_chain([row]) == ()
