"""From a kept trace and its prompt to the row that is published (pure).

Rows have TRL's conversational prompt-completion format. The prompt is what a student will be asked with: the prompt's
own messages under the recipe's system prompt and template, *without* the few-shot examples, which were there to steer
the teacher. The completion is the teacher's answer with its reasoning, either in a field of its own or in the content.
"""

from collections.abc import Mapping
from typing import Any

from tasks.ask.render import render_messages
from tasks.ask.sampling import Ask
from tasks.publish.publication import Form

Row = dict[str, Any]


def student_wording(ask: Ask) -> Ask:
    """How a student is asked: as the teacher was, less the examples."""
    return ask.model_copy(update={"examples": ()})


def completion(reasoning: str | None, answer: str, form: Form) -> list[Row]:
    """The assistant's message; without reasoning there is no tag, and no `reasoning_content`."""
    if form == "field":
        return [{"role": "assistant", "content": answer, "reasoning_content": reasoning or None}]
    return [{"role": "assistant", "content": inline(reasoning, answer) if reasoning else answer}]


def inline(reasoning: str, answer: str) -> str:
    """Reasoning inside the content, as open reasoning models write it."""
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


def published_row(kept: Mapping[str, Any], wording: Ask, form: Form) -> Row:
    """One row of a train or validation shard, from the columns that `kept_rows.sql` selects."""
    return {
        "prompt": render_messages(kept["messages"], wording),
        "completion": completion(kept["reasoning"], kept["answer"], form),
        "reasoning": kept["reasoning"] or None,
        "answer": kept["answer"],
        "trace_id": kept["trace_id"],
        "prompt_id": kept["prompt_id"],
        "teacher": kept["teacher"],
        "terms_id": kept["terms_id"],
        "terms_sha256": kept["terms_sha256"],
        "simulated": kept["simulated"],
        "family": kept["family"],
        "license": kept["license"],
    }


def heldout_row(prompt: Mapping[str, Any], wording: Ask) -> Row:
    """One row of the held-out shard: a prompt to ask a student, and what is needed to check its answer."""
    columns = ("prompt_id", "question", "reference", "verifier", "family", "metadata", "license")
    return {"prompt": render_messages(prompt["messages"], wording)} | {column: prompt[column] for column in columns}
