from __future__ import annotations

import re

import pytest
from pydantic import ValidationError
from support.fake_provider import FakeProvider
from support.oci_archives import AMD64, ARM64, archive, elf
from support.runs import context_of

from canarylab.engine import bring_up
from canarylab.errors import StageError
from canarylab.images.image import SOURCE_LABEL, source_digest
from canarylab.images.oci import read_archive, verify_architecture
from canarylab.removal import Removal
from canarylab.stages.kinds.image import ImageOptions, ImageStage

BLUE = "localhost/argoproj/rollouts-demo:blue"
COLOR = {"COLOR": "blue"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Containerfile").write_text("FROM scratch")
    return tmp_path


@pytest.fixture
def built(monkeypatch, tmp_path):
    """What the build makes: a program of `built.machine` in an image that says `built.architecture`."""

    class Built:
        machine, architecture, count = AMD64, "amd64", 0

    def build(_ctx, wanted, architecture):
        Built.count += 1
        labels = {SOURCE_LABEL: source_digest(wanted.folder, wanted.arguments)}
        program = {"server": elf(Built.machine)}
        file = tmp_path / f"{Built.count}.tar"
        archive(file, program, architecture=Built.architecture, entrypoint=["/server"], labels=labels)
        verify_architecture(read_archive(file, wanted.image), architecture)
        return file

    monkeypatch.setattr("support.fake_provider.build", build)
    return Built


def stage(base, **options):
    written = ImageOptions.model_validate({"path": "app", "image": BLUE, "build-args": COLOR, **options})
    return ImageStage("image-blue", written, base=base)


def up(provider, folder, wanted=None):
    wanted = wanted or stage(folder)
    return bring_up.up(context_of(wanted, provider=provider, base=folder), [wanted]).outcomes["image-blue"]


def test_an_image_is_built_read_and_handed_over_once(folder, built):
    provider = FakeProvider()
    assert up(provider, folder).state == "changed"
    assert provider.loaded == [(folder / "1.tar", BLUE)]
    assert up(provider, folder).state == "unchanged"
    assert built.count == 1


def test_changed_sources_and_changed_arguments_are_built_anew(folder, built):
    provider = FakeProvider()
    up(provider, folder)
    (folder / "app" / "main.go").write_text("package main")
    assert up(provider, folder).state == "changed"
    assert up(provider, folder, stage(folder, **{"build-args": {"COLOR": "green"}})).state == "changed"
    assert built.count == 3


def test_a_program_of_the_wrong_architecture_never_reaches_the_cluster(folder, built):
    provider = FakeProvider()
    built.machine = ARM64
    outcome = up(provider, folder)
    assert outcome.state == "failed"
    assert re.search("configuration .*amd64, .*program .*arm64; .*cluster .*amd64", outcome.reason)
    assert provider.loaded == []


def test_an_image_that_is_handed_over_but_not_there_is_not_idempotent(folder, built):
    provider = FakeProvider()
    provider.forgetful = True
    outcome = up(provider, folder)
    assert built.count == 1
    assert "not idempotent" in outcome.reason
    assert BLUE in outcome.reason


def test_an_image_is_removed_where_there_is_one(folder, built):
    provider = FakeProvider()
    ctx = context_of(provider=provider, base=folder)
    assert stage(folder).remove(ctx) == []
    up(provider, folder)
    assert built.count == 1
    assert stage(folder).remove(ctx) == [Removal(f"image {BLUE}", "removed")]
    assert provider.held == {}


def test_status_shows_reference_and_architecture(folder, built):
    provider = FakeProvider()
    ctx = context_of(provider=provider, base=folder)
    assert stage(folder).facts(ctx) == {}
    up(provider, folder)
    assert built.count == 1
    assert stage(folder).facts(ctx) == {"image": BLUE, "architecture": "amd64"}


def test_a_folder_without_containerfile_is_refused_before_anything_is_changed(tmp_path):
    with pytest.raises(StageError, match=f"Containerfile in {tmp_path}/app") as caught:
        stage(tmp_path).check()
    assert caught.value.where == "stage image-blue, path"


def test_build_arguments_are_text():
    with pytest.raises(ValidationError):
        ImageOptions.model_validate({"path": "a", "image": "b", "build-args": {"COLOR": ["blue"]}})
