from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

import pytest
from invoke import Program

from canarylab.errors import EXIT_FAILED
from canarylab.paths import REPOSITORY

TASKS = REPOSITORY / "canarylab" / "tasks.py"
COMMANDS = {"up", "plan", "demo", "teardown", "status", "watch", "doctor", "tunnel", "images", "programs", "env"}
SLOW = {"backports", "pydantic", "socksio", "rich", "sh", "httpx2", "requests", "supervisor"}
QUICK = {"canarylab", "canarylab.tasks"}
"""All of the package that a list of the commands may import."""
OWN = """
from invoke import Collection, task
import canarylab.tasks

@task
def mine(c):
    "Something of one's own."

ns = Collection(mine)
ns.add_collection(canarylab.tasks.ns)
"""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def invoke(*words):
    """What `invoke` does with these words in the repository's folder, in this process: a new one takes a second."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["invoke", *words]
    with (
        chdir(REPOSITORY),
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", argv),
        pytest.raises(SystemExit) as ended,
    ):
        Program(version="tests").run(argv)
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())


def invoke_in(folder, *words):
    """The same in another folder, in a process of its own, since `tasks` is another module there."""
    argv = [sys.executable, "-m", "invoke", *words]
    # Where Python starts it looks for modules, so that elsewhere it has to be told where this package is.
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


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


def test_the_repositorys_own_tasks_are_the_packages():
    assert len((REPOSITORY / "tasks.py").read_text().splitlines()) < 10


def test_listing_the_commands_imports_nothing_slow():
    program = f"""
import sys
sys.argv = ["invoke", "--list"]
sys.path.insert(0, {str(REPOSITORY)!r})
from invoke.main import program
program.run(exit=False)
ours = {{name for name in sys.modules if name.partition(".")[0] == "canarylab"}} - {QUICK!r}
print("imported:", *sorted(set(sys.modules) & {SLOW!r} | ours))
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
    assert "provider embedded takes no --context prod" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder with a tasks.py that has the commands beside one of its own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "tasks.py").write_text(OWN)
    return folder


def test_a_tasks_py_of_ones_own_can_take_the_commands_in(elsewhere):
    done = invoke_in(elsewhere, "--list", "--list-format=json")
    assert done.returncode == 0, done.stderr
    inside = next(each for each in json.loads(done.stdout)["collections"] if each["name"] == "canary")
    assert {task["name"] for task in inside["tasks"]} == COMMANDS
    assert "--from" in invoke_in(elsewhere, "--help", "canary.up").stdout


def test_from_elsewhere_names_are_those_of_this_repositorys_playbooks(elsewhere):
    done = invoke_in(elsewhere, "canary.plan", "--playbook", "basic")
    assert done.returncode == 2
    assert "basic-canary" in done.stdout + done.stderr


def test_from_elsewhere_paths_are_those_of_the_folder(elsewhere):
    (elsewhere / "mine.yaml").write_text("name: mine\ndescription: of my own\nusing: [istio]\n")
    done = invoke_in(elsewhere, "canary.plan", "--playbook", "mine.yaml")
    assert done.returncode == 2
    assert "mine.yaml:3" in done.stdout + done.stderr


def test_from_elsewhere_the_default_playbook_its_parts_and_its_files_are_found(elsewhere):
    done = invoke_in(elsewhere, "canary.plan", "--provider", "nope")
    assert (done.returncode, "known: embedded, existing, minikube" in done.stdout + done.stderr) == (2, True)
    done = invoke_in(elsewhere, "canary.plan", "--only", "nope", "--provider", "embedded", "--profile", "nobody")
    assert (done.returncode, "rollouts-demo" in done.stdout + done.stderr) == (2, True), done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_the_commands(shell):
    assert "--complete --" in invoke("--print-completion-script", shell).stdout
    assert {"up", "demo"} <= set(invoke("--complete", "--", "invoke ").stdout.split())
    assert "--playbook" in invoke("--complete", "--", "invoke up --").stdout.split()


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["programs"], (None, None)),
        (["programs", "pack", "x.pack"], ("pack", "x.pack")),
        (["programs", "unpack", "x.pack", "--profile", "other"], ("unpack", "x.pack")),
        (["programs", "--profile", "other", "unpack", "x.pack"], ("unpack", "x.pack")),
    ],
)
def test_programs_takes_an_action_and_a_file_or_neither(words, given, monkeypatch):
    seen = []

    def command(_options, action, file, _platform):
        seen.append((action, file))
        return EXIT_FAILED

    monkeypatch.setattr("canarylab.commands.programs.programs", command)
    assert invoke(*words).returncode == EXIT_FAILED
    assert seen == [given]


def test_a_pack_without_a_file_is_refused():
    assert "'file'" in invoke("programs", "pack").stderr
