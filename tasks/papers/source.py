"""Where a version's prompts came from, as it may be told to others (pure)."""

import json
from dataclasses import dataclass
from pathlib import PurePath

from warehouse.manifest import Manifest
from warehouse.records import content_id


@dataclass(frozen=True)
class PromptsNamed:
    """The recipe's prompt source; a path is told by its last name, for the folders above it are nobody's business."""

    name: str

    @property
    def id(self) -> str:
        """Fit for a URN, whatever the name is made of."""
        return content_id("prompt source", self.name)


def prompts_of(manifest: Manifest) -> PromptsNamed:
    """The source of a version's prompts; `not stated` where its recipe names none."""
    source = str((json.loads(manifest.recipe).get("prompts") or {}).get("source") or "not stated")
    return PromptsNamed(PurePath(source).name if "/" in source or "\\" in source else source)
