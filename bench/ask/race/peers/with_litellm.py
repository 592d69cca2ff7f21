"""LiteLLM's Router in front of one deployment, under an asyncio semaphore.

default: `Router(model_list)` as it comes (2 retries), 64 in flight.
best: `num_retries=10` with a `RetryPolicy` of ten for rate limits, timeouts and server errors, `disable_cooldowns=True`
(there is no second deployment to go to), the deployment's true `rpm` and `tpm`, as many in flight as the rates keep:
docs.litellm.ai/docs/routing, "Basic Reliability", "Custom Retries, Cooldowns based on Error Type", "Disable cooldowns".
Left off: `optional_pre_call_checks=["enforce_model_rate_limits"]` (docs.litellm.ai/docs/proxy/load_balancing), which
holds rpm and tpm a calendar minute by failing the row at once and without a retry; and `max_parallel_requests`, which
in this version fails a row that finds no slot, where it waited before.

Telemetry: `litellm.telemetry` is off in this version's SDK by default and set so here. Downloads: the price list comes
from the package (`LITELLM_LOCAL_MODEL_COST_MAP`, docs "Custom cost map"); the package carries tiktoken's cl100k_base.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOG"] = "ERROR"

import litellm
from litellm import Router
from litellm.types.router import RetryPolicy
from openai import OpenAIError
from racing import Delivered, done, read_job, read_rows, ready, warm_rows

litellm.telemetry = False
litellm.suppress_debug_info = True


def router_of(job: dict[str, Any], base_url: str) -> Router:
    deployment: dict[str, Any] = {"model": f"openai/{job['model']}", "api_base": base_url, "api_key": "none"}
    if job["settings"] == "default":
        return Router(model_list=[{"model_name": job["model"], "litellm_params": deployment}])
    deployment |= {"rpm": job["requests_per_minute"], "tpm": job["tokens_per_minute"]}
    policy = RetryPolicy(RateLimitErrorRetries=10, TimeoutErrorRetries=10, InternalServerErrorRetries=10)
    return Router(
        model_list=[{"model_name": job["model"], "litellm_params": deployment}],
        num_retries=10,
        retry_policy=policy,
        disable_cooldowns=True,
    )


async def main() -> None:
    job = read_job()
    slots = asyncio.Semaphore(job["concurrency"] if job["settings"] == "best" else 64)
    delivered = Delivered(job)

    async def ask(router: Router, messages: list[Any], row_id: str | None = None) -> Any:
        headers = {"X-Client-Request-Id": row_id} if row_id else None
        return await router.acompletion(
            model=job["model"], messages=messages, max_tokens=job["max_tokens"], extra_headers=headers
        )

    warm = router_of(job, job["warm_url"])
    for text in warm_rows():
        await ask(warm, [{"role": "user", "content": text}])

    async def one(router: Router, row: dict[str, Any]) -> None:
        async with slots:
            try:
                answer = await ask(router, row["messages"], row["id"])
            except (OpenAIError, ValueError):  # a Router that has no deployment left raises ValueError
                delivered.add(row["id"], False)
                return
        milliseconds = getattr(answer, "_response_ms", None)
        latency = milliseconds / 1000 if milliseconds else None
        delivered.add(row["id"], bool(answer.choices[0].message.content), latency)

    rows = read_rows(job)
    router = router_of(job, job["base_url"])
    ready()
    await asyncio.gather(*(one(router, row) for row in rows))
    done()


asyncio.run(main())
