"""`doctor --fix`: what is run, what is asked before it, and what is looked at again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner
from support.fake_time import FakeTime
from support.runs import context_of

from canarylab.commands import doctor as command
from canarylab.commands import run as runs
from canarylab.commands.doctor import doctor
from canarylab.commands.run import Options
from canarylab.contract.context import Consent
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Finding
from canarylab.errors import EXIT_DONE, EXIT_MACHINE
from canarylab.providers.minikube import doctor as minikube_doctor
from canarylab.providers.minikube.checks import host

STANDINS = Path(__file__).resolve().parents[1] / "standins"
INSTALL = Finding("socket_vmnet", False, "isn't installed", "brew install x", fix=("brew", "install", "x"))
START = Finding(
    "daemon", False, "doesn't run", "sudo brew start x", fix=("brew", "services", "start", "x"), needs_root=True
)
UNBLOCK = Finding(
    "firewall", False, "blocks", "sudo sh -c 'a && b'", fatal=False, fix=("sh", "-c", "a && b"), needs_root=True
)
MINOR = Finding("kubectl", False, "is missing", "somewhere", fatal=False)


class AskedRunner(FakeRunner):
    """`password`: what sudo ends with where it asks on the terminal; None, nobody may be asked."""

    password: int | None = None

    def attended(self, argv):
        self.commands.append(" ".join(argv))
        assert self.password is not None, "nobody should be asked"
        return self.password


class World:
    """What each look finds, the last for ever; `runner` knows the commands."""

    def __init__(self):
        self.looks: list[list[Finding]] = [[]]
        self.looked = 0
        self.runner = AskedRunner({"brew install x": "poured\n", "sudo -n true": 1})
        self.provider = FakeProvider()
        self.provider.infrastructure.findings = self.findings

    def findings(self, _ctx):
        self.looked += 1
        return self.looks[min(self.looked, len(self.looks)) - 1]

    def context(self, options, bus, _cancel):
        ctx = context_of(provider=self.provider, runner=self.runner, emit=bus, cancel=FakeTime())
        ctx.consent = options.consent
        return ctx

    def knows(self, line, answer=""):
        self.runner.known[line] = answer


@pytest.fixture
def world(monkeypatch):
    made = World()
    monkeypatch.setattr(runs, "_context", made.context)
    monkeypatch.setattr("os.geteuid", lambda: 501)
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/usr/bin/{name}")
    terminal(monkeypatch, None)
    return made


def terminal(monkeypatch, answer):
    """A terminal where the user types `answer`; None, there is none."""
    stdin = SimpleNamespace(isatty=lambda: answer is not None, readline=lambda: f"{answer}\n")
    monkeypatch.setattr(sys, "stdin", stdin)


def fix(*, yes=False, output="text"):
    return doctor(Options(output=output, consent=Consent(yes=yes)), fix=True)


def test_without_fix_nothing_is_run(world, capsys):
    world.looks = [[INSTALL, START]]
    assert doctor(Options(), fix=False) == EXIT_MACHINE
    assert world.runner.commands == []
    assert "invoke doctor --fix runs 2 commands for this, 1 of them with sudo" in capsys.readouterr().out


def test_what_needs_no_root_is_run_unasked_and_looked_at_again(world, capsys):
    world.looks = [[INSTALL, MINOR], [MINOR]]
    assert fix() == EXIT_DONE
    assert world.runner.commands == ["brew install x"]
    assert world.looked == 2
    printed = capsys.readouterr().out
    assert "socket_vmnet: brew install x" in printed
    assert "socket_vmnet: poured" in printed
    assert "this machine can do it; 1 finding worth a look" in printed


def test_where_nothing_can_be_mended_nothing_is_run_or_looked_at_again(world):
    world.looks = [[MINOR]]
    assert fix() == EXIT_DONE
    assert (world.runner.commands, world.looked) == ([], 1)


def test_a_command_that_mends_two_findings_is_run_once(world):
    world.looks = [[INSTALL, INSTALL], []]
    fix()
    assert world.runner.commands == ["brew install x"]


def test_what_needs_sudo_is_listed_before_anything_is_run_and_asked_for_once(world, capsys, monkeypatch):
    world.looks = [[INSTALL, START, UNBLOCK], []]
    world.runner.password = 0
    world.knows("sudo -n brew services start x", "started\n")
    world.knows("sudo -n sh -c a && b")
    terminal(monkeypatch, "")
    assert fix() == EXIT_DONE
    asked, *rest = [line for line in world.runner.commands if line != "sudo -n true"]
    assert asked.startswith("sudo -v")
    assert rest == ["brew install x", "sudo -n brew services start x", "sudo -n sh -c a && b"]
    printed = capsys.readouterr().out
    listed = printed.index("  sudo brew services start x\n")
    assert listed < printed.index("  sudo sh -c 'a && b'\n") < printed.index("socket_vmnet: brew install x")


def test_without_a_terminal_what_needs_sudo_is_left_to_be_pasted_and_the_rest_is_done(world, capsys):
    world.looks = [[INSTALL, START], [START]]
    assert fix() == EXIT_MACHINE
    assert world.runner.commands == ["sudo -n true", "brew install x"]
    printed = capsys.readouterr().out
    assert "  sudo brew services start x" in printed
    assert "left for you to paste: there is no terminal to ask for the password" in printed


def test_without_a_terminal_yes_runs_it_where_sudo_needs_no_password(world):
    world.looks = [[START], []]
    world.knows("sudo -n true", 0)
    world.knows("sudo -n brew services start x")
    assert fix(yes=True) == EXIT_DONE


def test_without_a_terminal_and_yes_it_is_not_run_even_where_sudo_needs_no_password(world, capsys):
    world.looks = [[START]]
    world.knows("sudo -n true", 0)
    assert fix() == EXIT_MACHINE
    assert "--yes would run them" in capsys.readouterr().out


def test_yes_types_no_password(world):
    world.looks = [[START]]
    assert fix(yes=True) == EXIT_MACHINE
    assert world.runner.commands == ["sudo -n true"]


@pytest.mark.parametrize(("typed", "run"), [("y", True), ("", False), ("n", False)])
def test_on_a_terminal_sudo_without_password_is_asked_for_by_a_question(world, monkeypatch, typed, run):
    world.looks = [[START], []]
    world.knows("sudo -n true", 0)
    world.knows("sudo -n brew services start x")
    terminal(monkeypatch, typed)
    fix()
    assert ("sudo -n brew services start x" in world.runner.commands) is run


def test_a_refused_password_leaves_the_commands(world, monkeypatch, capsys):
    world.looks = [[START]]
    world.runner.password = 1
    terminal(monkeypatch, "")
    assert fix() == EXIT_MACHINE
    assert "left for you to paste" in capsys.readouterr().out
    assert "sudo -n brew services start x" not in world.runner.commands


def test_without_sudo_the_commands_are_left(world, monkeypatch, capsys):
    world.looks = [[START]]
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert fix(yes=True) == EXIT_MACHINE
    assert "there is no sudo here" in capsys.readouterr().out


def test_root_needs_no_sudo(world, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    world.looks = [[START], []]
    world.knows("brew services start x")
    assert fix() == EXIT_DONE
    assert world.runner.commands == ["brew services start x"]


def test_what_fails_is_reported_with_its_command_and_the_rest_is_done(world, monkeypatch, capsys):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    world.looks = [[INSTALL, START], [INSTALL]]
    world.knows("brew install x", 1)
    world.knows("brew services start x")
    assert fix() == EXIT_MACHINE
    assert world.runner.commands == ["brew install x", "brew services start x"]
    assert "socket_vmnet: failed: brew ended with 1" in capsys.readouterr().out


def test_a_service_that_takes_a_moment_is_looked_at_again(world, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    world.looks = [[START], [START], [START], []]
    world.knows("brew services start x")
    assert fix() == EXIT_DONE
    assert world.looked == 4


def test_what_does_not_help_is_not_looked_at_for_ever(world):
    world.looks = [[INSTALL]]
    assert fix() == EXIT_MACHINE
    assert world.looked == 1 + command._LOOKS


def test_json_ends_with_what_is_left(world, capsys):
    world.looks = [[INSTALL], [MINOR]]
    fix(output="json")
    *notices, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in notices] == ["notice", "notice"]
    assert (last["ok"], [finding["subject"] for finding in last["findings"]]) == (True, ["kubectl"])


# -- a Mac of stand-ins: nothing of it is there, and then all of it ---------------------------------------------------


@pytest.fixture
def bare_mac(tmp_path_factory, monkeypatch):
    """Its programs are tests/standins; brew really installs into a folder, and starts a daemon that answers there."""
    root = tmp_path_factory.mktemp("m")
    prefix, state = root / "opt/homebrew", root / "mac.json"
    for program in ("mac/brew", "bin/sw_vers", "bin/socketfilterfw", "mac/sysctl", "mac/netstat"):
        (root / "bin").mkdir(exist_ok=True)
        (root / "bin" / Path(program).name).symlink_to(STANDINS / program)
    for program in ("sh", "ps"):
        (root / "bin" / program).symlink_to(str(shutil.which(program)))
    (root / "bin" / "python3").symlink_to(sys.executable)
    firewall = {"state": 1, "block_all": False, "allow_signed": False, "apps": {}, "managed": False}
    state.write_text(json.dumps({"root": str(root), "firewall": firewall}))
    monkeypatch.setenv("STANDIN_MAC", str(state))
    monkeypatch.setenv("PATH", f"{prefix / 'bin'}:{root / 'bin'}")
    monkeypatch.setenv("TERM_PROGRAM", "Apple_Terminal")
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(host, "ROOT", root)
    monkeypatch.setattr(runs, "_SBIN", str(root / "bin"))
    yield root
    for pid in json.loads(state.read_text()).get("services", {}).values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_mac_with_nothing_but_homebrew_can_do_it_after_one_fix(bare_mac, monkeypatch, capsys):
    provider = FakeProvider()
    provider.spec = ClusterSpec(profile="unit-test", driver="qemu", network="socket_vmnet", kubernetes="1.35.1")
    provider.infrastructure.findings = lambda ctx: minikube_doctor.findings(ctx, provider.spec)

    def context(_options, bus, cancel):
        ctx = context_of(provider=provider, emit=bus, cancel=cancel)
        ctx.runner = None
        ctx.__post_init__()  # the real one
        return ctx

    monkeypatch.setattr(runs, "_context", context)
    assert doctor(Options(), fix=False) == EXIT_MACHINE
    before = capsys.readouterr().out
    for said in ("NOT_FOUND_SOCKET_VMNET", "could not find an IP address", "qemu-system-aarch64 isn't on the PATH"):
        assert said in before
    assert fix() == EXIT_DONE
    after = capsys.readouterr().out
    assert "Successfully started `socket_vmnet`" in after
    assert "Incoming connection to the application is permitted" in after
    assert f"answers at {bare_mac / 'opt/homebrew/var/run/socket_vmnet'}" in after
    assert after.rstrip().endswith("this machine can do it")


@pytest.mark.parametrize(
    "line",
    [
        "mac/brew uninstall qemu",
        "mac/brew install emacs",
        "bin/sw_vers",
        "bin/socketfilterfw --setglobalstate off",
        "mac/sysctl -w hw.ncpu=3",
        "mac/netstat -rn",
    ],
)
@pytest.mark.usefixtures("bare_mac")
def test_the_stand_ins_raise_on_what_they_do_not_know(line):
    program, *words = line.split()
    done = subprocess.run([STANDINS / program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 99
    assert "UnknownCallError" in done.stderr
