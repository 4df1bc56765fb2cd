"""`uses`: stages that several playbooks have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from playbook_samples import EXTENSIONS, infrastructure, written

from canarylab.errors import PlaybookError
from canarylab.paths import REPOSITORY
from canarylab.playbook import parts
from canarylab.playbook.extensions import Extensions
from canarylab.playbook.infrastructure import with_infrastructure
from canarylab.playbook.loader import load

ISTIO = "stages:\n  base: {kind: inert}\n  istiod: {kind: inert, needs: [base], deadline: 3m}\n"
HEAD = "name: x\ncluster: {profile: xx}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with a playbook's folder and one part; this repository's own parts are out of sight."""
    monkeypatch.setattr(parts, "REPOSITORY", tmp_path / "installed")
    home = tmp_path / "repo" / "playbooks"
    put(home, "istio", ISTIO)
    monkeypatch.chdir(home)
    return home


def put(playbooks: Path, name: str, content: str) -> Path:
    (playbooks / "parts").mkdir(parents=True, exist_ok=True)
    return written(playbooks / "parts", content, f"{name}.yaml")


def loaded(folder: Path, uses: str, stages: str = "stages: {}\n"):
    return load(written(folder, f"{HEAD}uses: {uses}\n{stages}"), extensions=EXTENSIONS)


def error_of(function) -> str:
    with pytest.raises(PlaybookError) as caught:
        function()
    return str(caught.value)


def test_the_stages_of_parts_come_first_with_their_needs_and_limits(folder):
    put(folder, "tunnel", "stages:\n  tunnel: {kind: inert}\n")
    playbook = loaded(folder, "[tunnel, istio]", "stages:\n  app: {kind: inert}\n")
    assert [(stage.name, stage.needs) for stage in playbook.stages] == [
        ("tunnel", ()),
        ("base", ()),
        ("istiod", ("base",)),
        ("app", ()),
    ]
    assert playbook.limits["istiod"].deadline == 180.0


def test_a_playbooks_own_stage_may_need_one_of_a_part(folder):
    playbook = loaded(folder, "[istio]", "stages:\n  app: {kind: inert, needs: [istiod]}\n")
    assert with_infrastructure(playbook, infrastructure()).stages[-1].needs == ("istiod",)


def test_a_stage_of_a_part_remembers_the_parts_file_for_what_is_found_wrong_later(folder):
    istiod = loaded(folder, "[istio]").stages[1]
    assert istiod.document.file == folder / "parts" / "istio.yaml"
    assert "parts/istio.yaml:3: stages.istiod.deadline: too short" in str(istiod.problem("deadline", "too short", ""))


def test_relative_paths_of_a_part_start_where_those_of_a_playbook_beside_its_folder_do(folder, tmp_path):
    put(tmp_path / "installed" / "playbooks", "tunnel", "stages:\n  tunnel: {kind: inert}\n")
    mine = tmp_path / "mine"
    put(mine, "own", "stages:\n  own: {kind: inert}\n")
    bases = {
        stage.name: stage.base for stage in loaded(mine, "[tunnel, own]", "stages:\n  app: {kind: inert}\n").stages
    }
    assert bases == {"tunnel": tmp_path / "installed", "own": mine, "app": mine}
    assert {stage.base for stage in loaded(folder, "[istio]").stages} == {tmp_path / "repo"}


def test_a_part_beside_the_playbook_comes_before_the_installed_one_of_that_name(folder, tmp_path):
    put(tmp_path / "installed" / "playbooks", "istio", "stages:\n  other: {kind: inert}\n")
    assert [stage.name for stage in loaded(folder, "[istio]").stages] == ["base", "istiod"]


def test_the_digest_covers_the_parts(folder):
    before = loaded(folder, "[istio]").digest
    put(folder, "istio", ISTIO.replace("3m", "4m"))
    assert loaded(folder, "[istio]").digest != before


def test_an_unknown_part_is_found_with_its_line(folder):
    assert error_of(lambda: loaded(folder, "[istio, isto]")) == (
        "p.yaml:3: uses[1]: there is no part 'isto'\nnext: did you mean istio? known: istio"
    )


@pytest.mark.parametrize("name", ["../p", "parts/istio", "istio.yaml"])
def test_a_part_is_named_not_pathed(folder, name):
    assert error_of(lambda: loaded(folder, f"[{name}]")).startswith("p.yaml:3: uses[0]: a name has 1 to 63 lower-case")


def test_a_part_is_used_once(folder):
    said = error_of(lambda: loaded(folder, "[istio, istio]"))
    assert said.startswith("p.yaml:3: uses[1]: part 'istio' appears twice")


def test_a_stage_that_a_part_has_too_is_an_error_that_names_both_places(folder):
    assert error_of(lambda: loaded(folder, "[istio]", "stages:\n  istiod: {kind: inert}\n")) == (
        "p.yaml:5: stages.istiod: there is a stage 'istiod' in parts/istio.yaml:3 already\n"
        "next: rename one of them, or take that file out of `uses`"
    )


def test_a_stage_that_two_parts_have_is_an_error_that_names_both_places(folder):
    put(folder, "ambient", "stages:\n  base: {kind: inert}\n")
    error = error_of(lambda: loaded(folder, "[istio, ambient]"))
    assert error.startswith(
        "parts/ambient.yaml:2: stages.base: there is a stage 'base' in parts/istio.yaml:2 already\n"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("stages:\n  base: {kind: helm}\n", "parts/istio.yaml:2: stages.base.kind: there is no kind of stage 'helm'"),
        ("stages:\n  base: {kind: inert, chart: x}\n", "parts/istio.yaml:2: stages.base.chart: is an unknown key"),
        ("stages: {}\nuses: [tunnel]\n", "parts/istio.yaml:2: uses: is an unknown key"),
        ("stages: {}\n  - x\n", "parts/istio.yaml:2: "),
        ("", "parts/istio.yaml:1: (file): is empty"),
        (
            "stages:\n  a: {kind: inert, needs: [b]}\n  b: {kind: inert, needs: [a]}\n",
            "parts/istio.yaml:2: stages.a.needs[0]: these stages need each other in a circle: a -> b -> a",
        ),
    ],
)
def test_what_is_wrong_in_a_part_is_told_with_its_file_and_line(folder, content, said):
    put(folder, "istio", content)
    assert error_of(lambda: loaded(folder, "[istio]")).startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("stages:\n  a: {kind: inert, needs: [nothing]}\n", "parts/istio.yaml:2: stages.a.needs[0]: there is no stage"),
        ("stages:\n  machine: {kind: inert}\n", "parts/istio.yaml:2: stages.machine: the cluster's provider has"),
    ],
)
def test_what_does_not_go_with_the_provider_is_told_with_the_parts_file_and_line(folder, content, said):
    put(folder, "istio", content)
    assert error_of(lambda: with_infrastructure(loaded(folder, "[istio]"), infrastructure())).startswith(said)


def test_a_playbook_anywhere_can_use_the_parts_of_this_repository(tmp_path):
    file = written(tmp_path, f"{HEAD}uses: [istio, tunnel, argo-rollouts, images]\nstages: {{}}\n")
    stages = {stage.name: stage for stage in load(file, extensions=Extensions.discovered()).stages}
    assert list(stages) == [
        *("istio-base", "istiod", "istio-ingressgateway", "tunnel", "argo-rollouts", "image-blue", "image-yellow")
    ]
    assert {stage.base for stage in stages.values()} == {REPOSITORY}
    for stage in stages.values():
        stage.check()
