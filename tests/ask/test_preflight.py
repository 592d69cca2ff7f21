"""Preflight: what would spoil a run is one clear line before it, and what says nothing about it stops
nobody."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from asking import spent_so_far
from simulated import SimulatedTeacher

from tasks.ask.call import TeacherCall, run_budget
from tasks.ask.preflight import Preflight, preflight
from tasks.ask.sampling import Sampling
from tasks.ask.spend import AccountCeiling, Ceiling, RunBudget
from tasks.right.terms import RouteTerms, Teacher, WeightsTerms
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot
from warehouse.locks import hold

Answer = tuple[int, Any]


def teacher(base_url: str, **fields: Any) -> Teacher:
    return Teacher(
        **{
            "name": "t",
            "model": "simulated-teacher",
            "route": "simulated",
            "base_url": base_url,
            "account": "a",
            "pool": "p",
            "expected_models": (),
            "weights": WeightsTerms(weights="w", license="MIT", outputs_trainable="yes"),
            "route_terms": RouteTerms(route="simulated", provider="us", license=None, outputs_trainable="yes"),
            "terms_id": "t.1",
            "terms_sha256": "1" * 64,
            **fields,
        }
    )


def check(one: Teacher, key: str | None = None, **change: Any) -> Preflight:
    with TemporaryDirectory() as folder:
        return check_in(DataRoot(Path(folder)).create(), one, key, **change)


def check_in(root: DataRoot, one: Teacher, key: str | None = None, **change: Any) -> Preflight:
    call = TeacherCall(one, "decision-1", "run-1", "sums", root.path, api_key=key)
    arguments: dict[str, Any] = {
        "sampling": Sampling(max_tokens=512),
        "budget": run_budget("run-1", "sums", Ceiling(), [call]),
        "now": datetime.now(UTC),
        "ask_probe": True,
        "timeout_s": 10.0,
        "wait_s": 0.0,
        **change,
    }
    return asyncio.run(preflight.fn(call, **arguments))


def refusal(one: Teacher, key: str | None = None, **change: Any) -> str:
    with pytest.raises(BadInput) as caught:
        check(one, key, **change)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_recipe_that_streams_is_probed_with_a_stream() -> None:
    with SimulatedTeacher() as server:
        learned = check(teacher(server.base_url), sampling=Sampling(max_tokens=512, stream=True))
        assert (learned.reasoning, learned.usage_reported, learned.undecided) == ("field", True, None)


def completion(**message: Any) -> dict[str, Any]:
    finish = message.pop("finish_reason", "stop")
    return {
        "model": "simulated-teacher",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}],
    }


@contextmanager
def server(
    chat: Callable[[int, dict[str, Any]], Answer], models: Answer = (404, {})
) -> Iterator[tuple[str, list[Any]]]:
    """An HTTP server that answers the n-th chat request with `chat(n, body)`; gives its base URL and what
    was asked."""
    asked: list[Any] = []

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(*models)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(body)
            self.reply(*chat(len(asked), body))

        def reply(self, status: int, document: Any) -> None:
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """A test's server says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{pages.server_port}/v1", asked
        finally:
            pages.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedTeacher]:
    with SimulatedTeacher(api_key="secret-key", context_tokens=4096) as running:
        yield running


def test_a_good_teacher_passes_and_its_facts_are_known(simulated: SimulatedTeacher) -> None:
    found = check(teacher(simulated.base_url), "secret-key")
    assert (found.teacher, found.asked, found.context_tokens) == ("t", True, 4096)
    assert (found.served_model, found.reasoning, found.usage_reported) == ("simulated-teacher", "field", True)
    assert found.undecided is None
    assert found.prompt_tokens > 0 and 0 < found.completion_tokens <= 16


def test_nothing_to_ask_sends_nothing() -> None:
    found = check(teacher(f"http://127.0.0.1:{free_port()}/v1"), ask_probe=False)
    assert (found.asked, found.usage_reported) == (False, None)


def test_an_unreachable_endpoint_says_where_and_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    line = refusal(teacher(url))
    assert line.startswith(f"teacher 't' cannot be reached at {url} (") and "start its server" in line
    assert "cannot be reached" in refusal(teacher("htp://nowhere/v1"))


def test_a_refused_key_names_its_variable_and_never_the_key(simulated: SimulatedTeacher) -> None:
    keyed = teacher(simulated.base_url, api_key_env="OUR_KEY")
    wrong = refusal(keyed, "wrong-key")
    assert "refuses the key in OUR_KEY (401)" in wrong and "wrong-key" not in wrong
    assert "wants a key, and none is in OUR_KEY (401)" in refusal(keyed)
    assert "name its variable as api_key_env" in refusal(teacher(simulated.base_url))


def test_a_wrong_model_says_what_is_served(simulated: SimulatedTeacher) -> None:
    line = refusal(teacher(simulated.base_url, model="gpt-9"), "secret-key")
    assert "does not serve model 'gpt-9': it serves simulated-teacher" in line


def test_a_cap_that_does_not_fit_the_context_says_what_would(simulated: SimulatedTeacher) -> None:
    line = refusal(teacher(simulated.base_url), "secret-key", sampling=Sampling(max_tokens=4000), longest_prompt=200)
    assert "max_tokens 4000 does not fit" in line and "context is 4096" in line and "at most 3896" in line


def test_the_probe_is_tiny_and_carries_the_recipes_sampling() -> None:
    listed = {"data": [{"id": "simulated-teacher", "max_model_len": 8192}]}
    sampling = Sampling(max_tokens=512, temperature=0.7, extra_body={"top_k": 20})
    with server(lambda n, body: (200, completion(content="ready")), (200, listed)) as (url, asked):
        check(teacher(url), sampling=sampling)
    (body,) = asked
    assert (body["max_tokens"], body["temperature"], body["top_k"]) == (16, 0.7, 20)


def test_a_server_that_lists_no_context_is_asked_whether_the_cap_fits() -> None:
    def chat(number: int, body: dict[str, Any]) -> Answer:
        return 400, {"error": {"message": f"maximum context length is 256, requested {body['max_tokens']}"}}

    with server(chat) as (url, asked):
        line = refusal(teacher(url))
    assert "too short a context (400: maximum context length is 256, requested 512)" in line
    assert "lower sampling.max_tokens" in line and len(asked) == 1


REFUSALS: dict[str, tuple[Answer, dict[str, Any], str]] = {
    "no-list-and-no-model": (
        (404, {"error": "no such model"}),
        {},
        "does not know model 'simulated-teacher' or the path",
    ),
    "bad-field": (
        (400, {"error": {"message": "top_p is not supported"}}),
        {},
        "refuses the request (400: top_p is not",
    ),
    "no-money": (
        (402, {"error": {"message": "add credit"}}),
        {},
        "does not let this account ask (402: add credit)",
    ),
    "forbidden": ((403, {}), {"api_key_env": "K"}, "wants a key, and none is in K (403)"),
    "other-model": (
        (200, completion(content="ready")),
        {"expected_models": ("m-1", "m-2")},
        "answers as model 'simulated-teacher', not as m-1, m-2",
    ),
    "no-reasoning": (
        (200, completion(content="ready")),
        {"reasoning": "raw"},
        "should show its reasoning and shows none",
    ),
}


@pytest.mark.parametrize(("answer", "fields", "message"), REFUSALS.values(), ids=list(REFUSALS))
def test_what_would_spoil_the_run_is_one_clear_line(answer: Answer, fields: dict[str, Any], message: str) -> None:
    with server(lambda n, body: answer) as (url, _):
        assert message in refusal(teacher(url, **fields))


SHOWN: dict[str, tuple[dict[str, Any], str]] = {
    "field": ({"content": "ready", "reasoning_content": "Easy."}, "field"),
    "tags": ({"content": "<think>Easy.</think>ready"}, "tags"),
    "tags-cut-off": ({"content": "<think>Let me", "finish_reason": "length"}, "tags"),
    "unseen-opening-tag-cut-off": ({"content": "Okay, the user", "finish_reason": "length"}, "unknown"),
}


@pytest.mark.parametrize(("message", "where"), SHOWN.values(), ids=list(SHOWN))
def test_reasoning_is_found_whatever_the_server_calls_it(message: dict[str, Any], where: str) -> None:
    with server(lambda n, body: (200, completion(**message))) as (url, _):
        found = check(teacher(url, reasoning="raw"))
    assert (found.reasoning, found.usage_reported) == (where, False)


def test_a_used_up_limit_stops_nobody() -> None:
    with server(lambda n, body: (429, {"error": {"message": "slow down"}})) as (url, asked):
        found = check(teacher(url))
    assert found.undecided == "429: slow down"
    assert len(asked) == 1, "a refused request counts against the limit, so it is not repeated"


def test_a_stumble_is_tried_again_and_a_lasting_one_left_to_the_runs_patience() -> None:
    def recovers(number: int, body: dict[str, Any]) -> Answer:
        return ((503, {}), (200, b"<html>"), (200, completion(content="ready")))[number - 1]

    with server(recovers) as (url, asked):
        assert check(teacher(url)).undecided is None
        assert len(asked) == 3
    with server(lambda n, body: (503, {"error": {"message": "loading"}})) as (url, asked):
        assert check(teacher(url)).undecided == "503: loading"
        assert len(asked) == 3


def test_a_server_that_never_replies_is_undecided_after_the_timeout() -> None:
    released = threading.Event()

    def stalls(number: int, body: dict[str, Any]) -> Answer:
        released.wait(20)
        return 200, completion(content="late")

    with server(stalls) as (url, asked):
        found = check(teacher(url), timeout_s=0.3)
        released.set()
    assert found.undecided is not None and found.undecided.startswith("no reply in time")
    assert len(asked) == 1


def test_a_probe_is_a_row_of_the_ledger_and_no_trace(simulated: SimulatedTeacher, data_root: DataRoot) -> None:
    found = check_in(data_root, teacher(simulated.base_url), "secret-key")
    spent = spent_so_far(data_root, "sums")
    assert (spent.requests, spent.tokens) == (1, found.prompt_tokens + found.completion_tokens)
    with connect(data_root) as warehouse:
        rows = warehouse.execute("select batch_id, state, account, headers from attempts").fetchall()
        assert warehouse.execute("select count(*) from traces").fetchall() == [(0,)]
    assert [row[:3] for row in rows] == [("preflight", "paid", "a")]
    assert "secret-key" not in rows[0][3]
    assert not list(data_root.journal.glob("*/*"))


def test_a_probe_that_brought_nothing_may_have_been_paid(data_root: DataRoot) -> None:
    with server(lambda n, body: (200, b"<html>")) as (url, asked):
        assert check_in(data_root, teacher(url)).undecided is not None
    spent = spent_so_far(data_root, "sums")
    assert spent.requests == len(asked) == 3
    assert spent.tokens > 3 * 512, "each at its worst"


def test_a_probe_that_does_not_fit_under_a_ceiling_is_not_sent(data_root: DataRoot) -> None:
    tight = RunBudget("run-1", "sums", Ceiling(tokens=1500), {"a": AccountCeiling()})
    with server(lambda n, body: (200, b"<html>")) as (url, asked):
        found = check_in(data_root, teacher(url), budget=tight)
        assert len(asked) == 2, "a third could have cost too much"
        assert found.undecided is not None and "200" in found.undecided
        again = check_in(data_root, teacher(url), budget=tight)
        assert len(asked) == 2
    assert (again.asked, again.undecided) == (False, "no probe: it does not fit what is left of a budget")
    assert spent_so_far(data_root, "sums").tokens <= 1500


def test_while_a_run_spends_no_probe_is_made_beside_it(data_root: DataRoot) -> None:
    with (
        server(lambda n, body: (200, completion(content="ready"))) as (url, asked),
        hold(data_root, "spend", "the budgets", datetime.now(UTC)),
    ):
        found = check_in(data_root, teacher(url))
    assert (found.asked, asked) == (False, [])
    assert found.undecided is not None and "spend of" in found.undecided and "(the budgets)" in found.undecided
