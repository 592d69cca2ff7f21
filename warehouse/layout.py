"""Where things lie in a data root. Paths only: nothing here touches the disk but `DataRoot.create`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataRoot:
    """One folder that holds everything: catalog, ledger, traces, verdicts, versions, journal, logs."""

    path: Path

    @property
    def warehouse(self) -> Path:
        """What people open: a read-only DuckDB file, replaced by rename after commits."""
        return self.path / "warehouse.duckdb"

    @property
    def catalog(self) -> Path:
        """The folder of the line's own DuckDB file; only a transaction opens that, briefly, under its lock."""
        return self.path / ".catalog"

    @property
    def locks(self) -> Path:
        return self.path / ".locks"

    @property
    def status(self) -> Path:
        """Small JSON files, one a dataset, that say how far a run is."""
        return self.path / ".status"

    @property
    def journal(self) -> Path:
        """Append-only segments of what was sent and received and is not yet a part."""
        return self.path / "journal"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def students(self) -> Path:
        return self.path / "students"

    @property
    def reports(self) -> Path:
        """HTML pages, one a version; each can be made again."""
        return self.path / "reports"

    def parts(self, kind: str) -> Path:
        """The folder of one kind of Parquet: prompts, plans, ledger, traces, verdicts, ..."""
        return self.path / kind

    def version(self, dataset: str, name: str) -> Path:
        """The folder of one published version, e.g. `shards/word-problems/2026.11.21.1`."""
        return self.path / "shards" / dataset / name

    @property
    def scratches(self) -> Path:
        """Files that may be deleted once no run is under way; DuckDB spills here."""
        return self.path / ".scratch"

    def scratch(self, run_id: str) -> Path:
        """Files of one run that may be deleted once the run is over."""
        return self.scratches / run_id

    def create(self) -> "DataRoot":
        """Make the folders that must exist, and return self."""
        folders = (self.locks, self.status, self.journal, self.logs, self.students, self.scratches)
        for folder in (self.catalog, *folders):
            folder.mkdir(parents=True, exist_ok=True)
        return self
