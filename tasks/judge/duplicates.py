"""Judge traces against each other: exact duplicates, near duplicates, templates, and at most k for a prompt.

Works on the files of the row-wise rules through DuckDB, which spills. What grows in memory are only the
pairs that are similar (about 100 bytes each) and the traces in such pairs (about 500 bytes each).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tasks.judge import template
from tasks.judge.finding import whole_texts
from tasks.judge.near import CORES, Close, Pair, ShingleFile, Similar, best_of, clusters, likely
from tasks.judge.per_prompt import choose
from tasks.judge.policy import JudgePolicy
from tasks.judge.rules import DUPLICATE_VERSION, PER_PROMPT_VERSION
from tasks.judge.sketch import shingles
from tasks.judge.statements import Connection, statement
from tasks.judge.words import split

_FOUND: list[tuple[str, pa.DataType]] = [
    ("place", pa.int64()),
    ("similar_to", pa.int64()),
    ("kind", pa.string()),  # exact | near
    ("jaccard", pa.float64()),
    ("rejects", pa.bool_()),
]
_PAIR_ROWS = 8192
_TEXT_ROWS = 1024


@dataclass(frozen=True)
class Member:
    """A trace that is in a likely pair."""

    prompt_id: str
    words: int
    numbers: str


def compare(connection: Connection, files: Sequence[str], policy: JudgePolicy, scratch: Path) -> None:
    """Fill the temporary table `late`: one row for each survivor of the rules before that loses, is similar to
    another, or was chosen among many. `files` hold what the row-wise rules found."""
    judged, across = {"judged": list(files)}, {"across": policy.cross_prompt_words}
    connection.execute(statement("survivors"), judged)
    connection.execute(statement("exact"), across)
    connection.execute(statement("candidates"), judged | across)
    connection.execute(statement("digests"), judged)
    limits = {"fewest": template.FEWEST, "prompts": policy.template_prompts}
    connection.execute(statement("template"), judged | limits)
    rejects = policy.rejects("duplicate")
    found = [*_exact(connection, rejects), *_near(connection, policy, scratch)]
    connection.register("found", pa.Table.from_pylist(found, schema=pa.schema(_FOUND)))
    connection.execute(statement("standing"), {"template": policy.max_template, "drops": policy.rejects("template")})
    connection.unregister("found")
    choose(connection, judged["judged"], policy.keep_per_prompt)
    versions = {"duplicate_version": DUPLICATE_VERSION, "per_prompt_version": PER_PROMPT_VERSION}
    late = {"keep": policy.keep_per_prompt, "template": policy.max_template} | versions
    connection.execute(statement("late"), late | {"template_version": template.VERSION})


def _exact(connection: Connection, rejects: bool) -> Iterator[dict[str, object]]:
    rows = connection.execute("select place, similar_to, is_duplicate from exact order by place").fetchall()
    for place, similar_to, is_duplicate in rows:
        yield _found(Similar(place, similar_to, 1.0), "exact", is_duplicate and rejects)


def _near(connection: Connection, policy: JudgePolicy, scratch: Path) -> Iterator[dict[str, object]]:
    """Of the pairs that are exactly similar enough, those that may reject are clustered; the others
    annotate."""
    pairs = sorted(likely_pairs(connection, policy.near_duplicate_jaccard))
    with ShingleFile(scratch / "shingles") as sets:
        members = _members(connection, pairs, sets)
        exactly = dict(zip(pairs, sets.similarities(pairs), strict=True))
        close = [Close(*pair, jaccard) for pair, jaccard in exactly.items() if jaccard >= policy.near_duplicate_jaccard]
        rejecting = [(p.best, p.place) for p in close if may_reject(members[p.best], members[p.place], policy)]
        lost = sorted((to, place) for place, to in clusters(rejecting).items())
        others = [pair for pair in lost if pair not in exactly]  # connected by a third
        exactly |= zip(others, sets.similarities(others), strict=True)
        losers = {place: Similar(place, to, exactly[to, place]) for to, place in lost}
    for similar in losers.values():
        yield _found(similar, "near", policy.rejects("duplicate"))
    exact = {place for (place,) in connection.execute("select place from exact").fetchall()}
    for similar in best_of(close):
        if similar.place not in losers and similar.place not in exact:
            yield _found(similar, "near", False)


def may_reject(left: Member, right: Member, policy: JudgePolicy) -> bool:
    """Whether one of two similar traces is one too many: answers of one prompt, or long enough and with the
    same numbers. Else they solve different problems in the same words: of near-equal questions nine in ten
    have different answers."""
    if left.prompt_id == right.prompt_id:
        return True
    return left.numbers == right.numbers and min(left.words, right.words) >= policy.cross_prompt_words


def likely_pairs(connection: Connection, threshold: float) -> Iterator[Pair]:
    reader = connection.sql(
        "select c.best, c.place, a.digest as one, b.digest as other "
        "from candidate as c join sketch as a on a.place = c.best join sketch as b on b.place = c.place"
    ).to_arrow_reader(_PAIR_ROWS)
    for batch in reader:
        close = likely(batch["one"], batch["other"], threshold)
        best, place = (batch[name].to_numpy()[close].tolist() for name in ("best", "place"))
        yield from zip(best, place, strict=True)


def _members(connection: Connection, pairs: Iterable[Pair], sets: ShingleFile) -> Mapping[int, Member]:
    """What must be known of every trace that is in a pair; its shingles go to the file, as many batches of
    texts in memory as there are threads."""
    places = pa.array(sorted({place for pair in pairs for place in pair}), pa.int64())
    connection.register("paired", pa.table({"place": places}))
    members: dict[int, Member] = {}
    with ThreadPoolExecutor(CORES) as readers:
        adding: deque[Future[None]] = deque()
        for batch in connection.sql(statement("paired")).to_arrow_reader(_TEXT_ROWS):
            adding.append(readers.submit(_add_sets, sets, batch))
            known = (batch[name].to_pylist() for name in ("place", "prompt_id", "words", "numbers"))
            members |= {place: Member(*rest) for place, *rest in zip(*known, strict=True)}
            if len(adding) == CORES:
                adding.popleft().result()
        for one in adding:
            one.result()
    connection.unregister("paired")
    return members


def _add_sets(sets: ShingleFile, batch: pa.RecordBatch) -> None:
    """Add the shingles of a batch of texts, each with its place."""
    sets.add(batch["place"].to_numpy().tolist(), shingles(split(whole_texts(batch["reasoning"], batch["answer"]))))


def _found(similar: Similar, kind: str, rejects: bool) -> dict[str, object]:
    return {
        "place": similar.place,
        "similar_to": similar.to,
        "kind": kind,
        "jaccard": similar.jaccard,
        "rejects": rejects,
    }
