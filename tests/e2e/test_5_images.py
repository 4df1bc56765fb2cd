"""Images for another architecture: built here, read, and their program run for real under emulation."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path

import pytest
from tool import Ended, Tool

from canarylab.files import extract

_OTHER = "arm64"


@pytest.fixture(scope="module")
def emulator() -> str:
    """qemu's user-mode emulator for arm64, installed from Debian's packages where it is missing."""
    program = "qemu-aarch64-static"
    if not shutil.which(program):
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=300)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "qemu-user-static"]
        subprocess.run(install, check=True, timeout=600)
    return program


@pytest.fixture(scope="module")
def program(tool: Tool, first_up: Ended, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """The entry point's program, out of the image that `invoke images --platform linux/arm64` built."""
    built = tool.run("images", "--platform", f"linux/{_OTHER}")
    assert built.code == 0, built.explain()
    notice = next(event["message"] for event in built.of("notice") if ":yellow " in event["message"])
    archive = Path(notice.rsplit(": ", 1)[-1])
    folder = tmp_path_factory.mktemp("image")
    extract(archive, folder)
    layers = tmp_path_factory.mktemp("layers")
    for blob in filter(tarfile.is_tarfile, (folder / "blobs/sha256").iterdir()):
        extract(blob, layers)
    [found] = [file for file in layers.rglob("*rollouts-demo") if file.is_file()]
    return found


def test_the_arm64_program_of_the_image_runs(program: Path, emulator: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {"COLOR": "yellow", "HTTP_ADDRESS": f"127.0.0.1:{port}", "TLS_ADDRESS": "127.0.0.1:0", "DRAIN": "0s"}
    with subprocess.Popen([emulator, str(program)], env=environment) as process:
        try:
            assert _answer(port) == '"yellow"'
        finally:
            process.terminate()
        assert process.wait(30) == 0


def _answer(port: int) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/color", timeout=5) as response:
                return str(response.read().decode())
        except OSError:
            assert time.monotonic() < deadline, "the emulated program doesn't answer"
            time.sleep(0.2)


def test_an_image_of_another_architecture_is_not_handed_to_the_cluster(tool: Tool, program: Path) -> None:
    assert program.exists()
    images = tool.json("images")
    assert all(image["architecture"] != _OTHER for image in images)


def test_a_platform_that_nobody_knows_is_refused(tool: Tool) -> None:
    refused = tool.run("images", "--platform", "linux/s390x")
    assert refused.code == 2
    assert "linux/arm64" in refused.of("failure")[0]["message"]
