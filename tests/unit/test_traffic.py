"""The measuring client against real servers on the loopback, good ones and bad ones."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import (
    HANG_UP,
    RESET,
    SILENCE,
    LoopbackServer,
    Seen,
    answer,
    closed_port,
    gateway_answer,
    make_certificate,
)

from canarylab.cancel import Cancel
from canarylab.demo.traffic import client
from canarylab.demo.traffic.client import Target, likely_cause
from canarylab.demo.traffic.measure import CONCURRENCY, GIVE_UP_AFTER, Measurement, measure
from canarylab.demo.traffic.pace import Pace
from canarylab.errors import CancelledError, ExpectationError

STATUS = "invoke status --playbook mine"
HOST = "reviews.rollouts-demo-vsvc1.bookinfo.com"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def http(server: LoopbackServer, host: str = HOST) -> Target:
    return Target("127.0.0.1", server.port, host)


def tls(server: LoopbackServer, host: str = HOST) -> Target:
    return Target("127.0.0.1", server.port, host, tls=True)


def ask(target: Target, requests: int, *, seconds: float = 30, timeout: float = 5, concurrency: int = CONCURRENCY):
    deadline = time.monotonic() + seconds
    pace = Pace(concurrency, timeout)
    return measure(target, requests, deadline=deadline, cancel=Cancel(), status=STATUS, pace=pace)


def every_fourth_is_canary(seen: Seen) -> bytes:
    return answer("bbb", color="yellow") if len(seen.requests) % 4 == 0 else answer("aaa")


def alternating(*said: bytes | str):
    return lambda seen: said[len(seen.requests) % len(said)]


class TestCounting:
    def test_http_answers_are_counted_by_revision_colour_pod_and_status(self):
        with LoopbackServer(every_fourth_is_canary) as server:
            measured = ask(http(server), 200)
        assert (measured.requests, measured.answered, measured.failed) == (200, 200, 0)
        assert measured.revisions == {"aaa": 150, "bbb": 50}
        assert measured.colors == {"blue": 150, "yellow": 50}
        assert measured.pods == {"pod-aaa": 150, "pod-bbb": 50}
        assert measured.statuses == {200: 200}

    def test_http_keeps_its_connections_and_sends_the_host_header(self):
        with LoopbackServer(every_fourth_is_canary) as server:
            ask(http(server), 200, concurrency=4)
        assert server.seen.connections <= 4
        assert set(server.seen.requests) == {HOST}

    def test_tls_opens_a_connection_for_each_request_and_sends_the_server_name(self, certificate: Path):
        with LoopbackServer(every_fourth_is_canary, certificate) as server:
            measured = ask(tls(server), 60)
        assert measured.revisions == {"aaa": 45, "bbb": 15}
        assert server.seen.connections == 60
        assert server.seen.server_names == [HOST] * 60
        assert server.seen.last_requests == 60

    def test_the_authorities_are_not_read_again_for_each_tls_connection(self, certificate: Path):
        client.tls_context.cache_clear()
        with LoopbackServer(every_fourth_is_canary, certificate) as server:
            ask(tls(server), 20)
        assert client.tls_context.cache_info().misses == 1

    def test_no_more_requests_are_sent_than_asked_for(self):
        with LoopbackServer(every_fourth_is_canary) as server:
            assert ask(http(server), 3).requests == 3
        assert len(server.seen.requests) == 3

    def test_a_connection_that_the_server_closes_after_its_answer_is_no_failure(self):
        with LoopbackServer(alternating(answer(headers="Connection: close\r\n"), answer())) as server:
            measured = ask(http(server), 50, concurrency=2)
        assert measured.failed == 0
        assert server.seen.connections > 2

    def test_latencies_are_ordered_and_the_pace_is_said(self):
        with LoopbackServer(every_fourth_is_canary) as server:
            measured = ask(http(server), 100)
        assert len(measured.latencies) == 100
        assert 0 < measured.percentile(50) <= measured.percentile(99) <= measured.percentile(100)
        assert measured.rate == pytest.approx(100 / measured.seconds)
        assert "requests/s, latency" in measured.pace


class HangsUpOnHello(socketserver.BaseRequestHandler):
    """What a gateway does with a server name that it has no route for."""

    def handle(self) -> None:
        self.request.recv(100)


class RoutelessGateway(socketserver.ThreadingTCPServer):
    request_queue_size = 64


class TestFailures:
    def test_a_refused_connection_ends_it_early_and_names_the_cause(self):
        target = Target("127.0.0.1", closed_port(), HOST)
        with pytest.raises(ExpectationError, match="all failed: refused") as raised:
            ask(target, 5000)
        assert "nothing listens at 127.0.0.1" in str(raised.value)
        assert raised.value.remedy

    def test_it_gives_up_soon_after_the_first_twenty_failures(self):
        with LoopbackServer(lambda _: gateway_answer(404)) as server:
            with pytest.raises(ExpectationError):
                ask(http(server), 5000)
            assert GIVE_UP_AFTER <= len(server.seen.requests) <= GIVE_UP_AFTER + CONCURRENCY

    def test_a_404_of_the_gateway_is_distinguished_from_one_of_the_application(self):
        with LoopbackServer(lambda _: gateway_answer(404)) as server, pytest.raises(ExpectationError) as raised:
            ask(http(server), 100)
        assert "status 404 from the gateway" in str(raised.value)
        assert f"no HTTP route for {HOST}" in str(raised.value)
        with LoopbackServer(lambda _: answer(status=404)) as server, pytest.raises(ExpectationError) as raised:
            ask(http(server), 100)
        assert "status 404" in str(raised.value)
        assert "from the gateway" not in str(raised.value)

    def test_a_reset_during_the_answer_is_counted(self):
        with LoopbackServer(alternating(answer(), RESET)) as server:
            measured = ask(http(server), 40, concurrency=1)
        assert measured.failures == {"reset": 20}
        assert measured.answered == 20
        assert HOST in measured.samples[0]

    def test_an_answer_cut_short_is_counted(self):
        with LoopbackServer(alternating(answer(), answer(headers="Connection: close\r\n")[:-3])) as server:
            assert ask(http(server), 40, concurrency=1).failures == {"closed": 20}

    def test_a_connection_closed_without_an_answer_is_counted(self):
        with LoopbackServer(alternating(answer(), HANG_UP)) as server:
            assert ask(http(server), 40, concurrency=1).failures == {"closed": 20}

    def test_a_slow_answer_is_a_timeout(self):
        with LoopbackServer(alternating(answer(), answer(), answer(), SILENCE)) as server:
            measured = ask(http(server), 8, concurrency=8, timeout=0.2)
        assert measured.failures == {"timeout": 2}
        assert "no answer in 0.2 s" in measured.samples[0]

    def test_an_application_error_is_an_answer_of_its_revision_and_a_failure(self):
        with LoopbackServer(alternating(answer(), answer("bbb", status=500))) as server:
            measured = ask(http(server), 40)
        assert measured.revisions == {"aaa": 20, "bbb": 20}
        assert measured.failures == {"status 500": 20}

    def test_what_is_no_http_answer_is_unreadable(self):
        with LoopbackServer(alternating(answer(), b"SSH-2.0-OpenSSH\r\n\r\n")) as server:
            assert ask(http(server), 40).failures == {"unreadable answer": 20}

    def test_a_handshake_that_is_not_answered_points_to_the_missing_tls_route(self):
        with RoutelessGateway(("127.0.0.1", 0), HangsUpOnHello) as gateway:
            threading.Thread(target=gateway.serve_forever, args=(0.01,), daemon=True).start()
            with pytest.raises(ExpectationError, match="all failed: TLS handshake") as raised:
                ask(Target("127.0.0.1", gateway.server_address[1], HOST, tls=True), 50)
            gateway.shutdown()
        assert f"takes the SNI host {HOST}" in str(raised.value)

    def test_fewer_requests_than_it_gives_up_after_must_not_all_fail_either(self):
        with pytest.raises(ExpectationError, match=r"\b3 requests .*refused"):
            ask(Target("127.0.0.1", closed_port(), HOST), 3)

    def test_the_deadline_ends_it_and_says_how_far_it_came(self):
        with LoopbackServer(lambda _: SILENCE) as server, pytest.raises(ExpectationError, match="only 0 of 50"):
            ask(http(server), 50, seconds=0.2)

    def test_every_known_kind_of_failure_has_a_cause_for_the_target(self):
        target = Target("10.96.0.9", 3000, HOST, tls=True)
        assert "10.96.0.9:3000" in likely_cause(client.REFUSED, target)
        assert HOST in likely_cause(client.HANDSHAKE, target)
        assert "port 3000" in likely_cause(client.HANDSHAKE, target)
        by_node_port = replace(target, port=31234, gateway_port=3000)
        assert "Gateway on port 3000 takes" in likely_cause(client.HANDSHAKE, by_node_port)
        assert "10.96.0.9:31234" in likely_cause(client.REFUSED, by_node_port)
        assert likely_cause("never heard of", target) == ""


class TestCancelling:
    def test_ctrl_c_ends_a_measurement_under_way(self):
        cancel = Cancel()

        def interrupt(seen: Seen) -> bytes:
            if len(seen.requests) == 10:
                cancel.set()
            return answer()

        with LoopbackServer(interrupt) as server, pytest.raises(CancelledError):
            measure(
                http(server),
                10**9,
                deadline=time.monotonic() + 30,
                cancel=cancel,
                status=STATUS,
                pace=Pace(CONCURRENCY, 5),
            )

    def test_nothing_is_sent_after_ctrl_c(self):
        cancel = Cancel()
        cancel.set()
        with LoopbackServer(lambda _: answer()) as server:
            with pytest.raises(CancelledError):
                measure(
                    http(server),
                    100,
                    deadline=time.monotonic() + 30,
                    cancel=cancel,
                    status=STATUS,
                    pace=Pace(CONCURRENCY, 5),
                )
            assert server.seen.requests == []


def head(body: str = "", *lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    """An answer with these lines alone in its head."""
    return ("\r\n".join([status, "x-rollouts-demo-revision:  abc ", *lines, "", ""]) + body).encode()


CHUNKED, CLOSE = "Transfer-Encoding: chunked", "Connection: close"


class TestAnswers:
    """Any form that HTTP/1.1 allows: other applications send more of them than the demo does."""

    @pytest.mark.parametrize(
        ("said", "is_kept"),
        [
            (head("blue!", "content-length: 5"), True),
            (head("blue!", "CONTENT-LENGTH: 5", "X-Rollouts-Demo-Pod: p"), True),
            (head("2\r\nbl\r\n3;ext=1\r\nue!\r\n0\r\n\r\n", CHUNKED), True),
            (head("3\r\nblu\r\n0\r\nX-Trailer: t\r\n\r\n", CHUNKED), True),
            (head("", "content-length: 0"), True),
            (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + head("", "content-length: 0"), True),
            (head("blue!", "content-length: 5", CLOSE), False),
            (head("until the end", CLOSE), False),
            (head("until the end", CLOSE, status="HTTP/1.0 200 OK"), False),
            (head("0\r\n\r\n", CHUNKED, CLOSE), False),
        ],
    )
    def test_it_is_read_to_its_end_and_the_connection_kept_if_it_may_be(self, said: bytes, is_kept: bool):
        with LoopbackServer(lambda _: said) as server:
            measured = ask(http(server), 20, concurrency=1)
        assert (measured.revisions, measured.failures) == ({"abc": 20}, {})
        assert server.seen.connections == (1 if is_kept else 20)

    @pytest.mark.parametrize(
        "cut",
        [
            head("", "content-length: 5")[:20],
            head("blue", "content-length: 5", CLOSE),
            head("5\r\nblu", CHUNKED, CLOSE),
            head("5\r\nblue!\r\n", CHUNKED, CLOSE),
        ],
    )
    def test_one_that_is_cut_in_the_middle_is_no_answer(self, cut: bytes):
        with LoopbackServer(alternating(answer(), cut if CLOSE.encode() in cut else HANG_UP)) as server:
            measured = ask(http(server), 20, concurrency=1)
        assert measured.failures == {"closed": 10}
        assert measured.revisions == {"aaa": 10}

    @pytest.mark.parametrize(
        "garbage",
        [
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
            b"200 OK\r\n\r\n",
            head("", "content-length: five"),
            head("five\r\n", CHUNKED),
            head("", "no colon"),
            head("", "x: " + "y" * 100_000),
        ],
    )
    def test_what_is_no_answer_is_unreadable_even_if_the_server_hangs_up_at_once(self, garbage: bytes):
        for said in (garbage, garbage + CLOSE.encode()):
            with LoopbackServer(alternating(answer(), said)) as server:
                assert ask(http(server), 20, concurrency=1).failures == {"unreadable answer": 10}

    def test_what_the_pod_says_of_itself_is_read_whatever_the_case(self):
        said = head("", "content-length: 0", "X-ROLLOUTS-DEMO-POD: p", "x-Rollouts-demo-COLOR: blue")
        with LoopbackServer(lambda _: said) as server:
            measured = ask(http(server), 10)
        assert (measured.pods, measured.colors) == ({"p": 10}, {"blue": 10})

    def test_failures_are_reported_by_who_answered(self):
        failed = (answer("bbb", status=500), HANG_UP, answer())
        with LoopbackServer(alternating(*failed)) as server:
            assert ask(http(server), 30, concurrency=1).failed_by == {"bbb": 10, "": 10}


class TestQuestions:
    def heads(self, target: Callable[[LoopbackServer], Target]) -> tuple[str, LoopbackServer]:
        with LoopbackServer(lambda _: answer()) as server:
            ask(target(server), 3, concurrency=1)
        return server.seen.head, server

    def test_path_and_headers_are_sent(self):
        headers = (("X-Tester", "yes"), ("X-Region", "eu"))
        said, _ = self.heads(lambda server: replace(http(server), path="/stats?all=1", headers=headers))
        assert said.startswith("GET /stats?all=1 HTTP/1.1\r\n")
        assert f"\r\nHost: {HOST}\r\n" in said
        assert "\r\nX-Tester: yes\r\n" in said
        assert "\r\nX-Region: eu\r\n" in said

    def test_the_colour_is_asked_for_unless_something_else_is(self):
        said, _ = self.heads(http)
        assert said.startswith("GET /color HTTP/1.1\r\n")

    def test_where_a_connection_decides_who_answers_each_request_has_its_own(self):
        _, server = self.heads(lambda server: replace(http(server), by_connection=True))
        assert (server.seen.connections, server.seen.last_requests) == (3, 3)

    def test_else_they_share_one(self):
        _, server = self.heads(http)
        assert (server.seen.connections, server.seen.last_requests) == (1, 0)

    def test_a_target_is_called_by_what_tells_it_from_others(self):
        plain = Target("10.0.0.1", 80, HOST)
        assert str(plain) == f"http {HOST}"
        assert str(replace(plain, tls=True)) == f"tls {HOST}"
        assert str(replace(plain, headers=(("X-Tester", "yes"),))) == f"http {HOST}, X-Tester: yes"


def test_a_measurement_without_answers_has_no_latency():
    nothing = Measurement(Target("127.0.0.1", 80, HOST))
    assert (nothing.percentile(99), nothing.rate, nothing.commonest_failure) == (0.0, 0.0, "")


class TestSlowCluster:
    """A server that takes one request at a time, so that of many at once most would come too late."""

    @staticmethod
    def one_after_the_other(_: Seen) -> bytes:
        time.sleep(0.06)  # nothing else is served meanwhile
        return answer()

    def test_no_more_are_asked_at_once_than_are_answered_in_time(self):
        pace = Pace(16, 1)
        with LoopbackServer(self.one_after_the_other) as server:
            deadline = time.monotonic() + 30
            measured = measure(http(server), 40, deadline=deadline, cancel=Cancel(), status=STATUS, pace=pace)
        assert (measured.requests, measured.failed) == (40, 0)
        assert pace.at_once * 0.06 <= 0.6, "in most of the time that there is"
        assert re.fullmatch(r"answers take 0\.\d s: \d at once instead of 16", str(pace))

    def test_one_that_answers_soon_is_asked_as_much_as_may_be(self):
        pace = Pace(16, 5)
        with LoopbackServer(every_fourth_is_canary) as server:
            deadline = time.monotonic() + 30
            measure(http(server), 60, deadline=deadline, cancel=Cancel(), status=STATUS, pace=pace)
        assert (pace.at_once, str(pace)) == (16, "")

    def test_one_that_is_lost_counts(self):
        with LoopbackServer(alternating(*(answer(),) * 9, SILENCE)) as server:
            assert ask(http(server), 50, timeout=0.2).failures == {"timeout": 5}

    def test_where_nobody_answers_it_is_given_up_soon(self):
        began = time.monotonic()
        with LoopbackServer(lambda _: SILENCE) as server, pytest.raises(ExpectationError) as raised:
            ask(http(server), 500, timeout=1)
        assert "requests all failed: timeout" in raised.value.what
        assert time.monotonic() - began < 3.5
