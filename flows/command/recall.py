"""`still recall`: withdraw what a teacher gave. plan looks, apply withdraws, purge deletes, verify proves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.command import shown
from flows.command.options import Data, Json, Teachers
from flows.settings import Settings, choose
from tasks.recall.selection import Selection, from_dict, select
from warehouse.errors import BadInput

if TYPE_CHECKING:
    from tasks.recall.reach import Reach

app = typer.Typer(
    name="recall",
    help="Withdraw what a teacher gave: plan (look), apply (withdraw), purge (delete), verify (prove).",
    no_args_is_help=True,
)

Teacher = Annotated[str | None, typer.Option("--teacher", metavar="NAME", help="The registry's name.")]
Route = Annotated[str | None, typer.Option("--route", metavar="NAME", help="How the models were reached.")]
Terms = Annotated[str | None, typer.Option("--terms", metavar="ID", help="Id or SHA-256 of the terms.")]
Since = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Answers from this time on, UTC.")]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Answers before this time, UTC.")]
Decision = Annotated[str | None, typer.Option("--decision", metavar="ID", help="What one decision of the gate let in.")]
Source = Annotated[str | None, typer.Option("--prompt-source", metavar="FILE", help="Prompts of this source.")]
Traces = Annotated[Path | None, typer.Option("--traces", metavar="FILE", help="A file of trace ids, one a line.")]
Why = Annotated[str | None, typer.Option("--why", metavar="TEXT", help="The reason, which every refusal repeats.")]
Known = Annotated[str, typer.Argument(metavar="RECALL", help="A recall's id, or its first characters.")]
Maybe = Annotated[str | None, typer.Argument(metavar="[RECALL]", help="The id that plan printed, in place of options.")]


@app.command()
def plan(
    teacher: Teacher = None, route: Route = None, terms: Terms = None, since: Since = None, until: Until = None,
    decision: Decision = None, prompt_source: Source = None, traces: Traces = None, why: Why = None,
    data: Data = None, own: Teachers = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Show all that would be withdrawn: rows, files, versions, students, their descendants. Changes nothing."""
    here = choose(data, own)
    from tasks.recall.reach import reach

    named = select(teacher, route, terms, since, until, decision, prompt_source, _lines(traces))
    found = reach(here.root, named)
    if found.is_empty:
        _check_named(here, named)
    _plan_file(here, named.recall_id).parent.mkdir(exist_ok=True)
    _plan_file(here, named.recall_id).write_text(json.dumps({"selection": named.as_dict(), "why": why}))
    if as_json:
        print(json.dumps(found.as_dict() | {"why": why}, indent=2, default=str))
        return
    for line in _plan_lines(found):
        _print(line)


@app.command()
def apply(
    recall: Maybe = None,
    teacher: Teacher = None, route: Route = None, terms: Terms = None, since: Since = None, until: Until = None,
    decision: Decision = None, prompt_source: Source = None, traces: Traces = None, why: Why = None,
    data: Data = None, own: Teachers = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Withdraw: deny, tombstone, revoke versions, judge again, publish successors, mark students. Goes on if killed."""
    here = choose(data, own)
    given = (teacher, route, terms, since, until, decision, prompt_source, _lines(traces))
    if recall is not None and any(part is not None for part in given):
        raise BadInput("give a recall's id or options that select, not both")
    named, reason = _planned(here, recall) if recall is not None else (select(*given), None)
    reason = why or reason or _begun(here, named.recall_id)
    if not reason:
        raise BadInput('--why is missing: say why it is recalled, e.g. --why "their terms forbid it since 2026-11-01"')
    _check_named(here, named)
    shown.redirect_to(here.root.logs / "still.log")
    from flows.recall import apply as carry_out

    done = carry_out(here, named, reason, after=lambda step: None if as_json else shown.say(step))
    if as_json:
        shown.out().print_json(json.dumps(done, default=str))
        return
    for line in _applied_lines(done):
        _print(line)


@app.command()
def purge(recall: Known, data: Data = None, as_json: Json = False) -> None:
    """Delete the files of an applied recall; what the ledger knows of money and keys stays. Cannot be undone."""
    here = choose(data, None)
    recall_id = _known(here, recall)
    shown.redirect_to(here.root.logs / "still.log")
    from flows.recall import delete

    done = delete(here, recall_id)
    if as_json:
        shown.out().print_json(json.dumps({"recall_id": recall_id, **asdict(done)}))
        return
    for path in done.deleted:
        _print(f"deleted  {path}")
    for path in done.rewritten:
        _print(f"written  {path}")
    counts = f"{len(done.deleted):,} deleted, {len(done.rewritten):,} written in their place"
    _print(f"{counts}; `still recall verify {recall_id[:12]}` searches what is left")


@app.command()
def verify(recall: Known, data: Data = None, as_json: Json = False) -> None:
    """Search every file of the data root for what was recalled, by key and by content. Exit 1 if anything is left."""
    here = choose(data, None)
    from tasks.recall.verify import verify as search

    done = search(here.root, _known(here, recall))
    if as_json:
        print(json.dumps(asdict(done), indent=2))
    else:
        for name, where in sorted(done.searched.items()):
            _print(f"searched {where.files:>6,} files {where.bytes:>14,} bytes  {name}")
        for name in done.skipped:
            _print(f"not searched  {name} (weights)")
        _print(
            f"{done.traces:,} traces searched for by key, {done.marks:,} stretches of text by content; "
            f"{done.by_key_alone:,} texts too short for that, {done.common:,} stretches are also in rows that stay"
        )
        for line in done.left:
            _print(f"left  {line}")
        _print("nothing is left" if done.is_clean else f"{len(done.left):,} findings")
    if not done.is_clean:
        raise typer.Exit(1)


def _print(line: str) -> None:
    shown.out().print(line, markup=False, highlight=False, soft_wrap=True)


def _check_named(here: Settings, named: Selection) -> None:
    from tasks.recall.named import check_named
    from tasks.right.registry import load_teachers

    check_named(here.root, named, load_teachers(here.teacher_folders).values())


def _lines(path: Path | None) -> Sequence[str] | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--traces {path} cannot be read ({error}): give a file of trace ids, one a line") from None


def _plan_file(here: Settings, recall_id: str) -> Path:
    return here.root.path / "recalls" / f"{recall_id}.json"


def _planned(here: Settings, recall: str) -> tuple[Selection, str | None]:
    """What a plan, or a recall that was begun, selects, and why."""
    from tasks.recall.record import recorded

    if begun := recorded(here.root, recall):
        return begun.selection, begun.why
    found = sorted(_plan_file(here, "x").parent.glob(f"{recall}*.json")) if recall.isalnum() else []
    if len(found) != 1:
        raise BadInput(f"no plan begins with {recall}: `still recall plan` makes one, and prints its id")
    said = json.loads(found[0].read_text())
    return from_dict(said["selection"]), said["why"]


def _begun(here: Settings, recall_id: str) -> str | None:
    from tasks.recall.record import recorded

    begun = recorded(here.root, recall_id)
    return begun.why if begun else None


def _known(here: Settings, recall: str) -> str:
    from tasks.recall.record import recorded

    begun = recorded(here.root, recall)
    if begun is None:
        known = '`still sql "from recalls"` lists them'
        raise BadInput(f"no recall begins with {recall}: {known}; plan and apply come first")
    return begun.selection.recall_id


def _plan_lines(found: "Reach") -> list[str]:
    named = found.selection
    whom = "the gate will refuse it from then on" if named.denies else "nobody is refused from then on"
    lines = [f"recall {named.recall_id[:12]}: {named.words}; {whom}"]
    lines.append(
        f"rows      {found.attempts:,} requests, {found.traces:,} traces ({found.kept:,} kept now), "
        f"{found.prompts:,} prompts; {found.judged:,} rows of others were kept on its word, "
        f"{found.losers:,} lost to its rows"
    )
    lines += [f"file      {file.path}: {file.recalled:,} of {file.rows:,} rows" for file in found.files]
    lines += [f"shard     {s['version']} {s['shard']}: {s['rows']:,} rows, {s['bytes']:,} bytes" for s in found.shards]
    if found.segments:
        lines.append(f"journal   {found.segments:,} segments, taken up first")
    lines += [_version_line(version) for version in found.versions]
    lines += [_student_line(student, student["versions"]) for student in found.students]
    lines += [f"dataset   {dataset}: judged again" for dataset in found.datasets]
    if found.unknown:
        more = ", ..." if len(found.unknown) > 1 else ""
        lines.append(
            f"unknown   {len(found.unknown):,} of the trace ids are not in the data root: {found.unknown[0]}{more}"
        )
    lines.append(f"nothing was changed; `still recall apply {named.recall_id[:12]} --why ...` withdraws all this")
    return lines


def _applied_lines(done: Mapping[str, Any]) -> list[str]:
    lines = [
        f"recall {done['recall_id'][:12]} is {done['state']}: {done['attempts']:,} requests, {done['traces']:,} traces"
    ]
    lines += [_version_line(version) for version in done["revoked"]]
    for one in done["succession"]:
        said = [one["version"] or "none", *([one["note"]] if one["note"] else [])]
        lines.append(f"successor {one['dataset']}: {', '.join(said)}")
    lines += [_student_line(student, student["tainted_versions"]) for student in done["students"]]
    if done["students"]:
        lines.append("what becomes of a tainted student is a person's decision: train it anew, go back, or retire it")
    short = done["recall_id"][:12]
    if done["state"] == "purged":
        lines.append(f"its files were deleted: `still recall verify {short}` searches what is left")
    else:
        lines.append(f"the files are still there: `still recall purge {short}` deletes them")
    return lines


def _version_line(row: Mapping[str, Any]) -> str:
    judged = f", {row['judged_rows']:,} more were kept on its word" if row["judged_rows"] else ""
    return (
        f"version   {row['version']}: {row['recalled_rows']:,} of {row['rows']:,} rows"
        f" ({_share(row['recalled_train_tokens'], row['train_tokens'])} of the train tokens){judged}"
    )


def _student_line(row: Mapping[str, Any], versions: Sequence[str]) -> str:
    rows, tokens = (
        f"{share:.1%}" if share is not None else "an unknown share" for share in (row["row_share"], row["token_share"])
    )
    made = f"student   {row['student']} ({row['kind']})"
    judged = f"; {row['judged_rows']:,} more rows were kept on its word" if row["judged_rows"] else ""
    return f"{made}: {rows} of the rows, {tokens} of the tokens of {', '.join(versions)}{judged}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"
