"""What a provider gave back of one batch, by request key: files of lines on disk, of which one is read at a time."""

from dataclasses import dataclass, field
from typing import BinaryIO

from tasks.ask.batch_lines import LineEnd, custom_id, read_line


@dataclass
class Results:
    """The output and error file of one batch; lines come in any order. About 150 bytes a line are held."""

    batch_id: str
    missing: LineEnd
    """What became of a request of which no line speaks."""
    answered: int = 0
    """Lines of the output file."""
    _where: dict[str, tuple[BinaryIO, int, int]] = field(default_factory=dict)

    def index(self, file: BinaryIO) -> int:
        """Note where each request's line is; of two lines the first counts. Returns how many could be read."""
        start, found = 0, 0
        for line in file:
            name = custom_id(line)
            if name is not None:
                self._where.setdefault(name, (file, start, len(line)))
                found += 1
            start += len(line)
        return found

    def end(self, request_key: str) -> LineEnd:
        """What became of a request."""
        if request_key not in self._where:
            return self.missing
        file, start, length = self._where[request_key]
        file.seek(start)
        return read_line(file.read(length), self.batch_id)
