"""Reading prompts: every format gives the same prompts, and whatever is wrong is named by file and line."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tasks.ask.prompts import Prompt, PromptSource, read_prompts
from warehouse.errors import BadInput

QUESTIONS = ["  What is 2+2?\n", 'Say "hi", then {stop}', "Größe: 日本 \U0001f600 in m²", "a\r\nb"]
ROWS = [{"q": question, "a": str(number)} for number, question in enumerate(QUESTIONS)]
COLUMNS = {"prompt": "q", "reference": "a"}


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def source(name: str, columns: Mapping[str, str] = COLUMNS, **fields: Any) -> PromptSource:
    return PromptSource(source=name, columns=dict(columns), license="MIT", **fields)


def read(folder: Path, name: str, columns: Mapping[str, str] = COLUMNS, **fields: Any) -> list[Prompt]:
    return list(read_prompts(source(name, columns, **fields), folder))


def one(folder: Path, row: dict[str, Any], columns: Mapping[str, str], **fields: Any) -> Prompt:
    (prompt,) = read(folder, write_jsonl(folder / "one.jsonl", [row]).name, columns, **fields)
    return prompt


def as_csv(rows: list[dict[str, str]]) -> str:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    return "q,a\n" + "".join(f"{quoted(row['q'])},{row['a']}\n" for row in rows)


def test_every_format_gives_the_same_prompts_with_their_text_exact(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", ROWS)
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbf" + as_csv(ROWS).encode())
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "p.parquet")
    found = {name: read(tmp_path, f"p.{name}", verifier="exact") for name in ("jsonl", "csv", "parquet")}
    assert [prompt.question for prompt in found["jsonl"]] == QUESTIONS
    assert [prompt.reference for prompt in found["jsonl"]] == ["0", "1", "2", "3"]
    ids = {name: [prompt.prompt_id for prompt in prompts] for name, prompts in found.items()}
    assert ids["jsonl"] == ids["csv"] == ids["parquet"]
    assert {prompt.license for prompt in found["csv"]} == {"MIT"}
    # a cell with a line break takes two lines, so the next row begins on line 4
    assert [prompt.source_row for prompt in found["csv"]] == [2, 4, 5, 6]
    assert [prompt.source_row for prompt in found["jsonl"]] == [1, 2, 3, 4]


def test_datasets_folders_load_whether_saved_or_loadable(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    saved = datasets.Dataset.from_list(ROWS)
    saved.save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict({"train": saved, "test": saved.select([0])}).save_to_disk(str(tmp_path / "both"))
    card = tmp_path / "card"
    card.mkdir()
    (card / "README.md").write_text("---\nlicense: mit\n---\n")
    saved.to_parquet(str(card / "train-00000-of-00001.parquet"))
    saved.select([0]).to_parquet(str(card / "test-00000-of-00001.parquet"))
    expected = [prompt.prompt_id for prompt in read(tmp_path, write_jsonl(tmp_path / "p.jsonl", ROWS).name)]
    for name in ("saved", "both", "card"):
        prompts = read(tmp_path, name)
        assert [prompt.prompt_id for prompt in prompts] == expected, name
        assert [prompt.source_row for prompt in prompts] == [1, 2, 3, 4]
    for name in ("both", "card"):
        assert len(read(tmp_path, name, options={"split": "test"})) == 1
        with pytest.raises(BadInput, match=r"no split 'dev': set prompts.options.split to one of \['test'"):
            read(tmp_path, name, options={"split": "dev"})
    (card / "train-00000-of-00001.parquet").write_bytes(b"hello")
    with pytest.raises(BadInput, match="card .*cannot be read|card does not load"):
        read(tmp_path, "card")
    with pytest.raises(BadInput, match=r"options \['splt'\] mean nothing"):
        read(tmp_path, "both", options={"splt": "test"})


def test_a_folder_or_glob_is_read_in_the_order_of_its_paths_and_may_grow(tmp_path: Path) -> None:
    folder = tmp_path / "questions"
    (folder / "more").mkdir(parents=True)
    write_jsonl(folder / "b.jsonl", [{"q": "b", "a": "2"}])
    (folder / "a.csv").write_text("q,a\na,1\n")
    (folder / "notes.txt").write_text("not a question")
    write_jsonl(folder / ".hidden.jsonl", [{"q": "hidden", "a": "0"}])
    assert [prompt.question for prompt in read(tmp_path, "questions")] == ["a", "b"]
    write_jsonl(folder / "more" / "c.jsonl", [{"q": "c", "a": "3"}])
    grown = read(tmp_path, "questions")
    assert [prompt.question for prompt in grown] == ["a", "b", "c"]
    assert grown[2].source == "questions/more/c.jsonl"
    assert [prompt.question for prompt in read(tmp_path, "questions/*.jsonl")] == ["b"]
    assert [prompt.question for prompt in read(tmp_path, "questions/**/*.jsonl")] == ["b", "c"]


def test_limit_stops_reading_before_what_comes_after(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"q": "one", "a": 1}\nthis is not JSON\n')
    assert [prompt.question for prompt in read(tmp_path, "p.jsonl", limit=1)] == ["one"]
    with pytest.raises(BadInput, match=r"p\.jsonl:2: not JSON"):
        read(tmp_path, "p.jsonl", limit=2)


def test_a_generator_repeats_for_a_seed_and_a_raised_limit_keeps_its_entries() -> None:
    def generate(**fields: Any) -> list[Prompt]:
        task = PromptSource(source="reasoning-gym:chain_sum", license="Apache-2.0", **fields)
        return list(read_prompts(PromptSource.model_validate(task.model_dump()), Path(".")))

    few, many = generate(limit=3, seed=7), generate(limit=6, seed=7)
    assert few == many[:3]
    assert generate(limit=3, seed=8000) != few
    prompt = few[0]
    assert (prompt.verifier, prompt.family, prompt.source_row) == ("reasoning-gym", "chain_sum", 1)
    metadata = json.loads(prompt.metadata or "")
    assert metadata["task"] == "chain_sum"
    assert metadata["entry"]["answer"] == prompt.reference
    assert metadata["entry"]["question"] == prompt.question
    harder = generate(limit=1, options={"min_terms": 9, "max_terms": 9})
    assert harder[0].question.count("+") + harder[0].question.count("-") == 8


def test_a_generated_entry_is_scored_by_its_own_scorer_after_the_trip_through_json() -> None:
    import reasoning_gym

    task = PromptSource(source="reasoning-gym:countdown", license="Apache-2.0", limit=3, seed=1)
    for prompt in read_prompts(task, Path(".")):
        metadata = json.loads(prompt.metadata or "")
        score = reasoning_gym.get_score_answer_fn(metadata["task"])
        assert score(metadata["entry"]["metadata"]["expression"], metadata["entry"]) == 1.0
        assert score("no", metadata["entry"]) < 1.0


def test_a_row_may_carry_its_own_messages_as_a_list_or_as_json_text(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "And doubled?"},
    ]
    columns = {"messages": "m"}
    listed = one(tmp_path, {"m": turns}, columns)
    assert listed.question == "And doubled?"
    assert list(listed.messages) == turns
    assert one(tmp_path, {"m": json.dumps(turns)}, columns).prompt_id == listed.prompt_id
    # Arrow fills missing fields of a struct with nulls
    assert one(tmp_path, {"m": [{**turn, "name": None} for turn in turns]}, columns).prompt_id == listed.prompt_id


def test_a_row_without_messages_falls_back_to_its_prompt(tmp_path: Path) -> None:
    both = {"prompt": "q", "messages": "m"}
    rows = [{"q": "plain", "m": None}, {"q": None, "m": [{"role": "user", "content": "own"}]}]
    write_jsonl(tmp_path / "p.jsonl", rows)
    assert [prompt.question for prompt in read(tmp_path, "p.jsonl", both)] == ["plain", "own"]


def test_the_same_question_is_the_same_prompt_whichever_column_it_came_from(tmp_path: Path) -> None:
    plain = one(tmp_path, {"q": "2+2?"}, {"prompt": "q"})
    wrapped = one(tmp_path, {"m": [{"role": "user", "content": "2+2?"}]}, {"messages": "m"})
    assert plain.prompt_id == wrapped.prompt_id
    with_system = one(tmp_path, {"q": "2+2?", "s": "Be brief."}, {"prompt": "q", "system": "s"})
    assert with_system.messages[0] == {"role": "system", "content": "Be brief."}
    assert with_system.prompt_id != plain.prompt_id


def test_prompt_id_depends_on_question_reference_and_verifier_alone(tmp_path: Path) -> None:
    base = {"q": "2+2?", "a": "4", "f": "sums", "v": "exact"}
    columns = {"prompt": "q", "reference": "a", "family": "f", "verifier": "v"}
    found = one(tmp_path, base, columns)
    assert one(tmp_path, {**base, "f": "other"}, columns).prompt_id == found.prompt_id
    for change in ({"q": "2+3?"}, {"a": "5"}, {"v": "math"}):
        assert one(tmp_path, {**base, **change}, columns).prompt_id != found.prompt_id


def test_reference_pattern_takes_the_reference_out_of_a_worked_solution(tmp_path: Path) -> None:
    row = {"q": "How many?", "a": "48/2 = <<48/2=24>>24\n#### 1,072"}
    fields = {"verifier": "numeric", "reference_pattern": r"####\s*(.+)"}
    assert one(tmp_path, row, COLUMNS, **fields).reference == "1,072"
    with pytest.raises(BadInput, match=r"one\.jsonl:1: reference_pattern .* finds nothing in 'a'"):
        one(tmp_path, {**row, "a": "24"}, COLUMNS, **fields)


def test_a_number_is_a_reference_and_a_blank_is_none(tmp_path: Path) -> None:
    assert one(tmp_path, {"q": "?", "a": 72}, COLUMNS).reference == "72"
    assert one(tmp_path, {"q": "?", "a": 0.5}, COLUMNS).reference == "0.5"
    assert one(tmp_path, {"q": "?", "a": " "}, COLUMNS).reference is None


BAD_ROWS = {
    "no-column": ({"x": "?", "a": "1"}, {}, r"one\.jsonl:1: no column 'q' for prompt: it has 'x', 'a'"),
    "empty-question": ({"q": " \n", "a": "1"}, {}, r"one\.jsonl:1: 'q' is empty"),
    "null-question": ({"q": None, "a": "1"}, {}, r"one\.jsonl:1: 'q' is empty"),
    "question-is-a-number": ({"q": 5, "a": "1"}, {}, r"one\.jsonl:1: 'q' is a number: prompt must be text"),
    "reference-is-a-list": ({"q": "?", "a": ["1"]}, {}, r"one\.jsonl:1: 'a' is a list: a reference is text"),
    "reference-is-a-truth": (
        {"q": "?", "a": True},
        {},
        r"one\.jsonl:1: 'a' is a boolean: a reference is text",
    ),
    "reference-needed": (
        {"q": "?", "a": None},
        {"verifier": "math"},
        r"one\.jsonl:1: no reference, .* 'math' needs",
    ),
    "no-metadata": (
        {"q": "?", "a": "1"},
        {"verifier": "reasoning-gym"},
        r"one\.jsonl:1: no metadata \{task, entry\}",
    ),
    "no-tests": ({"q": "?", "a": "1"}, {"verifier": "code"}, r"one\.jsonl:1: the verifier 'code' needs tests"),
}


def test_the_verifier_code_takes_tests_as_text_or_as_an_object(tmp_path: Path) -> None:
    columns = {"prompt": "q", "metadata": "m"}
    for tests in ({"tests": "assert f()"}, '{"tests": [{"stdin": "", "stdout": "1"}]}'):
        prompt = one(tmp_path, {"q": "?", "m": tests}, columns, verifier="code")
        assert (prompt.verifier, prompt.reference) == ("code", None)
        assert prompt.metadata is not None
        assert "tests" in prompt.metadata
    with pytest.raises(BadInput, match="its tests are no Python"):
        one(tmp_path, {"q": "?", "m": {"tests": "assert = 1"}}, columns, verifier="code")


def test_rows_without_a_reference_are_taken_where_their_samples_vote(tmp_path: Path) -> None:
    prompt = one(tmp_path, {"q": "?", "a": None}, COLUMNS, verifier="math", no_reference="vote")
    assert (prompt.verifier, prompt.reference) == ("math", None)


@pytest.mark.parametrize(("row", "fields", "message"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_a_bad_row_is_named_by_file_and_line(
    tmp_path: Path, row: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        one(tmp_path, row, COLUMNS, **fields)
    assert "\n" not in str(caught.value)


BAD_MESSAGES: dict[str, tuple[Any, str]] = {
    "not-a-list": ({"role": "user"}, "is not a list of messages"),
    "empty": ([], "is not a list of messages"),
    "not-json": ("hello", "is text that is not JSON"),
    "not-an-object": (["hello"], "message 1 is not an object"),
    "role": (
        [{"role": "human", "content": "?"}],
        "message 1 has role 'human': known are system, user, assistant",
    ),
    "no-content": ([{"role": "user"}], "message 1 has no text"),
    "parts": ([{"role": "user", "content": [{"type": "text", "text": "?"}]}], "message 1 has no text"),
    "tools": ([{"role": "user", "content": "?", "tool_calls": [1]}], "message 1 has 'tool_calls'"),
    "last": (
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}],
        "ends with .* 'assistant'",
    ),
    "late-system": (
        [
            {"role": "user", "content": "?"},
            {"role": "system", "content": "!"},
            {"role": "user", "content": "?"},
        ],
        "system message at place 2",
    ),
}


@pytest.mark.parametrize(("messages", "message"), BAD_MESSAGES.values(), ids=list(BAD_MESSAGES))
def test_bad_messages_are_named_by_file_and_line(tmp_path: Path, messages: Any, message: str) -> None:
    with pytest.raises(BadInput, match=r"one\.jsonl:1: 'm' .*" + message if "message 1" not in message else message):
        one(tmp_path, {"m": messages}, {"messages": "m"})


def test_an_unknown_verifier_in_a_row_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", [{"q": "?", "v": "none"}, {"q": "??", "v": "vibes"}])
    with pytest.raises(BadInput, match=r"p\.jsonl:2: unknown verifier 'vibes': known are exact, numeric"):
        read(tmp_path, "p.jsonl", {"prompt": "q", "verifier": "v"})


def test_a_mapped_column_that_no_row_has_is_an_error_though_single_rows_may_lack_it(tmp_path: Path) -> None:
    columns = {"prompt": "q", "family": "f"}
    write_jsonl(tmp_path / "p.jsonl", [{"q": "1"}, {"q": "2", "f": "sums"}])
    assert [prompt.family for prompt in read(tmp_path, "p.jsonl", columns)] == [None, "sums"]
    with pytest.raises(BadInput, match="no row has a column 'familie' for family: the first has 'q'"):
        read(tmp_path, "p.jsonl", {"prompt": "q", "family": "familie"})


BAD_FILES = {
    "json-list": ("p.jsonl", b"[1]\n", r"p\.jsonl:1: a JSON list, not an object"),
    "broken-json": ("p.jsonl", b'{"q": "?", "a": "1"}\n{"q": \n', r"p\.jsonl:2: not JSON"),
    "not-utf8": ("p.jsonl", b'{"q": "?", "a": "1"}\n{"q": "\xff"}\n', r"p\.jsonl:2: not UTF-8"),
    "few-cells": ("p.csv", b'q,a\n"two\nlines",1\nonly\n', r"p\.csv:4: 1 cells under 2 columns"),
    "header-twice": ("p.csv", b"q,q\n1,2\n", r"p\.csv:1: the header names 'q' twice"),
    "quotes": ("p.csv", b'q,a\n"a"b,1\n', r"p\.csv:2: not CSV"),
    "not-parquet": ("p.parquet", b"hello", r"cannot read p\.parquet as Parquet"),
    "empty": ("p.jsonl", b"\n\n", r"p\.jsonl holds no rows"),
    "suffix": ("p.txt", b"?", r"p\.txt is not one of \.jsonl, \.csv, \.parquet"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read(tmp_path, name)


def test_a_missing_source_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=re.escape(f"nope.jsonl does not exist (looked for {tmp_path}")):
        read(tmp_path, "nope.jsonl")
    with pytest.raises(BadInput, match=r"q\*\.jsonl holds no \.jsonl, \.csv, \.parquet file"):
        read(tmp_path, "q*.jsonl")


def test_a_wide_parquet_is_read_by_its_mapped_columns_and_named_by_row(tmp_path: Path) -> None:
    table = pa.table({"q": ["a", None], "a": [1, 2], "blob": [b"x", b"y"]})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(BadInput, match=r"p\.parquet row 2: 'q' is empty"):
        read(tmp_path, "p.parquet")
    with pytest.raises(BadInput, match=r"p\.parquet row 1: no column 'x' for prompt: it has 'q', 'a', 'blob'"):
        read(tmp_path, "p.parquet", {"prompt": "x"})


BAD_SOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "column": ({"columns": {"question": "q"}}, "unknown column of ours"),
    "no-prompt": ({"columns": {"reference": "a"}}, "map prompt or messages"),
    "verifier": ({"verifier": "vibes"}, "Input should be 'exact'"),
    "field": ({"lisence": "MIT"}, "Extra inputs are not permitted"),
    "limit": ({"limit": 0}, "greater than or equal to 1"),
    "pattern": ({"reference_pattern": "("}, "is no regular expression"),
    "seed": ({"seed": 3}, "seed means nothing"),
    "endless": ({"source": "reasoning-gym:chain_sum"}, "never ends: set limit"),
    "generator-columns": (
        {"source": "reasoning-gym:x", "limit": 1, "columns": COLUMNS},
        "columns mean nothing",
    ),
}


@pytest.mark.parametrize(("fields", "message"), BAD_SOURCES.values(), ids=list(BAD_SOURCES))
def test_a_source_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PromptSource(**{"source": "p.jsonl", "license": "MIT", **fields})


def test_a_generator_that_does_not_exist_or_fit_is_named() -> None:
    def generate(task: str, **options: Any) -> list[Prompt]:
        asked = PromptSource(source=f"reasoning-gym:{task}", license="MIT", limit=1, options=options)
        return list(read_prompts(asked, Path(".")))

    with pytest.raises(BadInput, match="unknown task 'chain_summ'.*reasoning-gym has chain_sum"):
        generate("chain_summ")
    with pytest.raises(BadInput, match="options do not fit reasoning-gym:chain_sum: .*min_term"):
        generate("chain_sum", min_term=3)
    with pytest.raises(BadInput, match=r"may not set \['size'\]"):
        generate("chain_sum", size=3)


def test_options_for_a_plain_file_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", ROWS)
    with pytest.raises(BadInput, match=r"options \['split'\] mean nothing for p\.jsonl"):
        read(tmp_path, "p.jsonl", options={"split": "train"})
