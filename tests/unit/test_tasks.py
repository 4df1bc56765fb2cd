from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

import pytest
from invoke import Program

from canarylab.paths import REPOSITORY

TASKS = REPOSITORY / "tasks.py"
COMMANDS = {"up", "plan", "demo", "teardown", "status", "watch", "doctor", "tunnel", "images", "env"}
SLOW = {"pydantic", "lightkube", "rich", "sh", "httpx2", "requests", "supervisor", "canarylab"}


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def invoke(*words):
    """What `invoke` does with these words in the repository's folder, in this process: a new one takes a second."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["invoke", *words]
    seen_by_it = (chdir(REPOSITORY), redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", argv))
    with ExitStack() as stack, pytest.raises(SystemExit) as ended:
        for change in seen_by_it:
            stack.enter_context(change)
        Program(version="tests").run(argv)
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def listed():
    done = invoke("--list", "--list-format=json")
    assert done.returncode == 0, done.stderr
    return {task["name"]: task["help"] for task in json.loads(done.stdout)["tasks"]}


def test_there_are_these_commands(listed):
    assert set(listed) >= COMMANDS


def test_the_list_reads_like_a_manual(listed):
    for name, about in listed.items():
        assert re.match(r"[A-Z].{20,}", about), f"{name}: {about}"


def test_tasks_parse_and_hand_over_and_nothing_else():
    assert len(TASKS.read_text().splitlines()) < 180


def test_listing_the_commands_imports_nothing_slow():
    program = f"""
import sys
sys.argv = ["invoke", "--list"]
sys.path.insert(0, {str(REPOSITORY)!r})
from invoke.main import program
program.run(exit=False)
print("imported:", *sorted(set(sys.modules) & {SLOW!r}))
"""
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
    assert "teardown" in done.stdout
    assert done.stdout.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_flag_of_a_command_is_explained(command):
    done = invoke("--help", command)
    assert done.returncode == 0, done.stderr
    options = done.stdout.partition("Options:")[2]
    flags = re.findall(r"^  (?:-\w(?: \w+)?, )?--([\w-]+)", options, re.MULTILINE)
    assert {"playbook", "profile", "provider", "output"} <= set(flags)
    for block in re.split(r"\n(?=  -)", options)[1:]:
        assert re.search(r"[a-z]{3}", re.sub(r"-{1,2}[\w\[\]=-]+|\bSTRING\b", "", block)), f"no help: {block}"


def test_up_can_be_told_where_to_begin():
    options = invoke("--help", "up").stdout
    assert "--only" in options
    assert "--from" in options


def test_the_exit_code_is_that_of_the_package():
    argv = [sys.executable, "-m", "invoke", "status", "--output", "xml"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "there is no output 'xml'" in done.stderr) == (2, True)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["--only"], ["--only", "--output", "text"], ["--only="]])
@pytest.mark.parametrize("command", ["up", "plan", "teardown"])
def test_only_without_a_stage_is_refused_and_does_not_mean_all(command, words):
    done = invoke(command, "--profile", "nobody", *words)
    assert done.returncode == 2, done.stdout
    assert "--only needs the name of a stage" in done.stdout + done.stderr


def test_a_context_is_refused_where_the_provider_makes_a_cluster_of_its_own():
    done = invoke("plan", "--provider", "embedded", "--context", "prod")
    assert done.returncode == 2
    assert "--context prod means nothing to provider embedded" in done.stdout + done.stderr
