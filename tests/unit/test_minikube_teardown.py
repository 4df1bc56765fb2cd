from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from support.fake_runner import FakeRunner
from support.fake_time import FakeTime
from support.minikube_world import PROFILE, World, event, recorded, user_kubeconfig, write_user_kubeconfig
from support.there import there

from canarylab.errors import CommandError
from canarylab.files import write_private
from canarylab.kube import kubeconfig
from canarylab.providers.minikube import leftover_processes, processes
from canarylab.providers.minikube.leftover_processes import is_machine, is_start
from canarylab.tools.runner import Result


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIKUBE_HOME", str(tmp_path / ".minikube"))
    return World()


def remove(ctx):
    return ctx.provider.infrastructure.stages()[-1].remove(ctx)


def subjects(removals, outcome="removed"):
    return [removal.subject for removal in removals if removal.outcome == outcome]


def test_nothing_there_is_no_error_and_minikube_is_only_asked(world):
    assert remove(world.context()) == []
    assert not world.called("delete")


def test_profile_and_context_go_and_the_receipt_says_so(world):
    world.have("running")
    ctx = world.context()
    ctx.paths.create()
    removals = remove(ctx)
    assert world.profiles == {}
    assert not kubeconfig.user_path().exists()  # minikube made it, and nobody else has put anything in
    assert f"minikube profile {PROFILE} with its machine" in subjects(removals)
    assert any(subject.startswith(f"context, cluster and user {PROFILE}") for subject in subjects(removals))
    assert remove(ctx) == []


def test_what_others_have_in_the_kubeconfig_stays(world):
    world.have("running")
    world.have("running", name="work")
    ctx = world.context()
    ctx.paths.create()
    remove(ctx)
    assert [context["name"] for context in user_kubeconfig()["contexts"]] == ["work"]


def test_a_profile_that_this_tool_never_touched_is_left(world):
    world.have("running")
    [left] = remove(world.context())
    assert left.outcome == "left"
    assert f"minikube delete -p {PROFILE}" in left.reason
    assert PROFILE in world.profiles


def test_the_setting_profile_is_put_back_where_it_named_another(world):
    world.have("running")
    world.setting = "work"
    ctx = world.context()
    ctx.paths.create()
    removals = remove(ctx)
    assert world.setting == "work"
    [told] = [removal for removal in removals if "setting" in removal.subject]
    assert (told.outcome, "work" in told.reason) == ("left", True)


@pytest.mark.parametrize("setting", ["", PROFILE])
def test_a_setting_that_named_this_one_or_none_stays_unset(world, setting):
    world.have("running")
    world.setting = setting
    ctx = world.context()
    ctx.paths.create()
    remove(ctx)
    assert world.setting == ""


def test_the_setting_is_put_back_even_after_a_teardown_that_was_killed_behind_the_deletion(world):
    world.have("stopped")
    ctx = world.context()
    ctx.paths.create()
    write_private(ctx.paths.root / "minikube-profile-setting", "work")
    remove(ctx)
    assert world.setting == "work"


def test_a_deletion_that_was_killed_half_way_is_finished(world):
    world.have("running")
    ctx = world.context()
    ctx.paths.create()
    world.lose()
    world.hooks["delete"] = lambda: Result("", "", 0, 0.0)  # without a profile it leaves the context
    assert any(subject.startswith("context") for subject in subjects(remove(ctx)))
    assert remove(ctx) == []


def test_a_context_that_minikube_did_not_make_is_left(world):
    foreign = {"clusters": [{"name": PROFILE, "cluster": {"server": "https://production"}}], "users": []}
    write_user_kubeconfig(foreign)
    ctx = world.context()
    ctx.paths.create()
    assert remove(ctx) == []
    assert user_kubeconfig()["clusters"] == foreign["clusters"]


def test_a_deletion_that_failed_is_reported_with_what_minikube_complained_of(world):
    world.have("running")
    ctx = world.context()
    ctx.paths.create()
    said = event("error", message="Failed to delete cluster: exit status 1")
    world.hooks["delete"] = lambda: Result(said, "", 80, 0.0)
    [failed] = remove(ctx)
    assert failed.outcome == "failed"
    assert "Failed to delete cluster" in failed.reason


def test_what_a_dry_run_left_is_removed_too(world, tmp_path):
    folder = tmp_path / ".minikube" / "profiles" / PROFILE
    folder.mkdir(parents=True)
    (folder / "events.json").write_text(recorded("start").stdout)
    assert subjects(remove(world.context()))
    assert not folder.exists()


# -- processes --------------------------------------------------------------------------------------------------------


def machine(tmp_path, profile=PROFILE):
    """A process whose command line is that of a virtual machine."""
    program = tmp_path / "qemu-system-aarch64"
    program.write_text("import time\nprint(1, flush=True)\ntime.sleep(60)\n")
    disk = tmp_path / ".minikube" / "machines" / profile / "disk.qcow2"
    child = subprocess.Popen([sys.executable, program, "-drive", f"file={disk}"], stdout=subprocess.PIPE)
    there(child.stdout).readline()
    return child


def test_a_machine_that_minikube_has_forgotten_is_ended_and_anothers_is_not(world, tmp_path, monkeypatch):
    monkeypatch.setattr(leftover_processes, "_EXIT_SECONDS", 0.1)
    orphan, other = machine(tmp_path), machine(tmp_path, f"{PROFILE}-2")
    try:
        removals = leftover_processes.end_orphans(world.context())
        assert [removal.outcome for removal in removals] == ["removed"]
        assert str(orphan.pid) in removals[0].subject
        assert orphan.wait(5) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for child in (orphan, other):
            child.kill()
            child.wait()


def test_a_machine_that_is_still_exiting_is_not_called_forgotten(world, tmp_path):
    """minikube delete comes back while qemu still gives its memory back."""
    exiting = machine(tmp_path)
    threading.Timer(0.3, exiting.terminate).start()
    threading.Timer(0.3, exiting.wait).start()
    assert leftover_processes.end_orphans(world.context()) == []
    assert exiting.returncode == -signal.SIGTERM


class BusyPs(FakeRunner):
    """`ps` of macOS on a machine that is short of memory."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)

    def _answer(self, line):
        assert line.startswith("ps -ww ")
        answer = self.answers.pop(0)
        if answer is None:
            raise CommandError(line, None, "")
        return Result(answer, "", 0 if answer else 1, 0.0)


LISTED = f"  77 Mon Nov 23 11:34:00 2026     minikube -p {PROFILE} start\n"


def test_a_look_at_processes_that_fails_is_not_a_process_that_is_gone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CommandError, match="did not end in time"):
        processes.find(BusyPs(None), 77)
    with pytest.raises(CommandError, match="did not end in time"):
        processes.running(BusyPs(None))
    assert processes.find(BusyPs(""), 77) is None


def test_a_process_is_not_called_ended_because_it_could_not_be_seen(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    sent = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    found = processes.parse_ps(LISTED)
    signals = [(signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)]
    assert not processes.end(BusyPs(*[None] * 200), found, FakeTime(tick=1), signals)
    assert sent == [], "nor is it sent a signal: it may be another by now"
    assert processes.end(BusyPs(LISTED, None, LISTED, ""), found, FakeTime(), signals)
    assert sent == [(77, signal.SIGTERM)]


def test_another_users_process_is_not_ended_and_that_is_said(world, monkeypatch):
    def refuse(_pid, _number):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "kill", refuse)
    own = processes.find(world, os.getpid())
    assert not processes.end(world, own, FakeTime(tick=1), [(signal.SIGTERM, 5.0)])


def test_a_start_that_cannot_be_seen_is_not_over(monkeypatch):
    """A second minikube on one profile breaks it."""
    monkeypatch.setattr(sys, "platform", "darwin")
    ctx = SimpleNamespace(
        runner=BusyPs(LISTED, None, None, LISTED, ""),
        profile=PROFILE,
        remaining=600.0,
        cancel=FakeTime(),
        progress=lambda *_: None,
    )
    leftover_processes.await_other_start(ctx)
    assert ctx.runner.answers == []


def test_a_process_id_that_belongs_to_another_by_now_is_left_alone(world, monkeypatch):
    own = there(processes.find(world, os.getpid()))
    stale = processes.Process(own.pid, "before", own.since, own.words)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("it was killed"))
    assert processes.end(world, stale, world.context().cancel, [(signal.SIGKILL, 10.0)])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("/opt/homebrew/bin/minikube", "-p", PROFILE, "start", "--driver=qemu"), True),
        (("python3", "/x/minikube", "start", f"--profile={PROFILE}"), True),
        (("minikube", "-p", f"{PROFILE}-2", "start"), False),
        (("minikube", "-p", PROFILE, "status"), False),
        (("vim", "start", "minikube", "-p", PROFILE), False),
    ],
)
def test_a_start_of_this_profile_is_recognised(words, expected):
    assert is_start(words, PROFILE) is expected


@pytest.mark.parametrize(
    ("program", "profile", "expected"),
    [
        ("/opt/homebrew/bin/qemu-system-aarch64", PROFILE, True),
        ("vfkit", PROFILE, True),
        ("tar", PROFILE, False),
        ("qemu-system-aarch64", f"{PROFILE}-2", False),
    ],
)
@pytest.mark.usefixtures("world")
def test_a_machine_is_recognised_by_its_program_and_its_folder(program, profile, expected):
    words = (program, "-pidfile", f"{leftover_processes.machine_folder(profile)}/qemu.pid")
    assert is_machine(words, PROFILE) is expected


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_the_profiles_folder_goes_last_and_caches_stay(world, isolated_home):
    ctx = world.context()
    ctx.paths.create()
    charts = isolated_home / "cache" / "canarylab" / "charts"
    charts.mkdir(parents=True)
    started = time.monotonic()
    removals = ctx.provider.infrastructure.leftovers(ctx)
    assert not ctx.paths.root.exists()
    assert charts.exists()
    assert [removal.outcome for removal in removals if "cache" in removal.subject] == ["left"]
    assert time.monotonic() - started < 5
