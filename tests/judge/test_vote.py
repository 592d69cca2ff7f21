"""Samples of a prompt without a reference vote, and the vote and the pass rate see all samples."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from judge.answered import DATASET, NOW, PLAN, Answered, fill

from flows.recipe import parse_recipe
from tasks.judge.finding import Trace
from tasks.judge.judge import judge_answers
from tasks.judge.policy import JudgePolicy
from tasks.judge.vote import ballot, candidates, same_by_verifier
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot


def trace(answer: str, verifier: str = "math", reference: str | None = None, outcome: str = "ok") -> Trace:
    return Trace("t", outcome, "stop", "", answer, reference, verifier, None)


@pytest.mark.parametrize(
    ("verifier", "answer", "said"),
    [
        ("math", r"So it is \boxed{\dfrac{1}{2}}.", "1/2"),
        ("math", "The answer is 0.50.", "1/2"),
        ("math", r"\boxed{x^2 + 1}", "x^2+1"),
        ("numeric", "#### $1,000.00", "1000"),
        ("numeric", "The answer is 3 or 4.", None),
        ("numeric", "I do not know, 3 is a nice number", None),
        ("exact", "  Paris. ", "paris"),
        ("exact", "word " * 60, None),
        ("math", "", None),
    ],
)
def test_a_sample_votes_for_its_marked_final_answer(verifier: str, answer: str, said: str | None) -> None:
    assert ballot(trace(answer, verifier)) == said


def test_nobody_votes_where_there_is_a_reference_or_nothing_to_compare_with_or_no_whole_answer() -> None:
    answer = "The answer is 4."
    assert ballot(trace(answer, reference="4")) is None
    assert ballot(trace(answer, verifier="none")) is None
    assert ballot(trace(answer, verifier="code")) is None
    assert ballot(trace(answer, outcome="truncated")) is None


def test_equal_answers_in_other_words_are_one_candidate_and_order_does_not_matter() -> None:
    said = ["x^2+2x+1", "(x+1)^2", "x^2+1", "(1+x)^2"]

    def is_same(one: str, other: str) -> bool:
        return same_by_verifier("math", one, other)

    found = candidates(said, is_same)
    assert found == candidates(reversed(said), is_same)
    assert len(set(found.values())) == 2
    assert found["x^2+1"] == "x^2+1"


def samples(question: str, answers: Sequence[str], verifier: str = "math", **fields: object) -> list[Answered]:
    """One sample for each answer, each in words of its own."""
    ways = ("First I think of", "Let me begin with", "We look at", "Consider once more", "It helps to draw",
            "Starting over from", "By symmetry with", "Counting by hand gives")  # fmt: skip
    return [
        Answered(
            question,
            f"{ways[number % 8]} {question} in attempt {number}, {'step ' * (number + 3)}and so \\boxed{{{answer}}}.",
            verifier=verifier,
            sample=number,
            **fields,
        )
        for number, answer in enumerate(answers)
    ]


def verdicts(root: DataRoot, policy: JudgePolicy, answers: Sequence[Answered]) -> dict[str, tuple[object, ...]]:
    """Outcome, reason and signals by trace."""
    fill(root, answers)
    judge_answers(root, "run-1", DATASET, PLAN, policy, NOW)
    with closing(connect(root)) as connection:
        rows = connection.execute("select trace_id, outcome, reason, rule, signals from verdicts").fetchall()
    assert len(rows) == len(answers)
    return {trace_id: (outcome, reason, rule, json.loads(signals)) for trace_id, outcome, reason, rule, signals in rows}


@pytest.mark.line
@pytest.mark.usefixtures("cluster")
def test_the_majority_stands_in_for_a_reference(data_root: DataRoot) -> None:
    clear = samples("How much is half of one?", ["1/2", "0.5", r"\frac{1}{2}", r"\frac12", "1/2", "2", "3", "0.50"])
    split = samples("How many roads?", ["1", "1", "1", "1", "2", "2", "2", "2"])
    few = samples("And who?", ["7"] * 5)
    silent = [replace(clear[0], question="Silent?", answer=f"Nobody knows it, said {n} times. " * 2, sample=n)
              for n in range(8)]  # fmt: skip
    said = verdicts(data_root, JudgePolicy(), [*clear, *split, *few, *silent])
    assert [said[a.trace_id][:3] for a in clear] == [
        *[("kept", None, None)] * 5, *[("rejected", "outvoted", "vote")] * 2, ("kept", None, None),
    ]  # fmt: skip
    assert {said[a.trace_id][:2] for a in split} == {("undecided", "no_majority")}
    assert {said[a.trace_id][:2] for a in few} == {("undecided", "too_few_votes")}
    assert {said[a.trace_id][:2] for a in silent} == {("undecided", "no_reference")}
    signals = said[clear[0].trace_id][3]
    assert signals["vote"] == {"samples": 8, "votes": 6, "elected": True}
    assert signals["pass_rate"] == {"passed": 6, "tried": 8}


@pytest.mark.line
@pytest.mark.usefixtures("cluster")
def test_the_vote_counts_duplicates_and_rejected_samples_and_the_silent_against_it(data_root: DataRoot) -> None:
    same = samples("How many?", ["5"])[0]
    answers = [replace(same, sample=n) for n in range(5)]  # word for word: four of them are duplicates
    answers += [replace(a, sample=n + 5) for n, a in enumerate(samples("How many?", ["6", "7"]))]
    answers.append(replace(same, sample=7, answer="As a model made by Acme Labs, I am Acme Chat. " + same.answer))
    said = verdicts(data_root, JudgePolicy(), answers)
    assert Counter(said[a.trace_id][1] for a in answers[:5]) == {None: 1, "exact_duplicate": 4}
    assert said[answers[5].trace_id][1] == said[answers[6].trace_id][1] == "outvoted"
    assert said[answers[0].trace_id][3]["vote"]["samples"] == 8

    assert {said[a.trace_id][3]["vote"]["votes"] for a in answers[:5]} <= {5, 6}


@pytest.mark.line
@pytest.mark.usefixtures("cluster")
def test_prompts_that_all_or_no_samples_solve_are_left_out_by_the_preset_rl(data_root: DataRoot) -> None:
    easy = samples("Easy?", ["1", "1", "1", "1"], reference="1")
    hard = samples("Hard?", ["2", "3", "2", "3"], reference="1")
    between = samples("Between?", ["1", "2", "1", "2"], reference="1")
    two = samples("Two?", ["1", "1"], reference="1")
    cut = [*samples("Cut?", ["1", "1", "1"], reference="1"),
           replace(samples("Cut?", ["1"] * 4, reference="1")[3], finish_reason="length")]  # fmt: skip
    policy = JudgePolicy(preset="rl", keep_per_prompt=None)
    said = verdicts(data_root, policy, [*easy, *hard, *between, *two, *cut])

    def reasons(of: Sequence[Answered]) -> list[object]:
        return [said[a.trace_id][1] for a in of]

    assert reasons(easy) == ["all_pass"] * 4
    assert reasons(hard) == ["wrong_answer"] * 4, "the first reason stands"
    assert reasons(between) == [None, "wrong_answer"] * 2
    assert reasons(two) == [None, None], "two samples are too few to call a prompt easy"
    assert reasons(cut) == [None, None, None, "truncated"], "a sample that was cut off has not solved its prompt"
    assert said[cut[0].trace_id][3]["pass_rate"] == {"passed": 3, "tried": 4}


def test_a_vote_needs_as_many_samples_as_may_be_asked_for() -> None:
    prompts = {"source": "p.jsonl", "license": "MIT", "verifier": "math", "no_reference": "vote"}
    recipe: dict[str, object] = {"dataset": "sums", "prompts": prompts, "teachers": ["t"]}
    with pytest.raises(BadInput, match="wants 8 samples of a prompt: samples_per_prompt is 4"):
        parse_recipe({**recipe, "samples_per_prompt": 4}, "r")
    assert parse_recipe({**recipe, "samples_per_prompt": 8}, "r").most_samples == 8
    assert parse_recipe({**recipe, "samples_per_prompt": 4, "judge": {"vote_samples": 3}}, "r")


def test_a_preset_fills_in_what_the_recipe_does_not_say() -> None:
    assert JudgePolicy(preset="sft").answer == "annotate"
    assert JudgePolicy(preset="sft", answer="require", keep_per_prompt=2).keep_per_prompt == 2
    assert JudgePolicy(preset="rl").max_pass_rate == 15 / 16
    assert JudgePolicy(preset="sft", answer="require").answer == "require"
    with pytest.raises(ValueError, match="preset"):
        JudgePolicy.model_validate({"preset": "best"})
