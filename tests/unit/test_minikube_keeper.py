"""The keeper of minikube's tunnel: when it runs it, when it ends it, and what it tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress

import pytest
from support.fake_time import FakeTime
from support.there import there
from tunnel_world import (
    PROFILE,
    SERVICES,
    VM,
    Host,
    context,
    install,
    minikube_home,
    registered,
    status_block,
    write_profile,
    write_registry,
)

from canarylab.cancel import Cancel
from canarylab.errors import CommandError
from canarylab.providers.minikube import keeper, processes, vm
from canarylab.providers.minikube.keeper import Keeper
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport
from canarylab.tools.runner import Background, Runner

pytestmark = pytest.mark.timeout(60)

ROUTE = f"{SERVICES} -> {VM}"
RIGHT_LINES = status_block().splitlines()


@pytest.fixture(autouse=True)
def minikube(monkeypatch, isolated_home):
    monkeypatch.setenv("MINIKUBE_HOME", str(isolated_home / "minikube"))
    monkeypatch.setattr("canarylab.tools.sudo.is_root", lambda: False)
    minikube_home().mkdir()
    write_profile()


class Child:
    """A tunnel that prints and then ends by itself with `code`, or only when it gets one of `heeds`."""

    pid = os.getpid()

    def __init__(self, lines=(), code=None, heeds=(signal.SIGINT,), on_wait=lambda: None):
        self.lines = lines
        self.code = code
        self.heeds = heeds
        self.on_wait = on_wait
        self.signals = []

    def wait(self, _seconds):
        self.on_wait()
        return self.code

    def signal(self, number):
        self.signals.append(number)
        if number in self.heeds:
            self.code = 0 if number == signal.SIGINT else -number


class Kept_:  # noqa: N801 - a keeper and all it works with
    """One keeper over a host, its children one after the other; it ends once they are used up."""

    def __init__(self, host, *children, way="tunnel"):
        self.host = host
        self.cancel = FakeTime(tick=6)
        self.folder = context(host).paths.root
        self.children = deque(children)
        self.reports = []
        self.note = lambda _report: None
        Choice(way, vm.find(PROFILE)).save(self.folder)

    def start(self, argv, on_line):
        assert list(argv) == ["minikube", "-p", PROFILE, "tunnel"]
        child, self.on_line = self.children.popleft(), on_line
        for line in child.lines:
            on_line(line)
        return child

    def serve(self):
        made = Keeper(self.folder, self.host, self.start)
        inner = made._report

        def note(report):
            inner(report)
            self.reports.append(report)
            self.note(report)
            if not self.children and report.problem:
                self.cancel.set()

        made._report = note
        made.serve(self.cancel)
        return [report.problem for report in self.reports if report.problem]


def routed(**other):
    host = Host(**other)
    host.table[SERVICES] = VM
    return host


# -- running it -------------------------------------------------------------------------------------------------------


def test_minikubes_status_block_is_reported():
    kept = Kept_(routed(), Child(RIGHT_LINES, code=0))
    kept.serve()
    last = kept.reports[-2]
    assert (last.route, last.errors, last.pid) == (ROUTE, {}, os.getpid())
    assert last.started == there(processes.find(Runner(Cancel()), os.getpid())).started


def test_a_route_is_reported_only_with_the_process_that_holds_it():
    """The first block may be printed before the process was looked up: whoever reads of it asks for the process."""
    kept = Kept_(routed(), Child(RIGHT_LINES, code=0))
    kept.serve()
    assert [one.pid for one in kept.reports if one.route] == [os.getpid()]


def test_errors_of_the_block_are_reported():
    lines = status_block(router="conflicting route: x").splitlines()
    kept = Kept_(routed(), Child(lines, code=0))
    kept.serve()
    assert kept.reports[-2].errors == {"router": "conflicting route: x"}


def test_an_error_of_the_block_may_be_longer_than_the_last_words_that_are_kept():
    """kubernetes/minikube#13749 has 25 lines of ifconfig in it."""
    error = "\n".join(["couldn't find member in bridge100 interface: bridge100: flags=8a63", *["\tinet 1.2.3.4"] * 25])
    lines = status_block(router=error).splitlines()
    kept = Kept_(routed(), Child(lines, code=0))
    kept.serve()
    assert kept.reports[-2].errors["router"].startswith("couldn't find member in bridge100")


def test_one_that_ends_is_started_again():
    kept = Kept_(routed(), Child(RIGHT_LINES, code=0), Child(RIGHT_LINES, code=0))
    assert kept.serve() == ["the virtual machine isn't running: minikube ended the tunnel"] * 2


def test_last_words_are_those_after_the_last_block():
    kept = Kept_(routed(), Child([*RIGHT_LINES, "", "X Exiting due to SVC_TUNNEL_START: why"], code=110))
    [problem] = kept.serve()
    assert problem == "`minikube tunnel` ended with 110: X Exiting due to SVC_TUNNEL_START: why"
    assert kept.reports[-1].code == 110


def test_without_words_it_says_so():
    assert keeper.meaning(-9, "") == "`minikube tunnel` ended with -9: it said nothing"


def test_a_program_that_is_not_there_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    kept = Kept_(routed())
    kept.start = Background
    assert "minikube isn't on this machine" in kept.serve()[0]


# -- the route --------------------------------------------------------------------------------------------------------


def test_a_lost_route_ends_the_tunnel_gently_and_is_put_back():
    host = routed()
    child = Child(RIGHT_LINES, on_wait=host.table.clear)
    kept = Kept_(host, child, Child(code=0))
    assert kept.serve()[0] == f"the route {ROUTE} was lost: the tunnel is started again"
    assert child.signals == [signal.SIGINT]
    assert host.privileged == [f"ip route add {SERVICES} via {VM}"]


def test_minikube_is_not_started_without_its_route():
    """It would ask for sudo where nobody can answer."""
    host = Host(may_sudo=False)
    [problem] = Kept_(host).serve()
    assert problem.startswith(f"the route {ROUTE} was lost, after sleep for instance")
    assert "password is required" in problem


def test_no_route_is_made_to_a_machine_that_is_not_there():
    host = Host()
    host.is_on_link = False
    [problem] = Kept_(host).serve()
    assert "can't be reached" in problem
    assert host.privileged == []


def test_somebody_elses_route_stays():
    host = Host()
    host.table[SERVICES] = "192.168.105.9"
    assert Kept_(host).serve() == [f"conflicting route {SERVICES} -> 192.168.105.9"]
    assert host.privileged == []


def test_an_error_that_minikube_keeps_is_got_rid_of_by_a_new_start():
    lines = status_block(router="error adding Route").splitlines()
    child = Child(lines)
    kept = Kept_(routed(), child, Child(code=0))
    assert kept.serve()[0] == "its error stayed: the tunnel is started again"
    assert child.signals == [signal.SIGINT]


def test_entries_that_minikube_would_trip_over_are_taken_out_first():
    write_registry((PROFILE, os.getpid(), VM), ("colleague", 99999999, "10.0.0.1"))
    Kept_(routed(), Child(code=0)).serve()
    assert registered() == [99999999]


@pytest.mark.parametrize("way", ["stopped", "nodeport"])
def test_once_the_way_was_withdrawn_nothing_is_put_back(way):
    host = Host()
    kept = Kept_(host, way=way)
    seen = threading.Timer(0.05, kept.cancel.set)
    seen.start()
    assert kept.serve() == []
    assert host.commands == []


# -- ending it --------------------------------------------------------------------------------------------------------


def test_told_to_end_it_interrupts_minikube_and_waits():
    kept = Kept_(routed())
    child = Child(RIGHT_LINES, on_wait=kept.cancel.set)
    kept.children.append(child)
    kept.serve()
    assert child.signals == [signal.SIGINT]


@pytest.mark.parametrize(
    ("heeds", "signals"),
    [
        ((signal.SIGINT,), [signal.SIGINT]),
        ((signal.SIGTERM,), [signal.SIGINT, signal.SIGTERM]),
        ((signal.SIGKILL,), [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]),
        ((), [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]),
    ],
)
def test_harder_signals_come_only_after_the_gentle_one(heeds, signals):
    child = Child(heeds=heeds)
    keeper.end(child)
    assert child.signals == signals


# -- what can't be seen -------------------------------------------------------------------------------------------


class Busy(Host):
    """A machine on which looks at the routes fail now and then, since `ip` is slower than its timeout."""

    def __init__(self, *failing):
        super().__init__()
        self.table[SERVICES] = VM
        self.failing = failing
        self.looks = 0

    def _answer(self, line):
        if line.endswith("route show"):
            self.looks += 1
            if self.looks in self.failing:
                raise CommandError(line, None, "")
        return super()._answer(line)


def test_a_look_that_fails_ends_no_tunnel_and_starts_none_beside_it():
    """The first look comes before the start, the others while it runs."""
    host = Busy(2, 3)
    child: Child = Child(RIGHT_LINES, on_wait=lambda: setattr(child, "code", 0) if host.looks == 4 else None)
    kept = Kept_(host, child)
    assert kept.serve() == ["the virtual machine isn't running: minikube ended the tunnel"]
    assert child.signals == []


def test_a_route_that_is_seen_to_be_lost_after_a_look_that_failed_is_put_back():
    host = Busy(2)
    child = Child(RIGHT_LINES, on_wait=lambda: host.table.clear() if host.looks == 2 else None)
    kept = Kept_(host, child, Child(code=0))
    assert kept.serve()[0] == f"the route {ROUTE} was lost: the tunnel is started again"
    assert child.signals == [signal.SIGINT]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(28, "No space left on device")])
def test_whatever_happens_in_between_the_tunnel_that_was_started_is_ended(error):
    def fail():
        child.on_wait = lambda: None
        raise error

    child = Child(RIGHT_LINES, on_wait=fail)
    kept = Kept_(routed(), child)
    with suppress(RuntimeError):
        kept.serve()
    assert child.signals == [signal.SIGINT]


RUNS_ON = "the tunnel before doesn't end, not even by SIGKILL, and minikube allows one a profile"


def test_no_second_tunnel_is_started_while_the_first_does_not_end():
    first = Child(RIGHT_LINES, heeds=(), on_wait=lambda: None)
    host = routed()
    first.on_wait = host.table.clear
    kept = Kept_(host, first, Child(code=0))
    rounds = iter(range(3))

    def note(report):
        if report.problem.startswith("the tunnel before doesn't end") and next(rounds, None) is None:
            first.code = -9  # the kernel let go of it at last
            first.on_wait = lambda: None

    kept.note = note
    problems = kept.serve()
    assert problems == [
        *[f"{RUNS_ON}: process {os.getpid()}"] * 4,
        "the virtual machine isn't running: minikube ended the tunnel",
    ]
    running = [report for report in kept.reports if report.problem.startswith("the tunnel before")]
    assert {report.pid for report in running} == {os.getpid()}, "whoever comes after this keeper can end it"


def test_one_whose_fate_cannot_be_seen_keeps_its_name_until_it_can(monkeypatch):
    looks = []

    def find(_runner, pid):
        looks.append(pid)
        if len(looks) < 3:
            raise CommandError("ps", None, "")

    monkeypatch.setattr(processes, "find", find)
    kept = Kept_(routed(), Child(code=0))
    KeeperReport(4711, "once").save(kept.folder)
    problems = kept.serve()
    assert problems[0].startswith("ps did not end in time")
    assert [(report.pid, report.started) for report in kept.reports[:2]] == [(4711, "once")] * 2
    assert looks[:3] == [4711] * 3


def test_a_process_that_cannot_be_looked_at_yet_is_written_down_with_the_next_look(monkeypatch):
    real, looks = processes.find, []

    def find(runner, pid):
        looks.append(pid)
        if len(looks) == 1:
            raise CommandError("ps", None, "")
        return real(runner, pid)

    monkeypatch.setattr(processes, "find", find)
    child: Child = Child(RIGHT_LINES, on_wait=lambda: setattr(child, "code", 0) if len(looks) > 1 else None)
    kept = Kept_(routed(), child)
    kept.serve()
    assert (kept.reports[-2].pid, kept.reports[-2].route) == (os.getpid(), ROUTE)
    assert child.signals == []


def test_a_block_that_could_not_be_written_is_written_with_the_next_look(monkeypatch):
    saved = KeeperReport.save

    def save(report, folder):
        if report.errors and not full.pop("is", False):
            return saved(report, folder)
        if report.errors:
            raise OSError(28, "No space left on device")
        return saved(report, folder)

    full = {"is": True}
    monkeypatch.setattr(KeeperReport, "save", save)
    host = routed()
    child = Child(RIGHT_LINES)
    kept = Kept_(host, child)

    def later():
        if not said:
            said.append(True)
            for line in status_block(router="x").splitlines():
                kept.on_line(line)
        child.code = 0 if any(report.errors for report in kept.reports) else None

    said: list[bool] = []
    child.on_wait = later
    kept.serve()
    assert next(report.errors for report in kept.reports if report.errors) == {"router": "x"}
    assert not full


# -- for real ---------------------------------------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="its `ip` is Linux's")


class NobodyInterrupts(Cancel):
    """The time that a tunnel is left to end by the system's signal is over at once; from then on, time is real."""

    leapt = 0.0

    def now(self) -> float:
        return super().now() + self.leapt

    def sleep(self, seconds: float) -> None:
        if self.leapt:
            super().sleep(seconds)
        self.leapt = keeper.GRACE_SECONDS


@linux
def test_what_a_killed_keeper_left_is_ended_before_another_begins(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    runner = Runner(Cancel())
    orphan = subprocess.Popen(["minikube", "-p", PROFILE, "tunnel"], stdout=subprocess.PIPE)
    there(orphan.stdout).readline()
    kept = Kept_(routed(), Child(code=0))
    kept.cancel = NobodyInterrupts()
    KeeperReport(orphan.pid, there(processes.find(runner, orphan.pid)).started).save(kept.folder)
    kept.serve()
    assert orphan.wait(10) == 0
    orphan.communicate()


@linux
def test_a_process_that_got_the_id_of_ours_is_left_alone(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    other = subprocess.Popen(["minikube", "-p", PROFILE, "tunnel"], stdout=subprocess.PIPE)
    there(other.stdout).readline()
    kept = Kept_(routed(), Child(code=0))
    kept.cancel = Cancel()
    KeeperReport(other.pid, "another time").save(kept.folder)
    kept.serve()
    assert other.poll() is None
    other.send_signal(signal.SIGINT)
    other.communicate()


@linux
def test_a_program_in_the_background_is_heard_and_can_be_interrupted(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    lines, spoken = [], threading.Event()

    def on_line(line):
        lines.append(line)
        if "emulator" in line:
            spoken.set()

    child = Background(["minikube", "-p", PROFILE, "tunnel"], on_line, env={"LC_ALL": "C"})
    assert spoken.wait(20)
    assert child.wait(0.0) is None
    child.signal(signal.SIGINT)
    assert child.wait(20) == 0
    assert lines[0] == "Status:\t"
    assert f"\tpid: {child.pid}" in lines
    child.signal(signal.SIGINT)


def test_the_supervised_command_names_folder_and_profile(tmp_path):
    words = keeper.argv(tmp_path, PROFILE)
    assert words[1:] == ["-m", "canarylab.providers.minikube.keeper", "--folder", str(tmp_path), "--profile", PROFILE]
