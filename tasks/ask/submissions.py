"""What this data root has out at providers: one pair of files a submission, durable before anything is sent.

`journal/<dataset>/<key>.batch` holds the intents, in the frames of a journal segment: the same first record, one `sent`
frame a request. `<key>.batch.json` says how far its submission is: absent, nothing was submitted; `submitting`, it may
have been; `submitted`, with the provider's id. They are the requests' state `sent` of the ledger: no run asks for them
otherwise until the pair is gone. Only the run that holds the data root's asking lock touches them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ask.batch_files import BatchFile
from tasks.ask.journal import MAGIC, SUFFIX, Frame, encode, read_frames
from tasks.ask.segment import SegmentHeader
from tasks.ask.shared_root import ROOT_ID
from tasks.ask.spend import Amount
from warehouse.errors import RunFailed
from warehouse.layout import DataRoot
from warehouse.parts import make_durable, unwritable

OUT_SUFFIX = ".batch"


@dataclass(frozen=True)
class Note:
    """How far a submission is."""

    state: Literal["submitting", "submitted"]
    at: int
    """Microseconds since 1970: when this was noted."""
    file_id: str
    batch_id: str | None = None


@dataclass(frozen=True)
class Submission:
    """One set of requests that goes to a provider as one batch."""

    path: Path
    header: SegmentHeader
    note: Note | None

    @property
    def key(self) -> str:
        return self.header.segment_id

    def intents(self) -> Iterator[Mapping[str, Any]]:
        """The fields of every `sent` frame."""
        return (frame.fields for frame in read_frames(self.path) if frame.kind == "sent")

    @property
    def worst(self) -> Amount:
        """What all of it may cost at most."""
        return sum((worst_of_intent(intent) for intent in self.intents()), Amount())

    def noted(self, note: Note) -> "Submission":
        """Make a note durable."""
        _write(_note_path(self.path), [orjson.dumps(asdict(note))])
        return Submission(self.path, self.header, note)

    def drop(self) -> None:
        """Forget it: it was never submitted, or everything that came of it is in the ledger."""
        self.path.unlink(missing_ok=True)  # the intents first: a note alone means nothing
        _note_path(self.path).unlink(missing_ok=True)


def open_submission(root: DataRoot, header: SegmentHeader, intents: Iterable[Mapping[str, Any]]) -> Submission:
    """Make the intents durable, all at once."""
    path = root.journal / header.dataset / f"{header.segment_id}{OUT_SUFFIX}"
    for torn in path.parent.glob(f".*{OUT_SUFFIX}*.new"):
        torn.unlink()
    _note_path(path).unlink(missing_ok=True)
    write_frames(path, header, (Frame("sent", intent) for intent in intents))
    return Submission(path, header, None)


def submissions(root: DataRoot) -> tuple[Submission, ...]:
    """Everything that is out, or was about to be, over all datasets of the data root.

    Raises:
        RunFailed: a file cannot be read, which no crash can bring about.
    """
    return tuple(_read(path) for path in sorted(root.journal.glob(f"*/*{OUT_SUFFIX}")))


def keys_out(root: DataRoot) -> frozenset[str]:
    """The request keys that are out; about 100 bytes of memory each."""
    return frozenset(intent["request_key"] for out in submissions(root) for intent in out.intents())


def wanted_out(root: DataRoot, batches: Iterable[BatchFile]) -> frozenset[Submission]:
    """What is out and holds a request of these batch files; the request keys of the files are held meanwhile."""
    out = submissions(root)
    if not out:
        return frozenset()
    tables = (pq.read_table(batch.path, columns=["request_key"]) for batch in batches)
    wanted = {key for table in tables for key in table["request_key"].to_pylist()}
    return frozenset(each for each in out if any(intent["request_key"] in wanted for intent in each.intents()))


def what_is_out(root: DataRoot) -> str | None:
    """One line for people, with what to do; None where nothing is out."""
    out = submissions(root)
    if not out:
        return None
    many = "a batch is" if len(out) == 1 else f"{len(out)} batches are"
    teachers = " and ".join(sorted({f"'{each.header.teacher}'" for each in out}))
    return (
        f"{many} under way at the provider of {teachers}, and paid for: run again, with a recipe that names the"
        " teacher, to take up the answers"
    )


def leave_out(batches: Iterable[BatchFile], keys: Set[str]) -> tuple[BatchFile, ...]:
    """The batch files without these request keys; files are written anew where they hold one, or go if they hold no
    other."""
    if not keys:
        return tuple(batches)
    left = []
    for batch in batches:
        table = pq.read_table(batch.path)
        mask = [key not in keys for key in table["request_key"].to_pylist()]
        if not any(mask):
            Path(batch.path).unlink()
            continue
        if not all(mask):
            pq.write_table(table.filter(pa.array(mask)), batch.path, compression="zstd")
        left.append(replace(batch, rows=sum(mask)))
    return tuple(left)


def write_frames(path: Path, header: SegmentHeader, frames: Iterable[Frame]) -> None:
    """Write a whole segment; it has its name only once all of it is on the disk."""
    pieces = (encode(frame.kind, frame.fields, frame.body) for frame in frames)
    _write(path, (MAGIC + encode("segment", vars(header)), *pieces))


def segment_path(root: DataRoot, header: SegmentHeader) -> Path:
    """Where the segment of a collected submission lies."""
    return root.journal / header.dataset / f"{header.segment_id}{SUFFIX}"


def root_id(root: DataRoot, fresh: str) -> str:
    """The data root's own name, which moves with it; `fresh` becomes it where there is none yet."""
    path = root.journal / ROOT_ID
    if not path.exists():
        _write(path, [fresh.encode()])
    return path.read_text()


def _read(path: Path) -> Submission:
    first = next(read_frames(path), None)
    if first is None or first.kind != "segment":
        raise RunFailed(f"{path} cannot be read: its first record is damaged; move the file away and run again")
    note_path = _note_path(path)
    note = Note(**orjson.loads(note_path.read_bytes())) if note_path.exists() else None
    return Submission(path, SegmentHeader(**first.fields), note)


def worst_of_intent(intent: Mapping[str, Any]) -> Amount:
    """What a request may cost at most, by its journaled intent."""
    return Amount(1, intent["worst_tokens"], intent["worst_cost_usd"] or 0.0)


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        make_durable(path.parent)
    except OSError as error:
        raise RunFailed(unwritable(path, error)) from error
