"""What is sent for a prompt, and the key under which its answer is found again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.ask.prompts import Prompt
from tasks.ask.render import canonical, render, request_key
from tasks.ask.sampling import Ask, Budget, Example, Sampling


def prompt(*messages: tuple[str, str]) -> Prompt:
    turns = tuple({"role": role, "content": content} for role, content in messages)
    return Prompt("p", turns[-1]["content"], turns, None, "none", None, None, "s", 1, "MIT")


def messages_of(own: Prompt, ask: Ask) -> list[tuple[str, str]]:
    body = render(own, ask, Sampling(), "m", 0)
    return [(message["role"], message["content"]) for message in body["messages"]]


def test_a_question_gets_system_examples_and_template() -> None:
    ask = Ask(system="Be brief.", template="Solve: {prompt}", examples=(Example(prompt="1+1", answer="2"),))
    assert messages_of(prompt(("user", "2+2")), ask) == [
        ("system", "Be brief."),
        ("user", "Solve: 1+1"),
        ("assistant", "2"),
        ("user", "Solve: 2+2"),
    ]


def test_a_system_prompt_of_the_row_replaces_the_recipes() -> None:
    own = prompt(("system", "Own."), ("user", "2+2"))
    assert messages_of(own, Ask(system="Be brief.", template="[{prompt}]")) == [
        ("system", "Own."),
        ("user", "[2+2]"),
    ]


def test_a_conversation_is_sent_as_it_is_after_the_system_prompt_it_lacks() -> None:
    turns = [("user", "2+2"), ("assistant", "4"), ("user", "doubled?")]
    ask = Ask(system="Be brief.", template="Solve: {prompt}", examples=(Example(prompt="1+1", answer="2"),))
    assert messages_of(prompt(*turns), ask) == [("system", "Be brief."), *turns]
    assert messages_of(prompt(("system", "Own."), *turns), ask) == [("system", "Own."), *turns]


def test_braces_are_literal_and_a_question_is_never_expanded_again() -> None:
    ask = Ask(template='{"json": {x}} {{prompt}} end')
    assert messages_of(prompt(("user", "say {prompt} and {y}")), ask) == [
        ("user", '{"json": {x}} {say {prompt} and {y}} end')
    ]


@given(st.text(min_size=1))
def test_the_question_arrives_exactly(question: str) -> None:
    assert messages_of(prompt(("user", question)), Ask()) == [("user", question)]


def test_fields_left_null_are_not_sent() -> None:
    body = render(prompt(("user", "?")), Ask(), Sampling(), "m", 3)
    assert body == {"model": "m", "messages": [{"role": "user", "content": "?"}], "max_tokens": 2048}


def test_every_field_is_sent_as_the_api_calls_it() -> None:
    sampling = Sampling(
        temperature=0.7,
        top_p=0.95,
        max_tokens=10,
        seed=40,
        stop=("\n",),
        reasoning_effort="low",
        extra_body={"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}},
    )
    body = render(prompt(("user", "?")), Ask(), sampling, "m", 2)
    del body["messages"]
    assert body == {
        "model": "m",
        "temperature": 0.7,
        "top_p": 0.95,
        "max_tokens": 10,
        "seed": 42,
        "stop": ["\n"],
        "reasoning_effort": "low",
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_a_stream_is_asked_for_with_its_usage_and_is_the_same_question() -> None:
    plain, streamed = (
        render(prompt(("user", "?")), Ask(), Sampling(stream=stream), "m", 0) for stream in (False, True)
    )
    assert streamed == plain | {"stream": True, "stream_options": {"include_usage": True}}
    assert request_key("m", None, "r", streamed, 0) == request_key("m", None, "r", plain, 0)


def test_structured_output_passes_through_untouched_and_is_another_question() -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "sum", "strict": True, "schema": schema}}
    own = prompt(("user", "?"))
    body = render(own, Ask(), Sampling(extra_body={"response_format": wanted, "guided_json": None}), "m", 0)
    assert (body["response_format"], body["guided_json"]) == (wanted, None)
    assert json.loads(canonical(body))["response_format"] == wanted
    plain = render(own, Ask(), Sampling(), "m", 0)
    assert request_key("m", None, "r", body, 0) != request_key("m", None, "r", plain, 0)


def test_the_forms_people_write_mean_the_same() -> None:
    written = Sampling.model_validate({"temperature": 1, "stop": "END", "extra_body": None})
    assert written == Sampling(temperature=1.0, stop=("END",))
    assert Ask.model_validate({"system": None, "examples": None}) == Ask()
    assert Sampling.model_validate(written.model_dump()) == written


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "hot": (Sampling, {"temperature": 2.1}, "less than or equal to 2"),
    "nan": (Sampling, {"temperature": float("nan")}, "temperature"),
    "top_p": (Sampling, {"top_p": 0}, "greater than 0"),
    "no-cap": (Sampling, {"max_tokens": None}, "max_tokens"),
    "zero": (Sampling, {"max_tokens": 0}, "greater than or equal to 1"),
    "stops": (Sampling, {"stop": ["a", "b", "c", "d", "e"]}, "at most 4"),
    "unknown": (Sampling, {"temprature": 1}, "Extra inputs are not permitted"),
    "n": (Sampling, {"extra_body": {"n": 4}}, "may not set n"),
    "model": (Sampling, {"extra_body": {"model": "x", "stream": True}}, "may not set model, stream"),
    "not-json": (Sampling, {"extra_body": {"x": float("nan")}}, "cannot be sent as JSON"),
    "no-place": (Ask, {"template": "Solve it."}, "exactly once, found 0"),
    "two-places": (Ask, {"template": "{prompt} {prompt}"}, "exactly once, found 2"),
    "blank-system": (Ask, {"system": " "}, "is empty"),
    "example": (Ask, {"examples": [{"prompt": "x"}]}, "answer"),
    "budget": (Budget, {"tokens": 0}, "greater than or equal to 1"),
    "endless-budget": (Budget, {"usd": float("inf")}, "finite"),
}


@pytest.mark.parametrize(("model", "fields", "message"), BAD.values(), ids=list(BAD))
def test_what_cannot_be_asked_is_refused(model: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model(**fields)


texts = st.text(min_size=1, max_size=20)
samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0.01, 1),
    max_tokens=st.integers(1, 10_000),
    seed=st.none() | st.integers(0, 1000),
    stop=st.none() | st.lists(texts, min_size=1, max_size=2).map(tuple),
    reasoning_effort=st.none() | st.sampled_from(["low", "high"]),
    extra_body=st.dictionaries(st.sampled_from(["top_k", "min_p"]), st.integers(0, 9) | st.booleans()),
)
asks = st.builds(
    Ask,
    system=st.none() | st.sampled_from(["Be brief.", "Think."]),
    template=st.sampled_from(["{prompt}", "Q: {prompt}"]),
    examples=st.lists(st.builds(Example, prompt=st.just("1+1"), answer=st.sampled_from(["2", "two"])), max_size=2),
)
requests = st.fixed_dictionaries(
    {
        "question": texts,
        "ask": asks,
        "sampling": samplings,
        "model": st.sampled_from(["m", "n"]),
        "revision": st.none() | st.sampled_from(["r1", "None"]),
        "route": st.sampled_from(["self-hosted", "host"]),
        "sample_index": st.integers(0, 3),
    }
)


def key(asked: dict[str, Any]) -> str:
    body = render(
        prompt(("user", asked["question"])),
        asked["ask"],
        asked["sampling"],
        asked["model"],
        asked["sample_index"],
    )
    return request_key(asked["model"], asked["revision"], asked["route"], body, asked["sample_index"])


def said(asked: dict[str, Any]) -> str:
    """What the key must stand for, less the cap, as text."""
    sampling = asked["sampling"].model_dump(exclude={"max_tokens"})
    return canonical({**asked, "ask": asked["ask"].model_dump(), "sampling": sampling}).decode()


@given(requests, st.integers(1, 100_000))
def test_another_max_tokens_keeps_the_key(asked: dict[str, Any], cap: int) -> None:
    raised = {**asked, "sampling": asked["sampling"].model_copy(update={"max_tokens": cap})}
    assert key(raised) == key(asked)


@given(requests, requests)
def test_keys_are_equal_exactly_when_what_is_asked_is_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key(one) == key(other)) == (said(one) == said(other))


@given(requests, st.sampled_from(["question", "model", "revision", "route", "sample_index"]))
def test_a_change_of_anything_else_changes_the_key(asked: dict[str, Any], field: str) -> None:
    value = asked[field]
    assert key({**asked, field: value + 1 if isinstance(value, int) else f"{value}."}) != key(asked)


@given(requests, samplings)
def test_a_change_of_one_sampling_field_changes_the_key(asked: dict[str, Any], other: Sampling) -> None:
    for field in Sampling.model_fields.keys() - {"max_tokens"}:
        changed = asked["sampling"].model_copy(update={field: getattr(other, field)})
        assert (key({**asked, "sampling": changed}) == key(asked)) == (
            canonical({field: getattr(other, field)}) == canonical({field: getattr(asked["sampling"], field)})
        )


@given(st.dictionaries(texts, st.integers(-9, 9) | st.text()).filter(lambda body: len(body) > 1))
def test_the_order_of_fields_does_not_change_the_key(body: dict[str, Any]) -> None:
    turned = dict(reversed(body.items()))
    assert request_key("m", None, "r", body, 0) == request_key("m", None, "r", turned, 0)


def test_a_key_stays_what_it_is() -> None:
    """Pinned: a changed key would buy every answer again."""
    body = render(prompt(("user", "2+2")), Ask(system="s"), Sampling(temperature=0.7, seed=1), "m", 1)
    assert request_key("m", None, "self-hosted", body, 1) == "5f279d2dc4d145521d77cba4a50de1aa"
