"""docs/warehouse.md is true: its queries run and find rows, and it lists every column as the views do."""

import re
from contextlib import closing
from pathlib import Path

import pytest
from small_warehouse import small_root

from warehouse.catalog import connect
from warehouse.layout import DataRoot
from warehouse.query import run_query
from warehouse.views import PUBLIC_VIEWS

PAGE = Path(__file__).parents[1] / "docs" / "warehouse.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return small_root(DataRoot(tmp_path_factory.mktemp("docs") / "data").create())


def describe_views(root: DataRoot) -> str:
    """The part of the page that lists the views, made from their own comments."""
    with closing(connect(root)) as connection:
        comments = dict(
            connection.execute("select view_name, comment from duckdb_views() where not internal").fetchall()
        )
        columns = connection.execute(
            "select table_name, column_name, lower(data_type), comment from duckdb_columns() "
            "where schema_name = 'main' order by column_index"
        ).fetchall()
    lines = ["## The views"]
    for view in PUBLIC_VIEWS:
        lines += ["", f"### {view}", "", comments[view], "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {name} | {kind} | {comment} |" for table, name, kind, comment in columns if table == view]
    return "\n".join(lines) + "\n"


def test_the_page_holds_ten_queries() -> None:
    assert len(QUERIES) == 10


@pytest.mark.parametrize("sql", QUERIES, ids=lambda sql: " ".join(sql.split())[:40])
def test_each_query_of_the_page_runs_and_finds_rows(small: DataRoot, sql: str) -> None:
    assert run_query(small, sql).num_rows > 0


def test_the_page_lists_every_column_of_every_view(small: DataRoot) -> None:
    expected = describe_views(small)
    found = PAGE.read_text()[PAGE.read_text().index("## The views") :]
    assert found == expected, f"replace the end of {PAGE.name} with:\n{expected}"
