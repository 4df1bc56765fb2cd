from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import yaml
from playbook_samples import EXTENSIONS, VALID, Helm, Inert, Promote, SetImage, infrastructure, written
from pydantic import BaseModel, Field
from support.there import there

from canarylab.contract.stage import StageOptions
from canarylab.errors import EXIT_USAGE, CanarylabError, PlaybookError, UsageError
from canarylab.playbook.extensions import Extensions
from canarylab.playbook.infrastructure import with_infrastructure
from canarylab.playbook.loader import find_playbook, load
from canarylab.playbook.reading import MAX_BYTES
from canarylab.yamlfile.document import Document
from canarylab.yamlfile.playbook_yaml import parse

HEAD = "name: x\ncluster: {profile: xx}\n"
STAGES = f"{HEAD}stages:\n"
DEMO = f"{HEAD}stages: {{}}\ndemo:\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to write playbooks to, and the one that the tool runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(folder: Path, content: str):
    return load(written(folder, content), extensions=EXTENSIONS)


def attached(folder: Path, content: str):
    """The needs of every stage once the infrastructure is under them."""
    return {stage.name: stage.needs for stage in with_infrastructure(loaded(folder, content), infrastructure()).stages}


def error_of(function) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        function()
    return caught.value


# what a good playbook becomes


def test_a_playbook_holds_what_the_file_says(folder):
    playbook = loaded(folder, VALID)
    assert (playbook.name, playbook.description) == ("istio-canary", "a canary of 5 % behind Istio")
    assert playbook.digest == hashlib.sha256(VALID.encode()).hexdigest()
    assert playbook.profile == "argo-istio-canary"
    assert (playbook.cluster.memory, playbook.cluster.cpus, playbook.cluster.driver) == ("8192mb", 4, "qemu")


def test_stages_are_made_of_their_kind_options_needs_and_source(folder):
    base, istiod, injection, image = loaded(folder, VALID).stages
    assert isinstance(base, Helm)
    assert (base.name, base.needs, there(base.document).file) == ("istio-base", (), folder / "p.yaml")
    assert (istiod.options.chart, istiod.options.version, istiod.needs) == ("istio/istiod", "1.31", ("istio-base",))
    assert istiod.options.values == {"pilot": {"env": {"A": "true"}, "replicas": 2, "ratio": 0.5, "off": None}}
    assert injection.options.labels[0].key == "istio-injection"
    assert image.kind == "image"


def test_limits_are_the_playbooks_or_else_the_kinds(folder):
    limits = loaded(folder, VALID).limits
    assert (limits["istiod"].deadline, limits["istiod"].retries) == (180.0, 0)
    assert (limits["istio-base"].deadline, limits["istio-base"].retries) == (420.0, 3)
    assert (limits["injection"].deadline, limits["injection"].retries) == (300.0, 1)


def test_steps_come_in_order_and_may_leave_out_options_that_none_requires(folder):
    first, second, third = loaded(folder, VALID).demo
    assert isinstance(first, SetImage)
    assert (first.options.image, first.options.settle_seconds) == ("yellow", 3)  # type: ignore[attr-defined]
    assert isinstance(second, Promote)
    assert isinstance(third, Promote)


def test_a_playbook_may_have_no_stages_and_no_demonstration(folder):
    playbook = loaded(folder, f"{HEAD}stages: {{}}\n")
    assert (playbook.stages, playbook.demo, playbook.description) == ((), (), "")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("0.5", 0.5)])
def test_a_deadline_is_in_seconds_minutes_or_hours(folder, text, seconds):
    playbook = loaded(folder, f"{STAGES}  a: {{kind: inert, deadline: {text}}}\n")
    assert playbook.limits["a"].deadline == seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("007", "007"),
        ("1e999", "1e999"),
        ("1" * 5000, "1" * 5000),
        ("'true'", "true"),
        ("true", True),
        ("~", None),
        ("-3", -3),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("日本語", "日本語"),
    ],
)
def test_scalars_mean_what_the_core_schema_of_yaml_says(text, value):
    found = parse(f"a: {text}\n", Path("p.yaml"))[()].value["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(folder):
    file = written(folder, b"\xef\xbb\xbf" + VALID.replace("\n", "\r\n").encode())
    assert load(file, extensions=EXTENSIONS).name == "istio-canary"


# what the command line changes


def test_the_command_line_overrides_the_cluster(folder):
    file = written(folder, VALID)
    playbook = load(file, profile="other", provider="minikube", context="there", extensions=EXTENSIONS)
    assert (playbook.profile, playbook.cluster.provider, playbook.cluster.context) == ("other", "minikube", "there")
    assert playbook.cluster.driver == "qemu"


@pytest.mark.parametrize("profile", ["", "a", "A1", "a_b", "-ab", "ab-", "a" * 41, "ab\n", "../x"])
def test_a_profile_that_cannot_be_is_a_usage_error_that_says_the_rule(folder, profile):
    with pytest.raises(UsageError, match="2 to 40 lower-case letters, digits and hyphens") as caught:
        load(written(folder, VALID), profile=profile, extensions=EXTENSIONS)
    assert not isinstance(caught.value, PlaybookError)


def test_patience_multiplies_the_deadline_of_every_stage_and_the_environment_comes_first(folder, monkeypatch):
    monkeypatch.delenv("CANARYLAB_PATIENCE", raising=False)
    plain = loaded(folder, VALID)
    patient = loaded(folder, VALID.replace("cluster: {", "cluster: {patience: 2, "))
    monkeypatch.setenv("CANARYLAB_PATIENCE", "3.5")
    assert loaded(folder, VALID).cluster.patience == 3.5
    usual, longer = (with_infrastructure(each, infrastructure()).limits for each in (plain, patient))
    assert {name: limits.deadline for name, limits in longer.items()} == {
        name: 2 * limits.deadline for name, limits in usual.items()
    }
    assert {limits.retries for limits in longer.values()} == {limits.retries for limits in usual.values()}


@pytest.mark.parametrize("written_as", ["0.5", "101", "much", "nan"])
def test_patience_that_cannot_be_is_a_usage_error(folder, monkeypatch, written_as):
    monkeypatch.setenv("CANARYLAB_PATIENCE", written_as)
    with pytest.raises(UsageError, match="isn't a number from 1 to 100"):
        loaded(folder, VALID)


def test_an_unknown_provider_is_a_usage_error_that_names_the_known(folder):
    with pytest.raises(UsageError, match="did you mean minikube\\? known: embedded, minikube"):
        load(written(folder, VALID), provider="minicube", extensions=EXTENSIONS)


# finding a playbook


def test_a_playbook_is_found_by_its_name(folder):
    file = written(folder, VALID, "istio-canary.yaml")
    assert find_playbook("istio-canary", folder) == file


@pytest.mark.parametrize("path", ["mine.yaml", "mine.yml", "./mine", "/there/mine.txt"])
def test_what_looks_like_a_path_is_one(folder, path):
    assert find_playbook(path, folder) == Path(path)


def test_an_unknown_name_is_a_usage_error_that_lists_what_there_is(folder):
    written(folder, VALID, "istio-canary.yaml")
    written(folder, VALID, "basic-canary.yml")
    written(folder, "{}", "playbook.schema.json")
    with pytest.raises(UsageError, match="did you mean istio-canary\\? known: basic-canary, istio-canary") as caught:
        find_playbook("istio-canry", folder)
    assert caught.value.exit_code == EXIT_USAGE


# where relative paths start


@pytest.mark.parametrize(
    ("file", "base"),
    [("playbooks/x.yaml", "."), ("playbooks/team/x.yaml", "."), ("x.yaml", "."), ("sub/x.yaml", "sub")],
)
def test_relative_paths_start_above_playbooks_or_else_beside_the_file(folder, file, base):
    path = folder / "repo" / file
    path.parent.mkdir(parents=True)
    path.write_text(VALID)
    assert {stage.base for stage in load(path, extensions=EXTENSIONS).stages} == {folder / "repo" / base}


def test_a_relative_path_to_a_playbook_has_an_absolute_base(folder):
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "x.yaml").write_text(VALID)
    assert load(Path("playbooks/x.yaml"), extensions=EXTENSIONS).stages[0].base == folder


# what is wrong with a file


def test_a_missing_file_is_said_to_be_missing(folder):
    error = error_of(lambda: load(folder / "no.yaml", extensions=EXTENSIONS))
    assert str(error).startswith("no.yaml: there is no such file\nnext: ")


def test_a_directory_is_not_a_playbook(folder):
    (folder / "d.yaml").mkdir()
    error = error_of(lambda: load(folder / "d.yaml", extensions=EXTENSIONS))
    assert str(error).startswith("d.yaml: is a directory, not a playbook\nnext: ")


def test_a_pipe_is_refused_before_it_can_block(folder):
    os.mkfifo(folder / "pipe.yaml")
    error = error_of(lambda: load(folder / "pipe.yaml", extensions=EXTENSIONS))
    assert str(error).startswith("pipe.yaml: isn't a regular file\nnext: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(folder):
    file = written(folder, VALID)
    file.chmod(0)
    assert "p.yaml: can't be read: Permission denied" in str(error_of(lambda: load(file, extensions=EXTENSIONS)))


def test_a_path_that_no_file_system_takes_is_unreadable(folder):
    error = error_of(lambda: load(folder / ("n" * 300), extensions=EXTENSIONS))
    assert ": can't be read: File name too long\nnext: " in str(error)


def test_a_huge_file_is_refused_before_it_is_parsed(folder):
    error = error_of(lambda: load(written(folder, b"{" * 10 * MAX_BYTES), extensions=EXTENSIONS))
    assert str(error).startswith("p.yaml: is larger than 1024 KiB\nnext: ")


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (b"name: x\n\0\0", 2, "a NUL byte"),
        (b"\x7fELF\x02\x01\x01\0\0", 1, "a NUL byte"),
        (b"name: x\ncluster: caf\xe9\n", 2, "the byte 0xe9, which isn't UTF-8"),
        (b"\xff\xfen\x00a", 1, "a NUL byte"),
        (b"name: x\n\nx: \x07\n", 3, r"the control character '\x07'"),
    ],
)
def test_what_is_not_text_is_refused_with_its_line(folder, content, line, what):
    error = error_of(lambda: load(written(folder, content), extensions=EXTENSIONS))
    assert str(error).startswith(f"p.yaml:{line}: (file): isn't text: it holds {what}\nnext: ")


def test_a_path_outside_the_folder_at_hand_is_shown_as_it_is(folder, monkeypatch):
    file = written(folder, "")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert str(error_of(lambda: load(file, extensions=EXTENSIONS))).startswith(f"{file}:1: ")


# what is wrong in a file: the text, the first line of the error after the file's name, part of the rest

BAD = {
    "empty": ("", "1: (file): is empty", "write a playbook"),
    "only a comment": ("# nothing\n", "1: (file): is empty", "write a playbook"),
    "an empty document": ("---\n", "1: (file): is empty", "write a playbook"),
    "a text": ("just text\n", "1: (file): expected a mapping, found the text 'just text'", "README"),
    "a list": ("- a\n", "1: (file): expected a mapping, found a list", "README"),
    "a tab": ("name: x\ncluster:\n\tprofile: x\n", "3: cluster: tabs aren't allowed here", "spaces"),
    "a tab after spaces": ("a:\n  b:\n  \tc: 1\n", "3: a.b: tabs aren't allowed here", "spaces"),
    "a second tab line": ("a:\n  b: 1\n\tc: 2\n", "3: a.b: tabs aren't allowed here", "spaces"),
    "an open bracket": ("name: x\nstages: [a, b\ndemo: 1\n", "3: stages[2]: isn't YAML: ", "begins in line 2"),
    "an open quote": ('name: x\ncluster: "y\n', "2: cluster: isn't YAML: found unexpected end of stream", "quote"),
    "two colons": (
        "name: x\ndescription: a: b\n",
        "2: description: isn't YAML: mapping values are not",
        "quote the value",
    ),
    "bad indentation": (f"{STAGES}  a: {{kind: inert}}\n b: 1\n", "5: (file): isn't YAML: ", "indentation"),
    "an unquoted star": (
        "a: 1\nhosts: [*.example.com]\n",
        "2: hosts[0]: a value that begins with * needs quotes",
        "quote it, such as",
    ),
    "a lone star": ("hosts: *\n", "1: hosts: a value that begins with * needs quotes", "quote it"),
    "an alias": ("a: 1\nb: *a\n", "2: b: *a is an alias of YAML, which playbooks don't have", "needs quotes"),
    "an anchor": (
        f"{HEAD}stages: &s {{}}\n",
        "3: stages: &s is an anchor of YAML, which playbooks",
        "write the value out",
    ),
    "a bomb": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "1: a: &a is an anchor", "write the value out"),
    "an anchor given twice": ("a: &x 1\nb: &x 2\n", "1: a: &x is an anchor", "write the value out"),
    "an anchor and its alias": ("a: &x 1\nb: *x\n", "1: a: &x is an anchor", "write the value out"),
    "an alias in a list of mappings": (
        "a:\n  - b: 1\n    c: {d: 2}\n  - e: *x\n",
        "4: a[1].e: *x is an alias",
        "quotes",
    ),
    "an alias for a key": ("a:\n  b: 1\n*x : 2\n", "3: (file): *x is an alias", "quotes"),
    "an anchor at a key": ("a:\n  &x b: 1\n", "2: a: &x is an anchor", "write the value out"),
    "a tag with nothing below": ("a: !x\n", "1: a: '!x' is a tag of YAML", "write the value out"),
    "tags on endless lists": ("!x [" * 200_000, "1: (file): '!x' is a tag of YAML", "write the value out"),
    "a merge key": (
        f"{STAGES}  <<: {{a: 1}}\n",
        "4: stages: YAML's merge key << isn't supported",
        "write the keys out",
    ),
    "a python tag": (
        "name: !!python/object/apply:os.system [ls]\n",
        "1: name: 'tag:yaml.org,2002:python/object/apply:os.system' is a tag of YAML",
        "write the value out",
    ),
    "an own tag": ("a:\n  - !x 1\n", "2: a[0]: '!x' is a tag of YAML, which playbooks don't have", "needs quotes"),
    "two documents": (
        f"{HEAD}stages: {{}}\n---\nname: y\n",
        "4: (file): a second document begins here",
        "one playbook",
    ),
    "a manifest": (
        "# a Service\napiVersion: v1\nkind: Service\n",
        "2: (file): is a Kubernetes manifest, not a playbook",
        "stage of kind manifests",
    ),
    "a file of manifests": (
        "apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Service\n",
        "1: (file): is a Kubernetes manifest, not a playbook",
        "stage of kind manifests",
    ),
    "a key that is a number": (f"{HEAD}stages: {{}}\n80: x\n", "4: (file): the key '80' isn't text", 'quote it: "80"'),
    "a key that is true": ("true: x\n", "1: (file): the key 'true' isn't text", 'quote it: "true"'),
    "a key that is nothing": ("a: {~: x}\n", "1: a: the key '~' isn't text", "quote it"),
    "a key that is a list": ("[a]: x\n", "1: (file): a list or mapping can't be a key", "quote a text"),
    "a key given twice": (
        f"{HEAD}stages: {{}}\nname: y\n",
        "4: name: appears twice; first in line 1",
        "one",
    ),
    "a stage given twice": (
        f"{STAGES}  a: {{kind: inert}}\n  b: {{kind: inert}}\n  a: {{kind: inert}}\n",
        "6: stages.a: appears twice; first in line 4",
        "rename",
    ),
    "deep nesting": (
        "a: " + "[" * 32 + "]" * 32,
        f"1: a{'[0]' * 31}: is nested more than 32 levels deep",
        "nest it less deeply",
    ),
    "endless nesting": ("[" * 500_000, f"1: {'[0]' * 32}: is nested more than 32 levels deep", "nest it less deeply"),
    "endless nesting of mappings": (
        "{a: " * 200_000,
        f"1: {'.'.join('a' * 32)}: is nested more than 32 levels",
        "nest it less deeply",
    ),
    "endless nesting of lists in lines": (
        "- " * 5_000,
        f"1: {'[0]' * 32}: is nested more than 32 levels deep",
        "nest it less deeply",
    ),
    "no stages": (HEAD, "1: stages: is missing", "add `stages: ...` (the stages by name"),
    "no profile": ("name: x\ncluster: {}\nstages: {}\n", "2: cluster.profile: is missing", "add `profile: ...`"),
    "empty stages": (f"{HEAD}stages:\n", "3: stages: expected a mapping, found nothing", "give it a value"),
    "a misspelt top key": (
        f"{HEAD}stagse: {{}}\n",
        "3: stagse: is an unknown key",
        "did you mean stages? known: cluster,",
    ),
    "a misspelt cluster key": (
        "name: x\ncluster:\n  profile: xx\n  cpu: 4\nstages: {}\n",
        "4: cluster.cpu: is an unknown key",
        "did you mean cpus?",
    ),
    "a key with a line break": (f'{HEAD}stages: {{}}\n"a\\nb": 1\n', "4: 'a\\nb': is an unknown key", "known: cluster"),
    "a bad name": (
        "name: X y\ncluster: {profile: xx}\nstages: {}\n",
        "1: name: a name has 1 to 63 lower-case",
        "NAME.yaml",
    ),
    "a bad profile": (
        "name: x\ncluster: {profile: x_y}\nstages: {}\n",
        "2: cluster.profile: a profile's name has 2 to 40 lower-case letters, digits and hyphens",
        "name of the cluster",
    ),
    "a bad provider": (
        "name: x\ncluster: {profile: xx, provider: embeded}\nstages: {}\n",
        "2: cluster.provider: there is no provider 'embeded'",
        "did you mean embedded? known: embedded, minikube",
    ),
    "too few processors": (
        "name: x\ncluster: {profile: xx, cpus: 0}\nstages: {}\n",
        "2: cluster.cpus: should be greater than or equal to 1, found the number 0",
        "processors",
    ),
    "memory without unit": (
        "name: x\ncluster: {profile: xx, memory: 8192}\nstages: {}\n",
        "2: cluster.memory: expected text, found the number 8192",
        'quote it: memory: "8192"',
    ),
    "a stage that is a text": (
        f"{STAGES}  a: inert\n",
        "4: stages.a: expected a mapping, found the text 'inert'",
        "write",
    ),
    "a stage without kind": (f"{STAGES}  a: {{}}\n", "4: stages.a.kind: is missing", "add `kind: ...`"),
    "an unknown kind": (
        f"{STAGES}  a: {{kind: inert}}\n  b:\n    kind: helm\n",
        "6: stages.b.kind: there is no kind of stage 'helm'",
        "did you mean helm-release? known: helm-release, image, inert, namespace",
    ),
    "a bad stage name": (
        f"{STAGES}  a b: {{kind: inert}}\n",
        "4: stages.'a b': a name has 1 to 63 lower-case",
        "next: ",
    ),
    "a version without quotes": (
        f"{STAGES}  a:\n    kind: helm-release\n    chart: c/d\n    version: 1.30\n",
        "7: stages.a.version: expected text, found the number 1.30",
        'why: YAML takes 1.30 without quotes for a number\nnext: quote it: version: "1.30"',
    ),
    "a truth without quotes": (
        f"{STAGES}  a: {{kind: helm-release, chart: true, version: '1'}}\n",
        "4: stages.a.chart: expected text, found true",
        'quote it: chart: "true"',
    ),
    "an option without value": (
        f"{STAGES}  a:\n    kind: helm-release\n    chart:\n    version: '1'\n",
        "6: stages.a.chart: expected text, found nothing",
        "give it a value (repository/name of the chart)",
    ),
    "a missing option": (
        f"{STAGES}  a: {{kind: helm-release, version: '1'}}\n",
        "4: stages.a.chart: is missing",
        "add `chart: ...` (repository/name of the chart)",
    ),
    "a misspelt option": (
        f"{STAGES}  a:\n    kind: helm-release\n    chart: c/d\n    verison: 1.2.3\n",
        "7: stages.a.verison: is an unknown key",
        "did you mean version? known: chart, deadline, kind, namespace, needs, port, retries, values, version",
    ),
    "a misspelt common key": (
        f"{STAGES}  a: {{kind: inert, need: [b]}}\n",
        "4: stages.a.need: is an unknown key",
        "did you mean needs? known: deadline, kind, needs, retries",
    ),
    "a misspelt nested key": (
        f"{STAGES}  a:\n    kind: namespace\n    labels:\n      - key: a\n      - kye: b\n",
        "8: stages.a.labels[1].kye: is an unknown key",
        "did you mean key? known: key, value",
    ),
    "a missing nested key": (
        f"{STAGES}  a:\n    kind: namespace\n    labels:\n      - key: a\n      - {{}}\n",
        "8: stages.a.labels[1].key: is missing",
        "add `key: ...`",
    ),
    "none of a union": (
        f"{STAGES}  a: {{kind: helm-release, chart: c, version: v, port: [1]}}\n",
        "4: stages.a.port: expected a whole number or text, found a list",
        "correct it",
    ),
    "a rule of the kind's own": (
        f"{STAGES}  a: {{kind: namespace, strict: true}}\n",
        "4: stages.a: strict says nothing without labels\n",
        "next: ",
    ),
    "the first of two": (
        f"{STAGES}  a:\n    kind: namespace\n    strict: perhaps\n    labels: no\n",
        "6: stages.a.strict: expected true or false, found the text 'perhaps'",
        "next: ",
    ),
    "needs that are a text": (
        f"{STAGES}  a: {{kind: inert, needs: b}}\n",
        "4: stages.a.needs: expected a list, found the text 'b'",
        "put it in brackets: [b]",
    ),
    "a need on itself": (
        f"{STAGES}  a: {{kind: inert, needs: [a]}}\n",
        "4: stages.a.needs[0]: a needs itself",
        "its own",
    ),
    "a cycle": (
        f"{STAGES}  a: {{kind: inert, needs: [c]}}\n  b: {{kind: inert}}\n  c: {{kind: inert, needs: [b, d]}}\n"
        "  d: {kind: inert, needs: [c]}\n",
        "6: stages.c.needs[1]: these stages need each other in a circle: c -> d -> c",
        "take one of these needs away",
    ),
    "a deadline in words": (
        f"{STAGES}  a: {{kind: inert, deadline: soon}}\n",
        "4: stages.a.deadline: expected a time",
        "5m",
    ),
    "a deadline of true": (
        f"{STAGES}  a: {{kind: inert, deadline: true}}\n",
        "4: stages.a.deadline: expected a time",
        "5m",
    ),
    "a deadline of 0": (f"{STAGES}  a: {{kind: inert, deadline: 0}}\n", "4: stages.a.deadline: expected a time", "5m"),
    "a deadline of days": (
        f"{STAGES}  a: {{kind: inert, deadline: 25h}}\n",
        "4: stages.a.deadline: expected a time",
        "5m",
    ),
    "negative retries": (
        f"{STAGES}  a: {{kind: inert, retries: -1}}\n",
        "4: stages.a.retries: should be greater",
        "again",
    ),
    "a demo that is a mapping": (
        f"{HEAD}stages: {{}}\ndemo: {{promote: {{}}}}\n",
        "4: demo: expected a list, found a mapping",
        "a list of steps",
    ),
    "a step that is a text": (
        f"{DEMO}  - promote\n",
        "5: demo[0]: expected a mapping, found the text 'promote'",
        "README",
    ),
    "a step without kind": (
        f"{DEMO}  - {{}}\n",
        "5: demo[0]: a step is a mapping with one key, its kind; this one has 0",
        "-",
    ),
    "two steps in one": (
        f"{DEMO}  - promote: {{}}\n    set-image: {{}}\n",
        "5: demo[0]: a step is a mapping with one key, its kind; this one has 2",
        "a list item of its own",
    ),
    "an unknown step": (
        f"{DEMO}  - promote:\n  - promot: {{}}\n",
        "6: demo[1].promot: there is no kind of step 'promot'",
        "did you mean promote? known: promote, set-image",
    ),
    "a step's missing option": (
        f"{DEMO}  - set-image:\n",
        "5: demo[0].set-image.rollout: is missing",
        "add `rollout: ...`",
    ),
    "a step's misspelt option": (
        f"{DEMO}  - set-image: {{rollout: a, image: b, settle_seconds: 1}}\n",
        "5: demo[0].set-image.settle_seconds: is an unknown key",
        "did you mean settle-seconds?",
    ),
    "a step's wrong options": (
        f"{DEMO}  - set-image: yellow\n",
        "5: demo[0].set-image: expected a mapping, found the text 'yellow'",
        "next: ",
    ),
}


class Two(BaseModel):
    names: tuple[str, ...] = Field(min_length=2, max_length=2, description="two names")


@pytest.mark.parametrize(
    ("names", "said", "remedy"),
    [
        ("[]", "expected at least 2 entries, found none", "list more of them (two names)"),
        ("[a]", "expected at least 2 entries, found 1", "list more of them (two names)"),
        ("[a, b, c]", "expected at most 2 entries, found 3", "list fewer of them (two names)"),
    ],
)
def test_a_list_of_the_wrong_length_is_counted_in_words(folder, names, said, remedy):
    document = Document(folder / "p.yaml", parse(f"names: {names}\n", Path("p.yaml")))
    error = error_of(lambda: document.validate(Two, document.value))
    assert str(error) == f"p.yaml:1: names: {said}\nnext: {remedy}"


@pytest.mark.parametrize(("content", "first_line", "rest"), BAD.values(), ids=BAD.keys())
def test_a_bad_playbook_is_one_error_with_file_line_key_and_remedy(folder, content, first_line, rest):
    error = str(error_of(lambda: loaded(folder, content)))
    assert error.startswith(f"p.yaml:{first_line}")
    assert rest in error
    assert "\nnext: " in error


@pytest.mark.parametrize("content", [content for content, line, _ in BAD.values() if "YAML" in line], ids=repr)
def test_pyyamls_own_parser_finds_the_same_lines_as_the_one_in_c(content):
    fast = error_of(lambda: parse(content, Path("p.yaml")))
    slow = error_of(lambda: parse(content, Path("p.yaml"), yaml.SafeLoader))
    assert str(slow.where).split(": ")[0] == str(fast.where).split(": ")[0]


@pytest.mark.parametrize(
    "content",
    [
        f"{STAGES}  a: {'x' * 10_000}\n",
        f"{STAGES}  ? {'k' * 10_000}\n  : 1\n",
        f"{STAGES}  a: {{kind: 1.{'0' * 10_000}}}\n",
        f"{STAGES}  a:\n    kind: inert\n    needs: |\n" + "      line\n" * 2000,
        f"{STAGES}  a: &{'a' * 10_000} {{}}\n",
        f"{HEAD}stages: {{}}\n1.{'0' * 10_000}: x\n",
        STAGES + "".join(f"  s{n}: {{kind: inert, needs: [other]}}\n" for n in range(2000)),
    ],
    ids=["value", "key", "number", "lines", "anchor", "numeric key", "names"],
)
def test_what_is_long_is_shown_in_short(folder, content):
    error = error_of(lambda: attached(folder, content))
    assert len(str(error)) < 600
    assert len(str(error).splitlines()) <= 3


def test_a_problem_in_the_command_line_does_not_hide_one_in_the_file(folder):
    with pytest.raises(PlaybookError):
        load(written(folder, HEAD), profile="also wrong", extensions=EXTENSIONS)


# the infrastructure under a playbook


def test_the_providers_stages_come_first_with_their_kinds_limits(folder):
    playbook = with_infrastructure(loaded(folder, VALID), infrastructure())
    names = [stage.name for stage in playbook.stages]
    assert names == ["programs", "machine", "cluster", "istio-base", "istiod", "injection", "image-blue"]
    assert (playbook.limits["programs"].deadline, playbook.limits["programs"].retries) == (420.0, 3)
    assert playbook.limits["istiod"].deadline == 180.0


def test_a_stage_without_needs_needs_the_cluster_and_an_image_what_images_need(folder):
    needs = attached(folder, VALID)
    assert needs["istio-base"] == ("cluster",)
    assert needs["istiod"] == ("istio-base",)
    assert needs["injection"] == ("istiod",)
    assert needs["image-blue"] == ("machine",)


def test_a_stage_that_needs_only_an_image_waits_for_the_cluster_as_well(folder):
    needs = attached(folder, f"{STAGES}  app: {{kind: inert, needs: [blue]}}\n  blue: {{kind: image}}\n")
    assert needs["app"] == ("cluster", "blue")


def test_an_image_whose_needs_lead_to_the_cluster_gets_no_more_of_them(folder):
    needs = attached(folder, f"{STAGES}  a: {{kind: inert}}\n  blue: {{kind: image, needs: [a]}}\n")
    assert needs["blue"] == ("a",)


def test_a_stage_that_names_a_stage_of_the_provider_gets_no_more_of_them(folder):
    needs = attached(folder, f"{STAGES}  early: {{kind: inert, needs: [programs]}}\n")
    assert needs["early"] == ("programs",)


def test_putting_the_infrastructure_under_a_playbook_leaves_the_playbook_as_it_was(folder):
    playbook = loaded(folder, VALID)
    with_infrastructure(playbook, infrastructure())
    assert playbook.stages[0].needs == ()


def test_an_unknown_need_is_found_with_its_line(folder):
    content = f"{STAGES}  istiod: {{kind: inert}}\n  b:\n    kind: inert\n    needs: [istiod, istoid]\n"
    error = error_of(lambda: attached(folder, content))
    assert str(error) == (
        "p.yaml:7: stages.b.needs[1]: there is no stage 'istoid'\n"
        "next: did you mean istiod? known: b, cluster, istiod, machine, programs"
    )


def test_a_stage_may_not_take_the_name_of_one_of_the_providers(folder):
    error = error_of(lambda: attached(folder, f"{STAGES}  a: {{kind: inert}}\n  machine: {{kind: inert}}\n"))
    assert str(error).startswith(
        "p.yaml:5: stages.machine: the cluster's provider has a stage 'machine' itself\nnext: "
    )


def test_a_long_chain_of_stages_is_no_problem(folder):
    lines = [f"  s{n}: {{kind: inert, needs: [{f's{n - 1}' if n else ''}]}}\n" for n in range(3000)]
    needs = attached(folder, STAGES + "".join(lines))
    assert (needs["s0"], needs["s2999"]) == (("cluster",), ("s2998",))


# kinds


def test_a_kind_may_not_call_an_option_what_every_stage_has():
    class Options(StageOptions):
        deadline: str

    class Clumsy(Inert):
        kind = "clumsy"

    Clumsy.Options = Options
    with pytest.raises(CanarylabError, match="kind 'clumsy' declares the options deadline"):
        Extensions(stages={"clumsy": Clumsy})


def test_the_discovered_kinds_all_have_options_that_refuse_unknown_keys():
    extensions = Extensions.discovered()
    models: list[type[BaseModel]] = [cls.Options for cls in (*extensions.stages.values(), *extensions.steps.values())]  # type: ignore[attr-defined]
    assert [model for model in models if model.model_config.get("extra") != "forbid"] == []
