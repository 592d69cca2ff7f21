"""From a registry entry to a teacher: which contracts govern it, and what its silence means (pure).

An entry cannot choose its terms where the registry knows better: a host that belongs to a route uses that
route, and a model that a file of weights knows has that file's licence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from tasks.right.decide import is_loopback
from tasks.right.entries import RouteFile, TeacherEntry, WeightsFile
from tasks.right.licenses import WEIGHTS_WITH_TRAINABLE_OUTPUTS, why_listed
from tasks.right.terms import (
    NO_SECOND_CONTRACT,
    SIMULATED_MODEL,
    SIMULATED_ROUTE,
    Price,
    Teacher,
    WeightsTerms,
    terms_id,
    terms_sha256,
)
from warehouse.errors import BadInput

FREE = Price(usd_per_million_input=0, usd_per_million_output=0)


@dataclass(frozen=True)
class Registry:
    """The files of weights and routes, by name; shipped ones first."""

    weights: Mapping[str, WeightsFile]
    routes: Mapping[str, RouteFile]

    def weights_of(self, model: str) -> WeightsFile | None:
        """The file that knows a model id; of several patterns the longest wins."""
        fits = [
            (len(pattern), file)
            for file in self.weights.values()
            for pattern in file.models
            if fnmatchcase(model.lower(), pattern.lower())
        ]
        return max(fits, key=lambda fit: fit[0])[1] if fits else None

    def route_of(self, host: str) -> RouteFile | None:
        """The route that a host belongs to."""
        host = host.rstrip(".").lower()
        for route in self.routes.values():
            if any(fnmatchcase(f".{host}", f"*.{known}") for known in route.hosts):
                return route
        return None


def resolve(entry: TeacherEntry, registry: Registry, path: Path) -> Teacher:
    """Make the teacher an entry describes. BadInput names the file, the field and the way out."""
    route = _route(entry, registry, path)
    base_url = _base_url(entry, route, registry, path)
    model = _model(entry, base_url, path)
    weights, file = _weights(entry, model, route, registry, path)
    sha256 = terms_sha256(weights, route.terms)
    netloc = urlsplit(base_url).netloc.lower()
    return Teacher(
        name=entry.name,
        model=model,
        revision=entry.revision,
        route=route.route,
        provider=entry.provider or route.api,
        base_url=base_url,
        api_key_env=entry.api_key_env or route.api_key_env,
        account=entry.account or (netloc if route.route in NO_SECOND_CONTRACT else route.route),
        pool=entry.pool or model,
        quota=entry.quota,
        price=entry.price or (FREE if route.route in NO_SECOND_CONTRACT else None),
        budget=entry.budget,
        batch=entry.batch or route.batch,
        continues=entry.continues,
        expected_models=entry.expected_models or (model,),
        watermark=entry.watermark and entry.watermark.beside(path.parent),
        reasoning=entry.reasoning or (file.reasoning if file else "unknown"),
        simulated=entry.simulated,
        weights=weights,
        route_terms=route.terms,
        review=entry.reviewed,
        attestations=entry.attestations,
        terms_id=terms_id(entry.name, sha256),
        terms_sha256=sha256,
    )


def _route(entry: TeacherEntry, registry: Registry, path: Path) -> RouteFile:
    name = entry.route
    if entry.simulated and "route" not in entry.model_fields_set:
        name = SIMULATED_ROUTE
    if entry.simulated != (name == SIMULATED_ROUTE):
        raise BadInput(f"{path}: route: {SIMULATED_ROUTE} and simulated: true go together: give both or neither")
    if name not in registry.routes:
        raise BadInput(f"{path}: route: unknown route {name!r}: known routes are {_listed(registry.routes)}")
    return registry.routes[name]


def _base_url(entry: TeacherEntry, route: RouteFile, registry: Registry, path: Path) -> str:
    base_url = entry.base_url or route.base_url
    if base_url is None:
        raise BadInput(f"{path}: base_url is missing: write where the server listens, e.g. http://127.0.0.1:8000/v1")
    host = urlsplit(base_url).hostname or ""
    owner = registry.route_of(host)
    if owner and owner.route != route.route:
        raise BadInput(
            f"{path}: base_url: {host} belongs to route {owner.route!r}, not {route.route!r}:"
            f" set `route: {owner.route}`, whose terms then govern"
        )
    if route.hosts and owner is None:
        raise BadInput(
            f"{path}: base_url: {host} is no host of route {route.route!r} ({', '.join(route.hosts)}):"
            " leave base_url out, or name the route that it belongs to"
        )
    if entry.simulated and not is_loopback(base_url):
        raise BadInput(f"{path}: base_url: {host} is not this machine: the simulated teacher runs on 127.0.0.1 only")
    return base_url


def _model(entry: TeacherEntry, base_url: str, path: Path) -> str:
    model = entry.model or (SIMULATED_MODEL if entry.simulated else None)
    if model is None:
        raise BadInput(f"{path}: model is missing: write the id that the server at {base_url} knows")
    if entry.simulated != (model == SIMULATED_MODEL):
        raise BadInput(
            f"{path}: model: {SIMULATED_MODEL} and simulated: true go together, this entry says {model!r} and"
            f" simulated: {str(entry.simulated).lower()}"
        )
    return model


def _weights(
    entry: TeacherEntry, model: str, route: RouteFile, registry: Registry, path: Path
) -> tuple[WeightsTerms, WeightsFile | None]:
    """The licence of the weights: named, or of the maker, or of the file that knows the model, or stated."""
    known = registry.weights_of(model)
    if entry.simulated and entry.license:  # it may play any licence, so that the gate can be tried
        return _of_entry(entry, registry, path), None
    if entry.weights is not None:
        file = registry.weights.get(entry.weights)
        if file is None:
            raise BadInput(f"{path}: weights: unknown weights {entry.weights!r}: known are {_listed(registry.weights)}")
        if known and known != file:
            raise BadInput(
                f"{path}: weights: {model} is known to be of {known.weights}, not {file.weights}:"
                f" say `weights: {known.weights}`"
            )
        return _of_file(entry, file, path), file
    if route.made(model):
        return _of_maker(entry, route, path), None
    if known:
        return _of_file(entry, known, path), known
    return _of_entry(entry, registry, path), None


def _of_file(entry: TeacherEntry, file: WeightsFile, path: Path) -> WeightsTerms:
    if entry.license and entry.license != file.license:
        raise BadInput(
            f"{path}: license: {file.weights} is under {file.license}, not {entry.license}: leave license out"
        )
    _says_no_terms(entry, f"weights/{file.weights}.yaml", path)
    return file.terms


def _of_maker(entry: TeacherEntry, route: RouteFile, path: Path) -> WeightsTerms:
    if entry.license and entry.license != route.license:
        raise BadInput(
            f"{path}: license: {entry.model} is served by its maker under {route.license}: leave license out"
        )
    _says_no_terms(entry, f"routes/{route.route}.yaml", path)
    return WeightsTerms(
        weights="served-by-its-maker",
        license=route.license or route.route,
        outputs_trainable="yes",
        basis=f"{route.provider} serves a model of its own: the route's terms are the whole contract",
    )


def _of_entry(entry: TeacherEntry, registry: Registry, path: Path) -> WeightsTerms:
    license = entry.license
    if license is None:
        raise BadInput(
            f"{path}: license is missing: write the SPDX id of the weights' licence, or name a file of the"
            " registry with `weights:`"
        )
    basis = why_listed(license, WEIGHTS_WITH_TRAINABLE_OUTPUTS)
    described = [file.weights for file in registry.weights.values() if file.license == license]
    if described and license.startswith("LicenseRef-"):
        raise BadInput(f"{path}: license: {license} is described already: say `weights: {described[0]}`")
    if entry.outputs_trainable is None:
        _says_no_terms(entry, "license", path)
        unknown = f"{license} is in no table of licences whose outputs may be trained on"
        trainable = "yes" if basis else "unknown"
        return WeightsTerms(weights=license, license=license, outputs_trainable=trainable, basis=basis or unknown)
    if entry.evidence is None:
        raise BadInput(f"{path}: evidence is missing: outputs_trainable needs its source, date, mark and quote")
    return WeightsTerms(
        weights=license,
        license=license,
        outputs_trainable=entry.outputs_trainable,
        conditions=entry.conditions,
        evidence=entry.evidence,
    )


def _says_no_terms(entry: TeacherEntry, source: str, path: Path) -> None:
    for field in ("outputs_trainable", "conditions", "evidence"):
        if getattr(entry, field):
            raise BadInput(f"{path}: {field}: {source} says that already: leave {field} out")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
