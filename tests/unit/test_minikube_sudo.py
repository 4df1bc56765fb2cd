"""sudo: asked for once, at the start, for what it is needed; never without a terminal, never as root."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest
from support.fake_time import FakeTime
from support.runs import Heard
from support.there import there
from tunnel_world import PROFILE, SERVICES, VM, Host, context, minikube_home, write_profile, write_registry

from canarylab.cancel import Cancel
from canarylab.errors import CommandError, MachineError
from canarylab.events import Notice
from canarylab.providers.minikube import resolver, sudo, tunnel_start, vm
from canarylab.providers.minikube.tunnel import TunnelAccess
from canarylab.providers.minikube.tunnel_state import Choice
from canarylab.tools.sudo import allowed, run

ACCESS = TunnelAccess()

UP = "up"


class Terminal:
    def __init__(self, is_one):
        self.isatty = lambda: is_one


@pytest.fixture(autouse=True)
def minikube(monkeypatch, isolated_home):
    monkeypatch.setenv("MINIKUBE_HOME", str(isolated_home / "minikube"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("canarylab.tools.sudo.is_root", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "stdin", Terminal(True))
    minikube_home().mkdir()
    write_profile()


def session(host, command=UP, events=None, inside=lambda _: None, cancel=None):
    ctx = context(host, events=events, cancel=cancel)
    with sudo.session(ctx, command):
        inside(ctx)


def test_the_password_is_asked_for_once_saying_for_what():
    host, events = Host(may_sudo=False), Heard()
    session(host, events=events)
    [asked] = host.asked
    assert asked.startswith("sudo -v -p ")
    assert f"the route {SERVICES} -> {VM}" in asked
    assert next(event.message for event in events if isinstance(event, Notice)).startswith(
        "sudo is needed for the route"
    )


def test_a_cluster_that_is_not_there_yet_will_need_a_route():
    (minikube_home() / "profiles" / PROFILE / "config.json").unlink()
    host = Host(may_sudo=False)
    session(host)
    assert "the route to the cluster's Services" in host.asked[0]


def test_macos_is_asked_for_the_resolvers_file_too(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(resolver, "FOLDER", tmp_path / "resolver")
    host = Host(may_sudo=False)
    session(host)
    assert str(tmp_path / "resolver" / "cluster.local") in host.asked[0]


def test_nobody_is_asked_where_sudo_asks_for_nothing():
    host = Host(may_sudo=True)
    session(host)
    assert host.asked == []


def test_nobody_is_asked_once_the_route_is_there():
    host = Host(may_sudo=False)
    host.table[SERVICES] = VM
    session(host)
    session(host, "tunnel start")
    assert host.asked == []


@pytest.mark.parametrize("profile", [{"Network": "builtin"}, {"Network": "user"}])
def test_nobody_is_asked_for_a_tunnel_that_cannot_be(profile):
    write_profile(**profile)
    host = Host(may_sudo=False)
    session(host)
    assert host.asked == []


def test_up_keeps_the_way_around_without_a_question_and_tunnel_start_asks_again():
    host = Host(may_sudo=False)
    Choice("nodeport", vm.find(PROFILE), "no sudo").save(context(host).paths.root)
    session(host)
    assert host.asked == []
    session(host, "tunnel start")
    assert len(host.asked) == 1


def test_a_playbook_without_a_tunnel_needs_no_root():
    host = Host(may_sudo=False)
    ctx = context(host)
    ctx.playbook = type(ctx.playbook)("x", "", ctx.playbook.path, "", ctx.playbook.cluster, (), {}, ())
    assert sudo.needed(ctx, UP) == []
    assert sudo.needed(ctx, "tunnel start") != []


@pytest.mark.parametrize("command", ["demo", "doctor"])
def test_other_commands_need_no_root(command):
    host = Host(may_sudo=False)
    session(host, command)
    assert host.asked == []


@pytest.mark.parametrize("command", ["teardown", "tunnel stop"])
def test_taking_down_asks_for_what_is_there_alone(command):
    host = Host(may_sudo=False)
    session(host, command)
    assert host.asked == []
    host.table[SERVICES] = VM
    session(host, command)
    assert f"the route {SERVICES} -> {VM}" in host.asked[0]


def test_a_route_that_only_minikubes_registry_remembers_is_asked_for_too():
    (minikube_home() / "profiles" / PROFILE / "config.json").unlink()
    write_registry((PROFILE, 99999999, "192.168.105.8"))
    host = Host(may_sudo=False)
    host.table[SERVICES] = "192.168.105.8"
    session(host, "teardown")
    assert "192.168.105.8" in host.asked[0]


def test_without_a_terminal_nobody_is_asked_and_the_way_around_is_taken(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(False))
    host = Host(may_sudo=False)
    session(host, inside=ACCESS.tunnel_start)
    assert host.asked == []
    assert host.privileged == []
    assert there(Choice.load(context(host).paths.root)).way == "nodeport"


def test_a_wrong_password_goes_on_without():
    host, events = Host(may_sudo=False, password=False), Heard()
    session(host, events=events, inside=ACCESS.tunnel_start)
    assert len(host.asked) == 1
    assert any("sudo was refused" in event.message for event in events if isinstance(event, Notice))
    assert there(Choice.load(context(host).paths.root)).way == "nodeport"


def test_a_machine_without_sudo_goes_on_without(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    host = Host()
    session(host)
    assert host.asked == []
    assert not allowed(host)


def test_root_needs_no_sudo(monkeypatch):
    monkeypatch.setattr("canarylab.tools.sudo.is_root", lambda: True)
    host = Host(may_sudo=False)
    session(host)
    run(host, ["ip", "route", "add", SERVICES, "via", VM])
    assert host.asked == []
    assert host.commands == [f"ip route add {SERVICES} via {VM}"]


def test_minikube_never_runs_as_root_for_a_user(monkeypatch):
    monkeypatch.setattr("canarylab.tools.sudo.is_root", lambda: True)
    monkeypatch.setenv("SUDO_USER", "ada")
    with pytest.raises(MachineError, match="run the same command as ada, without sudo"):
        session(Host())


def test_what_is_run_as_root_asks_nobody():
    host = Host(may_sudo=False)
    with pytest.raises(CommandError, match="sudo ended with 1"):
        run(host, ["ip", "route", "add", SERVICES, "via", VM])
    assert host.commands == [f"sudo -n ip route add {SERVICES} via {VM}"]


# -- kept alive -------------------------------------------------------------------------------------------------------


class Counted(Host):
    """Lets a test wait for what the thread does."""

    def __init__(self):
        super().__init__()
        self.refreshed = threading.Semaphore(0)

    def run(self, argv, **given):
        if list(argv) == ["sudo", "-n", "-v"]:
            self.refreshed.release()
        return super().run(argv, **given)


def keepers():
    return [thread for thread in threading.enumerate() if thread.name.endswith("(_refresh)")]


def test_the_password_is_kept_while_it_is_needed_and_no_longer():
    host = Counted()

    def inside(ctx):
        assert host.refreshed.acquire(timeout=10)
        assert host.refreshed.acquire(timeout=10)
        [thread] = keepers()
        tunnel_start.make_route(ctx, vm.find(PROFILE))
        thread.join(10)
        assert not thread.is_alive(), "nothing needs root any more"

    session(host, inside=inside, cancel=FakeTime())


def test_the_password_is_kept_no_longer_than_the_command():
    session(Counted(), cancel=FakeTime())
    for thread in keepers():
        thread.join(10)
    assert keepers() == []


# -- with a terminal --------------------------------------------------------------------------------------------------

_ASKS = """
import sys
from canarylab.cancel import Cancel
from canarylab.tools.runner import Runner
sys.exit(Runner(Cancel()).attended(["sh", "-c", 'printf "for what? " && read -r word && test "$word" = secret']))
"""


@pytest.mark.skipif(not hasattr(pty, "openpty"), reason="there are no terminals here")
@pytest.mark.parametrize(("typed", "code"), [(b"secret\n", 0), (b"guess\n", 1)])
def test_a_program_that_asks_has_the_terminal_to_itself(typed, code):
    """In a process group of its own it would be stopped as soon as it read from the terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", _ASKS], stdin=theirs, stdout=theirs, start_new_session=True)
    os.close(theirs)
    said = b""
    while b"for what? " not in said:
        said += os.read(ours, 100)
    os.write(ours, typed)
    assert child.wait(30) == code
    os.close(ours)
    Cancel().check()
