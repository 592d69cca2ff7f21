"""The manifest: the JSON that makes a version exist, and the check that its files are still what it says.

A version's folder holds `train-*.parquet`, `validation-*.parquet`, `heldout-*.parquet`, `README.md` (the
dataset card), its papers (docs/papers.md) and `manifest.json`, written last. The bytes of every other file are
listed with their SHA-256; the content digest is taken over the rows as canonical JSON lines, so it stays the
same whatever Parquet writer or shard size was used.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from warehouse.errors import BadInput

FORMAT = 1
MANIFEST = "manifest.json"
CARD = "README.md"
CROISSANT = "croissant.json"
EU_REPORT = "eu_synthetic_data.md"
SIGNATURE = "model.sig"
"""The one file that may be added to a version later: a signature over all others (docs/papers.md)."""


@dataclass(frozen=True)
class ShardEntry:
    """One Parquet file of a version; train and validation shards hold rows of exactly one (teacher,
    terms).
    """

    name: str
    split: str
    """train | validation | heldout"""
    rows: int
    bytes: int
    sha256: str
    teacher: str | None = None
    terms_id: str | None = None
    terms_sha256: str | None = None


@dataclass(frozen=True)
class TeacherEntry:
    """Who taught the rows, under which terms, and by which decision they were let into the version."""

    teacher: str
    model: str
    revision: str | None
    route: str
    terms_id: str
    terms_sha256: str
    weights_license: str | None
    route_license: str | None
    decision_id: str
    rows: int
    conditions: tuple[str, ...] = ()
    """What the terms ask of whoever trains on the rows, in words, whether it was met here or not."""


@dataclass(frozen=True)
class Counts:
    """What became of every sample that was wanted; the sums of promise 4, then what publishing itself left
    out.
    """

    wanted: int
    reused: int
    answered: int
    failed: int
    maybe_paid: int
    not_asked: int
    kept: int
    rejected: int
    undecided: int
    quarantined: int
    reasons: Mapping[str, int]
    """Rows that were not kept, by the code of the first rule that failed."""
    published: int
    merged_across_sides: int
    """Kept rows left out of train because their question's cluster now reaches into validation."""
    not_admitted: int
    """Kept rows left out because no decision allows publishing them under the terms they were asked with."""
    over_target: int = 0
    """Kept rows left out because the recipe's target was reached without them."""


@dataclass(frozen=True)
class Manifest:
    """Everything a reader needs to trust a version without the warehouse it came from."""

    format: int
    dataset: str
    version: str
    """`dataset@YYYY.MM.DD.N`"""
    published_at: datetime
    content_digest: str
    form: str
    """Where the reasoning is: in a `field` of its own, or `inline` in the content between <think> tags."""
    simulated: bool
    rows: int
    train_rows: int
    validation_rows: int
    heldout_prompts: int
    tokens: int
    """Completion tokens of the train and validation rows, as the teachers reported or as estimated."""
    shards: tuple[ShardEntry, ...]
    card_sha256: str
    licenses: tuple[str, ...]
    """Of the prompts."""
    teachers: tuple[TeacherEntry, ...]
    counts: Counts
    recipe: str
    """The recipe as JSON text."""
    recipe_sha256: str
    plan_id: str
    judge_run: str
    run_id: str
    chain_head: str | None = None
    """The newest decision when it was published; None in manifests written before this was noted."""
    papers: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every paper beside the card, by its file name."""

    @property
    def folder_name(self) -> str:
        """The version without its dataset: the name of its folder."""
        return self.version.rpartition("@")[2]


_MANIFEST = TypeAdapter(Manifest)


def to_json(manifest: Manifest) -> bytes:
    """Render the manifest as canonical JSON: sorted keys, UTF-8, two spaces, one newline at the end."""
    fields = asdict(manifest) | {"published_at": manifest.published_at.isoformat()}
    return (json.dumps(fields, sort_keys=True, ensure_ascii=False, indent=2) + "\n").encode()


def from_json(data: bytes, path: Path) -> Manifest:
    """Read a manifest; BadInput names the file, and says so when newer code wrote it."""
    try:
        fields = json.loads(data)
        found = fields["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a manifest: restore the file or publish again") from error
    if not isinstance(found, int) or found > FORMAT:
        raise BadInput(f"{path} has manifest format {found!r}, this code reads up to {FORMAT}: upgrade stillhouse")
    try:
        return _MANIFEST.validate_python(fields)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise BadInput(f"{path} is not a manifest (field {where}): restore the file or publish again") from error


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a version's folder; BadInput if there is none, so the version does not exist."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(
            f"no version at {folder}: {MANIFEST} is missing; `still versions` lists what is there"
        ) from error
    return from_json(data, path)


def verify_version(folder: Path) -> None:
    """Check that every file of a version is there, unchanged and alone; BadInput names the first that is
    not.
    """
    manifest = load_manifest(folder)
    expected = checksums(manifest)
    for name, sha256 in sorted(expected.items()):
        _check_file(folder / name, sha256, manifest.version)
    for path in sorted(folder.glob("*.parquet")):
        if path.name not in expected:
            raise BadInput(f"{path} is not in the manifest of {manifest.version}: move the file away")


def checksums(manifest: Manifest) -> dict[str, str]:
    """The SHA-256 of every file that the manifest vouches for, by name."""
    return {shard.name: shard.sha256 for shard in manifest.shards} | {CARD: manifest.card_sha256, **manifest.papers}


def _check_file(path: Path, expected: str, version: str) -> None:
    remedy = "restore the file from a copy, or publish a new version"
    try:
        found = file_sha256(path)
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing from {version}: {remedy}") from error
    if found != expected:
        raise BadInput(f"{path} of {version} has changed: expected sha256 {expected}, found {found}: {remedy}")


def file_sha256(path: Path) -> str:
    """Hash a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ContentDigest:
    """The digest of a version's rows, fed split by split in the order they are published.

    Each row counts as one line of canonical JSON (sorted keys, UTF-8, no spaces), each split is opened by its
    name.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def begin(self, split: str) -> None:
        self._digest.update(f"split {split}\n".encode())

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        for row in rows:
            self._digest.update(orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
