"""Whatever a file holds, the loader makes a playbook of it or says in one error where it is wrong."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from playbook_samples import EXTENSIONS, VALID, infrastructure, written

from canarylab.contract.playbook import Playbook
from canarylab.errors import PlaybookError
from canarylab.playbook.infrastructure import with_infrastructure
from canarylab.playbook.loader import load
from canarylab.yamlfile.kubernetes_yaml import LOADER
from canarylab.yamlfile.playbook_yaml import parse

FIRST_LINE = re.compile(r"p\.yaml:(\d+): (\(file\)|[^ ].*?): .+")
WORDS = [
    *("name", "cluster", "stages", "demo", "kind", "needs", "deadline", "retries", "profile", "provider", "cpus"),
    *("chart", "version", "labels", "key", "strict", "inert", "helm-release", "namespace", "image", "set-image"),
    *("promote", "rollout", "istiod", "istio-base", "machine", "<<", "*", "&a", "!x", "true", "1.30", "", "日本"),
]

settings.register_profile("loader", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
pytestmark = pytest.mark.usefixtures("_here")

texts = st.sampled_from(WORDS) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
structures = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@pytest.fixture
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(content: str | bytes) -> Playbook | None:
    """Load a file with the content; every error has the form that is promised."""
    try:
        playbook = load(written(Path.cwd(), content), extensions=EXTENSIONS)
        return with_infrastructure(playbook, infrastructure())
    except PlaybookError as error:
        lines = str(error).encode("utf-8").decode("utf-8").split("\n")
        match = FIRST_LINE.fullmatch(lines[0])
        assert match, lines[0]
        raw = content.encode("utf-8") if isinstance(content, str) else content
        assert 1 <= int(match[1]) <= 1 + len(re.findall("\r\n|[\r\n\x85\u2028\u2029]", raw.decode("utf-8", "replace")))
        assert lines[-1].startswith("next: ")
        assert len(lines) <= 3
    return None


@settings(settings.get_profile("loader"))
@given(st.text())
@example("\u2028: \x85")
@example("? ")
@example("%TAG ! tag:x,2000:\n---\n!y z")
def test_any_text(content):
    check(content.encode("utf-8", "replace"))


@settings(settings.get_profile("loader"))
@given(st.text(alphabet=string.ascii_lowercase[:3] + " \n\t:-[]{},&*!|>'\"%@`#?~<=1.\\"))
def test_any_text_of_yamls_own_characters(content):
    check(content)


@settings(settings.get_profile("loader"))
@given(st.binary())
def test_any_bytes(content):
    check(content)


@settings(settings.get_profile("loader"))
@given(structures, st.booleans())
def test_any_structure(structure, flow):
    check(yaml.safe_dump(structure, allow_unicode=True, default_flow_style=flow))


@settings(settings.get_profile("loader"))
@given(st.lists(st.tuples(st.integers(0, len(VALID)), st.integers(0, 9), st.text(max_size=4)), min_size=1, max_size=3))
def test_a_valid_playbook_with_some_characters_replaced(edits):
    content = VALID
    for position, length, replacement in edits:
        content = content[:position] + replacement + content[position + length :]
    check(content.encode("utf-8", "replace"))


@settings(settings.get_profile("loader"))
@given(st.permutations(VALID.splitlines(keepends=True)), st.integers(1, 25))
def test_a_valid_playbooks_lines_in_any_order(lines, count):
    check("".join(lines[:count]))


def places(value, place=()):
    """The way to every node of a structure."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in items:
        yield from places(inner, (*place, part))


def replaced(value, place, new):
    """The structure with another value at a place."""
    if not place:
        return new
    changed = value.copy()
    changed[place[0]] = replaced(value[place[0]], place[1:], new)
    return changed


PLAIN = parse(VALID, Path("p.yaml"))[()].value


@settings(settings.get_profile("loader"))
@given(st.sampled_from(list(places(PLAIN))), structures)
def test_a_valid_playbook_with_any_value_in_place_of_one_of_its_own(place, value):
    check(yaml.safe_dump(replaced(PLAIN, place, value), allow_unicode=True))


@settings(settings.get_profile("loader"))
@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=6))
def test_any_graph_of_needs_is_attached_or_refused(graph):
    stages = {f"s{n}": {"kind": "inert", "needs": [f"s{need}" for need in needs]} for n, needs in enumerate(graph)}
    playbook = check(json.dumps({"name": "x", "cluster": {"profile": "xx"}, "stages": stages}))
    if playbook is not None:
        names = {stage.name for stage in playbook.stages}
        assert all(set(stage.needs) <= names for stage in playbook.stages)
        assert [stage.name for stage in playbook.stages if not stage.needs] == ["programs"]


printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | printable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(printable, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("parser", [LOADER, yaml.SafeLoader])
@settings(settings.get_profile("loader"))
@given(value=values.filter(lambda value: value is not None))
def test_json_comes_back_as_it_was(parser, value):
    assert parse(json.dumps(value, ensure_ascii=False), Path("p.yaml"), parser)[()].value == value


@settings(settings.get_profile("loader"))
@given(st.text(alphabet=string.ascii_lowercase[:3] + " \n\t:-[]{},&*!|>'\"%@`#?~<=1.\\"))
def test_pyyamls_own_parser_raises_nothing_else_either(content):
    try:
        parse(content, Path("p.yaml"), yaml.SafeLoader)
    except PlaybookError as error:
        assert FIRST_LINE.fullmatch(str(error).split("\n")[0])
