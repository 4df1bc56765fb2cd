"""The Go sources: formatted, vetted, and their own tests pass, by the toolchain that the tool itself would use."""

from __future__ import annotations

from pathlib import Path

import pytest

from canarylab.cancel import Cancel
from canarylab.paths import REPOSITORY
from canarylab.tools import go
from canarylab.tools.runner import Runner

DEMO = REPOSITORY / "images" / "rollouts-demo"


@pytest.fixture(scope="module")
def toolchain() -> go.Go:
    return go.find(Runner(Cancel()), "1.26")


NODE = REPOSITORY / "node"
OURS = ("./internal/...", "./cmd/gatewayapi-plugin")
"""The packages of the node that have tests; to load the others is to compile Kubernetes."""


def _run(toolchain: go.Go, folder: Path, *words: str) -> None:
    toolchain.runner.run([toolchain.program, *words], cwd=folder, env=toolchain.environment(), timeout=600)


def test_the_demo_application_is_vetted(toolchain: go.Go) -> None:
    _run(toolchain, DEMO, "vet", "./...")


def test_the_demo_applications_own_tests_pass(toolchain: go.Go) -> None:
    _run(toolchain, DEMO, "test", "./...")


@pytest.mark.parametrize("words", [("vet",), ("test",)])
def test_the_nodes_own_packages_are_vetted_and_their_tests_pass(toolchain: go.Go, words: tuple[str, ...]) -> None:
    """Compiled as the node's programs are, so that what is in their cache is in this one."""
    _run(toolchain, NODE, *words, *go.COMPILE_FLAGS, *OURS)


@pytest.mark.parametrize("folder", ["images/rollouts-demo", "node/cmd", "node/internal"])
def test_go_sources_are_formatted(toolchain: go.Go, folder: str) -> None:
    formatter = toolchain.program.resolve().with_name("gofmt")
    listed = toolchain.runner.run([formatter, "-l", REPOSITORY / folder], timeout=60).stdout
    assert listed == ""
