"""Publishing: what is written, what is refused, and what a death in the middle leaves."""

import pickle
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from publish.kept_answers import NOW, Answer, Judged, judged, sums

from tasks.publish.publication import Publish
from warehouse.catalog import connect, transaction
from warehouse.catalog import publish as show_all
from warehouse.errors import BadInput, Busy
from warehouse.layout import DataRoot
from warehouse.locks import hold
from warehouse.manifest import load_manifest, verify_version

SIDES = ("train", "validation")


def query(root: DataRoot, sql: str) -> list[tuple]:
    with closing(connect(root)) as connection:
        return connection.execute(sql).fetchall()


def rows_of(folder: str, split: str) -> list[dict]:
    return [row for path in sorted(Path(folder).glob(f"{split}-*.parquet")) for row in pq.read_table(path).to_pylist()]


def questions_of(folder: str, split: str) -> set[str]:
    return {row["prompt"][-1]["content"] for row in rows_of(folder, split)}


def test_every_kept_row_is_published_once_and_every_held_out_prompt_is_listed(data_root: DataRoot) -> None:
    answers = sums(40) + sums(10, start=200, outcome="rejected", reason="ANSWER_WRONG")
    published = judged(data_root, answers).published()
    rows = rows_of(published.folder, "train") + rows_of(published.folder, "validation")
    assert sorted(row["trace_id"] for row in rows) == sorted(a.trace_id for a in answers[:40])
    assert (published.version, published.is_new) == ("sums@2026.11.21.1", True)
    assert (published.rows, published.train_rows + published.validation_rows) == (40, 40)
    heldout = rows_of(published.folder, "heldout")
    assert len(heldout) == published.heldout_prompts > 0
    assert {row["prompt_id"] for row in rows_of(published.folder, "validation")} <= {
        row["prompt_id"] for row in heldout
    }
    assert all(row["reference"] and row["verifier"] == "exact" for row in heldout)
    verify_version(Path(published.folder))


def test_the_catalog_lists_the_version_its_shards_and_its_rows(data_root: DataRoot) -> None:
    published = judged(data_root, sums(30)).with_(publish=Publish(validation_fraction=0.2, shard_rows=10)).published()
    assert query(data_root, "select version, rows, folder, tokens from versions") == [
        ("sums@2026.11.21.1", 30, "shards/sums/2026.11.21.1", 300)
    ]
    listed = query(data_root, "select shard, rows from shards where split <> 'heldout' order by shard")
    assert sum(rows for _, rows in listed) == 30
    assert all(rows <= 10 for _, rows in listed)
    for shard, _ in listed:
        found = pq.read_table(Path(published.folder) / shard, columns=["trace_id"])["trace_id"].to_pylist()
        said = query(data_root, f"select trace_id from version_rows where shard = '{shard}' order by row_index")
        assert [(trace_id,) for trace_id in found] == said
        assert found == sorted(found)


def test_one_shard_holds_rows_of_one_teacher(data_root: DataRoot) -> None:
    answers = [*sums(30, teacher="mine"), *sums(30, start=100, teacher="theirs")]
    published = judged(data_root, answers).published()
    for shard in load_manifest(Path(published.folder)).shards:
        if shard.split != "heldout":
            table = pq.read_table(Path(published.folder) / shard.name)
            assert table["teacher"].unique().to_pylist() == [shard.teacher]
            assert table["terms_sha256"].unique().to_pylist() == [shard.terms_sha256]


def test_nothing_new_is_no_new_version(data_root: DataRoot) -> None:
    line = judged(data_root, sums(20))
    first = line.published()
    before = sorted(path for path in data_root.path.rglob("*.parquet"))
    again = line.with_(run_id="run-2", now=NOW + timedelta(days=1)).published()
    assert (again.version, again.is_new) == (first.version, False)
    assert sorted(path for path in data_root.path.rglob("*.parquet")) == before


def test_a_new_row_is_a_new_version_and_the_old_one_stays(data_root: DataRoot) -> None:
    first = judged(data_root, sums(20)).published()
    bytes_then = {path.name: path.read_bytes() for path in Path(first.folder).iterdir()}
    second = judged(data_root, sums(21), turn="2").published()
    assert (second.version, second.is_new, second.rows) == ("sums@2026.11.21.2", True, 21)
    assert {path.name: path.read_bytes() for path in Path(first.folder).iterdir()} == bytes_then


def test_the_day_of_a_version_is_a_utc_day_and_its_number_starts_again(data_root: DataRoot) -> None:
    judged(data_root, sums(20)).published()
    second = judged(data_root, sums(21), turn="2").with_(now=NOW + timedelta(days=1)).published()
    assert second.version == "sums@2026.11.22.1"


def test_sides_stay_when_prompts_are_added(data_root: DataRoot) -> None:
    first = judged(data_root, sums(60)).published()
    second = judged(data_root, sums(90), turn="2").with_(publish=Publish(validation_fraction=0.9)).published()
    assert questions_of(first.folder, "train") <= questions_of(second.folder, "train")
    assert questions_of(first.folder, "validation") <= questions_of(second.folder, "validation")
    assert questions_of(second.folder, "validation") - questions_of(first.folder, "validation")


def test_no_question_is_on_both_sides_though_prompts_differ(data_root: DataRoot) -> None:
    twice = [Answer(f"  WHAT is {n} plus {n + 7} ?", "So.", f"{2 * n + 7}.0") for n in range(60)]
    published = judged(data_root, sums(60) + twice).published()
    train, validation = ({q.split()[2] for q in questions_of(published.folder, side)} for side in SIDES)
    assert published.rows == 120
    assert validation
    assert not train & validation


LONG = (
    "{who} has {count} marbles in a bag, finds some more of them under the old sofa while cleaning the living room "
    "on a rainy afternoon, and then gives every one of them to the children next door; how many are left in {where}?"
)


def test_near_questions_share_a_side(data_root: DataRoot) -> None:
    names = ("Ada", "Grace", "Emmy")
    answers = [Answer(LONG.format(who=w, count=n, where="the bag"), "None.", "0") for n in range(40) for w in names]
    published = judged(data_root, answers).published()
    train, validation = ({q.split()[2] for q in questions_of(published.folder, side)} for side in SIDES)
    assert validation
    assert not train & validation


def test_train_rows_whose_cluster_reaches_into_validation_are_left_out_and_said(data_root: DataRoot) -> None:
    """Questions too far apart to be near (Jaccard 0.78), on two sides here and there; then the ones between them."""
    words = " ".join(f"word{chr(97 + n)}" for n in range(26))
    short = [f"{n} {words}" for n in range(40)]
    middle = [f"{text} and then more words" for text in short]
    long = [f"{text} and some other words" for text in middle]
    ends = [Answer(text, "So.", "0") for text in short + long]
    first = judged(data_root, ends).with_(publish=Publish(validation_fraction=0.5)).published()
    on = {side: Counter(q.split()[0] for q in questions_of(first.folder, side)) for side in SIDES}
    torn = on["train"].keys() & on["validation"].keys()
    assert torn

    second = judged(data_root, ends + [Answer(text, "So.", "0") for text in middle], turn="2").published()
    on = {side: Counter(q.split()[0] for q in questions_of(second.folder, side)) for side in SIDES}
    assert not on["train"].keys() & on["validation"].keys()
    assert {on["validation"][number] for number in torn} == {2}  # what was there, and the one between
    counts = load_manifest(Path(second.folder)).counts
    assert second.merged_across_sides == counts.merged_across_sides == len(torn)
    assert counts.kept == counts.published + counts.merged_across_sides == 120


def test_simulated_and_real_rows_never_share_a_version(data_root: DataRoot) -> None:
    line = judged(data_root, [*sums(5), *sums(5, start=50, teacher="simulated")])
    with pytest.raises(BadInput, match="simulated teacher 'simulated' and of 'mine', which never share a version"):
        line.published()
    assert not list(data_root.path.glob("shards/*/*"))


def test_rows_under_terms_that_nobody_admitted_are_not_published(data_root: DataRoot) -> None:
    line = judged(data_root, [*sums(20), *sums(20, start=50, teacher="theirs")])
    mine = [teacher for teacher in line.teachers if teacher.name == "mine"]
    published = line.with_(teachers=mine).published()
    assert (published.rows, published.not_admitted) == (20, 20)
    with pytest.raises(BadInput, match=r"all 40 kept rows of sums are left out \(not_admitted 40\)"):
        line.with_(teachers=[]).published()


def test_nothing_kept_says_what_took_the_rows(data_root: DataRoot) -> None:
    lost = sums(3, outcome="rejected", reason="ANSWER_WRONG") + sums(1, start=9, outcome="undecided", reason="UNPARSED")
    with pytest.raises(BadInput, match="no kept row to publish: 4 answers, most lost to ANSWER_WRONG 3, UNPARSED 1"):
        judged(data_root, lost).published()


def test_a_set_without_held_out_prompts_is_published_and_says_so(data_root: DataRoot) -> None:
    published = judged(data_root, sums(3)).with_(publish=Publish(validation_fraction=0.0)).published()
    assert (published.train_rows, published.validation_rows, published.heldout_prompts) == (3, 0, 0)
    assert "No prompt is held out" in (Path(published.folder) / "README.md").read_text()


def test_a_set_without_training_rows_is_refused(data_root: DataRoot) -> None:
    with pytest.raises(BadInput, match="all 2 kept rows of sums are on the validation side"):
        judged(data_root, sums(2)).with_(publish=Publish(validation_fraction=0.999)).published()


def test_a_judging_that_is_out_of_date_is_refused(data_root: DataRoot) -> None:
    line = judged(data_root, sums(5))
    judged(data_root, sums(6), turn="2")
    with pytest.raises(BadInput, match="has moved on, its plan_id is plan-2 and not plan-1"):
        line.published()


def test_answers_that_nobody_judged_are_refused(data_root: DataRoot) -> None:
    line = judged(data_root, sums(5))
    with transaction(data_root, NOW, publish="now") as store:
        store.execute("delete from store.file where kind = 'verdicts'")
    with pytest.raises(BadInput, match="sums has 5 answers and 0 verdicts: judge again"):
        line.published()


def test_a_listed_version_whose_folder_was_taken_away_is_published_anew(data_root: DataRoot) -> None:
    line = judged(data_root, sums(5))
    shutil.rmtree(line.published().folder)
    again = line.published()
    assert (again.version, again.is_new) == ("sums@2026.11.21.2", True)


def test_two_publications_of_one_dataset_do_not_overlap(data_root: DataRoot) -> None:
    line = judged(data_root, sums(5))
    order = line.order()
    with hold(data_root, "publish-sums", "a test", NOW), pytest.raises(Busy, match="a test"):
        line.published()
    assert order.dataset == "sums"


PUBLISH = """
import pickle, sys
from tasks.publish.publish import publish_kept
from warehouse.errors import StillhouseError
try:
    publish_kept(*pickle.load(open(sys.argv[1], "rb")))
except StillhouseError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def in_a_process(job: Path, limit: int | None = None) -> subprocess.Popen[str]:
    """Publish what `job` says in a process of its own; `limit`: the most bytes that a file may have there."""

    def limited() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", PUBLISH, str(job)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=limited)


def job_of(line: Judged, folder: Path) -> Path:
    """The publication as a file; its decisions are recorded and shown, so that it only has to read."""
    job = folder / "job.pickle"
    job.write_bytes(pickle.dumps((line.root, line.order())))
    show_all(line.root)
    return job


def killed_before_listing(line: Judged, folder: Path) -> None:
    """Kill a publication after its folder has its name and before the catalog, which is held, can list it."""
    job = job_of(line, folder)
    with hold(line.root, "catalog", "a test", NOW), in_a_process(job) as process:
        while not list(line.root.path.glob("shards/sums/[0-9]*/manifest.json")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()


def test_a_version_whose_listing_was_killed_is_listed_by_the_next_run(data_root: DataRoot, tmp_path: Path) -> None:
    line = judged(data_root, sums(20))
    killed_before_listing(line, tmp_path)
    assert query(data_root, "select * from versions") == []
    published = line.with_(run_id="run-2").published()
    assert (published.version, published.is_new) == ("sums@2026.11.21.1", True)
    assert query(data_root, "select version, run_id from versions") == [("sums@2026.11.21.1", "run-1")]
    assert query(data_root, "select count(*) from version_rows") == [(20,)]
    assert line.published().is_new is False


@pytest.mark.slow
def test_a_killed_version_that_is_out_of_date_is_listed_too_and_the_next_gets_the_next_number(
    data_root: DataRoot, tmp_path: Path
) -> None:
    killed_before_listing(judged(data_root, sums(20)), tmp_path)
    published = judged(data_root, sums(25), turn="2").published()
    assert published.version == "sums@2026.11.21.2"
    assert query(data_root, "select version, rows from versions order by all") == [
        ("sums@2026.11.21.1", 20),
        ("sums@2026.11.21.2", 25),
    ]


def test_a_folder_that_does_not_check_out_is_left_alone_and_its_name_is_not_used(
    data_root: DataRoot, tmp_path: Path
) -> None:
    line = judged(data_root, sums(20))
    killed_before_listing(line, tmp_path)
    shard = next(data_root.path.glob("shards/sums/2026.11.21.1/train-*"))
    shard.write_bytes(b"spoilt")
    published = line.published()
    assert published.version == "sums@2026.11.21.2"
    assert shard.read_bytes() == b"spoilt"


def test_what_a_killed_publication_began_is_removed(data_root: DataRoot) -> None:
    begun = data_root.version("sums", ".tmp-dead")
    begun.mkdir(parents=True)
    (begun / "train-00000-of-00001.parquet").write_bytes(b"half")
    judged(data_root, sums(5)).published()
    assert [path.name for path in begun.parent.iterdir()] == ["2026.11.21.1"]


def test_a_full_disk_publishes_nothing_and_says_so_in_one_line(data_root: DataRoot, tmp_path: Path) -> None:
    line = judged(data_root, sums(200))
    with in_a_process(job_of(line, tmp_path), limit=5_000) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("cannot write ") and "File too large" in said and said.count("\n") == 1
    assert not list(data_root.path.glob("shards/sums/*"))
    assert query(data_root, "select * from versions") == []
    assert line.published().version == "sums@2026.11.21.1"
