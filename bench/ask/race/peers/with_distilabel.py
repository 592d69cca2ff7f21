"""distilabel: a pipeline of one TextGeneration task over OpenAILLM.

default: `input_batch_size` 50, the client's `max_retries` 6, one replica.
best: `max_retries` 20, because one row that fails for good empties its whole batch, and an `input_batch_size` of twice
what the rates keep in flight, because a batch waits for its slowest row. Of 1.25 to 4 times that, it is the fastest
that loses no row: with three times as many, refused rows use up their retries, and their batches come out empty.
Component gallery, "OpenAILLM"; how-to guide "Define steps" (distilabel.argilla.io/1.5.3/sections). It has no
setting for limits a minute.

It takes headers a client, not a row: the referee knows a question by its body. No telemetry of its own;
`use_cache=False`, so that nothing is taken from an earlier run. Its steps run in processes of their own, started in the
race: their start is in its CPU.
"""

from __future__ import annotations

import os
from typing import Any

from racing import Delivered, done, read_job, read_rows, ready

JOB = read_job()
os.environ |= {
    "DISTILABEL_CACHE_DIR": f"{JOB['folder']}/cache",
    "DISTILABEL_LOG_LEVEL": "WARNING",
    "HF_HUB_OFFLINE": "1",
    "HF_HOME": f"{JOB['folder']}/hf",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

from distilabel.models.llms import OpenAILLM  # noqa: E402
from distilabel.pipeline import Pipeline  # noqa: E402
from distilabel.steps import LoadDataFromDicts  # noqa: E402
from distilabel.steps.tasks import TextGeneration  # noqa: E402


def pipeline_of(rows: list[dict[str, Any]]) -> Pipeline:
    is_best = JOB["settings"] == "best"
    client: dict[str, Any] = {"max_retries": 20} if is_best else {}
    task: dict[str, Any] = {"input_batch_size": 2 * JOB["concurrency"]} if is_best else {}
    data = [{"id": row["id"], "instruction": row["messages"][-1]["content"]} for row in rows]
    with Pipeline(name="race", cache_dir=f"{JOB['folder']}/cache") as pipeline:
        load = LoadDataFromDicts(data=data)
        ask = TextGeneration(
            llm=OpenAILLM(
                model=JOB["model"],
                base_url=JOB["base_url"],
                api_key="none",
                generation_kwargs={"max_new_tokens": JOB["max_tokens"]},
                **client,
            ),
            **task,
        )
        load >> ask
    return pipeline


def main() -> None:
    delivered = Delivered(JOB)
    pipeline = pipeline_of(read_rows(JOB))
    ready()
    answers = pipeline.run(use_cache=False)
    for answer in answers["default"]["train"]:
        delivered.add(answer["id"], bool(answer["generation"]))
    done()


if __name__ == "__main__":
    main()
