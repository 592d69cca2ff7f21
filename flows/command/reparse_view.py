"""What a person reads after `still reparse`: what is read otherwise than before, and what to do next."""

import json

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.command import shown
from tasks.ask.reparse import Reparsed


def print_reparsed(done: Reparsed, dry_run: bool, as_json: bool) -> None:
    """One table, or JSON."""
    if as_json:
        shown.out().print_json(json.dumps(done.as_dict()))
        return
    shown.out().print(Group(*_parts(done, dry_run)))


def _parts(done: Reparsed, dry_run: bool) -> list[RenderableType]:
    tally = done.tally
    head = f"{tally.responses:,} responses of {done.dataset} read again with parser {done.parser}"
    if not tally.changed:
        return [Text(f"{head}: nothing is otherwise, nothing was changed"), *_left(done)]
    would = ": nothing was written (--dry-run)" if dry_run else f", reading {done.reading}"
    return [Text(head + would), _table(done), *_left(done), *_next(done)]


def _table(done: Reparsed) -> Table:
    tally = done.tally
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row(Text("responses read otherwise", style="bold"), f"{tally.changed:,}")
    for (before, after), count in tally.outcomes.most_common():
        table.add_row(Text(f"  {before} -> {after}", style="dim"), Text(f"{count:,}", style="dim"))
    for name, count in tally.fields.most_common():
        table.add_row(f"{name} changed", f"{count:,}")
    table.add_row("new traces, to be judged", f"{tally.traces:,}")
    table.add_row("answers where none was read before", f"{tally.gained:,}")
    table.add_row("answers that are none now", f"{tally.lost:,}")
    return table


def _left(done: Reparsed) -> list[Text]:
    found = (
        (done.tally.later, "a later parser has read them"),
        (done.tally.cut_off, "the beginning that they go on with is not here"),
    )
    return [Text(f"{count:,} responses left as they are: {why}", style="dim") for count, why in found if count]


def _next(done: Reparsed) -> list[Text]:
    lines = [f"{count:,} answers of {dataset} are to be judged: `still judge RECIPE`, or `still publish {dataset}`"
             for dataset, count in done.unjudged.items()]  # fmt: skip
    if done.tally.lost:
        lines.append("samples whose answer is none now are asked for again by the next `still run RECIPE`")
    return [Text(line, style="dim") for line in lines]
