"""A version as Croissant 1.1: files, fields, provenance (PROV-O) and responsible-AI fields (RAI 1.0) as JSON-LD (pure).

Croissant readers load the rows of each split by it. Every file says which teacher it is attributed to, which decision
let it in, and under which terms it may be used. Names of ours are URNs: nothing here needs to be fetched.
"""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tasks.papers.source import prompts_of
from tasks.papers.vocabulary import CONTEXT, CROISSANT, RAI
from warehouse.manifest import Manifest, ShardEntry, TeacherEntry
from warehouse.records import content_id
from warehouse.shards import HELDOUT, ROWS

PARQUET = "application/x-parquet"
Node = dict[str, Any]


def croissant(manifest: Manifest) -> bytes:
    """Write the version's Croissant file: sorted keys, UTF-8; the same manifest gives the same bytes."""
    node = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CROISSANT, RAI],
        **_identity(manifest),
        **_provenance(manifest),
        **_responsibility(manifest),
        "distribution": [*(_file(manifest, shard) for shard in manifest.shards), *_file_sets(manifest)],
        "recordSet": [_record_set(manifest, split) for split in _splits(manifest)],
    }
    return (json.dumps(node, sort_keys=True, ensure_ascii=False, indent=2) + "\n").encode()


def _identity(manifest: Manifest) -> Node:
    names = ", ".join(sorted({teacher.teacher for teacher in manifest.teachers}))
    year = manifest.published_at.year
    return {
        "name": manifest.version,
        "description": f"Synthetic reasoning traces of {names}: {manifest.rows} rows, written by models, not people.",
        "url": _urn("version", manifest.version),
        "version": _semantic(manifest.folder_name),
        "datePublished": manifest.published_at.isoformat(),
        "creator": {"@type": "sc:Organization", "name": "not stated (published with Stillhouse)"},
        "license": sorted({*manifest.licenses, *(one for t in manifest.teachers for one in _licenses(t))})
        or "not stated",
        "keywords": ["synthetic", "distillation", "reasoning", *(["simulated"] if manifest.simulated else [])],
        "citeAs": f"@misc{{{manifest.dataset}, title = {{{manifest.version}}}, year = {{{year}}}}}",
        "usageInfo": [_terms(teacher) for teacher in manifest.teachers],
    }


def _provenance(manifest: Manifest) -> Node:
    prompts = prompts_of(manifest)
    teachers = [_agent(teacher) for teacher in manifest.teachers]
    return {
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "@id": _urn("run", manifest.run_id),
            "prov:endedAtTime": manifest.published_at.isoformat(),
            "prov:wasAssociatedWith": [{"@id": teacher["@id"]} for teacher in teachers],
            "prov:used": [{"@type": "prov:Entity", "@id": _urn("recipe", manifest.recipe_sha256)}],
        },
        "prov:wasDerivedFrom": {
            "@type": "prov:Entity",
            "@id": _urn("prompts", content_id("prompts", prompts)),
            "name": prompts,
            "license": list(manifest.licenses) or "not stated",
        },
        "prov:wasAttributedTo": teachers,
    }


def _agent(teacher: TeacherEntry) -> Node:
    revision = f" @ {teacher.revision}" if teacher.revision else ""
    return {
        "@type": "prov:SoftwareAgent",
        "@id": _urn("teacher", teacher.teacher),
        "name": teacher.teacher,
        "description": f"{teacher.model}{revision} over the route {teacher.route}; {teacher.rows} rows",
    }


def _terms(teacher: TeacherEntry) -> Node:
    """The terms that rows of this teacher may be used under, and the decision that let them in."""
    return {
        "@type": "sc:CreativeWork",
        "@id": _urn("terms", teacher.terms_sha256),
        "name": teacher.terms_id,
        "license": _licenses(teacher) or "not stated",
        "text": "; ".join(teacher.conditions) or "no conditions",
        "prov:wasAttributedTo": {"@id": _urn("teacher", teacher.teacher)},
        "prov:wasInfluencedBy": {"@type": "prov:Entity", "@id": _urn("decision", teacher.decision_id)},
    }


def _licenses(teacher: TeacherEntry) -> list[str]:
    return [one for one in (teacher.weights_license, teacher.route_license) if one]


def _responsibility(manifest: Manifest) -> Node:
    counts = manifest.counts
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.reasons.items()))
    return {
        "rai:dataCollection": (
            "Synthetic: the teacher models named under prov:wasAttributedTo answered the prompts named under"
            " prov:wasDerivedFrom."
        ),
        "rai:dataCollectionType": ["Others"],
        "rai:dataCollectionMissingData": (
            f"Of {counts.wanted} samples wanted {counts.failed} failed, {counts.maybe_paid} may have been paid for and"
            f" did not arrive, {counts.not_asked} were not asked."
        ),
        "rai:dataPreprocessingProtocol": [
            f"Judged by rules ({manifest.judge_run}): {counts.kept} answers kept, {counts.rejected} rejected, "
            f"{counts.undecided} undecided, {counts.quarantined} quarantined." + (f" {reasons}." if reasons else "")
        ],
        "rai:dataLimitations": [
            "Answers passed automatic checks; nobody has read them all. What a teacher does wrong throughout, its "
            "students learn."
        ],
        "rai:personalSensitiveInformation": [
            "Not stated by whoever published it. The judge's rule on personal data, where the recipe has it on, looks "
            "at every answer and finds no more than patterns."
        ],
    }


def _splits(manifest: Manifest) -> list[str]:
    return list(dict.fromkeys(shard.split for shard in manifest.shards))


def _file(manifest: Manifest, shard: ShardEntry) -> Node:
    node: Node = {
        "@type": "cr:FileObject",
        "@id": shard.name,
        "name": shard.name,
        "contentUrl": shard.name,
        "contentSize": f"{shard.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": shard.sha256,
    }
    whose = [t for t in manifest.teachers if (t.teacher, t.terms_sha256) == (shard.teacher, shard.terms_sha256)]
    for teacher in whose:
        node["prov:wasAttributedTo"] = {"@id": _urn("teacher", teacher.teacher)}
        node["prov:wasInfluencedBy"] = {"@id": _urn("decision", teacher.decision_id)}
        node["usageInfo"] = {"@id": _urn("terms", teacher.terms_sha256)}
    return node


def _file_sets(manifest: Manifest) -> Iterator[Node]:
    for split in _splits(manifest):
        yield {
            "@type": "cr:FileSet",
            "@id": f"{split}-files",
            "name": f"{split}-files",
            "encodingFormat": PARQUET,
            "includes": f"{split}-*.parquet",
        }


def _record_set(manifest: Manifest, split: str) -> Node:
    schema = HELDOUT if split == "heldout" else ROWS["field" if manifest.form == "field" else "inline"]
    key = "prompt_id" if split == "heldout" else "trace_id"
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "key": {"@id": f"{split}/{key}"},
        "field": [_field(split, column) for column in schema],
    }


def _field(split: str, column: "pa.Field[Any]") -> Node:
    node: Node = {"@type": "cr:Field", "@id": f"{split}/{column.name}", "name": f"{split}/{column.name}"}
    if pa.types.is_list(column.type):  # chat messages: one sub-field for each of a message's parts
        parts = [part.name for part in column.type.value_type]
        fields = [_leaf(split, column.name, part) for part in parts]
        return {**node, "repeated": True, "subField": fields}
    data_type = "sc:Boolean" if pa.types.is_boolean(column.type) else "sc:Text"
    attributed = {"equivalentProperty": "prov:wasAttributedTo"} if column.name == "teacher" else {}
    return {**node, "dataType": data_type, "source": _source(split, column.name), **attributed}


def _leaf(split: str, column: str, part: str) -> Node:
    name = f"{split}/{column}/{part}"
    source = {**_source(split, column), "transform": {"jsonPath": part}}
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": "sc:Text", "source": source}


def _source(split: str, column: str) -> Node:
    return {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": column}}


def _semantic(name: str) -> str:
    """`2026.11.21.3` as the three numbers that Croissant asks for: `2026.1121.3`."""
    year, month, day, number = map(int, name.split("."))
    return f"{year}.{month * 100 + day}.{number}"


def _urn(kind: str, name: str) -> str:
    return f"urn:stillhouse:{kind}:{name}"
