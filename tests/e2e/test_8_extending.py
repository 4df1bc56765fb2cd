"""What docs/extending.md says, done literally: its files written into a copy of the repository, its commands typed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tool import REPOSITORY, Ended, Tool

PAGE = (REPOSITORY / "docs" / "extending.md").read_text()
_BLOCKS = re.findall(r"([^\n]+(?:\n[^\n]+)*)\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_NAMED = r"`((?:canarylab|playbooks)/[^`\n]+\.(?:py|yaml))`"
FILES = {re.findall(_NAMED, before)[-1]: text for before, text in _BLOCKS if re.search(_NAMED, before)}
"""What the page shows, by the path that the paragraph before it names last."""
COMMANDS = re.findall(r"^    invoke (\w+ --playbook zone)\b", PAGE.partition("To try it")[2], re.MULTILINE)
ANY_CONTEXT = "context: some-context"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, as somebody has it who extends it."""
    there = tmp_path_factory.mktemp("extended") / "repository"
    shutil.copytree(REPOSITORY, there, ignore=shutil.ignore_patterns(".*", "tests", "__pycache__", "*.egg-info"))
    return there


def test_the_page_shows_every_file_and_every_command() -> None:
    assert set(FILES) == {
        "playbooks/zone.yaml",
        "canarylab/stages/kinds/config_map.py",
        "canarylab/stages/kinds/node_labels.py",
        "canarylab/demo/steps/expect_nodes.py",
        "canarylab/providers/borrowed.py",
    }
    assert [command.split()[0] for command in COMMANDS] == ["doctor", "plan", "up", "demo", "teardown"]


def test_a_kind_that_is_not_written_yet_is_named_with_its_line(tool: Tool, copy: Path) -> None:
    _write(copy, "playbooks/zone.yaml")
    done = _typed(tool, copy, "plan --playbook zone")
    assert done.returncode == 2
    [expected] = re.findall(r"^    (playbooks/zone\.yaml:\d+: .*)$", PAGE, re.MULTILINE)
    assert expected in done.stdout + done.stderr


def test_its_files_and_commands_do_what_it_says(first_up: Ended, tool: Tool, copy: Path) -> None:  # noqa: ARG001
    """On the shared cluster, as somebody else's."""
    for name in FILES:
        _write(copy, name)
    [cluster] = re.findall(rf"^cluster: .*{ANY_CONTEXT}.*$", PAGE, re.MULTILINE)
    playbook = copy / "playbooks" / "zone.yaml"
    named = cluster.replace(ANY_CONTEXT, f"context: {tool.profile}")
    playbook.write_text(re.sub(r"^cluster: .*$", named, playbook.read_text(), flags=re.MULTILINE))
    schema = [sys.executable, "-m", "canarylab.playbook.schema"]
    subprocess.run(schema, cwd=copy, env=_env(tool, copy), check=True, timeout=60)
    assert "node-labels" in (copy / "playbooks" / "playbook.schema.json").read_text()
    said = {}
    for command in COMMANDS:
        done = _typed(tool, copy, command)
        assert done.returncode == 0, command + done.stdout + done.stderr
        said[command.split()[0]] = done.stdout
    assert "3 would change" in said["plan"], "the cluster's own stage is one of them"
    assert "3 changed" in said["up"]
    assert "the demonstration passed" in said["demo"]
    assert "0 failed" in said["teardown"]
    assert tool.kubectl("get", "node", "--selector", "topology.kubernetes.io/zone=here", "--output", "name") == ""


def _write(copy: Path, name: str) -> None:
    (copy / name).write_text(FILES[name])


def _env(tool: Tool, copy: Path) -> dict[str, str]:
    return {**tool.env, "PYTHONPATH": str(copy)}


def _typed(tool: Tool, copy: Path, command: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "invoke", *command.split()]
    return subprocess.run(
        argv, cwd=copy, env=_env(tool, copy), capture_output=True, text=True, timeout=300, check=False
    )
