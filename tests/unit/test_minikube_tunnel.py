"""minikube's tunnel: which way to the Services is taken, what is said of it, and what is taken back."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time

import pytest
from support.there import there
from tunnel_world import (
    PROFILE,
    ROUTER,
    SERVICES,
    VM,
    Host,
    context,
    install,
    minikube_home,
    registered,
    route_get,
    service,
    status_block,
    write_profile,
    write_registry,
)

from canarylab.cancel import Cancel
from canarylab.contract.provider import TunnelStatus
from canarylab.contract.stage import StageOptions
from canarylab.errors import CanarylabError, NotYetObservableError, StageError
from canarylab.events import Event, Notice
from canarylab.providers.minikube import (
    keeper,
    processes,
    resolver,
    routes,
    tunnel_owners,
    tunnel_start,
    vm,
)
from canarylab.providers.minikube.routes import Route, Way
from canarylab.providers.minikube.tunnel import TunnelAccess, node_port_shown
from canarylab.providers.minikube.tunnel_state import Choice, KeeperReport
from canarylab.removal import Removal
from canarylab.stages.kinds.tunnel import TunnelStage
from canarylab.tools.runner import Runner

ACCESS = TunnelAccess()

pytestmark = pytest.mark.timeout(120)

OURS = Route(SERVICES, VM)
NO_SUPERVISOR = "this needs no supervisor"


@pytest.fixture(autouse=True)
def minikube(monkeypatch, isolated_home):
    monkeypatch.setenv("MINIKUBE_HOME", str(isolated_home / "minikube"))
    monkeypatch.setattr("canarylab.tools.sudo.is_root", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    minikube_home().mkdir()
    write_profile()


@pytest.fixture
def on_macos(monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(resolver, "FOLDER", tmp_path / "resolver")


# -- what minikube wrote down -----------------------------------------------------------------------------------------


def test_the_machine_is_read_from_the_profile():
    machine = there(vm.find(PROFILE))
    assert (machine.address, machine.services, machine.dns) == (VM, SERVICES, "10.96.0.10")
    assert not machine.has_builtin_network


@pytest.mark.parametrize("broken", ["", "null", "[]", "{}", '{"Nodes": null}', '{"Driver": "qemu2", "Nodes": []}'])
def test_a_profile_that_is_half_made_has_no_machine_yet(broken):
    (minikube_home() / "profiles" / PROFILE / "config.json").write_text(broken)
    assert vm.find(PROFILE) is None


@pytest.mark.parametrize(
    ("named", "folder"), [("x", "x"), ("legacy", "legacy/.minikube"), ("mine/.minikube", "mine/.minikube")]
)
def test_minikubes_folder_is_where_minikube_looks(monkeypatch, tmp_path, named, folder):
    (tmp_path / "legacy" / ".minikube").mkdir(parents=True)
    monkeypatch.setenv("MINIKUBE_HOME", str(tmp_path / named))
    assert vm.home() == tmp_path / folder


def test_without_a_variable_minikubes_folder_is_in_the_home(monkeypatch, isolated_home):
    monkeypatch.delenv("MINIKUBE_HOME")
    assert vm.home() == isolated_home / ".minikube"


# -- routes -----------------------------------------------------------------------------------------------------------

NETSTAT = """Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.0.2.1          UGScg                 en0
10.96/12           192.168.105.4      UGSc            bridge100
127                127.0.0.1          UCS                   lo0
169.254            link#11            UCS                   en0      !
192.168.105        link#23            UC              bridge100      !
192.168.105.4      f2:8b:d:3c:1:7a    UHLWIi          bridge100   1178
192.168.105.1/32   link#23            UCS             bridge100      !
"""


def test_macos_routing_table_is_read_with_its_short_networks():
    assert routes.parse_netstat(NETSTAT) == [Route(SERVICES, VM), Route("127.0.0.0/8", "127.0.0.1")]
    assert routes.parse_netstat("") == []


@pytest.mark.parametrize("gateway", ["", VM])
def test_macos_way_to_an_address_has_a_gateway_only_where_one_is_used(gateway):
    assert routes.parse_route_get(route_get("10.96.0.1", gateway)) == Way(gateway, "bridge100")


def test_macos_without_a_way_says_so():
    assert routes.parse_route_get("route: writing to routing socket: not in table\n") is None


def test_a_request_goes_out_only_by_the_route_into_the_machine():
    host, ctx = Host(), None
    ctx = context(host)
    with pytest.raises(CanarylabError, match=rf"it would go by {ROUTER}, not into the virtual machine at {VM}"):
        ACCESS.check_route(ctx, "10.96.7.7")
    host.table[SERVICES] = "192.168.105.9"
    with pytest.raises(CanarylabError, match=r"by 192\.168\.105\.9"):
        ACCESS.check_route(ctx, "10.96.7.7")
    host.table[SERVICES] = VM
    ACCESS.check_route(ctx, "10.96.7.7")
    ACCESS.check_route(ctx, VM)


def test_a_machine_behind_a_router_is_not_this_machines_own():
    host = Host()
    host.table[SERVICES], host.is_on_link = VM, False
    ctx = context(host)
    for address in ("10.96.7.7", VM):
        with pytest.raises(CanarylabError) as caught:
            ACCESS.check_route(ctx, address)
        assert caught.value.where == f"route to {address}"


@pytest.mark.usefixtures("on_macos")
def test_macos_routes_are_checked_the_same_way():
    host = Host()
    ctx = context(host)
    with pytest.raises(CanarylabError, match=f"by {ROUTER}"):
        ACCESS.check_route(ctx, "10.96.7.7")
    host.table[SERVICES] = VM
    ACCESS.check_route(ctx, "10.96.7.7")


# -- the route, made beforehand ---------------------------------------------------------------------------------------


def make_route(host):
    return tunnel_start.make_route(context(host), vm.find(PROFILE))


def test_the_route_is_added_as_minikube_adds_it():
    host = Host()
    assert make_route(host) == ""
    assert host.privileged == [f"ip route add {SERVICES} via {VM}"]


def test_a_route_that_is_right_needs_no_root():
    host = Host(may_sudo=False)
    host.table[SERVICES] = VM
    assert make_route(host) == ""
    assert not any("sudo" in command for command in host.commands)


@pytest.mark.usefixtures("on_macos")
def test_macos_gets_the_resolvers_file_with_the_route():
    host = Host()
    assert make_route(host) == ""
    file = resolver.FOLDER / "cluster.local"
    assert file.read_text() == "nameserver 10.96.0.10\nsearch_order 1\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert host.privileged[0] == f"route -n add {SERVICES} {VM}"


@pytest.mark.usefixtures("on_macos")
def test_the_resolvers_file_of_another_cluster_stays():
    resolver.FOLDER.mkdir()
    (resolver.FOLDER / "cluster.local").write_text("nameserver 10.112.0.10\n")
    assert make_route(Host()) == ""
    assert (resolver.FOLDER / "cluster.local").read_text() == "nameserver 10.112.0.10\n"


def test_a_route_to_the_machines_former_address_is_replaced():
    host = Host()
    host.table[SERVICES] = "192.168.105.2"
    ctx = context(host)
    machine = vm.find(PROFILE)
    write_profile(address="192.168.105.2")
    Choice("tunnel", vm.find(PROFILE)).save(ctx.paths.root)
    write_profile()
    assert tunnel_start.make_route(ctx, machine) == ""
    assert host.table == {SERVICES: VM}


def test_a_conflicting_route_of_another_profile_is_explained_and_stays():
    host = Host()
    host.table[SERVICES] = "192.168.105.9"
    write_profile("colleague", "192.168.105.9")
    with pytest.raises(StageError) as caught:
        make_route(host)
    assert f"conflicting route: {SERVICES} -> 192.168.105.9" in str(caught.value)
    assert "profile colleague has the same range" in str(caught.value)
    assert "--service-cluster-ip-range" in str(caught.value)
    assert host.table == {SERVICES: "192.168.105.9"}


def test_a_conflicting_route_of_nobody_known_is_reported_with_the_command_that_removes_it():
    host = Host()
    host.table[SERVICES] = "10.8.0.1"
    with pytest.raises(StageError, match=rf"sudo ip route delete {SERVICES} via 10.8.0.1"):
        make_route(host)


# -- node ports -------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_supervisor(monkeypatch):
    def refuse(*_):
        raise AssertionError(NO_SUPERVISOR)

    monkeypatch.setattr("canarylab.tools.supervisord.Supervisor.start", refuse)


@pytest.mark.usefixtures("no_supervisor")
def test_without_sudo_the_services_answer_at_ports_of_the_machine():
    events: list[Event] = []
    ctx = context(Host(may_sudo=False), service(), events=events)
    ACCESS.tunnel_start(ctx)
    status = ACCESS.tunnel_status(ctx)
    assert (status.running, status.pid, status.problems) == (True, None, ())
    assert status.addresses == {"ns/gateway": f"{VM}:30080"}
    assert "NodePort" in status.note
    assert "nobody to ask for the password" in status.note
    assert [type(event) for event in events] == [Notice]
    assert ACCESS.endpoint(ctx, service(), 80) == (VM, 30080)
    assert ACCESS.endpoint(ctx, service(), 3000) is None
    assert TunnelStage("tunnel", StageOptions()).changes(status) == []


@pytest.mark.usefixtures("no_supervisor")
def test_behind_qemus_builtin_network_nobody_is_asked_for_root():
    write_profile(Network="builtin")
    host = Host()
    ctx = context(host)
    ACCESS.tunnel_start(ctx)
    assert "builtin network" in ACCESS.tunnel_status(ctx).note
    assert host.privileged == []


def test_a_machine_out_of_reach_has_no_fallback():
    write_profile(Network="user", address="10.0.2.15")
    ctx = context(Host())
    with pytest.raises(StageError) as caught:
        ACCESS.tunnel_start(ctx)
    assert "network: socket_vmnet" in str(caught.value)
    assert Choice.load(ctx.paths.root) is None


def test_the_way_around_says_when_the_machine_is_gone():
    host = Host(may_sudo=False)
    ctx = context(host)
    ACCESS.tunnel_start(ctx)
    host.is_on_link = False
    status = ACCESS.tunnel_status(ctx)
    assert not status.running
    assert "no request is sent" in status.problems[0]


@pytest.mark.usefixtures("on_macos")
def test_containers_on_macos_need_a_tunnel_in_a_terminal():
    write_profile(Driver="docker")
    ctx = context(Host())
    with pytest.raises(StageError, match=f"minikube -p {PROFILE} tunnel"):
        ACCESS.tunnel_start(ctx)


def test_a_service_without_ports_yet_is_pending():
    assert node_port_shown({"spec": {"ports": []}}, VM) == "pending"
    assert node_port_shown({"spec": {"ports": [{"port": 443, "nodePort": 30443}]}}, VM) == f"{VM}:30443"
    assert node_port_shown({"spec": {"ports": [{"port": 443}, {"port": 444, "nodePort": 30444}]}}, VM) == f"{VM}:30444"


def test_of_a_port_for_tcp_and_udp_the_first_is_taken():
    ports = [{"port": 443, "nodePort": 30443}, {"port": 443, "nodePort": 30444, "protocol": "UDP"}]
    assert node_port_shown({"spec": {"ports": ports}}, VM) == f"{VM}:30443"


def test_through_the_tunnel_a_service_answers_at_its_own_address():
    ctx = context(Host())
    assert ACCESS.endpoint(ctx, service(given="10.96.7.7"), 80) == ("10.96.7.7", 80)
    assert ACCESS.endpoint(ctx, service(), 80) is None


def test_without_a_cluster_there_is_nothing_to_start():
    (minikube_home() / "profiles" / PROFILE / "config.json").unlink()
    ctx = context(Host())
    with pytest.raises(NotYetObservableError):
        ACCESS.tunnel_start(ctx)
    assert ACCESS.tunnel_status(ctx).problems == ("there is no cluster yet",)
    assert ACCESS.tunnel_stop(ctx) == []


# -- whose a tunnel is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "is_one", "profile"),
    [
        (["minikube", "-p", "x", "tunnel"], True, "x"),
        (["/usr/bin/python3", "/opt/bin/minikube", "tunnel", "--profile=x"], True, "x"),
        (["/opt/homebrew/bin/minikube", "tunnel"], True, ""),
        (["minikube", "-p", "tunnel", "start"], True, "tunnel"),
        (["vim", "tunnel"], False, ""),
        (["minikube", "start"], False, ""),
        ([], False, ""),
    ],
)
def test_a_tunnel_is_known_by_its_command_line(words, is_one, profile):
    assert processes.runs_minikube(words, "tunnel") is is_one
    assert processes.profile_of(words) == profile


def test_a_line_of_ps_is_a_process():
    line = "  4711 Mon Nov 23 11:34:00 2026     minikube -p x tunnel"
    found = there(processes.parse_ps(line))
    assert (found.pid, found.started, found.words) == (
        4711,
        "Mon Nov 23 11:34:00 2026",
        ("minikube", "-p", "x", "tunnel"),
    )
    assert processes.parse_ps("") is None


def test_entries_of_tunnels_that_are_gone_are_stale_even_where_their_id_is_somebody_elses():
    write_registry(
        (PROFILE, os.getpid(), VM), (PROFILE, 99999999, "192.168.105.8"), ("colleague", 99999998, "10.0.0.1")
    )
    stale = tunnel_owners.stale_entries(Runner(Cancel()), PROFILE)
    assert [entry.pid for entry in stale] == [os.getpid(), 99999999]
    tunnel_owners.forget(stale)
    assert registered() == [99999998]


def test_an_entry_for_our_route_is_stale_whoever_made_it():
    write_registry(("former-profile", 99999999, VM))
    assert [entry.machine for entry in tunnel_owners.stale_entries(Runner(Cancel()), PROFILE, OURS)] == [
        "former-profile"
    ]


@pytest.mark.parametrize("text", ["", "rubbish", "{}", "null", '[{"Pid": 1}, null, 3]'])
def test_a_registry_that_is_half_written_has_no_entries(text):
    tunnel_owners.registry().write_text(text)
    assert tunnel_owners.entries() == []


# -- for real: supervisord, the keeper, and a `minikube tunnel` -------------------------------------------------------


@pytest.fixture
def real(tmp_path_factory, monkeypatch):
    """The programs on the PATH, and a context whose processes are real."""
    monkeypatch.setattr("canarylab.tools.sudo.is_root", lambda: True)
    world = install(tmp_path_factory.mktemp("w"), monkeypatch)
    ctx = context(Runner(Cancel()), service(given="10.96.7.7"))
    yield world, ctx
    (world / "refusal").unlink(missing_ok=True)
    tunnel_start.stop_keeper(ctx)


linux = pytest.mark.skipif(sys.platform != "linux", reason="its `ip` is Linux's")


def until(ready, seconds=30):
    deadline = time.monotonic() + seconds
    while not (result := ready()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


@linux
def test_the_tunnel_runs_in_the_background_and_is_reported(real):
    world, ctx = real
    ACCESS.tunnel_start(ctx)
    status = ACCESS.tunnel_status(ctx)
    assert (status.running, status.problems, status.note) == (True, (), "")
    assert status.route == f"{SERVICES} -> {VM}"
    assert status.addresses == {"ns/gateway": "10.96.7.7"}
    assert registered() == [status.pid]
    assert (world / "routes").read_text() == f"{SERVICES} {VM}\n"
    ACCESS.tunnel_start(ctx)
    assert ACCESS.tunnel_status(ctx).pid == status.pid, "what runs is left alone"
    assert ACCESS.tunnel_stop(ctx) == [
        Removal("tunnel process", "removed"),
        Removal(f"route {SERVICES} -> {VM}", "removed"),
    ]
    assert (world / "routes").read_text() == ""
    assert registered() == []
    assert ACCESS.tunnel_stop(ctx) == []
    assert not ACCESS.tunnel_status(ctx).running


@linux
def test_a_tunnel_that_is_killed_comes_back(real):
    _, ctx = real
    ACCESS.tunnel_start(ctx)
    first = ACCESS.tunnel_status(ctx).pid
    os.kill(first, signal.SIGKILL)
    until(lambda: ACCESS.tunnel_status(ctx).pid not in (None, first) and ACCESS.tunnel_status(ctx).running)


@linux
def test_a_keeper_that_is_killed_comes_back_with_one_tunnel(real):
    _, ctx = real
    ACCESS.tunnel_start(ctx)
    first = ACCESS.tunnel_status(ctx).pid
    os.kill(tunnel_start.supervisor(ctx).process(keeper.PROGRAM), signal.SIGKILL)
    until(lambda: ACCESS.tunnel_status(ctx).pid not in (None, first) and ACCESS.tunnel_status(ctx).running)
    assert tunnel_owners.foreign_tunnels(ctx) == []


@linux
def test_a_tunnel_that_its_keeper_left_is_still_ours_and_is_ended(real):
    """Its keeper was killed, with its supervisor, before it could end it."""
    _, ctx = real
    left = subprocess.Popen(["minikube", "-p", PROFILE, "tunnel"], stdout=subprocess.PIPE)
    there(left.stdout).readline()
    KeeperReport(left.pid, there(processes.find(ctx.runner, left.pid)).started).save(ctx.paths.root)
    assert ACCESS.tunnel_stop(ctx)[0] == Removal("tunnel process", "removed")
    assert left.wait(10) == 0
    left.communicate()


@linux
def test_one_that_does_not_end_stays_known_as_ours(real, monkeypatch):
    _, ctx = real
    report = KeeperReport(os.getpid(), there(processes.find(ctx.runner, os.getpid())).started)
    report.save(ctx.paths.root)
    ours = processes.find(ctx.runner, os.getpid())
    monkeypatch.setattr(tunnel_owners, "own_tunnel", lambda *_: ours)
    monkeypatch.setattr(processes, "end", lambda *_: False)
    with pytest.raises(StageError, match="which this tool started, doesn't end"):
        tunnel_start.stop_keeper(ctx)
    assert KeeperReport.load(ctx.paths.root) == report
    KeeperReport.forget(ctx.paths.root)
    monkeypatch.setattr(tunnel_owners, "own_tunnel", lambda *_: None)


@linux
def test_what_a_killed_tunnel_left_is_taken_back(real):
    world, ctx = real
    write_registry((PROFILE, 99999999, VM))
    (world / "routes").write_text(f"{SERVICES} {VM}\n")
    removals = ACCESS.tunnel_stop(ctx)
    assert [removal.subject for removal in removals] == [
        f"route {SERVICES} -> {VM}",
        f"entry of tunnel 99999999 in {tunnel_owners.registry()}",
        "address of Service ns/gateway",
    ]
    assert {removal.outcome for removal in removals} == {"removed"}
    assert ctx.cluster.get("v1", "Service", "gateway", "ns")["status"] == {"loadBalancer": None}


@linux
@pytest.mark.parametrize(
    ("refusal", "explained"),
    [
        (
            "111 * Exiting due to TUNNEL_ALREADY_RUNNING: Another tunnel process is already running, terminate the "
            "existing instance to start a new one",
            "a tunnel of this profile is already running",
        ),
        (
            "110 X Exiting due to SVC_TUNNEL_START: error starting tunnel: error creating tunnel: another tunnel is "
            "already running, shut it down first: ID { Route: 10.96.0.0/12 -> 192.168.105.4, machineName: x, Pid: 1 }",
            "a tunnel of this profile is already running",
        ),
        ("103 * The control-plane node minikube apiserver is not running: (state=Stopped)", "invoke up"),
    ],
)
def test_what_minikube_refuses_is_explained(real, refusal, explained):
    world, ctx = real
    (world / "refusal").write_text(refusal)
    with pytest.raises(StageError) as caught:
        ACCESS.tunnel_start(ctx)
    assert explained in str(caught.value)
    assert not ACCESS.tunnel_status(ctx).running


@linux
def test_an_error_of_minikubes_router_is_explained_at_once(real):
    world, ctx = real
    (world / "router").write_text("conflicting route: 10.96.0.0/12 via 192.168.105.99 dev bridge100")
    with pytest.raises(StageError) as caught:
        ACCESS.tunnel_start(ctx)
    assert "conflicting route: 10.96.0.0/12 via 192.168.105.99" in str(caught.value)
    assert "another profile's tunnel with the same range" in str(caught.value)


@linux
def test_where_minikube_has_no_tunnel_the_way_around_is_taken(real):
    world, ctx = real
    (world / "refusal").write_text("16 X Exiting due to MK_UNIMPLEMENTED: minikube tunnel is not currently implemented")
    ACCESS.tunnel_start(ctx)
    status = ACCESS.tunnel_status(ctx)
    assert status.running
    assert status.addresses == {"ns/gateway": f"{VM}:30080"}
    (world / "refusal").unlink()
    ACCESS.tunnel_start(ctx)
    assert ACCESS.tunnel_status(ctx).pid, "each `tunnel start` tries for a tunnel again"


@pytest.fixture
def foreign(real):
    """A tunnel that somebody else runs. What a failed test leaves of it would be found by every test after it."""
    world, _ = real
    with subprocess.Popen(["minikube", "-p", PROFILE, "tunnel"], stdout=subprocess.PIPE) as found:
        assert there(found.stdout).readline() == b"Status:\t\n"
        yield found
        (world / "stopped").touch()


@linux
def test_a_foreign_tunnel_is_used_while_it_works_named_and_never_ended(real, foreign):
    world, ctx = real
    (world / "routes").write_text(f"{SERVICES} {VM}\n")
    ACCESS.tunnel_start(ctx)
    status = ACCESS.tunnel_status(ctx)
    assert (status.running, status.pid) == (True, foreign.pid)
    assert f"process {foreign.pid} since" in status.note
    (world / "routes").write_text("")
    with pytest.raises(StageError, match="TUNNEL_ALREADY_RUNNING") as caught:
        ACCESS.tunnel_start(ctx)
    assert f"process {foreign.pid} since" in str(caught.value)
    (world / "routes").write_text(f"{SERVICES} {VM}\n")
    [removal] = ACCESS.tunnel_stop(ctx)
    assert (removal.outcome, str(foreign.pid) in removal.subject) == ("left", True)
    assert (world / "routes").read_text() == f"{SERVICES} {VM}\n", "its route is its own"
    assert foreign.poll() is None


# -- taking back ------------------------------------------------------------------------------------------------------


def test_without_root_what_is_left_is_reported_with_its_command():
    host = Host(may_sudo=False)
    host.table[SERVICES] = VM
    ctx = context(host)
    Choice("tunnel", vm.find(PROFILE)).save(ctx.paths.root)
    [removal] = ACCESS.tunnel_stop(ctx)
    assert removal.outcome == "failed"
    assert f"sudo ip route delete {SERVICES} via {VM}" in removal.reason
    assert there(Choice.load(ctx.paths.root)).way == "stopped", "the next one knows whose it is"


@pytest.mark.usefixtures("on_macos")
def test_once_the_profile_is_gone_its_route_and_its_resolver_are_still_known():
    host = Host()
    ctx = context(host)
    tunnel_start.make_route(ctx, vm.find(PROFILE))
    Choice("tunnel", vm.find(PROFILE)).save(ctx.paths.root)
    (minikube_home() / "profiles" / PROFILE / "config.json").unlink()
    removals = ACCESS.tunnel_stop(ctx)
    assert [removal.subject for removal in removals] == [
        f"route {SERVICES} -> {VM}",
        f"file {resolver.FOLDER / 'cluster.local'}",
    ]
    assert host.table == {}
    assert list(resolver.FOLDER.iterdir()) == []
    assert ACCESS.tunnel_stop(ctx) == []


def test_a_route_that_is_another_profiles_by_now_stays():
    host = Host()
    host.table[SERVICES] = VM
    ctx = context(host)
    Choice("tunnel", vm.find(PROFILE)).save(ctx.paths.root)
    (minikube_home() / "profiles" / PROFILE / "config.json").unlink()
    write_profile("heir", VM)
    assert ACCESS.tunnel_stop(ctx) == []
    assert host.table == {SERVICES: VM}


def test_a_route_to_the_same_range_elsewhere_stays():
    host = Host()
    host.table[SERVICES] = "10.8.0.1"
    ctx = context(host)
    assert ACCESS.tunnel_stop(ctx) == []
    assert host.table == {SERVICES: "10.8.0.1"}


# -- what is told while something is wrong ----------------------------------------------------------------------------


def kept_status(monkeypatch, host, kept):
    monkeypatch.setattr("canarylab.tools.supervisord.Supervisor.is_running", lambda *_: True)
    ctx = context(host)
    Choice("tunnel", vm.find(PROFILE)).save(ctx.paths.root)
    kept.save(ctx.paths.root)
    return ACCESS.tunnel_status(ctx)


def test_a_lost_route_is_a_tunnel_that_does_not_run(monkeypatch):
    status = kept_status(monkeypatch, Host(), KeeperReport())
    assert not status.running
    assert status.problems == (f"the route {OURS} is missing: `invoke tunnel start` puts it back",)
    assert TunnelStage("tunnel", StageOptions()).changes(status), "`up` mends it"


TIMEOUT = f'Get "https://{VM}:8443/api/v1/services": net/http: TLS handshake timeout'


@pytest.mark.parametrize(("errors", "is_left"), [(("loadbalancer emulator",), True), (("router",), False)])
def test_a_tunnel_that_only_waits_for_the_api_server_is_left_alone(monkeypatch, errors, is_left):
    """It tries again itself, and a new one would end with 103."""
    host = Host()
    host.table[SERVICES] = VM
    own = there(processes.find(host, os.getpid()))
    monkeypatch.setattr(tunnel_owners, "own_tunnel", lambda *_: own)
    kept = KeeperReport(own.pid, own.started, route=str(OURS), errors=dict.fromkeys(errors, TIMEOUT))
    [problem] = kept_status(monkeypatch, host, kept).problems
    assert "doesn't answer them in time" in problem
    stopped: list[object] = []
    monkeypatch.setattr(tunnel_start, "stop_keeper", stopped.append)
    monkeypatch.setattr(tunnel_start, "run_keeper", lambda *_: None)
    ACCESS.tunnel_start(context(host))
    assert (stopped == []) is is_left


def test_an_error_in_minikubes_status_block_is_reported_with_its_explanation(monkeypatch):
    host = Host()
    host.table[SERVICES] = VM
    kept = KeeperReport(route=str(OURS), errors={"router": "conflicting route: 10.96.0.0/12 192.168.105.9 UGSc"})
    [problem] = kept_status(monkeypatch, host, kept).problems
    assert problem.startswith("router: conflicting route: 10.96.0.0/12")
    assert "another profile's tunnel" in problem


def test_a_bridge_without_member_is_told_in_one_line_with_its_explanation(monkeypatch):
    """kubernetes/minikube#13749."""
    host = Host()
    host.table[SERVICES] = VM
    said = "couldn't find member in bridge100 interface: bridge100: flags=8a63 mtu 1500\n\tether 16:7d:da:4d:32:64"
    [problem] = kept_status(monkeypatch, host, KeeperReport(route=str(OURS), errors={"router": said})).problems
    assert problem.startswith("router: couldn't find member in bridge100 interface: bridge100: flags=8a63 mtu 1500 (")
    assert "vmenet" in problem
    assert "\n" not in problem


@pytest.mark.parametrize(("driver", "network"), [("vfkit", ""), ("vfkit", "nat"), ("vfkit", "vmnet-shared")])
def test_vfkits_machine_is_reached_by_a_tunnel_as_qemus_is(driver, network):
    write_profile(Driver=driver, Network=network)
    machine = there(vm.find(PROFILE))
    assert not machine.has_builtin_network
    assert not machine.is_hidden
    host = Host()
    assert tunnel_start.make_route(context(host), machine) == ""
    assert host.table == {SERVICES: VM}


def test_a_conflicting_route_is_reported_with_what_to_do(monkeypatch):
    host = Host()
    host.table[SERVICES] = "192.168.105.9"
    write_profile("colleague", "192.168.105.9")
    [problem] = kept_status(monkeypatch, host, KeeperReport()).problems
    assert "profile colleague has the same range" in problem
    assert "next: " in problem


def test_what_is_remembered_survives_the_way_through_its_file(tmp_path):
    Choice("nodeport", vm.find(PROFILE), "no sudo").save(tmp_path)
    KeeperReport(4711, "99", str(OURS), {"router": "x"}, 111, "words", "problem").save(tmp_path)
    assert Choice.load(tmp_path) == Choice("nodeport", vm.find(PROFILE), "no sudo")
    assert KeeperReport.load(tmp_path) == KeeperReport(4711, "99", str(OURS), {"router": "x"}, 111, "words", "problem")
    assert json.loads((tmp_path / "tunnel.json").read_text())["way"] == "nodeport"


def test_the_block_of_this_world_is_the_one_that_minikube_prints():
    """Recorded from a real minikube: `minikube tunnel`, two LoadBalancer Services."""
    recorded = (
        "Status:\t\n\tmachine: minikube\n\tpid: 6483\n\troute: 10.96.0.0/12 -> 10.233.0.2\n\tminikube: Running\n"
        "\tservices: [demo, demo2]\n    errors: \n\t\tminikube: no errors\n\t\trouter: no errors\n"
        "\t\tloadbalancer emulator: no errors\n"
    )
    assert status_block(profile="minikube", pid=6483, gateway="10.233.0.2") == recorded


def test_the_stage_says_what_is_wrong_with_a_tunnel_that_does_not_run():
    ctx = context(Host())
    ctx.provider.tunnel = TunnelStatus(running=False, pid=1, route="", addresses={}, problems=("the route is missing",))  # type: ignore[attr-defined]
    assert TunnelStage("tunnel", StageOptions()).health(ctx) == "the route is missing"
