"""Verbs for what must hold up elsewhere: verify, sign."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.command import shown
from flows.command.options import Data, Json
from flows.settings import choose


def verify(
    version: Annotated[
        str | None, typer.Argument(metavar="[DATASET@VERSION]", help="One version; else all that there is.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="Every version must be signed with its key.")
    ] = None,
) -> None:
    """Walk decisions, manifests, shards and parts, and print what does not hold; exit 1 if anything does not."""
    root = choose(data, None).root
    from tasks.verify.verify import verify as walk

    report = walk(root, version, public_key)
    if as_json:
        print(json.dumps({**asdict(report), "holds": report.holds}, indent=2))
    else:
        for fault in report.faults:
            shown.out().print(f"[red]bad[/red]  {fault}", highlight=False, soft_wrap=True)
        for line in report.said:
            shown.out().print(f"     {line}", style="dim", highlight=False, soft_wrap=True)
        seen = f"{report.decisions:,} decisions, {report.versions:,} versions, {report.shards:,} shards"
        shown.out().print(f"checked {seen}, {report.rows:,} rows, {report.parts:,} parts", highlight=False)
        shown.out().print(f"newest decision: {report.chain_head}", highlight=False, soft_wrap=True)
        count = len(report.faults)
        verdict = "all of it holds" if report.holds else f"{count} thing{'s do' if count > 1 else ' does'} not hold"
        shown.out().print(verdict, style="green" if report.holds else "red")
    raise typer.Exit(0 if report.holds else 1)


def sign(
    version: Annotated[str, typer.Argument(metavar="DATASET[@VERSION]", help="A version; without @ the newest.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Your private EC key, as PEM.")],
    data: Data = None,
) -> None:
    """Sign a version's folder with OpenSSF model-signing: adds model.sig beside the manifest."""
    root = choose(data, None).root
    from flows.train import find_version
    from tasks.papers.signature import sign_version
    from tasks.publish.versions import folder_of

    print(sign_version(folder_of(root, find_version(root, version).version), key), file=shown.out().file)
