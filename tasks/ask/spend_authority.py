"""Every run's budget, as one named Ray actor of a data root: a thin shell round `Book`."""

from tasks.ask.spend import Amount, Book, Ceiling, Reserve, SpendReport


class SpendAuthority:
    """Every run's budget."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}

    async def open_run(self, run_id: str, ceiling: Ceiling, spent_before: Amount) -> None:
        self._books[run_id] = Book(ceiling, spent_before)

    async def exchange(self, report: SpendReport) -> Reserve:
        book = self._books.get(report.run_id)
        return book.exchange(report) if book else Reserve(0, None)

    async def close_worker(self, run_id: str, worker: str, spent: Amount) -> None:
        self._books[run_id].close(worker, spent)

    async def snapshot(self, run_id: str) -> Amount:
        return self._books[run_id].spent

    async def close_run(self, run_id: str) -> bool:
        self._books.pop(run_id, None)
        return not self._books
