"""Commands that messages name are for the same playbook and cluster: from `ctx.command`, not written out."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from support.runs import context_of

from canarylab import tasks
from canarylab.providers.minikube import problems

PACKAGE = Path(tasks.__file__).parent
BARE = re.compile(r"\binvoke (up|plan|demo|teardown|status|watch|doctor|tunnel|images|programs|env)\b[^`(]*")

WITHOUT_A_RUN = {
    "errors.py": {"invoke doctor"},  # raised for whatever the operating system refuses, with or without a run
    "demo/traffic/client.py": {"invoke tunnel status"},  # knows a request alone
    "disks.py": {"invoke teardown"},  # whatever wrote, with or without a run
    "images/oci.py": {"invoke images --platform linux/", "invoke up"},  # reads an image, and knows nothing of a run
    "kube/client.py": {"invoke up"},  # the same of the API
    "kube/connection.py": {"invoke doctor", "invoke plan", "invoke status", "invoke up"},
    "providers/embedded/network.py": {"invoke teardown --profile NAME"},  # of whichever profile can go
    "providers/embedded/tunnel.py": {"invoke up"},  # a process of its own
    "providers/minikube/tunnel_owners.py": {"invoke tunnel stop --profile "},  # of the profile that is in the way
    "report/findings.py": {"invoke doctor --fix runs "},  # knows events alone
    "stages/kinds/minikube_addon.py": {"invoke up --playbook istio-canary"},  # another playbook
    "tools/supervisord.py": {"invoke doctor", "invoke up"},  # runs programs, and knows nothing of a run
    "tools/runner.py": {"invoke doctor"},  # runs programs, and knows nothing of a run
}
"""What may be written out, and why: no context is at hand there, or the command is for something else."""


def _written_out(source: str) -> set[str]:
    """Commands in the texts of a module, docstrings aside."""
    tree = ast.parse(source)
    docstrings = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    texts = (each for each in ast.walk(tree) if isinstance(each, ast.Constant) and id(each) not in docstrings)
    return {found[0] for each in texts if isinstance(each.value, str) for found in BARE.finditer(each.value)}


def test_a_command_that_is_written_out_is_found():
    assert _written_out('"""`invoke up`"""\nremedy = f"`invoke up` {x}; invoke status"') == {
        "invoke up",
        "invoke status",
    }


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_message_names_a_command_that_forgets_the_playbook(file):
    assert _written_out(file.read_text()) == WITHOUT_A_RUN.get(str(file.relative_to(PACKAGE)), set())


@pytest.mark.parametrize("data", sorted(PACKAGE.rglob("*.yaml")), ids=lambda file: file.name)
def test_nor_does_a_text_that_is_kept_as_data(data):
    lines = (line for line in data.read_text().splitlines() if not line.startswith("#"))
    assert not [line for line in lines if BARE.search(line)]


def test_the_commands_of_minikubes_traps_are_for_the_same_playbook():
    ctx = context_of()
    ctx.flags = " --playbook mine --profile other"
    remedies = [problem.remedy_for(ctx) for problem in problems._TRAPS]
    named = [command for remedy in remedies for command in re.findall(r"invoke [^`;]*", remedy)]
    assert len(named) > 10
    assert all(command.strip().endswith(ctx.flags.strip()) for command in named), named


@pytest.mark.parametrize(
    "task", [tasks.up, tasks.plan, tasks.demo, tasks.teardown, tasks.status, tasks.doctor, tasks.tunnel]
)
def test_a_command_that_messages_name_takes_the_flags_of_the_run_that_names_it(task):
    taken = set(inspect.signature(task.body).parameters)
    assert {"playbook", "profile", "provider", "context", "all_"} <= taken
