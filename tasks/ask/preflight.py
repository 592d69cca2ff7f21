"""Ask a teacher one tiny question before a run asks it thousands."""

import time
from datetime import UTC, datetime
from typing import Any

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.ask.call import TeacherCall
from tasks.ask.client import is_local
from tasks.ask.probe import (
    PROBE_QUESTION,
    PROBE_TOKENS,
    Preflight,
    check_access,
    check_models,
    check_reply,
    read_models,
    summary,
)
from tasks.ask.probe_record import ProbeRecord
from tasks.ask.render import canonical, request, request_key
from tasks.ask.reply import Reply, read_reply
from tasks.ask.rows import worst_of
from tasks.ask.sampling import Sampling
from tasks.ask.spend import Amount, RunBudget
from tasks.ask.tokens import bound_prompt_tokens
from tasks.right.terms import Teacher
from warehouse.errors import BadInput, Busy

__all__ = ["Preflight", "preflight"]

TRIES = 3
"""Of the probe, when a reply is lost or the server stumbles; without a pause, since the run itself is
patient."""
_UNUSED = datetime.fromtimestamp(0, UTC)  # dates a Retry-After, which a probe does not obey


@task(name="preflight", task_run_name="preflight {call.teacher.name}", cache_policy=NO_CACHE)
async def preflight(
    call: TeacherCall,
    sampling: Sampling,
    budget: RunBudget,
    now: datetime,
    ask_probe: bool = True,
    longest_prompt: int = 0,
    transport: httpx.AsyncBaseTransport | None = None,
    timeout_s: float = 60.0,
    wait_s: float = 30.0,
) -> Preflight:
    """Check that a teacher can be reached, lets us in, serves the model, fits the context and shows its
    reasoning.

    One `GET /models` and one chat request with the recipe's own sampling fields. The answer is no trace, but the
    request is a row of the ledger (batch `preflight`) and counts under every ceiling: where it does not fit, or a
    run spends from the same data root for longer than `wait_s`, it is not made. The request has a cap of
    PROBE_TOKENS where the list of models states the context, else the recipe's own cap, because then only the
    server can say whether that fits; the answer is one word either way. With `ask_probe` false (nothing is to be
    asked) nothing is sent.

    Raises:
        BadInput: one line for the first thing that would spoil the run.
    """
    teacher, api_key = call.teacher, call.api_key
    if not ask_probe:
        return Preflight(teacher.name, asked=False)
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0))
    async with httpx.AsyncClient(
        headers=headers, timeout=timeout, transport=transport, trust_env=not is_local(teacher.base_url)
    ) as client:
        listed = await _list_models(client, teacher)
        check_access(teacher, listed.status_code, api_key)
        models = read_models(listed.content) if listed.status_code == 200 else ()
        context = check_models(teacher, models, sampling, longest_prompt)
        cap = sampling.max_tokens if context is None else min(PROBE_TOKENS, sampling.max_tokens)
        try:
            async with ProbeRecord(call, budget, now, wait_s) as record:
                probed = await _probe(client, call, sampling.model_copy(update={"max_tokens": cap}), record)
        except Busy as busy:
            return Preflight(teacher.name, False, context, undecided=f"no probe: {busy}")
    if probed is None:
        return Preflight(teacher.name, False, context, undecided="no probe: it does not fit what is left of a budget")
    status, reply = probed
    check_access(teacher, status, api_key)
    check_reply(teacher, status, reply)
    return summary(teacher, context, reply)


async def _list_models(client: httpx.AsyncClient, teacher: Teacher) -> httpx.Response:
    """The reply to `GET /models`, whatever it is; a server that cannot be reached is the end of it."""
    url = _url(teacher, "models")
    try:
        return await client.get(url)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise BadInput(
            f"teacher {teacher.name!r} cannot be reached at {teacher.base_url} ({_cause(error)}): start its"
            " server, or correct base_url in its entry"
        ) from error
    except httpx.HTTPError:
        return httpx.Response(503)  # it listens, and this reply got lost: the probe will tell


async def _probe(
    client: httpx.AsyncClient, call: TeacherCall, sampling: Sampling, record: ProbeRecord
) -> tuple[int, Reply] | None:
    """Status and reply of the chat request, 0 where no response came; None where no budget is left for it."""
    messages = [{"role": "user", "content": PROBE_QUESTION}]
    worst = worst_of(bound_prompt_tokens(messages), sampling.max_tokens, call.rates)
    probed: tuple[int, Reply] | None = None
    for _ in range(TRIES):
        if not record.fits(worst):
            return probed
        probed = await _send(client, call.teacher, request(messages, sampling, call.teacher.model, 0), worst, record)
        if probed[1].outcome not in ("connection", "overloaded", "malformed"):
            break
    return probed


async def _send(
    client: httpx.AsyncClient, teacher: Teacher, body: dict[str, Any], worst: Amount, record: ProbeRecord
) -> tuple[int, Reply]:
    headers = {"content-type": "application/json", "x-client-request-id": "preflight"}
    key = request_key(teacher.model, teacher.revision, teacher.route, body, 0)
    await record.sent(key, int(body["max_tokens"]), worst)
    began = time.monotonic()
    try:
        response = await client.post(_url(teacher, "chat/completions"), content=canonical(body), headers=headers)
    except httpx.HTTPError as error:
        await record.lost(error)
        if isinstance(error, httpx.TimeoutException):
            return 0, Reply("timeout", error=f"no reply in time ({_cause(error)})")
        return 0, Reply("connection", error=f"the connection broke ({_cause(error)})")
    reply = read_reply(response.status_code, _lowered(response), response.content, _UNUSED, teacher.provider)
    await record.received(response, reply, worst, time.monotonic() - began)
    return response.status_code, reply


def _lowered(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _url(teacher: Teacher, path: str) -> str:
    return f"{teacher.base_url.rstrip('/')}/{path}"


def _cause(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
