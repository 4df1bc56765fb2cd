"""The JSON Schema of playbooks, for editors and other tools. `python -m canarylab.playbook.schema` writes it again."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from canarylab import needs_graph
from canarylab.contract.playbook import PlaybookFile, StageHead
from canarylab.contract.stage import Stage
from canarylab.contract.step import Step
from canarylab.playbook.extensions import Extensions
from canarylab.playbook.loader import PLAYBOOKS

FILE = PLAYBOOKS / "playbook.schema.json"

JsonSchema = dict[str, Any]

_PYDANTIC = ".".join(pydantic.VERSION.split(".")[:2])
"""It stands in the schema, because each minor version of pydantic words the same schema a little differently."""


class _Untitled(GenerateJsonSchema):
    """Without a title for each key, which would only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def generate(extensions: Extensions) -> JsonSchema:
    """The schema of a playbook that may use the kinds and providers among the extensions."""
    models: list[type[BaseModel]] = [PlaybookFile, StageHead]
    models += [cls.Options for cls in extensions.stages.values()]
    models += [cls.Options for cls in extensions.steps.values()]
    references, shared = models_json_schema([(model, "validation") for model in models], schema_generator=_Untitled)
    definitions: dict[str, JsonSchema] = shared["$defs"]

    def definition(model: type[BaseModel]) -> JsonSchema:
        return definitions[_name(references[model, "validation"])]

    top, head = definition(PlaybookFile), definition(StageHead)
    definitions["ClusterSpec"]["properties"]["provider"]["enum"] = [*sorted(extensions.providers), None]
    stages = {f"stage {kind}": _stage(cls, head, definition(cls.Options)) for kind, cls in extensions.stages.items()}
    steps = {f"step {kind}": _step(cls, definition(cls.Options)) for kind, cls in extensions.steps.items()}
    names = top["properties"]["stages"].pop("patternProperties")
    top["properties"]["stages"]["patternProperties"] = dict.fromkeys(names, _one_of(stages))
    top["properties"]["stages"]["additionalProperties"] = False
    top["properties"]["demo"]["items"] = _one_of(steps)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"written by `python -m canarylab.playbook.schema` with pydantic {_PYDANTIC}",
        **top,
        "title": "a playbook of canarylab",
        "$defs": _used(top, {**definitions, **stages, **steps}),
    }


def _stage(cls: type[Stage[Any, Any]], head: JsonSchema, options: JsonSchema) -> JsonSchema:
    """What a stage of that kind may hold: the keys of every stage, and the kind's own."""
    common = {
        **head["properties"],
        "kind": {"const": cls.kind},
        "deadline": {**head["properties"]["deadline"], "default": cls.default_deadline},
        "retries": {**head["properties"]["retries"], "default": cls.default_retries},
    }
    return {
        **_described(options, cls),
        "properties": {**common, **options.get("properties", {})},
        "required": ["kind", *options.get("required", [])],
    }


def _step(cls: type[Step], options: JsonSchema) -> JsonSchema:
    """A mapping of the kind to its options. None is required here: `every-step` may say what a step doesn't."""
    described = {key: value for key, value in _described(options, cls).items() if key != "required"}
    return {
        "type": "object",
        "properties": {cls.kind: {**described, "type": ["object", "null"]}},
        "required": [cls.kind],
        "additionalProperties": False,
    }


def _described(options: JsonSchema, cls: type) -> JsonSchema:
    """The options' schema; in place of the class' name it has what the kind's file says first about the kind."""
    module = inspect.getmodule(cls)
    description = " ".join(((module and module.__doc__) or "").partition("\n\n")[0].split())
    return {**{key: value for key, value in options.items() if key != "title"}, "description": description}


def _one_of(named: Mapping[str, JsonSchema]) -> JsonSchema:
    return {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in sorted(named)]}


def _name(reference: JsonSchema) -> str:
    return str(reference["$ref"]).removeprefix("#/$defs/")


def _used(top: JsonSchema, definitions: dict[str, JsonSchema]) -> dict[str, JsonSchema]:
    """The definitions that are referred to, by name."""
    used = needs_graph.with_needs(
        {"": _referred(top), **{name: _referred(each) for name, each in definitions.items()}}, [""]
    )
    return {name: definitions[name] for name in sorted(used - {""})}


def _referred(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for each in schema for name in _referred(each)]
    if isinstance(schema, dict):
        here = [_name(schema)] if isinstance(schema.get("$ref"), str) else []
        return here + [name for each in schema.values() for name in _referred(each)]
    return []


def as_text(schema: JsonSchema) -> str:
    """The schema as the file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(generate(Extensions.discovered())), encoding="utf-8")
    print(f"wrote {FILE}")
