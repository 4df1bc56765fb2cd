from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.fake_runner import FakeRunner
from support.oci_archives import AMD64, ARM64, archive, elf
from support.runs import context_of

from canarylab.errors import CommandError, StageError
from canarylab.images import image
from canarylab.images.build import build
from canarylab.images.image import Wanted, source_digest
from canarylab.paths import REPOSITORY

DEMO = REPOSITORY / "images" / "rollouts-demo"
COLOR = {"COLOR": "blue"}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "app"
    made.mkdir()
    for name in ("main.go", "main_test.go", "go.mod", "page.html", "page.css", "Containerfile", "README.md"):
        (made / name).write_text(name)
    return made


# -- digest -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["main.go", "go.mod", "page.html", "page.css", "Containerfile"])
def test_the_digest_changes_with_what_the_image_is_made_of(folder, name):
    before = source_digest(folder, COLOR)
    (folder / name).write_text("changed")
    assert source_digest(folder, COLOR) != before


@pytest.mark.parametrize("name", ["main_test.go", "README.md", "app-amd64"])
def test_the_digest_does_not_change_with_anything_else(folder, name):
    before = source_digest(folder, COLOR)
    (folder / name).write_text("changed")
    assert source_digest(folder, COLOR) == before


def test_the_digest_does_not_depend_on_where_the_sources_lie_or_when_they_were_touched(folder, tmp_path):
    before = source_digest(folder, COLOR)
    os.utime(folder / "main.go", (1, 1))
    assert source_digest(folder.rename(tmp_path / "moved"), COLOR) == before


def test_a_renamed_source_is_another_source(folder):
    before = source_digest(folder, COLOR)
    (folder / "main.go").rename(folder / "other.go")
    assert source_digest(folder, COLOR) != before


def test_build_arguments_count_and_their_order_does_not(folder):
    two = {"A": "1", "B": "2"}
    assert source_digest(folder, two) == source_digest(folder, dict(reversed(two.items())))
    assert len({source_digest(folder, arguments) for arguments in ({}, COLOR, two, {"A": "12", "B": ""})}) == 4


def test_the_demos_sources_are_all_among_what_is_digested():
    seen = {path.name for pattern in image._SOURCES for path in DEMO.glob(pattern)}
    needed = {path.name for path in DEMO.iterdir() if path.suffix not in (".md", "") or path.name == "Containerfile"}
    assert {name for name in needed if not name.startswith((".", "rollouts-demo-"))} <= seen


# -- builds -----------------------------------------------------------------------------------------------------------


class Tools(FakeRunner):
    """Go and buildah, as far as a build asks for them; what buildah exports is an archive like the real one's."""

    broken: int | None = None
    """The machine that Go compiles for whatever it is asked."""

    platform = ""

    def _answer(self, line):
        words = line.split()
        if "GOVERSION" in words:
            return "go1.30"
        if "-ldflags" in words:
            self.machine = self.broken or {"amd64": AMD64, "arm64": ARM64}[self.given[-1]["env"]["GOARCH"]]
            Path(words[words.index("-o") + 1]).write_bytes(elf(self.machine))
            return ""
        if "push" in words:
            made = Path(words[-1].split(":")[1])
            archive(made, {"app": elf(self.machine)}, architecture=self.platform, entrypoint=["/app"])
            return ""
        assert "build" in words, f"nobody expected this command: {line}"
        self.platform = words[words.index("--platform") + 1].removeprefix("linux/")
        context = Path(words[-1])
        self.context = sorted(path.name for path in context.iterdir())
        return ""

    def count(self, word):
        return sum(word in line.split() for line in self.commands)


@pytest.fixture
def tools(monkeypatch, tmp_path):
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return Tools()


def wanted(folder, **arguments):
    return Wanted(folder, "localhost/app:x", arguments or COLOR)


def test_a_build_compiles_builds_and_keeps_an_archive_in_the_cache(folder, tools, isolated_home):
    made = build(context_of(runner=tools), wanted(folder), "amd64")
    assert made.is_relative_to(isolated_home / "cache")
    assert made.name == f"{source_digest(folder, COLOR)[:16]}-amd64.tar"
    assert tools.context == ["Containerfile", "app-amd64"]
    [line] = [line for line in tools.commands if "--tag" in line]
    assert "--platform linux/amd64" in line
    assert "--build-arg COLOR=blue" in line
    assert f"--build-arg SOURCE_DIGEST={source_digest(folder, COLOR)}" in line
    assert "--pull-never" in line


def test_what_is_built_already_is_not_built_again(folder, tools):
    first = build(context_of(runner=tools), wanted(folder), "amd64")
    before = list(tools.commands)
    assert build(context_of(runner=tools), wanted(folder), "amd64") == first
    assert tools.commands == before


def test_variants_share_the_program_and_have_archives_of_their_own(folder, tools):
    made = {build(context_of(runner=tools), wanted(folder, COLOR=color), "amd64") for color in ("blue", "yellow")}
    assert len(made) == 2
    assert tools.count("-ldflags") == 1


def test_each_architecture_has_a_program_and_an_archive_of_its_own(folder, tools):
    made = {build(context_of(runner=tools), wanted(folder), architecture) for architecture in ("amd64", "arm64")}
    assert len(made) == 2
    assert tools.count("-ldflags") == 2


def test_a_program_of_the_wrong_architecture_is_refused_with_both_named(folder, tools):
    tools.broken = ARM64
    with pytest.raises(StageError, match="its configuration says amd64, its program is arm64; the cluster is amd64"):
        build(context_of(runner=tools), wanted(folder), "amd64")


def test_a_build_that_fails_leaves_no_archive_and_no_scratch(folder, tools, isolated_home, monkeypatch):
    monkeypatch.setattr(tools, "_answer", lambda line: 125 if "--tag" in line else Tools._answer(tools, line))
    with pytest.raises(CommandError):
        build(context_of(runner=tools), wanted(folder), "amd64")
    left = [path.name for path in (isolated_home / "cache" / "canarylab" / "images" / "app").iterdir()]
    assert sorted(left) == sorted(["lock", f"{source_digest(folder, {})[:16]}-amd64"])


class Engines(Tools):
    """With podman or docker in buildah's place: what they save goes through skopeo."""

    def _answer(self, line):
        words = line.split()
        if words[0] == "skopeo":
            made = Path(words[-1].split(":")[1])
            archive(made, {"app": elf(self.machine)}, architecture=self.platform, entrypoint=["/app"])
        return "" if words[0] == "skopeo" or words[1] in ("save", "rmi") else super()._answer(line)


@pytest.fixture
def only(tools, tmp_path, monkeypatch):  # noqa: ARG001 - it puts Go on the PATH
    """Has the PATH hold nothing else than Go and these programs."""

    def put(*names, user):
        for name in names:
            (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
            (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setattr(os, "geteuid", lambda: user)

    return put


@pytest.mark.parametrize(("there", "user"), [(("podman", "docker"), 0), (("podman", "buildah"), 1000)])
def test_without_buildah_or_root_podman_or_docker_build_and_keep_nothing(folder, only, there, user):
    only(*there, user=user)
    runner = Engines()
    assert build(context_of(runner=runner), wanted(folder), "arm64").exists()
    built, saved, converted, removed = runner.commands[-4:]
    assert built.startswith("podman build --quiet --tag localhost/app:x --platform linux/arm64 --build-arg COLOR=blue ")
    image = saved.removeprefix("podman save --output ").removesuffix(" localhost/app:x")
    assert converted.startswith(f"skopeo copy --quiet docker-archive:{image} oci-archive:")
    assert removed == "podman rmi localhost/app:x"


def test_with_root_buildah_comes_first_in_a_storage_of_its_own(folder, tools, only):
    only("docker", "buildah", user=0)
    build(context_of(runner=tools), wanted(folder), "amd64")
    assert tools.commands[-1].startswith("unshare --mount buildah --storage-driver=overlay --root ")
