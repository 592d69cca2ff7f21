"""Text that a teacher repeats whatever it is asked: counted over all traces, whatever their order."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judge.test_duplicates import late, row
from judge.words_in_numpy import ngrams

from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import rule_set
from tasks.judge.template import FEWEST, KEPT_OF, SIZE, template_grams
from tasks.judge.words import words

REJECT = {"template": "reject"}


class Writer:
    """Draws words of a vocabulary large enough that no 20 of them occur twice by chance."""

    def __init__(self, seed: int) -> None:
        self._draws = random.Random(seed)

    def words(self, count: int) -> str:
        return " ".join(f"w{self._draws.randrange(3000)}" for _ in range(count))

    def trace(self, number: int, template: str = "", own: int = 300, prompt: str | None = None) -> dict[str, Any]:
        text = f"{self.words(own // 2)} {template} {self.words(own - own // 2)}"
        return row(f"{number:04}", text, prompt or f"p{number}")


def templates(found: dict[str, dict[str, Any]]) -> set[str]:
    return {trace_id for trace_id, one in found.items() if one["reason"] == "template"}


def test_the_kept_20_grams_are_the_same_of_every_trace_and_about_one_in_eight() -> None:
    writer = Writer(1)
    shared, one, other = writer.words(2000), writer.words(500), writer.words(500)
    left, right = (set(template_grams(words(f"{own} {shared}")).tolist()) for own in (one, other))
    inside = set(template_grams(words(shared)).tolist())
    assert inside <= left and inside <= right
    assert all(gram % KEPT_OF == 0 for gram in left)
    assert len(inside) == pytest.approx(1981 / KEPT_OF, rel=0.2)
    assert inside == {gram for gram in ngrams(words(shared), SIZE).tolist() if gram % KEPT_OF == 0}


def test_a_text_of_fewer_than_20_words_has_no_template() -> None:
    assert len(template_grams(words(Writer(2).words(SIZE - 1)))) == 0
    assert template_grams(np.empty(0, dtype=np.uint64)).dtype == np.uint64


def test_planted_templates_are_found_and_nothing_else(tmp_path: Path) -> None:
    writer = Writer(3)
    covering = [writer.words(250) for _ in range(4)]  # 44 % of 550 words
    opening, rare, one_prompt = writer.words(40), writer.words(250), writer.words(150)
    rows, planted = [], set()
    for number in range(400):
        if number < 120:
            rows.append(writer.trace(number, covering[number % 4]))
            planted.add(f"{number:04}")
        elif number < 220:
            rows.append(writer.trace(number, opening))  # many prompts, 6 % of the words
        elif number < 240:
            rows.append(writer.trace(number, rare))  # 20 prompts, which are not more than 20
        elif number < 270:
            rows.append(writer.trace(number, one_prompt, prompt="the same"))  # 30 traces of one prompt
        else:
            rows.append(writer.trace(number))
    found = templates(late(rows, tmp_path, chunk_rows=100, **REJECT))
    right = len(found & planted)
    assert right / len(planted) >= 0.98, "recall"
    assert right / len(found) >= 0.98, "precision"


def templated() -> tuple[str, list[dict[str, Any]]]:
    """A template and 25 traces with it."""
    writer = Writer(4)
    template = writer.words(300)
    return template, [writer.trace(number, template) for number in range(25)]


def some(tmp_path: Path, **policy: Any) -> dict[str, dict[str, Any]]:
    return late(templated()[1], tmp_path, chunk_rows=10, **policy)


def test_by_default_a_template_is_noted_and_rejects_nothing(tmp_path: Path) -> None:
    found = some(tmp_path)
    assert len(found) == 25 and {one["reason"] for one in found.values()} == {None}
    template, rows = templated()
    shared = set(template_grams(words(template)).tolist())
    for given in rows:
        signal = json.loads(f"{{{found[given['trace_id']]['signal']}}}")["template"]
        kept = template_grams(words(given["answer"])).tolist()
        assert signal["found"] == "template"
        assert signal["share"] == pytest.approx(len(shared.intersection(kept)) / len(kept), abs=0.001)


def test_the_share_of_a_template_is_estimated_without_bias() -> None:
    shares = []
    for seed in range(100):
        writer = Writer(seed)
        template = writer.words(300)
        kept, shared = (template_grams(words(text)) for text in (writer.trace(0, template)["answer"], template))
        shares.append(len(np.intersect1d(kept, shared)) / len(kept))
    assert np.mean(shares) == pytest.approx(281 / 581, abs=0.021)  # 4 standard errors of a sample of 1 in 8


def test_a_policy_may_reject_templates_and_the_verdict_says_how_much_they_cover(tmp_path: Path) -> None:
    found = some(tmp_path, **REJECT)
    assert templates(found) == set(found) and len(found) == 25
    one = found["0003"]
    assert (one["rule"], one["rule_version"]) == ("template", 1)
    assert one["details"].startswith("templates cover ") and one["details"].endswith("max_template is 20 %")


def test_the_thresholds_are_the_policys_and_part_of_the_rule_set(tmp_path: Path) -> None:
    assert templates(some(tmp_path / "prompts", template_prompts=25, **REJECT)) == set()
    assert templates(some(tmp_path / "share", max_template=0.9, **REJECT)) == set()
    sets = {
        rule_set(JudgePolicy(**changed)) for changed in ({}, REJECT, {"template_prompts": 25}, {"max_template": 0.9})
    }
    assert len(sets) == 4


def test_what_is_made_of_templates_takes_no_place_among_the_k_of_a_prompt(tmp_path: Path) -> None:
    writer = Writer(5)
    template = writer.words(300)
    rows = [writer.trace(number, template) for number in range(25)]
    rows += [writer.trace(number, prompt="p0") for number in (100, 101)]
    found = late(rows, tmp_path, keep_per_prompt=1, chunk_rows=10, **REJECT)
    assert found["0000"]["reason"] == "template"
    assert found["0100"]["reason"] is None and found["0101"]["reason"] == "over_k"


def test_nothing_depends_on_the_order_of_arrival_or_on_the_chunks(tmp_path: Path) -> None:
    writer = Writer(6)
    template = writer.words(200)
    rows = [writer.trace(number, template if number % 2 else "", own=200) for number in range(60)]
    results = []
    for number, chunk_rows in enumerate((1, 7, 20, 60)):
        random.Random(number).shuffle(rows)
        results.append(late(rows, tmp_path / str(number), chunk_rows=chunk_rows, **REJECT))
    assert all(result == results[0] for result in results)
    assert len(templates(results[0])) == 30


def test_a_trace_too_short_for_a_share_is_left_alone(tmp_path: Path) -> None:
    writer = Writer(7)
    template = writer.words(40)
    rows = [writer.trace(number, template, own=10) for number in range(30)]
    assert max(len(template_grams(words(given["answer"]))) for given in rows) < FEWEST
    assert templates(late(rows, tmp_path, chunk_rows=30, **REJECT)) == set()
