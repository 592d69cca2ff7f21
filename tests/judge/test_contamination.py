"""Evaluation questions in questions and traces, by how much of them is covered."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.judge.contamination import Evaluation, check_contamination
from tasks.judge.finding import Finding, Trace
from tasks.judge.packs import Pack, read_packs
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import judge_trace
from tasks.judge.rules import rule_set, rules
from warehouse.errors import BadInput

EVAL = (
    "A merchant buys 40 crates of oranges for 12 dollars each, sells three quarters of them at 20 dollars and the "
    "rest at half of that price. How much money does the merchant earn in the end?"
)
SHORT = "What is the capital of Peru?"
PACK = Pack("evals/test.jsonl", "0" * 64, (EVAL, SHORT), (1, 3))
EVALUATION = Evaluation((PACK,))
POLICY = JudgePolicy()


def found(question: str, answer: str = "It is 7.", reasoning: str = "", policy: JudgePolicy = POLICY) -> Finding:
    trace = Trace("t", "ok", "stop", reasoning, answer, None, "none", None, question)
    return check_contamination(trace, policy, EVALUATION)


def test_an_evaluation_question_is_rejected_whatever_its_case_and_what_stands_round_it() -> None:
    within = f"Think step by step.\n\n{EVAL}  Give only the number."
    for question in (EVAL, EVAL.upper(), within, EVAL.replace(" ", "  ")):
        finding = found(question)
        assert (finding.outcome, finding.reason) == ("reject", "contaminated_question")
        assert finding.signal["item"] == "evals/test.jsonl:1" and "100%" in finding.details


def test_half_of_it_is_enough_and_the_share_is_the_policys() -> None:
    words = EVAL.split()
    part = " ".join(words[: len(words) * 2 // 3])
    assert found(part).reason == "contaminated_question"
    assert found(part, policy=JudgePolicy(max_eval_coverage=0.9)).reason == "contamination_review"


def test_a_trace_that_quotes_it_is_rejected_in_reasoning_and_answer() -> None:
    assert found("Tell me a story.", answer=f"Once upon a time: {EVAL}").reason == "contaminated_trace"
    assert found("Tell me a story.", reasoning=f"I recall {EVAL} from a test.").reason == "contaminated_trace"


def test_a_common_run_of_words_is_no_contamination() -> None:
    asked = "How much money does the merchant earn in the end, if he sells a hat for 5 dollars and a coat for 9?"
    finding = found(asked)
    assert finding.outcome == "pass" and 0 < float(finding.signal["question_coverage"] or 0) < 0.25


def test_a_quarter_with_many_words_in_a_row_is_put_aside_for_a_person() -> None:
    words = EVAL.split()
    finding = found(" ".join(words[: len(words) * 9 // 20]) + " What does he pay for the oranges?")
    assert (finding.outcome, finding.reason) == ("quarantine", "contamination_review")
    assert "evals/test.jsonl:1" in finding.details


def test_the_same_but_for_its_numbers_is_put_aside() -> None:
    other = "If 5 boys and 7 girls share 96 sweets"
    pack = Pack("e", "1" * 64, (other,), (9,))
    trace = Trace("t", "ok", "stop", "", "8", None, "none", None, other.replace("5", "4").replace("96", "99"))
    finding = check_contamination(trace, POLICY, Evaluation((pack,)))
    assert (finding.outcome, finding.reason) == ("quarantine", "contamination_review")


def test_a_short_evaluation_question_must_be_the_whole_question() -> None:
    assert found(SHORT).reason == "contaminated_question"
    assert found(f"Paul asks: {SHORT} Ann says Lima. Who is right?").outcome == "pass"
    assert found("What is this?", answer=f"She asked: {SHORT}").outcome == "pass"


def test_without_packs_nothing_is_looked_for() -> None:
    trace = Trace("t", "ok", "stop", "", EVAL, None, "none", None, EVAL)
    assert check_contamination(trace, POLICY, Evaluation()).signal == {}


def test_what_is_put_aside_is_quarantined_and_annotated_it_is_kept() -> None:
    trace = Trace("t", "ok", "stop", "", "We add 3 and 4 and get 7 of them.", None, "none", None, EVAL)
    row = judge_trace(trace, POLICY, rules(EVALUATION))
    assert (row["outcome"], row["rule"]) == ("rejected", "contamination")
    review = JudgePolicy(max_eval_coverage=1.0, review_eval_coverage=0.2)
    part = Trace("t", "ok", "stop", "", "We add 3 and 4 and get 7.", None, "none", None, EVAL[: len(EVAL) * 3 // 4])
    assert judge_trace(part, review, rules(EVALUATION))["outcome"] == "quarantined"
    noted = judge_trace(trace, JudgePolicy(annotate=("contamination",)), rules(EVALUATION))
    assert noted["outcome"] == "kept"
    assert json.loads(str(noted["signals"]))["contamination"]["item"] == "evals/test.jsonl:1"


def test_another_version_of_a_pack_is_another_rule_set_and_its_place_is_not(tmp_path: Path) -> None:
    def of(folder: str, *questions: str) -> str:
        path = tmp_path / folder / "evals" / "test.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps({"question": text}) + "\n" for text in questions))
        return rule_set(JudgePolicy(eval_packs=(path,)), read_packs([path]))

    assert of("a", EVAL) == of("b", EVAL) != of("c", EVAL, SHORT)


def test_of_two_packs_of_one_name_both_belong_to_the_rule_set() -> None:
    others = [Pack(PACK.name, digit * 64, (EVAL,), (1,)) for digit in "12"]
    assert len({rule_set(POLICY, [other, PACK]) for other in others}) == 2


def test_packs_are_read_by_the_usual_names_and_keep_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "pack.jsonl"
    rows: list[dict[str, Any]] = [{"question": "a b"}, {"problem": "c d"}, {"prompt": "e f"}, {"instruction": "g h"}]
    path.write_text("\n\n".join(json.dumps(row) for row in rows))
    (pack,) = read_packs([path])
    assert (pack.questions, pack.lines) == (("a b", "c d", "e f", "g h"), (1, 3, 5, 7))


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "holds no question"), ("{", "line 1: no JSON"), ("[1]", "line 1: no question"),
     ('{"text": "a"}', "line 1: no question"),
     ('{"question": "a"}\n{"question": " "}', "line 2: no question"), ('{"question": 5}', "line 1: no question")],
)  # fmt: skip
def test_a_pack_that_cannot_be_used_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "pack.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        read_packs([path])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_pack_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="missing.jsonl: cannot be read"):
        read_packs([tmp_path / "missing.jsonl"])
