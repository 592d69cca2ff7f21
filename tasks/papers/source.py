"""Where a version's prompts came from, as it may be told to others (pure)."""

import json
from pathlib import PurePath

from warehouse.manifest import Manifest


def prompts_named(source: str) -> str:
    """The name of a recipe's prompt source; of a path its last part, for the folders above it are nobody's business."""
    return PurePath(source).name if "/" in source or "\\" in source else source


def prompts_of(manifest: Manifest) -> str:
    """The source of a version's prompts; `not stated` where its recipe names none."""
    source = (json.loads(manifest.recipe).get("prompts") or {}).get("source")
    return prompts_named(str(source)) if source else "not stated"
