"""`still report`: one HTML file that says how good a version is, or a judging of which nothing is published."""

from pathlib import Path
from typing import Annotated

import typer

from flows.command import shown
from flows.command.options import Data
from flows.settings import choose


def report(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET[@VERSION]", help="A version; without @ the newest, else the current judging."),
    ],
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write it; else reports/ in the data root."),
    ] = None,
) -> None:
    """How good a version is, as one HTML file: funnel, plots, duplicates, contamination, examples, policy."""
    here = choose(data, None)
    from tasks.report.report import write_report  # imports matplotlib

    print(write_report(here.root, dataset, out), file=shown.out().file)
