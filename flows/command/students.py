"""`still students`: the models that learned from versions; those made elsewhere are registered for recalls to find."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from flows.command import shown
from flows.command.options import Data, Json
from flows.settings import choose
from tasks.recall.students import Kind, add_student, list_students

app = typer.Typer(name="students", help="Models that learned from versions, and whether a recall taints them.")


@app.callback(invoke_without_command=True)
def students(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Every student, trained here or registered, with what taints it."""
    if context.invoked_subcommand is not None:
        return
    found = list_students(choose(data, None).root)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        shown.out().print(_line(row), markup=False, highlight=False, soft_wrap=True)
    if not found:
        shown.out().print("no student yet: `still train DATASET`, or `still students add` for one made elsewhere")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called; without @.")],
    parents: Annotated[
        list[str], typer.Option("--from", metavar="VERSION|STUDENT", help="What it was made from; several for a merge.")
    ],  # fmt: skip
    kind: Annotated[Kind, typer.Option("--kind", help="How it was made.")],
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Where it is, who has it.")] = None,
    data: Data = None,
) -> None:
    """Register a student that was made elsewhere, so that a recall finds it."""
    add_student(choose(data, None).root, name, parents, kind, note, datetime.now(UTC))
    shown.out().print(
        f"{name} is registered ({kind} of {', '.join(parents)})", markup=False, highlight=False, soft_wrap=True
    )


def _line(row: dict[str, Any]) -> str:
    made = f"{row['student']}  {row['kind']} of {', '.join(row['parents'])}"
    if not row["is_tainted"]:
        return f"clean    {made}"
    shares = ", ".join(
        f"{share:.1%} of the {what}s" for what in ("row", "token") if (share := row[f"{what}_share"]) is not None
    )
    if row["judged_rows"]:
        shares += f", {row['judged_rows']:,} rows of others kept on a recalled judge's word"
    return f"tainted  {made}: {shares or 'no train row'}; recall {', '.join(one[:12] for one in row['recalls'])}"
