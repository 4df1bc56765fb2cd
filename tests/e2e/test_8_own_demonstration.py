"""What docs/own-demonstration.md says, done literally: its files written as they stand there, its commands typed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tool import REPOSITORY, Ended, Tool

PAGE = (REPOSITORY / "docs" / "own-demonstration.md").read_text()
FILES = dict(re.findall(r"^`(shop/[^`]+)`:\n\n```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^    invoke (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the user's with the shop in it."""
    folder = tmp_path_factory.mktemp("own")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_the_page_shows_every_file_and_every_command() -> None:
    names = {
        "shop/shop.yaml",
        "shop/manifests/shop.yaml",
        "shop/app/main.go",
        "shop/app/go.mod",
        "shop/app/Containerfile",
    }
    assert set(FILES) == names
    assert [command.split()[0] for command in COMMANDS] == ["plan", "up", "demo", "demo", "demo"]


def test_its_commands_do_what_it_says(first_up: Ended, tool: Tool, folder: Path) -> None:  # noqa: ARG001
    """In the shared cluster instead of the playbook's own profile, which is all that is added to them."""
    said = [_typed(tool, command.replace("shop/shop.yaml", str(folder / "shop/shop.yaml"))) for command in COMMANDS]
    assert "create Rollout shop/shop" in said[0]
    assert "the demonstration passed" in said[2]
    assert "by the gateway's counters" in said[2], "the shop's answers don't say who they are from"
    assert "localhost/shop:2 in a new revision" in said[2]
    assert "localhost/shop:1 in a new revision" in said[3]
    assert "everything is at rest" in said[4]


def _typed(tool: Tool, command: str) -> str:
    done: subprocess.CompletedProcess[str] = tool.text(*command.split(), timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
