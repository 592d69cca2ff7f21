"""Traces of a real small model, for `false_positives.py`: what a language model writes.

    pip install gguf
    python bench/judge/small_model.py gemma-3-270m-q4_k_m.gguf gsm8k/test.jsonl --traces 256 --out traces.jsonl

The model is a GGUF file that transformers reads (nothing is fetched). As it may be one that was not taught to answer,
it sees four worked problems from the end of the file first, then the question. Sampled at temperature 0.7, seeded.
Writes JSON lines with `question`, `answer` (cut where the model begins a problem of its own) and `finish_reason`.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

SHOTS = 4


def prompts(rows: Sequence[dict[str, str]], wanted: int) -> Iterator[tuple[str, str]]:
    """Each question, and the whole prompt with the worked ones before it."""
    shots = "".join(f"Question: {row['question']}\nAnswer: {row['answer']}\n\n" for row in rows[-SHOTS:])
    for row in rows[:wanted]:
        yield row["question"], f"{shots}Question: {row['question']}\nAnswer:"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--traces", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=160, help="of an answer, at most")
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(1)
    folder, name = str(options.model.resolve().parent), options.model.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name, padding_side="left", local_files_only=True)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, quantization_config=GgufConfig(dequantize=True), local_files_only=True
    ).eval()
    rows = [json.loads(line) for line in options.questions.read_text(encoding="utf-8").splitlines()]
    asked, began, tokens = list(prompts(rows, options.traces)), time.monotonic(), 0
    with options.out.open("w", encoding="utf-8") as out:
        for start in range(0, len(asked), options.at_once):
            some = asked[start : start + options.at_once]
            given = tokenizer([prompt for _, prompt in some], return_tensors="pt", padding=True)
            with torch.inference_mode():
                made = model.generate(
                    **given, max_new_tokens=options.tokens, do_sample=True, temperature=0.7,
                    stop_strings=["\nQuestion:"], tokenizer=tokenizer, pad_token_id=tokenizer.pad_token_id,
                )  # fmt: skip
            new = made[:, given["input_ids"].shape[1] :]
            tokens += int((new != tokenizer.pad_token_id).sum())
            for (question, _), text in zip(some, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True):
                answer, mark, _ = text.partition("\nQuestion:")
                row = {"question": question, "answer": answer.strip(), "finish_reason": "stop" if mark else "length"}
                out.write(json.dumps(row) + "\n")
            print(f"{start + len(some)} traces, {tokens / (time.monotonic() - began):.0f} tokens/s", file=sys.stderr)


if __name__ == "__main__":
    main()
