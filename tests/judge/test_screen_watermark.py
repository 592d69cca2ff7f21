"""A declared watermark is seen with its key, and with no other; without a key nothing is said."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from judge.answered import DATASET, NOW, Answered, fill
from tokenizers import Tokenizer, models, pre_tokenizers

from tasks.judge.screens.policy import Screens, WatermarkScreen
from tasks.judge.screens.screening import Asked, screen_teachers, standing
from tasks.judge.screens.watermark import Scored, chance, status, unknown
from tasks.right.watermark import DeclaredWatermark
from warehouse.catalog import connect
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

if TYPE_CHECKING:  # each process of the tests collects this file; the one that runs it takes the seconds of the imports
    from transformers import WatermarkingConfig

    from tasks.judge.screens.green_tokens import GreenTokens

WORDS, ROWS, TOKENS, KEY = 512, 4, 280, 15_485_863


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token a word, so that a text is read as it was written."""
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"[UNK]": 0} | {f"w{n}": n for n in range(1, WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(folder)
    return folder


def mark(tokenizer: Path, **fields: object) -> DeclaredWatermark:
    given = {
        "status": "declared", "scheme": "kgw", "tokenizer": str(tokenizer), "hashing_key": KEY, "gamma": 0.25,
        "seeding_scheme": "lefthash", "context_width": 1,
    }  # fmt: skip
    return DeclaredWatermark.model_validate(given | fields)


def green_tokens(declared: DeclaredWatermark) -> "GreenTokens":
    from tasks.judge.screens.green_tokens import GreenTokens

    return GreenTokens(declared)


def written(rule: "WatermarkingConfig | None", seed: int = 1) -> list[str]:
    """What a tiny untrained model writes, with the mark that transformers' own processor sets."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(seed)
    shape = LlamaConfig(
        vocab_size=WORDS, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(shape).eval()
    start = torch.arange(1, ROWS + 1).unsqueeze(1)
    rows = model.generate(
        start, attention_mask=torch.ones_like(start), do_sample=True, max_new_tokens=TOKENS, watermarking_config=rule
    )
    return [" ".join(f"w{token}" if token else "[UNK]" for token in row[1:]) for row in rows.tolist()]


@pytest.fixture(scope="module")
def marked() -> list[str]:
    from transformers import WatermarkingConfig

    return written(WatermarkingConfig(greenlist_ratio=0.25, bias=2.0, hashing_key=KEY, seeding_scheme="lefthash"))


@pytest.fixture(scope="module")
def unmarked() -> list[str]:
    return written(None)


def seen(declared: DeclaredWatermark, texts: list[str]) -> tuple[str, int, float]:
    """The verdict, how many rows count as marked, and z over all."""
    rows, pooled = green_tokens(declared).score(texts, 200, 100)
    look = status("one", WatermarkScreen(), declared.gamma, rows, pooled)
    return look.verdict, int(look.statistic.split("; ")[1].split(" ")[0]), pooled.z(declared.gamma)


def test_with_its_key_the_mark_is_seen_in_every_row(tokenizer: Path, marked: list[str]) -> None:
    verdict, rows, z = seen(mark(tokenizer), marked)
    assert (verdict, rows) == ("fired", ROWS)
    assert z > 20


def test_another_key_or_no_mark_shows_nothing(tokenizer: Path, marked: list[str], unmarked: list[str]) -> None:
    for declared, texts in ((mark(tokenizer, hashing_key=99_991), marked), (mark(tokenizer), unmarked)):
        verdict, rows, z = seen(declared, texts)
        assert (verdict, rows) == ("passed", 0)
        assert abs(z) < 4


def test_a_repeated_n_gram_counts_once(tokenizer: Path, marked: list[str]) -> None:
    looped = [" ".join([*text.split(" ")[:60], ""] * 6) for text in marked]
    assert green_tokens(mark(tokenizer)).score(looped, 200, 100) == ([], Scored(0, 0))
    rows, together = green_tokens(mark(tokenizer)).score([marked[0]] * 3, 200, 100)
    assert len(rows) == 3
    assert together.n <= rows[0].n + 1, "the same row again says nothing more; the two joints are one n-gram"


def test_rows_that_are_too_short_say_nothing() -> None:
    look = status("one", WatermarkScreen(), 0.25, [], Scored(0, 0))
    assert (look.verdict, look.n) == ("too_few", 0)
    assert unknown("one", "no key").verdict == "unknown"


def test_z_and_its_chance_are_those_of_the_scheme() -> None:
    assert Scored(84, 200).z(0.25) == pytest.approx(34 / 37.5**0.5)
    assert chance(4.0) == pytest.approx(3.167e-5, rel=1e-3)


def test_a_folder_without_a_tokenizer_is_named(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        green_tokens(mark(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="holds no tokenizer"):
        green_tokens(mark(tmp_path))


def test_the_key_is_neither_shown_nor_copied(tokenizer: Path) -> None:
    declared = mark(tokenizer)
    assert str(KEY) not in f"{declared!r} {declared} {declared.model_dump_json()}"


def looks(root: DataRoot) -> dict[str, dict[str, Any]]:
    with closing(connect(root)) as connection:
        table = connection.sql("select * from screens where screen = 'watermark'").to_arrow_table()
    return {row["teacher"]: row for row in table.to_pylist()}


def test_the_line_records_the_status_and_does_nothing_more(
    data_root: DataRoot, tokenizer: Path, marked: list[str], unmarked: list[str]
) -> None:
    answers = [Answered(f"And {n}?", text, teacher="marks") for n, text in enumerate(marked)]
    answers += [Answered(f"And {n}?", text, teacher="plain") for n, text in enumerate(unmarked)]
    answers += [Answered(f"And {n}?", text, teacher="silent") for n, text in enumerate(marked)]
    answers += [Answered(f"And {n}?", text, teacher="moved") for n, text in enumerate(marked)]
    fill(data_root, answers)
    screens = Screens(accuracy=None, style=None, family=None, watermark=WatermarkScreen())
    declared = {"marks": mark(tokenizer), "plain": mark(tokenizer), "moved": mark(tokenizer / "nowhere")}
    asked = [Asked(name, name, (name,), declared.get(name)) for name in ("marks", "plain", "silent", "moved")]
    assert screen_teachers.fn(data_root, "run-1", DATASET, screens, asked, None, 1, NOW) == ()
    assert standing(data_root, DATASET, screens) == ()
    said = looks(data_root)
    verdicts = {name: look["verdict"] for name, look in said.items()}
    assert verdicts == {"marks": "fired", "plain": "passed", "silent": "unknown", "moved": "unknown"}
    assert "declares no watermark" in said["silent"]["statistic"]
    assert "is no folder" in said["moved"]["statistic"]
