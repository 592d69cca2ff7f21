"""The near-duplicate bench plants what it says, and its truth is plain Python's."""

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench" / "judge"))
from near_texts import Source, Truth, families, jaccard, mixed, read_source


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    rng, path = random.Random(3), tmp_path_factory.mktemp("source") / "words.txt"
    path.write_text(" ".join(f"W{int(rng.paretovariate(0.5)) % 4000}" for _ in range(60_000)), encoding="utf-8")
    return read_source([path])


def test_each_band_round_the_threshold_holds_a_fifth_of_the_pairs_and_others_reach_down_to_a_half(
    source: Source,
) -> None:
    truth = Truth()
    assert sum(map(len, truth.noting(families(source, 1500, 1)))) == 1500
    neighbours = [similarity for left, right, similarity in truth.pairs if right[1] == left[1] + 1]
    bands = Counter(int(similarity * 20 + 1e-9) for similarity in neighbours)
    assert bands[15] > len(neighbours) / 5 and bands[16] > len(neighbours) / 5
    assert min(neighbours) < 0.6 and max(neighbours) > 0.95


def test_the_same_seed_gives_the_same_documents_and_another_seed_others(source: Source) -> None:
    first, again, other = (list(mixed(families(source, 60, seed), 5, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({member for member, _ in first}) == 60


def test_a_variant_comes_after_its_first_text(source: Source) -> None:
    met: set[int] = set()
    for (family, member), _ in mixed(families(source, 200, 1), 10, 1):
        assert (family in met) == (member > 0)
        met.add(family)


def test_unrelated_documents_have_little_in_common(source: Source) -> None:
    texts = [texts[0] for texts in families(source, 40, 1)]
    assert all(jaccard(one, other) < 0.05 for one, other in zip(texts, texts[1:], strict=False))


def test_chains_of_pairs_are_one_cluster_and_weaker_pairs_are_none() -> None:
    truth = Truth()
    truth.pairs = [((0, 0), (0, 1), 0.8), ((0, 2), (0, 3), 0.9), ((0, 1), (0, 2), 0.85), ((1, 0), (1, 1), 0.79)]
    assert truth.clusters() == [{(0, 0), (0, 1), (0, 2), (0, 3)}]
