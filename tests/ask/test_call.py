"""What a run is refused for before anything is asked."""

import pytest
from asking import call_of, teacher_at

from tasks.ask.call import TeacherCall, check_calls
from tasks.ask.spend import Ceiling
from warehouse.errors import BadInput
from warehouse.layout import DataRoot


def charged(root: DataRoot, name: str, rule: str, pool: str = "default") -> TeacherCall:
    teacher = teacher_at("http://127.0.0.1:9/v1", charge=rule)
    return call_of(root, teacher.model_copy(update={"name": name, "pool": pool}))


def test_two_teachers_of_one_pool_must_be_charged_by_one_rule(data_root: DataRoot) -> None:
    calls = [charged(data_root, "one", "max_of"), charged(data_root, "two", "sum")]
    with pytest.raises(BadInput, match=r"'one' \(max_of\) and 'two' \(sum\) share account 'simulated'"):
        check_calls(Ceiling(), calls)
    check_calls(Ceiling(), [charged(data_root, "one", "sum"), charged(data_root, "two", "sum")])
    check_calls(Ceiling(), [calls[0], charged(data_root, "two", "sum", pool="other")])
