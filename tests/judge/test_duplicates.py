import random
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.judge.chunk import judge_chunk
from tasks.judge.duplicates import compare
from tasks.judge.judging import Chunk
from tasks.judge.near import clusters
from tasks.judge.policy import JudgePolicy
from tasks.judge.rows import INPUTS
from tasks.judge.together import vote_and_rate
from warehouse.records import content_id

STORY = (
    "Ada has 12 pears and buys 30 more at the market, so she now has 42 pears in her basket. She gives half "
    "of them, which is 21 pears, to her brother, who puts them on the kitchen table. What is left is the "
    "other half, and as a half of 42 is 21, she still has 21 pears when she comes home late in the evening. The "
    "answer is 21."
)


def row(trace_id: str, text: str, prompt: str = "p", **fields: Any) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "request_key": f"request {trace_id}",
        "prompt_id": prompt,
        "text_hash": content_id(text),
        "teacher": "mine",
        "terms_sha256": "terms",
        "outcome": "ok",
        "finish_reason": "stop",
        "reasoning": "",
        "answer": text,
        "reference": None,
        "verifier": "none",
        "metadata": None,
    } | fields


def late(rows: Sequence[dict[str, Any]], folder: Path, chunk_rows: int = 3, **policy: Any) -> dict[str, dict[str, Any]]:
    """What comparing adds to the verdicts, by trace."""
    folder.mkdir(exist_ok=True)
    rules, chunks = JudgePolicy(**policy), []
    for start in range(0, len(rows), chunk_rows):
        chunk = Chunk(folder / f"in-{start}.parquet", folder / f"out-{start}.parquet")
        pq.write_table(pa.Table.from_pylist(list(rows[start : start + chunk_rows]), schema=INPUTS), chunk.inputs)
        judge_chunk(chunk.inputs, chunk.judged, rules)
        chunks.append(chunk)
    with duckdb.connect() as connection:
        inputs, judged = [str(chunk.inputs) for chunk in chunks], [str(chunk.judged) for chunk in chunks]
        connection.read_parquet(inputs).create_view("traces")
        vote_and_rate(connection, judged, rules)
        compare(connection, judged, rules, folder)
        table = connection.sql("select * exclude (place) from late order by trace_id").to_arrow_table()
    return {one["trace_id"]: one for one in table.to_pylist()}


def reasons(found: dict[str, dict[str, Any]]) -> dict[str, str | None]:
    return {trace_id: one["reason"] for trace_id, one in found.items()}


def test_of_equal_texts_for_one_prompt_one_is_kept(tmp_path: Path) -> None:
    found = late([row("a", STORY), row("b", STORY), row("c", STORY)], tmp_path)
    assert reasons(found) == {"b": "exact_duplicate", "c": "exact_duplicate"}
    assert found["b"]["details"] == "same text as a"
    assert {one["similar_to"] for one in found.values()} == {"a"}


def test_the_right_one_is_kept_then_the_complete_one_then_the_lowest_id(tmp_path: Path) -> None:
    checked = {"verifier": "numeric", "reference": "21"}
    wrong = {"verifier": "numeric", "reference": "22"}
    right = [row("a", STORY, **wrong), row("b", STORY, **checked), row("c", STORY, **checked)]
    assert set(late(right, tmp_path / "right", answer="annotate")) == {"a", "c"}
    complete = [row("a", STORY, finish_reason="length"), row("b", STORY), row("c", STORY)]
    assert set(late(complete, tmp_path / "complete", annotate=("finish",))) == {"a", "c"}


def test_a_long_text_is_kept_once_across_prompts_and_a_short_one_for_each(tmp_path: Path) -> None:
    assert reasons(late([row("a", STORY, "p"), row("b", STORY, "q")], tmp_path / "long")) == {"b": "exact_duplicate"}
    short = "It makes 7 in all. The answer is 7."
    found = late([row("a", short, "p"), row("b", short, "q"), row("c", short, "q")], tmp_path / "short")
    assert reasons(found) == {"b": None, "c": "exact_duplicate"}
    assert found["c"]["similar_to"] == "b"


def test_near_equal_answers_of_one_prompt_are_one_too_many(tmp_path: Path) -> None:
    found = late([row("a", STORY), row("b", STORY.replace("kitchen", "dinner"))], tmp_path)
    assert reasons(found) == {"b": "near_duplicate"}
    assert 0.8 <= found["b"]["jaccard"] < 1
    assert found["b"]["details"].startswith("Jaccard 0.")


def test_across_prompts_near_equal_texts_with_other_numbers_are_only_annotated(tmp_path: Path) -> None:
    numbers = late([row("a", STORY, "p"), row("b", STORY.replace("12 pears", "13 pears"), "q")], tmp_path / "numbers")
    assert reasons(numbers) == {"b": None}
    assert '"similar_to": "a"' in numbers["b"]["signal"]
    words = late([row("a", STORY, "p"), row("b", STORY.replace("kitchen", "dinner"), "q")], tmp_path / "words")
    assert reasons(words) == {"b": "near_duplicate"}


def test_different_answers_of_one_prompt_stay(tmp_path: Path) -> None:
    other = "Half of 12 is 6 and half of 30 is 15, so her brother gets 6 + 15 = 21. The answer is 21."
    assert late([row("a", STORY), row("b", other)], tmp_path) == {}


def test_what_another_rule_rejected_is_nobodys_duplicate(tmp_path: Path) -> None:
    assert late([row("a", STORY, finish_reason="length"), row("b", STORY)], tmp_path) == {}


def test_a_policy_may_only_annotate_duplicates(tmp_path: Path) -> None:
    found = late([row("a", STORY), row("b", STORY)], tmp_path, annotate=("duplicate",))
    assert reasons(found) == {"b": None}
    assert not found["b"]["is_duplicate"]


def test_at_most_k_answers_of_a_prompt_are_kept_and_duplicates_do_not_count(tmp_path: Path) -> None:
    texts = [
        STORY,
        STORY,
        *(f"In my way number {n}: " + " ".join(f"{w}{n}" for w in STORY.split()) for n in range(3)),
    ]
    found = late([row("abcde"[n], text) for n, text in enumerate(texts)], tmp_path, keep_per_prompt=2)
    assert reasons(found) == {"a": None, "b": "exact_duplicate", "c": None, "d": "over_k", "e": "over_k"}
    assert found["d"]["details"] == "4 good traces of its prompt, keep_per_prompt is 2: others differ more"
    assert found["a"]["signal"] == '"per_prompt": {"good": 4, "rank": 1}'


def test_of_many_answers_of_a_prompt_those_that_differ_most_are_kept_and_right_ones_first(tmp_path: Path) -> None:
    rng = random.Random(7)
    ways = [[f"{way}{rng.randrange(10**6)}" for _ in range(200)] for way in "xyz"]

    def told(way: int, change: int) -> str:
        words = list(ways[way])
        words[change * 7 : change * 7 + 12] = [f"c{change}w{n}" for n in range(12)]
        return " ".join(words) + ". The answer is 21."

    alike = [row(f"{way}{n}", told("xyz".index(way), n), verifier="numeric", reference="21")
             for way, count in (("x", 5), ("y", 3), ("z", 1)) for n in range(count)]  # fmt: skip
    kept = {"keep_per_prompt": 3, "annotate": ("duplicate",), "near_duplicate_jaccard": 1.0}
    found = late(alike, tmp_path / "alike", **kept)
    stay = {trace_id for trace_id, one in found.items() if one["reason"] is None}
    assert {trace_id[0] for trace_id in stay} == {"x", "y", "z"}, "one of each way"
    wrong = row("wrong", "Quite another story " + " ".join(f"v{n}" for n in range(200)) + " is 3. The answer is 3.",
                verifier="numeric", reference="21")  # fmt: skip
    found = late([*alike, wrong], tmp_path / "wrong", answer="annotate", **kept)
    assert found["wrong"]["reason"] == "over_k", "however different, a wrong one takes no right one's place"


def test_nothing_depends_on_the_order_of_arrival_or_on_the_chunks(tmp_path: Path) -> None:
    rows = [
        row("a", STORY),
        row("b", STORY.replace("kitchen", "dinner")),
        row("c", STORY.replace("basket", "bag")),
        row("d", STORY, "q"),
    ]
    orders = [late(order, tmp_path / str(n), chunk_rows=1 + n % 4) for n, order in enumerate(permutations(rows))]
    assert all(order == orders[0] for order in orders)
    assert set(orders[0]) == {"b", "c", "d"}


def test_planted_near_duplicates_are_found_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(5)
    vocabulary = [f"w{n}" for n in range(3000)]
    texts = [[rng.choice(vocabulary) for _ in range(300)] for _ in range(150)]
    rows = [row(f"{n:04}", " ".join(text), f"p{n}") for n, text in enumerate(texts)]
    for n in range(50):
        changed = list(texts[n])
        for _ in range(4):
            changed[rng.randrange(len(changed))] = "other"
        rows.append(row(f"{n + 150:04}", " ".join(changed), f"p{n}"))
    assert reasons(late(rows, tmp_path, chunk_rows=50)) == {f"{n + 150:04}": "near_duplicate" for n in range(50)}


def test_hundreds_of_near_equal_texts_are_one_cluster(tmp_path: Path) -> None:
    texts = [STORY.replace("kitchen", f"{chr(97 + n // 26 % 26)}{chr(97 + n % 26)} kitchen") for n in range(600)]
    found = late([row(f"{n:04}", text) for n, text in enumerate(texts)], tmp_path, chunk_rows=300)
    assert len(found) == 599
    assert {one["reason"] for one in found.values()} == {"near_duplicate"}


def test_texts_without_words_are_not_compared(tmp_path: Path) -> None:
    assert late([row("a", "…!!!!!!?!?!?!?!"), row("b", "!!!!!!!!!!!!??!")], tmp_path) == {}


def test_a_chain_of_pairs_is_one_cluster_whatever_its_order() -> None:
    pairs = [(1, 2), (2, 3), (7, 9), (3, 5)]
    for order in permutations(pairs):
        assert clusters(order) == {2: 1, 3: 1, 5: 1, 9: 7}
