"""The entry that `still teachers new` writes: valid as it stands, unsigned, with what there is left to fill in."""

from pathlib import Path

import yaml

from tasks.right.documents import parse, read_text
from tasks.right.entries import TeacherEntry
from tasks.right.registry import OWN_SERVER
from tasks.right.resolve import Registry, resolve
from tasks.right.terms import SELF_HOSTED, Teacher
from warehouse.errors import BadInput

UNKNOWN_LICENSE = "LicenseRef-unknown"

_HEAD = """\
# A teacher of your own; every field is described in the README of the shipped registry.
# Nothing is asked of it before a named person has read its terms and signed:
#     still teachers review {name} --by "<name>"
"""
_LICENSE = """\
# The licence of the weights: its SPDX id, from the model's card. The gate denies what is unknown.
"""
_UNKNOWN = """\
# Where that licence is in no table of the gate, say what its text says, and where you read it:
# outputs_trainable: conditional       # yes, conditional, no
# conditions:
#   - {id: attribution, text: "..."}
# evidence: {source: "...", retrieved: 2026-01-31, mark: primary, quote: "..."}
"""
_MORE = """\
# api_key_env: MY_KEY                  # the NAME of the variable that holds the key, never the key
# expected_models: [...]               # what the responses may call the model; `model` alone by default
# reasoning: raw                       # raw, summary, encrypted, none; unknown by default
"""


def skeleton(name: str, model: str, route: str, base_url: str | None, license: str | None, registry: Registry) -> str:
    """The text of an entry. `license` may be None where the registry knows the model, or its maker serves it."""
    known, served = registry.weights_of(model), registry.routes.get(route)
    said: dict[str, str] = {"name": name, "model": model}
    if route != SELF_HOSTED:
        said["route"] = route
    if base_url or served is None or not served.base_url:
        said["base_url"] = base_url or OWN_SERVER["base_url"]
    text = _HEAD.format(name=name) + _lines(said)
    if license is None and known is not None:
        text += f"# The registry knows this model: weights/{known.weights}.yaml, {known.license}.\n"
    elif license is None and served is not None and served.made(model):
        text += f"# {served.provider} serves a model of its own here: its terms are the whole contract.\n"
    else:
        text += _LICENSE + _lines({"license": license or UNKNOWN_LICENSE})
        text += _UNKNOWN if license is None else ""
    return text + _MORE


def write_skeleton(text: str, name: str, folder: Path, registry: Registry) -> tuple[Path, Teacher]:
    """Write an entry that can be read and resolved into a folder, as a new file.

    Raises:
        BadInput: there is such a file, or the entry is not valid; then nothing is written.
    """
    path = folder / f"{name}.yaml"
    (fields,) = read_text(text, path)
    teacher = resolve(parse(TeacherEntry, fields, path), registry, path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadInput(f"{path} exists and is left as it is: choose another name, or edit that file") from None
    return path, teacher


def _lines(fields: dict[str, str]) -> str:
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=10_000)
