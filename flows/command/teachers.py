"""`still teachers`: the registry with the gate's answers; `new` writes an entry, `review` signs for its terms."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from flows.command import shown
from flows.command.options import Data, Json, Teachers
from flows.settings import Settings, choose
from tasks.right.denials import denials
from tasks.right.describe import TeacherLine, describe_datasets, describe_teachers
from tasks.right.fields import Purpose
from tasks.right.registry import SIMULATED, find_teacher, load_datasets, load_teachers, read_registry
from tasks.right.terms import ALL_PURPOSES, SELF_HOSTED
from warehouse.errors import BadInput

app = typer.Typer(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
Name = Annotated[str, typer.Argument(metavar="NAME", help="The teacher's name in your entries.")]
AFTER = {"allow": "a person's review is all that is missing", "conditions": "then the conditions decide"}


@app.callback()
def teachers(context: typer.Context, data: Data = None, own: Teachers = None, as_json: Json = False) -> None:
    """The registry: each teacher's terms, and what the gate says of asking it today."""
    if context.invoked_subcommand is not None:
        choose(data, own)
        return
    here, now = choose(data, own), datetime.now(UTC)
    known = load_teachers(here.teacher_folders)
    lines = describe_teachers(tuple(known.values()), now, denials(here.root))
    lines += describe_datasets(load_datasets(here.teacher_folders), known[SIMULATED], now)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2, default=str))
        return
    for line in lines:
        _print(line)
    shown.out().print("`--json` has every field and every reason", style="dim")


def _print(line: TeacherLine) -> None:
    colour = "green" if line.verdict == "allow" else "red"
    shown.out().print(Text.assemble((f"{line.verdict:<7}", colour), line.name))
    said = line.reason or (f"reviewed until {line.review_expires}" if line.review_expires else "as itself: simulated")
    if line.verdict == "deny" and line.once_signed in AFTER and line.review_expires is None:
        said += f"; {AFTER[line.once_signed]}"
    if line.kind == "dataset":
        said = f"prompts taken from {line.model}: {said or 'free to use'}"
    shown.out().print(Padding(Text(said, style="dim"), (0, 0, 0, 7)))


@app.command()
def new(
    name: Name,
    model: Annotated[str, typer.Option("--model", help="The id that is sent with every request.")],
    route: Annotated[
        str | None, typer.Option("--route", help="A provider's route of the registry; else a server of your own.")
    ] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Where the server listens.")] = None,
    license: Annotated[str | None, typer.Option("--license", help="SPDX id of the weights' licence.")] = None,
    own: Teachers = None,
) -> None:
    """Write an entry for a model of your choice: valid, unsigned, with comments that say what to fill in."""
    if own is not None:
        own.mkdir(parents=True, exist_ok=True)
    here = choose(None, own)
    folder = _own_folder(here)
    from tasks.right.skeleton import skeleton, write_skeleton

    taken, registry = load_teachers(here.teacher_folders), read_registry(here.teacher_folders)
    if (name in taken and name != SIMULATED) or name == SIMULATED:
        raise BadInput(f"there is a teacher {name!r} already: choose another name")
    text = skeleton(name, model, route or SELF_HOSTED, base_url, license, registry)
    path, _ = write_skeleton(text, name, folder, registry)
    print(path, file=shown.out().file)
    _print(_line_of(here, name))


@app.command()
def review(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="The person who has read the terms and signs for them.")],
    expires: Annotated[int, typer.Option("--expires-after-days", min=1, max=365, help="Until it lapses.")] = 90,
    ticket: Annotated[str | None, typer.Option("--ticket", help="Where your organisation keeps its record.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="ask, publish, train; may be repeated; all by default.")
    ] = None,
    attest: Annotated[
        list[str] | None,
        typer.Option("--attest", metavar="WHOSE:CONDITION", help="A condition that is kept, e.g. weights:attribution."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="The person has read the terms; do not ask.")] = False,
    own: Teachers = None,
) -> None:
    """Show a teacher's terms and sign for them, as the person named; the gate denies until somebody has."""
    here, now = choose(None, own), datetime.now(UTC)
    folder = _own_folder(here)
    from tasks.right.reviewing import Signature, attested, reviewable, sign, terms_lines

    teacher = find_teacher(load_teachers(here.teacher_folders), name)
    path = reviewable(teacher, folder)
    conditions = attested(attest or (), teacher)
    for label, text in terms_lines(teacher, now):
        shown.out().print(Text.assemble((f"{label}: ", "bold"), text), soft_wrap=True)
    signature = Signature(by, now.date(), expires, _scope(scope or ()), ticket, conditions)
    _confirm(by, yes)
    signed = sign(teacher, signature, path)
    print(f"{path}: signed by {signed.by} until {signed.expires_on}", file=shown.out().file)
    _print(_line_of(here, name))


def _scope(words: Sequence[str]) -> tuple[Purpose, ...]:
    """Purposes, each word one or several of them, in the order of the line."""
    said = {part for word in words for part in word.replace(",", " ").split()}
    if unknown := said - set(ALL_PURPOSES):
        raise BadInput(f"--scope {sorted(unknown)[0]!r} is none of {', '.join(ALL_PURPOSES)}")
    return tuple(purpose for purpose in ALL_PURPOSES if purpose in said) or ALL_PURPOSES


def _confirm(by: str, yes: bool) -> None:
    """A person signs, never a program."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("a person signs, and nobody is at this terminal: run it in one, or add --yes when you have read")
    if not typer.confirm(f"Are you {by}, and have you read these terms?"):
        raise BadInput("nothing was signed: read the terms at their source, then run this again")


def _own_folder(here: Settings) -> Path:
    if len(here.teacher_folders) < 2:
        raise BadInput("name the folder of your own entries with --teachers DIR, or in $STILLHOUSE_TEACHERS")
    return here.teacher_folders[-1]


def _line_of(here: Settings, name: str) -> TeacherLine:
    return describe_teachers([find_teacher(load_teachers(here.teacher_folders), name)], datetime.now(UTC))[0]
