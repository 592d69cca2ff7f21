"""Caps below the recipe's: what they are, what is asked again, and what that does to the lengths of the data."""

import random
from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Any

import httpx
import orjson
import pytest
from asking import LocalAuthorities, batch_file, call_of, rows_of, teacher_at
from simulated import SimulatedTeacher

from flows.recipe import parse_recipe
from tasks.ask.call import WorkerDone
from tasks.ask.client import transport_to
from tasks.ask.continuing import Prefix, can_continue, continued_body, joined, whole_body
from tasks.ask.lengths import FEWEST, Lengths, expected_charge, ladder, measured_cap
from tasks.ask.loop import run_loop
from tasks.ask.measured import CapBook, reserves
from tasks.ask.providers import CHARGE_RULES
from tasks.ask.reply import split_reasoning
from tasks.ask.rows import read_rows
from tasks.ask.sampling import Ask, Sampling, prompt_class
from tasks.ask.segment import Segment, read_segment
from tasks.ask.spend import Ceiling
from tasks.ask.worker import ask_batch_rows
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

MOST = 8192


def drawn(count: int, mean: float, cap: int | None = None) -> Lengths:
    """Exponential lengths by a seed; what is longer than `cap` is known to be at least so long."""
    rng, lengths = random.Random(11), Lengths()
    for _ in range(count):
        length = 1 + round(rng.expovariate(1 / mean))
        lengths.add(length if cap is None else min(length, cap), cap is not None and length > cap)
    return lengths


def test_too_few_lengths_leave_the_recipes_cap() -> None:
    assert measured_cap(drawn(FEWEST - 1, 300), MOST) == MOST
    assert measured_cap(Lengths(), MOST) == MOST


def test_the_cap_is_the_995_quantile_with_a_margin_rounded_up() -> None:
    lengths = Lengths(ended={1000: 995, 3000: 5})
    assert measured_cap(lengths, MOST) == 1280  # 1000 x 1.25 = 1250, up to a multiple of 64
    assert measured_cap(Lengths(ended={20: 1000}), MOST) == 256
    assert measured_cap(lengths, 1100) == 1100


def test_answers_that_were_cut_off_do_not_pull_the_cap_down() -> None:
    whole, cut = drawn(5000, 300), drawn(5000, 300, cap=1700)
    assert sum(cut.cut.values()) > 5
    assert measured_cap(cut, MOST) == measured_cap(whole, MOST)
    taken_for_whole = Lengths(ended={**cut.ended, 1700: sum(cut.cut.values())})
    blind = Lengths(ended=dict(cut.ended))
    assert measured_cap(blind, MOST) < measured_cap(whole, MOST)
    assert measured_cap(taken_for_whole, MOST) <= measured_cap(whole, MOST)


def test_where_caps_have_cut_off_too_many_to_say_the_recipes_cap_stands() -> None:
    assert measured_cap(drawn(1000, 300, cap=256), MOST) == MOST


def test_a_long_tail_just_beyond_the_quantile_makes_a_higher_cap_the_cheaper_one() -> None:
    steps = [(1000, 0.3), (1400, 0.0)]  # three of ten answers end between 1280 and 1400
    assert expected_charge(1280, 4000, steps) == 1280 + 0.3 * 2560
    assert expected_charge(1408, 4000, steps) == 1408


def test_what_a_run_is_answered_counts_for_its_later_batches_where_the_provider_reserves() -> None:
    book = CapBook(MOST, {"t": {"seen": Lengths(ended={20: FEWEST})}})
    assert book.of("t") == {"seen": 256} and book.of("other") == {}
    book.learn("t", {"new": Lengths(ended={900: FEWEST - 1}), "seen": Lengths(ended={800: 5})})
    assert book.of("t") == {"seen": 1024}
    book.learn("t", {"new": Lengths(ended={900: 1})})
    assert book.of("t") == {"seen": 1024, "new": 1152}
    book.learn("other", {"new": Lengths(ended={900: FEWEST})})
    assert book.of("other") == {}
    rules = {rule: reserves(teacher_at("http://x/v1", charge=rule)) for rule in CHARGE_RULES}  # type: ignore[arg-type]
    assert {rule for rule, lower in rules.items() if lower} == {"max_of", "sum", "unknown"}


def test_a_cap_doubles_up_to_the_recipes() -> None:
    assert ladder(300, 2048) == [300, 600, 1200, 2048]
    assert ladder(2048, 2048) == [2048]


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(seed=5, filler_tokens=300, filler_distribution="exp", filler_drawn_per="attempt") as running:
        yield running


@pytest.fixture
def teacher(server: SimulatedTeacher) -> SimulatedTeacher:
    server.reset()
    server.switch(continues="none", reasoning="reasoning_content", truncated=0.0)
    return server


def asked(
    root: DataRoot,
    base_url: str,
    count: int,
    cap: int = MOST,
    most: int = MOST,
    ceiling: Ceiling | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    caps: Mapping[str, int] | None = None,
    **entry: Any,
) -> tuple[WorkerDone, Segment]:
    """Ask `count` rows with a cap first, and up to the recipe's after that."""
    registered = teacher_at(base_url).model_copy(update=entry)
    call = call_of(root, registered, caps=caps or {})
    rows = [{**row, "most_tokens": most, "prompt_class": "c"} for row in rows_of(count, max_tokens=cap)]
    batch = batch_file(root.scratch("run-1"), "sums-0000", rows)
    authorities = LocalAuthorities(call, ceiling or Ceiling())

    async def go() -> WorkerDone:
        ready = read_rows(batch.path, call, frozenset())
        return await ask_batch_rows(
            ready, batch.name, call, f"seg-{root.path.name}", *authorities.exchanges, transport or transport_to(call)
        )

    done = run_loop(go())
    segment = read_segment(done.segment)
    assert segment is not None
    return done, segment


def answers(segment: Segment) -> dict[str, Mapping[str, Any]]:
    """The last trace of each sample."""
    return {trace["request_key"]: trace for trace in segment.traces}


def lengths_of(segment: Segment) -> dict[str, int]:
    return {key: trace["completion_tokens"] for key, trace in answers(segment).items()}


def roots(root: DataRoot, *names: str) -> Iterator[DataRoot]:
    for name in names:
        yield DataRoot(root.path / name).create()


def test_drawing_again_what_was_cut_off_shortens_the_data_and_continuing_does_not(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    whole, again, onwards = roots(data_root, "whole", "again", "onwards")
    count, cap = 500, 900
    uncapped = lengths_of(asked(whole, teacher.base_url, count)[1])
    teacher.reset()
    _, resampled = asked(again, teacher.base_url, count, cap)
    teacher.reset()
    teacher.switch(continues="continue_final_message")
    _, continued = asked(onwards, teacher.base_url, count, cap, continues="continue_final_message")

    over = [key for key, tokens in uncapped.items() if tokens > cap]
    assert 0.03 < len(over) / count < 0.09
    marks = {key for key, trace in answers(resampled).items() if trace["resampled"]}
    assert marks == set(over)
    shift = fmean(lengths_of(resampled).values()) / fmean(uncapped.values()) - 1
    assert -0.25 < shift < -0.08, shift  # as many over the cap make the mean of such lengths fall by a seventh or so
    assert lengths_of(continued) == uncapped
    assert {key for key, trace in answers(continued).items() if trace["continues"]} == set(over)
    assert not any(trace["resampled"] for trace in continued.traces)


def test_with_the_recipes_cap_in_every_row_nothing_below_it_is_sent(
    data_root: DataRoot, teacher: SimulatedTeacher
) -> None:
    sent: list[int] = []
    done, _ = asked(data_root, teacher.base_url, 60, cap=400, most=400, transport=noting(sent))
    assert sent == [400] * 60  # cut off or not: the recipe's cap is the last word
    assert set(done.states.values()) == {"paid"} and len(done.states) == 60


def noting(sent: list[int], answer: Callable[[int], httpx.Response] | None = None) -> httpx.MockTransport:
    """A teacher that notes each request's max_tokens; every second answer is cut off, unless said otherwise."""

    async def handle(request: httpx.Request) -> httpx.Response:
        sent.append(orjson.loads(request.content)["max_tokens"])
        return answer(len(sent)) if answer else said("stop" if len(sent) % 2 else "length")

    return httpx.MockTransport(handle)


def said(finish: str, text: str = "4", tokens: int = 100) -> httpx.Response:
    choice = {"message": {"content": text, "reasoning_content": "2+2"}, "finish_reason": finish}
    usage = {"prompt_tokens": 5, "completion_tokens": tokens}
    return httpx.Response(200, json={"choices": [choice], "usage": usage})


def test_a_cap_measured_since_the_plan_replaces_the_plans(data_root: DataRoot) -> None:
    sent: list[int] = []
    transport = noting(sent, lambda _: said("stop"))
    asked(data_root, "http://127.0.0.1:9/v1", 3, cap=2048, most=2048, transport=transport, caps={"c": 320})
    assert sent == [320] * 3


def test_each_cut_doubles_the_cap_until_the_recipes(data_root: DataRoot) -> None:
    sent: list[int] = []
    transport = noting(sent, lambda _: said("length"))
    done, segment = asked(data_root, "http://127.0.0.1:9/v1", 1, cap=256, most=900, transport=transport)
    assert sent == [256, 512, 900]
    assert list(done.states.values()) == ["paid"]  # at the recipe's cap, a truncated answer is an answer
    assert [attempt["max_tokens"] for attempt in segment.attempts] == [256, 512, 900]
    assert [attempt["resampled"] for attempt in segment.attempts] == [False, True, True]


def test_each_request_for_more_is_reserved_at_its_own_worst(data_root: DataRoot) -> None:
    sent: list[int] = []
    transport = noting(sent, lambda _: said("length"))
    ceiling = Ceiling(tokens=700)  # 160 for the prompt and 256 fit
    done, segment = asked(
        data_root, "http://127.0.0.1:9/v1", 1, cap=256, most=900, transport=transport, ceiling=ceiling
    )
    assert sent == [256]  # 105 tokens are spent, and 160 + 512 do not fit into what is left
    assert done.over_budget == 1
    assert dict(done.states) == {}  # the beginning of an answer is none: the sample counts as not asked
    assert segment.attempts[0]["outcome"] == "truncated" and done.settled == {segment.attempts[0]["request_key"]}


def test_a_server_that_will_not_go_on_is_asked_anew(data_root: DataRoot, teacher: SimulatedTeacher) -> None:
    done, segment = asked(data_root, teacher.base_url, 60, cap=400, continues="continue_final_message")
    refused = [attempt for attempt in segment.attempts if attempt["continues"]]
    assert refused and {attempt["outcome"] for attempt in refused} == {"rejected"}
    assert set(done.states.values()) == {"paid"} and len(done.states) == 60
    assert sum(trace["resampled"] and trace["outcome"] == "ok" for trace in segment.traces) >= len(
        {attempt["request_key"] for attempt in refused}
    )


@pytest.mark.parametrize("place", ["reasoning_content", "reasoning", "think"])
def test_a_continued_trace_reads_as_if_it_had_never_been_cut(
    data_root: DataRoot, teacher: SimulatedTeacher, place: str
) -> None:
    teacher.switch(continues="continue_final_message", reasoning=place)
    whole, cut = roots(data_root, "whole", "cut")
    _, at_once = asked(whole, teacher.base_url, 40)
    teacher.reset()
    _, in_parts = asked(cut, teacher.base_url, 40, cap=64, continues="continue_final_message")
    columns = ("reasoning", "answer", "completion_tokens", "reasoning_tokens", "outcome")
    for key, trace in answers(at_once).items():
        other = answers(in_parts)[key]
        assert {name: trace[name] for name in columns} == {name: other[name] for name in columns}
    most = max(sum(attempt["request_key"] == key for attempt in in_parts.attempts) for key in answers(at_once))
    assert most >= 4  # 64, 128, 256, 512


def test_an_answer_counts_once_with_its_longest_draw_and_what_was_cut_off_as_at_least_so_long(
    data_root: DataRoot,
) -> None:
    replies = {1: said("length", tokens=256), 2: said("stop", tokens=90), 3: said("stop", tokens=70)}
    transport = noting([], lambda number: replies[number])
    _, segment = asked(data_root, "http://127.0.0.1:9/v1", 1, cap=256, most=900, transport=transport)
    assert segment.lengths["c"] == Lengths(ended={}, cut={256: 1})


@pytest.mark.parametrize("written", [False, "off"])
def test_a_recipe_may_write_off_without_quotes(written: object) -> None:
    assert Sampling.model_validate({"caps": written}).caps == "off" == Sampling().caps


def test_caps_are_for_requests_that_are_made_one_at_a_time() -> None:
    recipe = {"dataset": "sums", "prompts": {"source": "p.jsonl", "license": "MIT"}, "teachers": ["t"]}
    assert parse_recipe({**recipe, "sampling": {"caps": "measured"}}, "r").sampling.caps == "measured"
    with pytest.raises(BadInput, match="ask_by is batch: write caps: off"):
        parse_recipe({**recipe, "sampling": {"caps": "measured"}, "ask_by": "batch"}, "r")


def test_prompts_of_one_class_are_worded_and_sampled_alike_and_of_one_family() -> None:
    base = prompt_class(Ask(), Sampling(), None)
    assert prompt_class(Ask(), Sampling(max_tokens=99, caps="measured", seed=3, stream=True), None) == base
    others = [
        prompt_class(Ask(template="Q: {prompt}"), Sampling(), None),
        prompt_class(Ask(), Sampling(reasoning_effort="high"), None),
        prompt_class(Ask(), Sampling(extra_body={"chat_template_kwargs": {"enable_thinking": False}}), None),
        prompt_class(Ask(), Sampling(), "algebra"),
    ]
    assert len({base, *others}) == 5


def prefix(reasoning: str = "", content: str = "", is_field: bool = True) -> Prefix:
    return Prefix("a", reasoning, content, is_field, tokens=10)


@pytest.mark.parametrize(
    ("before", "reasoning", "content", "is_cut", "whole"),
    [
        (prefix("I add"), " 2 and 2.", "4", False, ("I add 2 and 2.", "4")),
        (prefix("I add"), "", " 2 and 2.</think>4", False, ("I add 2 and 2.", "4")),
        (prefix("I add"), "", " 2 and", True, ("I add 2 and", "")),  # a parser that saw no end of the thought
        (prefix("I add 2 and 2."), "", "4", False, ("I add 2 and 2.", "4")),
        (prefix("I add.", "It is"), " four.", "", False, ("I add.", "It is four.")),  # nor that it was over
        (prefix(content="It is", is_field=False), "", " four.", False, ("", "It is four.")),
        (prefix(content="<think>I add", is_field=False), "", ".</think>4", False, ("I add.", "4")),
    ],
)
def test_whatever_a_parser_makes_of_a_continuation_the_texts_are_joined_where_they_were_cut(
    before: Prefix, reasoning: str, content: str, is_cut: bool, whole: tuple[str, str]
) -> None:
    message = joined(before, {}, reasoning, content, is_cut)
    thought, _, answer = split_reasoning(message, message["content"])
    assert (thought, answer) == whole


def test_a_beginning_is_sent_as_the_model_wrote_it() -> None:
    assert prefix("I add").text == "<think>\nI add"
    assert prefix("I add.", "It").text == "<think>\nI add.\n</think>\n\nIt"
    assert prefix(content="I add.</think>It", is_field=False).text == "<think>\nI add.</think>It"
    assert prefix(content="It is", is_field=False).text == "It is"


def test_a_beginning_goes_with_the_fields_of_its_server_and_what_there_is_counts() -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": "2+2?"}], "max_tokens": 64})
    one = orjson.loads(continued_body(body, prefix("I add"), "continue_final_message", 128))
    assert one["messages"][-1] == {"role": "assistant", "content": "<think>\nI add"}
    assert (one["add_generation_prompt"], one["continue_final_message"], one["max_tokens"]) == (False, True, 118)
    two = continued_body(orjson.dumps(one), prefix("I add 2"), "continue_final_message", 256, was=True)
    assert len(orjson.loads(two)["messages"]) == 2
    assert orjson.loads(whole_body(two, 256)) == {**orjson.loads(body), "max_tokens": 256}
    other = orjson.loads(continued_body(body, prefix(content="It", is_field=False), "prefix", 128))
    assert other["messages"][-1] == {"role": "assistant", "content": "It", "prefix": True}


def test_where_only_an_answer_can_be_gone_on_with_thoughts_are_not() -> None:
    assert can_continue(prefix("I add"), "continue_final_message")
    assert not can_continue(prefix("I add", "It"), "prefix")
    assert can_continue(prefix(content="It", is_field=False), "prefix")
    assert not can_continue(prefix(), "continue_final_message")  # reasoning that the server hides
    assert not can_continue(prefix("I add"), None)
