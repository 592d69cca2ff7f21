"""The teacher registry: shipped files of weights and routes, and the user's own entries, read into teachers.

A user's folder may hold entries (`*.yaml`), and `weights/` and `routes/` of its own. It adds to the shipped
files and replaces none of them; the one exception is the simulated teacher, whose port a user may choose.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tasks.right.documents import documents, parse, read_document
from tasks.right.entries import DataFile, ReviewFile, RouteFile, TeacherEntry, WeightsFile
from tasks.right.resolve import Registry, resolve
from tasks.right.terms import SELF_HOSTED, SIMULATED_MODEL, AccountBudget, Teacher, terms_id
from warehouse.errors import BadInput, RunFailed

SIMULATED = "simulated"
REVIEWS = "reviews"
ANY = "any-model"
"""Stands for a model in pairs of a file that names none."""
PATTERN = frozenset("*?[")
OWN_SERVER = {"route": SELF_HOSTED, "base_url": "http://127.0.0.1:8000/v1"}  # where vLLM listens by default


def shipped_teachers() -> Path:
    """The registry that comes with the installation: `infra/teachers` beside the installed packages."""
    folder = Path(__file__).resolve().parents[2] / "infra" / "teachers"
    if not folder.is_dir():
        raise RunFailed(f"the shipped registry is missing at {folder}: install stillhouse again")
    return folder


def load_teachers(folders: Sequence[Path]) -> dict[str, Teacher]:
    """Read every teacher of some folders, the shipped one first. BadInput names the file and the field.

    A file of weights is a teacher `<weights>@self-hosted`, a model that a route serves is `<model>@<route>`;
    they are evidence and carry no review. The user's own entries go by their `name`.
    """
    registry = read_registry(folders)
    teachers = {teacher.name: teacher for teacher in _evidence(registry, folders[0])}
    written: dict[str, Path] = {}
    for path, entry in _entries(folders):
        if entry.name in written and (entry.name != SIMULATED or path.parent == written[entry.name].parent):
            raise BadInput(f"{path}: name: {entry.name!r} is taken by {written[entry.name]}: choose another")
        if entry.name == SIMULATED and not entry.simulated:
            entry = _declared(entry, path)
        written[entry.name] = path
        teachers[entry.name] = resolve(entry, registry, path)
    for path, signed in _reviews(folders[1:]):
        teachers[signed.teacher] = _signed(signed, path, written, teachers)
    return _with_budgets(teachers)


def read_registry(folders: Sequence[Path]) -> Registry:
    """The files of weights and routes of some folders. BadInput names the file and the field."""
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(f"there is no teachers folder {folder}: make it, or name the one that exists")
    return Registry(_weights(folders), _routes(folders))


def load_datasets(folders: Sequence[Path]) -> list[DataFile]:
    """The agreements about published data. BadInput names the file and the field."""
    return [parse(DataFile, fields, path) for path, fields in _files(folders, "datasets")]


def _reviews(folders: Sequence[Path]) -> Iterator[tuple[Path, ReviewFile]]:
    """Of the user's own folders: what ships is evidence, and signs nothing."""
    for path, fields in _files(folders, REVIEWS):
        review = parse(ReviewFile, fields, path)
        _named_after(path, review.teacher, {})
        yield path, review


def _signed(signed: ReviewFile, path: Path, written: Mapping[str, Path], teachers: Mapping[str, Teacher]) -> Teacher:
    """The teacher with its review. BadInput: no entry of the user's describes it, or it has another."""
    name = signed.teacher
    if name not in written:
        raise BadInput(f"{path}: there is no entry {name!r} in your folder: put it back, or remove this review")
    teacher = teachers[name]
    if teacher.review is not None:
        raise BadInput(
            f"{written[name]}: {name!r} is signed here with `reviewed:` and in {path}: remove one of the two"
        )
    attestations = (*teacher.attestations, *signed.attestations)
    return teacher.model_copy(update={"review": signed.review, "attestations": attestations})


def _with_budgets(teachers: Mapping[str, Teacher]) -> dict[str, Teacher]:
    """Every teacher with the budget of its account: of each ceiling the lowest that an entry states."""
    budgets: dict[str, AccountBudget] = {}
    for teacher in teachers.values():
        budgets[teacher.account] = teacher.budget.lowest(budgets.get(teacher.account, teacher.budget))
    return {name: teacher.model_copy(update={"budget": budgets[teacher.account]}) for name, teacher in teachers.items()}


def find_teacher(teachers: Mapping[str, Teacher], name: str) -> Teacher:
    """The teacher of that name. BadInput lists the known ones."""
    if name in teachers:
        return teachers[name]
    own = [known for known in teachers if "@" not in known]
    near = difflib.get_close_matches(name, teachers, n=1)
    guess = f", did you mean {near[0]!r}?" if near else ""
    raise BadInput(
        f"unknown teacher {name!r}{guess} Known teachers are {', '.join(sorted(own)) or 'none'}"
        f" (and {len(teachers) - len(own)} shipped ones, see `still teachers`)."
        " Add an entry to your --teachers folder"
    )


def _weights(folders: Sequence[Path]) -> dict[str, WeightsFile]:
    known: dict[str, tuple[Path, WeightsFile]] = {}
    for path, fields in _files(folders, "weights"):
        file = parse(WeightsFile, fields, path)
        _named_after(path, file.weights, known)
        if file.models and set(file.models[0]) & PATTERN:
            raise BadInput(f"{path}: models.0: {file.models[0]!r} is a pattern: put a plain model id first")
        known[file.weights] = (path, file)
    return {name: file for name, (_, file) in known.items()}


def _routes(folders: Sequence[Path]) -> dict[str, RouteFile]:
    known: dict[str, tuple[Path, RouteFile]] = {}
    for path, fields in _files(folders, "routes"):
        file = parse(RouteFile, fields, path)
        _named_after(path, file.route, known)
        so_far = Registry({}, {name: route for name, (_, route) in known.items()})
        for host in file.hosts:
            if owner := so_far.route_of(host) or _below(host, so_far):
                raise BadInput(f"{path}: hosts: {host} belongs to route {owner.route!r} already: use that one")
        known[file.route] = (path, file)
    return {name: file for name, (_, file) in known.items()}


def _below(host: str, registry: Registry) -> RouteFile | None:
    """The route that has a host below this one."""
    for route in registry.routes.values():
        if any(fnmatchcase(f".{known}", f"*.{host}") for known in route.hosts):
            return route
    return None


def _files(folders: Sequence[Path], kind: str) -> Iterator[tuple[Path, dict[str, object]]]:
    for folder in folders:
        for path in documents(folder / kind):
            mappings = read_document(path)
            if len(mappings) != 1:
                raise BadInput(f"{path} holds {len(mappings)} entries: a file in {kind}/ holds one")
            yield path, mappings[0]


def _named_after(path: Path, name: str, known: Mapping[str, tuple[Path, object]]) -> None:
    if path.stem != name:
        raise BadInput(f"{path}: it describes {name!r}: call the file {name}.yaml")
    if name in known:
        raise BadInput(f"{path}: {name!r} is described by {known[name][0]} and cannot be replaced: rename yours")


def _entries(folders: Sequence[Path]) -> Iterator[tuple[Path, TeacherEntry]]:
    for folder in folders:
        for path in documents(folder):
            for fields in read_document(path):
                yield path, parse(TeacherEntry, fields, path)


def _declared(entry: TeacherEntry, path: Path) -> TeacherEntry:
    """`name: simulated` alone says what it is; with another model or route it is a contradiction."""
    if "simulated" in entry.model_fields_set:
        raise BadInput(f"{path}: name: {SIMULATED!r} is the simulated teacher's: choose another name")
    return parse(TeacherEntry, {**entry.model_dump(exclude_unset=True), "simulated": True}, path)


def _evidence(registry: Registry, folder: Path) -> Iterator[Teacher]:
    """The pairs of model and route that the files describe, unreviewed: to be looked at, never asked."""
    for weights in registry.weights.values():
        if SIMULATED_MODEL not in weights.models:
            model = weights.models[0] if weights.models else ANY
            yield _pair(weights.weights, model, {**OWN_SERVER, "weights": weights.weights}, registry, folder)
    for route in registry.routes.values():
        plain = [model for model in route.maker_models if not set(model) & PATTERN]
        if not plain and not route.serves and route.hosts:
            yield _pair(ANY, ANY, _unserved(route), registry, folder)
        for model in plain:
            yield _pair(model, model, {"route": route.route}, registry, folder)
        for served, model in route.serves.items():
            yield _pair(served, model, {"route": route.route, "weights": served}, registry, folder)


def _unserved(route: RouteFile) -> dict[str, str]:
    """A route that names no model: shown with its first host, and with weights against which nothing speaks."""
    license = {} if route.maker_models else {"license": "MIT"}
    return {"route": route.route, "base_url": f"https://{route.hosts[0]}/v1", **license}


def _pair(called: str, model: str, fields: Mapping[str, str], registry: Registry, folder: Path) -> Teacher:
    entry = parse(TeacherEntry, {"name": "shipped", "model": model, **fields}, folder)
    teacher = resolve(entry, registry, folder)
    name = f"{called}@{teacher.route}"
    return teacher.model_copy(update={"name": name, "terms_id": terms_id(name, teacher.terms_sha256)})
