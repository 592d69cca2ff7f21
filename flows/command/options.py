"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="The data root; else $STILLHOUSE_DATA, else ./data.", show_default=False
    ),
]
Teachers = Annotated[
    Path | None,
    typer.Option(
        "--teachers", metavar="DIR", help="Your own registry entries, added to the shipped ones.", show_default=False
    ),
]
RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML recipe.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
