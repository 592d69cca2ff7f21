"""The OpenAI SDK under an asyncio semaphore.

default: `AsyncOpenAI()` as it comes (2 retries, its httpx2 transport), 64 in flight.
best: `max_retries=10` and `http_client=DefaultAioHttpClient()`, the SDK's README, "Retries" and "Async usage, with
aiohttp" (github.com/openai/openai-python); as many in flight as the rates keep. It has no setting for limits a minute;
it waits as Retry-After says. The SDK sends no telemetry.
"""

from __future__ import annotations

import asyncio
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError
from racing import Delivered, done, read_job, read_rows, ready, warm_rows


def client_of(base_url: str, is_best: bool) -> AsyncOpenAI:
    if is_best:
        return AsyncOpenAI(base_url=base_url, api_key="none", max_retries=10, http_client=DefaultAioHttpClient())
    return AsyncOpenAI(base_url=base_url, api_key="none")


async def main() -> None:
    job = read_job()
    is_best = job["settings"] == "best"
    slots = asyncio.Semaphore(job["concurrency"] if is_best else 64)
    delivered = Delivered(job)

    async def ask(client: AsyncOpenAI, messages: list[Any], row_id: str | None = None) -> Any:
        return await client.chat.completions.with_raw_response.create(
            model=job["model"],
            messages=messages,
            max_tokens=job["max_tokens"],
            extra_headers={"X-Client-Request-Id": row_id} if row_id else None,
        )

    async with client_of(job["warm_url"], is_best) as warm:
        for text in warm_rows():
            (await ask(warm, [{"role": "user", "content": text}])).parse()

    async def one(client: AsyncOpenAI, row: dict[str, Any]) -> None:
        async with slots:
            try:
                answer = await ask(client, row["messages"], row["id"])
                ok = bool(answer.parse().choices[0].message.content)
            except OpenAIError:
                delivered.add(row["id"], False)
                return
        delivered.add(row["id"], ok, answer.elapsed.total_seconds())

    rows = read_rows(job)
    ready()
    async with client_of(job["base_url"], is_best) as client:
        await asyncio.gather(*(one(client, row) for row in rows))
    done()


asyncio.run(main())
