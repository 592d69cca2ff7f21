"""Verbs that look and change nothing: status, sql, show, versions, simulate, doctor."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow.csv
import typer
from rich.live import Live
from rich.table import Table

from flows.command import shown
from flows.command.options import Data, Json, Teachers
from flows.command.view import liveness, render
from flows.settings import choose
from warehouse.errors import BadInput
from warehouse.manifest import SIGNATURE
from warehouse.query import run_query, show_trace
from warehouse.status import all_status


def status(
    data: Data = None,
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep drawing until Ctrl-C.")] = False,
) -> None:
    """How far each run is: funnel, speed, spend, time left."""
    root = choose(data, None).root
    statuses = _statuses(root)
    if as_json:
        print(json.dumps(statuses, indent=2))
        return
    if not statuses:
        shown.out().print(f"no run yet in {root.path}; start one with `still demo` or `still run RECIPE`")
        return
    if not watch:
        for one in statuses:
            shown.out().print(render(one, f"{one['dataset']} · {one['state']}"))
        return
    with Live(console=shown.out(), auto_refresh=False) as live:
        while True:
            table = Table.grid()
            for one in _statuses(root):
                table.add_row(render(one, f"{one['dataset']} · {one['state']}"))
            live.update(table, refresh=True)
            time.sleep(0.5)


def _statuses(root: Any) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [{**one, "state": liveness(one, now)} for one in all_status(root).values()]


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="SQL over the public views; see docs/warehouse.md.")],
    data: Data = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Query the warehouse; a run may be writing, nobody waits."""
    rows = run_query(choose(data, None).root, query)
    if as_csv:
        pyarrow.csv.write_csv(rows, sys.stdout.buffer)
    elif as_json:
        print(json.dumps(rows.to_pylist(), indent=2, default=str))
    else:
        _print_table(rows.column_names, [list(row.values()) for row in rows.to_pylist()])


def _print_table(columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(*columns, header_style="bold", show_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    shown.out().print(table, markup=False)
    shown.out().print(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", style="dim")


def show(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", help="A trace id, or its first characters.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """One verdict, fully: every rule and what it measured, whom the trace is like, its terms, cost and versions."""
    story = show_trace(choose(data, None).root, trace_id)
    from tasks.report.verdict import explain

    explained = explain(story)
    if as_json:
        print(json.dumps({**story, "explained": [asdict(each) for each in explained]}, indent=2, default=str))
        return
    from flows.command.trace_view import view

    for part in view(story, explained):
        shown.out().print(part, highlight=False)


VERSIONS = """
    select version, rows, train_rows, validation_rows, simulated, published_at, folder, revoked_by, successor
    from versions order by published_at
"""


def versions(data: Data = None, as_json: Json = False) -> None:
    """Every published version; whether a recall revoked it, and whether it is signed (`still verify` says by whom)."""
    root = choose(data, None).root
    found = run_query(root, VERSIONS).to_pylist()
    rows = [{**row, "signed": (root.path / row["folder"] / SIGNATURE).exists()} for row in found]
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
        return
    lines = [
        [
            row["version"],
            f"{row['train_rows']:,}",
            f"{row['validation_rows']:,}",
            f"{row['published_at']:%Y-%m-%d %H:%M}",
            _standing(row),
        ]
        for row in rows
    ]
    _print_table(["version", "train", "validation", "published (UTC)", ""], lines)


def _standing(row: Mapping[str, Any]) -> str:
    """What one must know before training on it."""
    said = ["simulated"] if row["simulated"] else []
    if row["revoked_by"]:
        said.append(f"revoked by recall {row['revoked_by'][:12]}")
    if row["successor"]:
        said.append(f"succeeded by {row['successor']}")
    return ", ".join([*said, "signed" if row["signed"] else "not signed"])


def simulate(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- FLAGS]", help="Flags; `-- --help` lists them.")
    ] = None,
) -> None:
    """The simulated teacher as a server of its own; Ctrl-C stops it."""
    # Its own process, never an import: it is the independent referee.
    sys.exit(subprocess.call([sys.executable, "-m", "infra.simulated_teacher", *(arguments or [])]))


def doctor(data: Data = None, own: Teachers = None, as_json: Json = False) -> None:
    """Check the installation, the data root, Prefect, Ray and the GPU."""
    from flows.health import examine  # imports prefect, ray and torch to ask each how it is

    findings = examine(choose(data, own))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark = "[green]ok[/green]  " if finding.well else "[red]bad[/red] "
            shown.out().print(f"{mark} {finding.subject:<14}{finding.finding}", highlight=False)
    bad = [finding.subject for finding in findings if not finding.well]
    if bad:
        raise BadInput(
            f"{len(bad)} of {len(findings)} checks failed: {', '.join(bad)}; each line above says what to do"
        )
