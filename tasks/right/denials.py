"""Whom the recalls of a data root deny, as last published: for who looks. The gate itself reads them as committed."""

from contextlib import closing

from tasks.right.recalled import Denial
from warehouse.catalog import fresh_snapshot
from warehouse.layout import DataRoot

DENYING = """
    select recall_id, why, begun_at, teacher, route, terms from store.recall where denies order by begun_at, recall_id
"""


def denials(root: DataRoot) -> tuple[Denial, ...]:
    """None where there is no warehouse yet."""
    if not root.warehouse.exists():
        return ()
    with closing(fresh_snapshot(root, views=False)) as connection:
        return tuple(Denial(*row) for row in connection.execute(DENYING).fetchall())
