import json
from dataclasses import fields
from datetime import datetime, timedelta

import pytest

from tasks.right.decisions import Decision, verify_chain
from tasks.right.gate import admit
from tasks.right.terms import StudentFacts
from warehouse.catalog import connect, publish
from warehouse.errors import Denied
from warehouse.layout import DataRoot

SIGNED = "reviewed: {by: Ada Lovelace, on: 2026-11-25}"
MINE = f"name: mine\nbase_url: http://10.0.0.5:8000/v1\nmodel: our/model\nlicense: MIT\n{SIGNED}"
BANNED = f"name: banned\nmodel: gpt-5\nroute: openai-api\n{SIGNED}"
UNSIGNED = "name: unsigned\nbase_url: http://10.0.0.5:8000/v1\nmodel: our/model\nlicense: MIT"


def rows(root: DataRoot, sql: str) -> list[tuple]:
    publish(root)
    with connect(root) as connection:
        return connection.execute(sql).fetchall()


def decisions(root: DataRoot) -> list[Decision]:
    columns = ", ".join(f'"{field.name}"' for field in fields(Decision))
    return [Decision(*row) for row in rows(root, f"select {columns} from store.decision")]


def test_a_teacher_that_passes_is_admitted_with_its_decision(data_root, own, now: datetime) -> None:
    teacher = own(MINE)["mine"]
    (admission,) = admit(data_root, [teacher], "MIT", "ask", None, "run-1", now)
    (decision,) = decisions(data_root)
    assert (admission.teacher, admission.decision_id) == (teacher, decision.decision_id)
    assert (decision.verdict, decision.purpose, decision.terms_sha256) == (
        "allow",
        "ask",
        teacher.terms_sha256,
    )


def test_one_refused_teacher_refuses_all_and_every_decision_is_recorded(data_root, own, now: datetime) -> None:
    teachers = own(MINE, BANNED, UNSIGNED)
    with pytest.raises(Denied) as denied:
        admit(data_root, [teachers[n] for n in ("mine", "banned", "unsigned")], "MIT", "ask", None, "run-1", now)
    line = str(denied.value)
    assert "\n" not in line
    assert line.startswith("teacher 'banned' is not asked: the contract of the route (openai-api: ")
    assert "To change that, use a route whose terms allow it" in line and "Also refused: unsigned" in line
    assert sorted((d.teacher, d.verdict) for d in decisions(data_root)) == [
        ("banned", "deny"),
        ("mine", "allow"),
        ("unsigned", "deny"),
    ]
    assert verify_chain(decisions(data_root)) == ()


def test_decisions_of_many_runs_are_one_chain(data_root, own, now: datetime) -> None:
    teachers = own(MINE)
    for number, purpose in enumerate(("ask", "publish", "train", "ask")):
        both = [teachers["mine"], teachers["simulated"]]
        admit(data_root, both, "MIT", purpose, None, f"run-{number}", now + timedelta(hours=number))
    chain = decisions(data_root)
    assert len(chain) == 8 and verify_chain(chain) == ()


def test_terms_and_entry_are_kept_as_they_were_seen(data_root, own, now: datetime) -> None:
    entry = f"name: llama\nbase_url: http://10.0.0.5/v1\nmodel: meta-llama/Llama-3.1-8B-Instruct\n{SIGNED}"
    teacher = own(entry)["llama"]
    documents = ("Llama 3.1 Community License Agreement",)
    student = StudentFacts(name="Llama-x", attributions=("Built with Llama",), documents=documents, monthly_users=0)
    admit(data_root, [teacher], "MIT", "train", student, "run-1", now)
    ((terms_id, license, trainable, conditions, by, text),) = rows(
        data_root,
        "select terms_id, weights_license, outputs_trainable, conditions, reviewed_by, text from store.terms",
    )
    assert (terms_id, license, trainable) == (teacher.terms_id, teacher.weights.license, "conditional")
    assert (by, json.loads(conditions)[0]) == (
        "Ada Lovelace",
        {"of": "weights", "id": "student_name_prefix", "prefix": "Llama"},
    )
    assert "Llama" in json.loads(text)["weights"]["evidence"]["quote"]
    ((seen,),) = rows(data_root, "select entry from store.teacher")
    assert json.loads(seen)["base_url"] == "http://10.0.0.5/v1"


def test_signing_again_keeps_the_terms_and_moves_their_dates(data_root, own, now: datetime) -> None:
    later = now + timedelta(days=80)
    renewed = MINE.replace("2026-11-25", f"{later:%Y-%m-%d}")
    admit(data_root, [own(MINE)["mine"]], "MIT", "ask", None, "run-1", now)
    admit(data_root, [own(renewed)["mine"]], "MIT", "ask", None, "run-2", later)
    ((reviewed, expires),) = rows(data_root, "select reviewed_on, expires_on from store.terms")
    assert (reviewed, expires) == (later.date(), later.date() + timedelta(days=90))
    signed = {json.loads(d.record)["teacher"]["review"]["on"] for d in decisions(data_root)}
    assert signed == {"2026-11-25", f"{later:%Y-%m-%d}"}
