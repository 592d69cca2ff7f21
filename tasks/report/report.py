"""One report, written: read, drawn, and put in its place by a rename."""

import os
from contextlib import closing
from pathlib import Path

from tasks.report.facts import Flow
from tasks.report.read import prepare, read_facts, read_flows
from tasks.report.subject import current_subject, find_subject
from warehouse.catalog import connect
from warehouse.errors import BadInput, RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import unwritable


def write_report(root: DataRoot, name: str, out: Path | None = None) -> Path:
    """Write the report on `DATASET` or `DATASET@VERSION`; returns its absolute path.

    Without `out` it is `reports/<dataset>-<version>.html` in the data root, or `-judged` in place of the version where
    nothing is published. The same data root gives the same bytes.

    Raises:
        BadInput: no such dataset or version, or nothing was judged; `out` is a folder.
        RunFailed: the file could not be written.
    """
    from tasks.report.page import render  # imports matplotlib, which a run that writes no report does not need

    if out is not None and out.is_dir():
        raise BadInput(f"--out {out} is a folder: name a file in it")
    with closing(connect(root)) as connection:
        facts = read_facts(connection, find_subject(connection, root, name))
    subject = facts.subject
    path = (out or report_path(root, subject.dataset, subject.version)).absolute()
    _write(path, render(facts))
    return path


def current_funnel(root: DataRoot, dataset: str, version: str | None) -> tuple[Flow, ...]:
    """By teacher, how far the dataset's current judging is, and what of it the version holds.

    Raises:
        BadInput: nothing of the dataset was judged.
    """
    with closing(connect(root)) as connection:
        subject = current_subject(connection, dataset, version)
        prepare(connection, subject)
        return read_flows(connection, subject)


def report_path(root: DataRoot, dataset: str, version: str | None) -> Path:
    """Where a report lies unless somebody says otherwise."""
    name = version.rpartition("@")[2] if version else "judged"
    return root.reports / f"{dataset}-{name}.html"


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    except OSError as error:
        raise RunFailed(unwritable(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)
