from __future__ import annotations

import functools
import json

import jsonschema
import pytest
from playbook_samples import EXTENSIONS, VALID, written

from canarylab.playbook.extensions import Extensions
from canarylab.playbook.loader import PLAYBOOKS, load
from canarylab.playbook.schema import FILE, as_text, generate
from canarylab.yamlfile.playbook_yaml import parse


@functools.cache
def whole():
    """Of every kind that the package has."""
    schema = generate(Extensions.discovered())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


VALIDATOR = jsonschema.Draft202012Validator(generate(EXTENSIONS))
PLAIN = parse(VALID, FILE)[()].value


STALE = "the kinds have changed: run `python -m canarylab.playbook.schema` and commit what it writes"


def mappings(schema):
    """The keys, and which of them are required, of every mapping that a schema describes."""
    if isinstance(schema, list):
        return [each for part in schema for each in mappings(part)]
    if not isinstance(schema, dict):
        return []
    here = [(sorted(schema["properties"]), sorted(schema.get("required", [])))] if "properties" in schema else []
    return here + [each for part in schema.values() for each in mappings(part)]


def test_the_committed_schema_is_the_one_that_is_generated():
    generated = generate(Extensions.discovered())
    committed = json.loads(FILE.read_text(encoding="utf-8"))
    assert sorted(committed["$defs"]) == sorted(generated["$defs"]), STALE
    assert sorted(mappings(committed)) == sorted(mappings(generated)), STALE
    if committed["$comment"] == generated["$comment"]:  # another version of pydantic words the rest differently
        assert FILE.read_text(encoding="utf-8") == as_text(generated), STALE


def test_a_kind_is_described_as_its_file_does():
    described = generate(EXTENSIONS)["$defs"]["stage inert"]["description"]
    assert described == "Small kinds of stages and steps, and a playbook that uses them, for the tests of the loader."


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(generate(EXTENSIONS))


def test_a_valid_playbook_is_valid_by_the_schema_too():
    assert list(VALIDATOR.iter_errors(PLAIN)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Not A Name"},
        {"nmae": "x"},
        {"cluster": {}},
        {"cluster": {"profile": "xx", "provider": "nobodys"}},
        {"stages": {"a": {"kind": "nothing"}}},
        {"stages": {"a": {}}},
        {"stages": {"A b": {"kind": "inert"}}},
        {"stages": {"a": {"kind": "inert", "chart": "c"}}},
        {"stages": {"a": {"kind": "helm-release", "version": "1"}}},
        {"stages": {"a": {"kind": "helm-release", "chart": "c", "version": 1.3}}},
        {"stages": {"a": {"kind": "inert", "deadline": "soon"}}},
        {"stages": {"a": {"kind": "namespace", "labels": [{"kye": "x"}]}}},
        {"demo": [{"set-image": {"rollout": "a", "image": "b", "settle_seconds": 1}}]},
        {"demo": [{"promote": {}, "set-image": {"rollout": "a", "image": "b"}}]},
        {"demo": ["promote"]},
    ],
    ids=str,
)
def test_what_the_loader_refuses_the_schema_refuses(wrong, tmp_path):
    document = {**PLAIN, **wrong}
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(Exception, match=r"p\.yaml:1: "):
        load(written(tmp_path, as_text(document).replace("\n", " ")), extensions=EXTENSIONS)


@pytest.mark.parametrize("file", sorted(PLAYBOOKS.glob("*.yaml")), ids=lambda file: file.name)
def test_every_playbook_of_the_repository_loads_and_is_valid(file):
    assert load(file).name == file.stem
    whole().validate(parse(file.read_text(encoding="utf-8"), file)[()].value)


def test_the_example_of_the_readme_loads(tmp_path):
    example = (PLAYBOOKS / "README.md").read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert [stage.name for stage in load(written(tmp_path, example)).stages] == ["istio-base", "istiod"]
