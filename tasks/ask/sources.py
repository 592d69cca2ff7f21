"""Rows out of files, folders, `datasets` folders and generators, one at a time (pure).

A row carries where it came from, so that whatever is wrong with it can be said by file and line. What a row
means is decided in `tasks.ask.prompts`. Nothing here holds more than one batch of rows.
"""

import csv
import glob
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.gym import lacks_solver, reasoning_gym
from warehouse.errors import BadInput

GENERATOR = "reasoning-gym:"
PARQUET_ROWS = 1024
# A long question in a CSV cell is legitimate; Python refuses cells above 128 KiB unless told otherwise.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Row:
    """One row of a source, as the source holds it."""

    source: str
    """File or generator, as the recipe names it."""
    number: int
    """1-based: the line a JSONL or CSV row begins on, else the row."""
    place: str
    """Where it is, as an error says it: `problems.jsonl:12`, `problems.parquet row 12`."""
    values: Mapping[str, Any]
    columns: Collection[str]
    """Every column the row has at its source, read or not."""


def read_rows(
    source: str,
    folder: Path,
    columns: Collection[str],
    seed: int,
    limit: int | None,
    options: Mapping[str, Any],
) -> Iterator[Row]:
    """Rows of a source in a stable order: files sorted by path, rows as they stand in them, at most `limit`.

    `columns` are the only ones read where the format allows it. Relative sources start at `folder`. Raises
    BadInput that names the file, and the line or row where there is one.
    """
    rows = (
        _generated(source, seed, limit, options)
        if source.startswith(GENERATOR)
        else _stored(source, folder, columns, options)
    )
    return islice(rows, limit)


def _stored(source: str, folder: Path, columns: Collection[str], options: Mapping[str, Any]) -> Iterator[Row]:
    path = folder / Path(source).expanduser()
    if path.is_dir() and (_is_dataset(path) or options):
        yield from _dataset_rows(source, path, columns, options)
        return
    if options:
        raise BadInput(f"prompts.options {sorted(options)} mean nothing for {source}: leave them out")
    for file in _files(source, path):
        yield from READERS[file.suffix.lower()](file, _shown(source, path, file, folder), columns)


def _files(source: str, path: Path) -> list[Path]:
    known = ", ".join(READERS)
    if path.is_file():
        if path.suffix.lower() not in READERS:
            raise BadInput(f"prompts.source {source} is not one of {known}: convert it, or name another file")
        return [path]
    if path.is_dir():
        found = sorted(f for f in path.rglob("*") if f.is_file() and _is_listed(f.relative_to(path)))
    else:
        found = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if _is_listed(Path(p)))
    if not found and not path.is_dir() and not glob.has_magic(str(path)):
        raise BadInput(f"prompts.source {source} does not exist (looked for {path}): check the path")
    if not found:
        raise BadInput(f"prompts.source {source} holds no {known} file (looked in {path}): check the path")
    return found


def _is_listed(path: Path) -> bool:
    """Hidden files and folders are someone's bookkeeping, other suffixes someone's notes."""
    return path.suffix.lower() in READERS and not any(part.startswith(".") for part in path.parts)


def _shown(source: str, path: Path, file: Path, folder: Path) -> str:
    """A file as the recipe names it: the source itself, or the way to the file from the recipe's folder."""
    if file == path:
        return source
    if file.is_relative_to(folder):
        return file.relative_to(folder).as_posix()
    return file.as_posix()


def _lines(file: Path, shown: str) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends kept, so that a CSV cell with a line break stays exact; a byte order
    mark is dropped."""
    try:
        with file.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                try:
                    yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise BadInput(f"{shown}:{number}: not UTF-8 ({error.reason}): save the file as UTF-8") from None
    except OSError as error:
        raise BadInput(f"cannot read {shown}: {error.strerror}: check the file's permissions") from None


def _jsonl_rows(file: Path, shown: str, columns: Collection[str]) -> Iterator[Row]:
    for number, line in _lines(file, shown):
        if not line.strip():
            continue
        place = f"{shown}:{number}"
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadInput(f"{place}: not JSON ({error.msg}): each line must be one JSON object") from None
        if not isinstance(values, dict):
            raise BadInput(f"{place}: a JSON {_kind(values)}, not an object: each line must be one JSON object")
        yield Row(shown, number, place, values, values.keys())


def _csv_rows(file: Path, shown: str, columns: Collection[str]) -> Iterator[Row]:
    header: list[str] | None = None
    for number, cells in _csv_records(file, shown):
        place = f"{shown}:{number}"
        if header is None:
            header = _header(cells, place)
        elif len(cells) != len(header):
            raise BadInput(f"{place}: {len(cells)} cells under {len(header)} columns: quote cells that hold commas")
        else:
            values = {name: cell or None for name, cell in zip(header, cells, strict=True)}
            yield Row(shown, number, place, values, header)


def _csv_records(file: Path, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, with the line each begins on: a quoted cell may hold line breaks."""
    reader = csv.reader((line for _, line in _lines(file, shown)), strict=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"{shown}:{number}: not CSV ({error}): check the quotes") from None


def _header(cells: list[str], place: str) -> list[str]:
    twice = sorted({name for name in cells if cells.count(name) > 1})
    if twice:
        raise BadInput(f"{place}: the header names {', '.join(map(repr, twice))} twice: rename one of them")
    return cells


def _parquet_rows(file: Path, shown: str, columns: Collection[str]) -> Iterator[Row]:
    try:
        with pq.ParquetFile(file) as stored:
            names = stored.schema_arrow.names
            number = 0
            for batch in stored.iter_batches(PARQUET_ROWS, columns=[name for name in names if name in columns]):
                # a batch without columns still counts its rows, but `to_pylist` then gives none of them
                rows = batch.to_pylist() if batch.num_columns else [{}] * batch.num_rows
                for values in rows:
                    number += 1
                    yield Row(shown, number, f"{shown} row {number}", values, names)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"cannot read {shown} as Parquet: {_first_line(error)}: check the file") from None


READERS: dict[str, Callable[[Path, str, Collection[str]], Iterator[Row]]] = {
    ".jsonl": _jsonl_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}


def _is_dataset(path: Path) -> bool:
    """A folder that `datasets` wrote, or that carries a dataset card: its splits must not be mixed."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json", "README.md"))


def _dataset_rows(source: str, path: Path, columns: Collection[str], options: Mapping[str, Any]) -> Iterator[Row]:
    if unknown := sorted(options.keys() - {"config", "split"}):
        raise BadInput(f"prompts.options {unknown} mean nothing for the folder {source}: known are config, split")
    splits = _load_splits(source, path, options.get("config"))
    split = str(options.get("split") or (next(iter(splits)) if len(splits) == 1 else "train"))
    if split not in splits:
        raise BadInput(f"{source} has no split {split!r}: set prompts.options.split to one of {sorted(splits)}")
    rows = splits[split]
    names = list(rows.column_names or [])
    read = [name for name in names if name in columns]
    number = 0
    try:
        for number, values in enumerate(rows.select_columns(read) if read else rows, 1):
            yield Row(source, number, f"{source} split {split} row {number}", values, names)
    except _unreadable() as error:
        reason = _first_line(error)
        raise BadInput(f"{source} split {split}: cannot be read after row {number}: {reason}") from None


def _load_splits(source: str, path: Path, config: str | None) -> Mapping[str, Any]:
    import datasets  # seconds to import, and only folders need it

    try:
        if not any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
            # streaming: a plain load would first copy everything into the user's cache
            return dict(datasets.load_dataset(str(path), config, streaming=True))
        loaded = datasets.load_from_disk(str(path))
    except _unreadable() as error:
        raise BadInput(f"{source} does not load with datasets: {_first_line(error)}") from None
    if isinstance(loaded, datasets.DatasetDict):
        return dict(loaded)
    return {str(loaded.split or "train"): loaded}


def _unreadable() -> tuple[type[Exception], ...]:
    """What `datasets` raises for a folder that it cannot load or read."""
    from datasets.exceptions import DatasetsError

    return (OSError, ValueError, DatasetsError, pa.ArrowException)


def _generated(source: str, seed: int, limit: int | None, options: Mapping[str, Any]) -> Iterator[Row]:
    """Entries of a reasoning-gym task. Entry i is drawn from seed + i, so a raised limit keeps the entries
    before it."""
    task = source.removeprefix(GENERATOR)
    if taken := sorted(options.keys() & {"seed", "size"}):
        raise BadInput(f"prompts.options may not set {taken}: use prompts.seed and prompts.limit")
    if limit is None:
        raise BadInput(f"prompts.source {source} never ends: set prompts.limit")
    entries = _create_task(source, task, {**options, "seed": seed, "size": limit})
    for index in range(limit):
        entry = {name: entries[index][name] for name in ("question", "answer", "metadata")}
        metadata = orjson.dumps({"task": task, "entry": entry}, default=str, option=GENERATED_JSON).decode()
        values = {
            "prompt": entry["question"],
            "reference": entry["answer"],
            "family": task,
            "metadata": metadata,
        }
        yield Row(source, index + 1, f"{source} entry {index + 1}", values, values.keys())


GENERATED_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def _create_task(source: str, task: str, settings: dict[str, Any]) -> Any:
    gym = reasoning_gym()
    known = sorted(gym.factory.DATASETS)
    if task not in known:
        near = [name for name in known if name[:4] == task[:4]] or known[:5]
        raise BadInput(f"unknown task {task!r} in prompts.source {source}: reasoning-gym has {', '.join(near)}, ...")
    if lacks_solver(task):
        raise BadInput(f"{source} needs the SAT solver pycosat: `pip install pycosat`, which wants a C compiler")
    try:
        return gym.create_dataset(task, **settings)
    except (TypeError, ValueError, AssertionError) as error:
        raise BadInput(f"prompts.options do not fit {source}: {_first_line(error)}") from None


def _kind(value: object) -> str:
    names = {list: "list", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
