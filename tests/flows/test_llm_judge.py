"""An LLM judge in a run: a teacher of its own, asked once, about what no rule could decide."""

import re

import pytest
from simulated import SimulatedTeacher
from still import Place, sums

pytestmark = [pytest.mark.line, pytest.mark.slow]


def test_what_the_verifier_cannot_check_the_judge_decides_and_is_asked_once(place: Place) -> None:
    problems = sums(24)
    for problem in problems[::2]:
        problem["reference"] = f"either 3 or else {problem['reference']}"  # not one number: the verifier cannot say
    with (
        SimulatedTeacher(wrong_answers=0.25) as asked,
        SimulatedTeacher(seed=9) as judge,
    ):
        place.write_teacher(asked.base_url)
        place.write_teacher(judge.base_url, name="judge")
        recipe = place.write_recipe(problems, judge={"llm": {"teacher": "judge", "budget": {"requests": 40}}})
        first = place.run(recipe)
        about = judge.referee()["requests"]
        again = place.run(recipe)
        assert judge.referee()["requests"] == about, "an opinion is paid for once"
    assert again["published"]["version"] == first["published"]["version"]
    rows = place.sql(
        "select p.question, t.answer, v.outcome, v.signals::json -> 'answer' ->> 'opinion' as opinion "
        "from verdicts as v join prompts as p using (prompt_id) join traces as t using (trace_id) "
        "where v.is_current and v.dataset = 'sums'"
    )
    assert len(rows) == 24
    for row in rows:
        is_right = row["answer"].endswith(f" {sum(map(int, re.findall(r'[0-9]+', row['question'])))}")
        assert row["outcome"] == ("kept" if is_right else "rejected"), row
        assert row["opinion"] in (None, "correct" if is_right else "incorrect")
    assert {row["opinion"] for row in rows} == {None, "correct", "incorrect"}
    spent = place.sql("select dataset, count(*) as requests from attempts where teacher = 'judge' group by 1")
    assert spent == [{"dataset": "sums+judge", "requests": 13}], "twelve, and one probe"
