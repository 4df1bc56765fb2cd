from __future__ import annotations

import io
import tarfile

import pytest
from support.oci_archives import AMD64, ARM64, RISCV64, archive, elf
from support.there import there

from canarylab.errors import StageError
from canarylab.images.image import Image
from canarylab.images.oci import elf_architecture, read_archive, read_image, verify_architecture

REFERENCE = "localhost/argoproj/rollouts-demo:blue"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "image.tar"


# -- programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "architecture"),
    [
        (elf(AMD64), "amd64"),
        (elf(ARM64), "arm64"),
        (elf(ARM64, big_endian=True), "arm64"),
        (elf(RISCV64), "ELF machine 243"),
        (elf(AMD64)[:20], "amd64"),
        (elf(AMD64)[:19], ""),
        (b"#!/bin/sh\nexec true # a script", ""),
        (b"", ""),
    ],
)
def test_a_programs_architecture_is_read_from_its_header(header, architecture):
    assert elf_architecture(header) == architecture


# -- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("machine", "architecture"), [(AMD64, "amd64"), (ARM64, "arm64")])
@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("index", [False, True])
def test_an_archive_says_what_it_is_and_what_its_program_is(file, machine, architecture, compression, index):
    archive(
        file,
        {"server": elf(machine)},
        architecture=architecture,
        entrypoint=["/server", "--flag"],
        labels={"a": "b"},
        compression=compression,
        index=index,
    )
    assert read_archive(file, REFERENCE) == Image(REFERENCE, architecture, {"a": "b"}, architecture)


def test_the_configuration_and_the_program_are_told_apart(file):
    archive(file, {"server": elf(AMD64)}, architecture="arm64", entrypoint=["/server"])
    image = read_archive(file, REFERENCE)
    assert (image.architecture, image.program_architecture) == ("arm64", "amd64")


def test_the_upper_layers_program_is_the_one_that_runs(file):
    archive(file, {"server": elf(AMD64)}, {"etc/motd": b"hello"}, {"./server": elf(ARM64)}, entrypoint=["/server"])
    assert read_archive(file, REFERENCE).program_architecture == "arm64"


def test_without_an_entrypoint_the_command_is_the_program(file):
    archive(file, {"usr/bin/app": elf(ARM64)}, command=["usr/bin/app"])
    assert read_archive(file, REFERENCE).program_architecture == "arm64"


@pytest.mark.parametrize(
    ("layer", "entrypoint"),
    [
        ({"other": elf(AMD64)}, ["/server"]),
        ({"server": b"#!/bin/sh\n"}, ["/server"]),
        ({"server": "busybox", "busybox": elf(AMD64)}, ["/server"]),
        ({"server": elf(AMD64)}, None),
    ],
)
def test_where_there_is_no_program_to_read_none_is_claimed(file, layer, entrypoint):
    archive(file, layer, entrypoint=entrypoint)
    assert read_archive(file, REFERENCE).program_architecture == ""


def test_an_image_without_labels_has_none(file):
    archive(file, {}, labels=None)
    assert read_archive(file, REFERENCE).labels == {}


def test_an_image_without_the_label_is_not_unpacked(file):
    archive(file, {"server": elf(AMD64)}, entrypoint=["/server"], labels={"mine": "1"})
    opened: list[str] = []
    with tarfile.open(file) as tar:
        names = [name for name in tar.getnames() if name.startswith("blobs/")]
        blobs = {name.replace("blobs/sha256/", "sha256:"): there(tar.extractfile(name)).read() for name in names}
    [manifest] = [digest for digest, content in blobs.items() if b"layers" in content]

    def open_blob(digest):
        opened.append(digest)
        return io.BytesIO(blobs[digest])

    assert read_image(open_blob, manifest, REFERENCE, label="theirs") is None
    assert len(opened) == 2
    found = read_image(open_blob, manifest, REFERENCE, label="mine")
    assert found is not None
    assert found.program_architecture == "amd64"


def test_what_is_no_oci_archive_is_said_to_be_none(file):
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    with pytest.raises(StageError, match=r"the archive has no index\.json") as caught:
        read_archive(file, REFERENCE)
    assert str(file) in str(caught.value)


# -- verdicts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["arm64", ""])
def test_the_right_architecture_is_fine_also_where_no_program_can_be_read(program):
    verify_architecture(Image(REFERENCE, "arm64", {}, program), "arm64")


@pytest.mark.parametrize(
    ("configured", "program"), [("amd64", "amd64"), ("arm64", "amd64"), ("amd64", "arm64"), ("amd64", "")]
)
def test_a_wrong_architecture_is_refused_with_both_named_and_the_way_out(configured, program):
    with pytest.raises(StageError) as caught:
        verify_architecture(Image(REFERENCE, configured, {}, program), "arm64")
    said = str(caught.value)
    assert REFERENCE in said
    assert (
        f"its configuration says {configured}, its program is {program or 'unreadable'}; the cluster is arm64" in said
    )
    assert "exec format error" in said
    assert "invoke images --platform linux/arm64" in said
