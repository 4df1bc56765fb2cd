"""The users' error rate: what may be claimed of it, and the step that does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from demo_world import HASHES, Stage, step
from loopback import LoopbackServer, answer
from pydantic import ValidationError

from canarylab.contract.step import Session, Step
from canarylab.demo.perform import perform
from canarylab.demo.steps.expect_error_rate import ExpectErrorRate
from canarylab.demo.traffic import error_rate
from canarylab.demo.traffic.background import NAME, Background
from canarylab.demo.traffic.client import TIMEOUT, Target
from canarylab.demo.traffic.timeline import FailureMode, Moment, Period
from canarylab.errors import ExpectationError
from canarylab.events import Notice

TARGET = Target("127.0.0.1", 80, "a.example.com")
SHOWN = {"aaa": "revision 1 (blue)", "bbb": "revision 2 (bad-red)"}


def bad(revision: str, kind: str = "status 500") -> FailureMode:
    return FailureMode(TARGET, revision, kind)


def period(failed: int, total: int, **more: Any) -> Period:
    return Period(Counter({TARGET: total}), Counter({bad("bbb"): failed} if failed else {}), **more)


class TestNoneFailed:
    def test_it_holds_if_not_one_failed(self):
        claim = error_rate.none_failed(period(0, 100), "not one failed")
        assert claim.holds
        assert claim.seen == "0 of 100 failed"

    def test_one_failure_is_reported_with_its_likely_cause(self):
        claim = error_rate.none_failed(period(1, 100, samples=["after 1.0 s: status 500"]), "not one failed")
        assert not claim.holds
        assert claim.seen == "1 of 100 failed; after 1.0 s: status 500"
        assert "bad-*" in claim.cause

    def test_that_nothing_was_asked_proves_nothing(self):
        assert not error_rate.none_failed(Period(), "not one failed").holds


class TestAtMost:
    @pytest.mark.parametrize(("failed", "total"), [(0, 0), (0, 100), (3, 100), (9, 100), (300, 10_000)])
    def test_as_many_as_chance_brings_hold(self, failed: int, total: int):
        assert error_rate.at_most(period(failed, total), 3).holds

    @pytest.mark.parametrize(("failed", "total"), [(1, 1), (20, 100), (400, 10_000), (100, 100)])
    def test_more_than_chance_brings_does_not(self, failed: int, total: int):
        claim = error_rate.at_most(period(failed, total), 0.01 if total == 1 else 3)
        assert not claim.holds
        assert f"{failed} of {total:,} failed; as many come by chance once in" in claim.seen


class TestAsExpected:
    def test_the_rate_lies_in_the_interval(self):
        assert error_rate.as_expected([period(18, 600)], 3).holds

    @pytest.mark.parametrize("failed", [0, 60])
    def test_too_few_and_too_many_do_not(self, failed: int):
        assert not error_rate.as_expected([period(failed, 600)], 3).holds

    def test_what_missed_before_is_reported(self):
        claim = error_rate.as_expected([period(60, 600), period(72, 2400)], 3)
        assert claim.holds
        assert "before that 10.00 % (60 of 600" in claim.seen


class TestOfCanary:
    def test_failed_answers_of_the_canary_alone_hold(self):
        claim = error_rate.of_canary(Counter({bad("bbb"): 18}), "bbb", SHOWN)
        assert claim.holds
        assert claim.seen == "18 from revision 2 (bad-red)"

    @pytest.mark.parametrize("revision", ["aaa", "ccc", ""])
    def test_one_of_anybody_else_does_not(self, revision: str):
        assert not error_rate.of_canary(Counter({bad("bbb"): 18, bad(revision): 1}), "bbb", SHOWN).holds

    def test_a_request_that_nobody_answered_was_lost_on_the_way(self):
        claim = error_rate.of_canary(Counter({bad("", TIMEOUT): 2}), "bbb", SHOWN)
        assert claim.seen == "2 from no pod"
        assert "lost on the way" in claim.cause

    def test_without_a_canary_nobody_may_fail(self):
        assert not error_rate.of_canary(Counter({bad("", TIMEOUT): 1}), "", SHOWN).holds
        assert error_rate.of_canary(Counter(), "", SHOWN).holds

    def test_what_a_pod_answered_that_names_no_revision_was_not_lost(self):
        claim = error_rate.of_canary(Counter({bad(""): 2}), "bbb", SHOWN)
        assert claim.seen == "2 from pods that don't say their revision"
        assert "lost" not in claim.cause

    def test_the_gateway_s_own_answers_are_no_pod_s(self):
        claim = error_rate.of_canary(Counter({bad("", DENIED): 2}), "bbb", SHOWN, found)
        assert claim.seen == "2 from no pod"
        assert claim.cause.endswith("; found in the cluster: status 403 from the gateway")


DENIED = "status 403 from the gateway"


def found(kind: str, _: Target) -> str:
    """As `why_failed` has it, which looks into the cluster."""
    return f"found in the cluster: {kind}"


def unasked(*_: object) -> str:
    raise AssertionError("the cluster was asked why, and nothing is wrong")


class TestCausesAreLookedFor:
    LATE = Moment("abort", 100.0)

    def lost(self, **more: Any) -> Period:
        return Period(Counter({TARGET: 100}), Counter({bad("", DENIED): 60}), **more)

    @pytest.mark.parametrize(
        "claim",
        [
            lambda period: error_rate.recovered(period, 5, found),
            lambda period: error_rate.clean_since(period, 500, found),
            lambda period: error_rate.at_most(period, 3, found),
            lambda period: error_rate.as_expected([period], 3, found),
        ],
    )
    def test_by_every_claim_that_does_not_hold(self, claim: Any):
        seen = claim(self.lost(moment=self.LATE, last_failure=106.0))
        assert not seen.holds
        assert "found in the cluster: status 403 from the gateway" in seen.cause

    def test_and_by_none_that_does(self):
        well = period(3, 100, moment=self.LATE, last_failure=99.0, good=500)
        assert error_rate.recovered(well, 5, unasked).holds
        assert error_rate.clean_since(well, 500, unasked).holds
        assert error_rate.at_most(well, 3, unasked).holds
        assert error_rate.as_expected([well], 3, unasked).holds

    def test_of_pods_that_fail_in_another_share_two_causes_are_possible(self):
        claim = error_rate.as_expected([period(60, 600)], 3)
        assert claim.cause.startswith("either the canary has another weight than `percent` was reckoned with, or")


class TestRecovered:
    ABORT = Moment("abort", 100.0)

    def test_the_time_counts_from_the_moment_to_the_last_failure(self):
        claim = error_rate.recovered(period(3, 100, moment=self.ABORT, last_failure=100.4), 5)
        assert claim.holds
        assert (claim.text, claim.seen) == ("time to recover after abort", "last failed answer 0.40 s after it")

    def test_too_late_is_permanent(self):
        claim = error_rate.recovered(period(3, 100, moment=self.ABORT, last_failure=105.1), 5)
        assert not claim.holds
        assert claim.permanent

    @pytest.mark.parametrize("last", [None, 99.9])
    def test_nobody_may_have_failed_after_it(self, last: float | None):
        assert error_rate.recovered(period(3, 100, moment=self.ABORT, last_failure=last), 5).seen.startswith(
            "no failed"
        )


def rate(**options: object) -> Step:
    return step(ExpectErrorRate, rollout="rollouts-demo", requests=100, **options)


class Application:
    """Of every `period` answers the first is a failed one of the canary; 0: none."""

    def __init__(self) -> None:
        self.period = 0
        self.culprit = "yellow"

    def __call__(self, seen: Any) -> bytes:
        if self.period and len(seen.requests) % self.period == 0:
            return answer(HASHES[self.culprit], status=500)
        return answer(HASHES["blue"])


class TestExpectErrorRate:
    @pytest.fixture
    def stage(self) -> Stage:
        """With an update under way: blue is stable, yellow the canary."""
        stage = Stage()
        stage.world.set_image("yellow")
        while stage.world.pending:
            stage.world.pending.popleft()()
        return stage

    @pytest.fixture
    def application(self) -> Application:
        return Application()

    @pytest.fixture
    def session(self, application: Application) -> Iterator[Session]:
        session = Session()
        with LoopbackServer(application) as server:
            stream = Background([Target("127.0.0.1", server.port, "a.example.com")], rate=1000)
            session.leave(NAME, stream)
            yield session
            stream.stop()

    @pytest.fixture
    def stream(self, session: Session) -> Background:
        stream = session.find(NAME, Background)
        assert stream is not None
        return stream

    def test_before_anything_is_bad_not_one_request_may_fail(self, stage: Stage, session: Session):
        rate().run(stage.ctx, session)
        [fact] = stage.facts
        assert fact.seen.startswith("0 of 1")

    def test_one_failure_ends_the_wait_at_once(self, stage: Stage, application: Application, session: Session):
        application.period = 10
        with pytest.raises(ExpectationError):
            step(ExpectErrorRate, rollout="rollouts-demo", requests=1_000_000).run(stage.ctx, session)
        [fact] = stage.facts
        assert (fact.holds, fact.expected) == (False, "0 failed")

    def test_while_the_image_is_bad_so_many_fail_and_all_of_the_canary(
        self, stage: Stage, application: Application, session: Session
    ):
        application.period = 10
        rate(percent=10).run(stage.ctx, session)
        assert [fact.text for fact in stage.facts] == ["error rate on the way", "error rate", "failed answers"]
        assert "from revision 2" in stage.facts[-1].seen

    def test_another_rate_is_measured_three_times_and_fails(
        self, stage: Stage, application: Application, session: Session
    ):
        application.period = 2
        with pytest.raises(ExpectationError):
            rate(percent=3).run(stage.ctx, session)
        assert [fact.text for fact in stage.unmet] == ["error rate"]
        assert stage.facts[1].seen.count("before that") == 2
        assert sum(isinstance(event, Notice) for event in stage.events) == 2

    def test_a_failed_answer_of_stable_fails_it_even_at_the_right_rate(
        self, stage: Stage, application: Application, session: Session
    ):
        application.period, application.culprit = 10, "blue"
        with pytest.raises(ExpectationError):
            rate(percent=10).run(stage.ctx, session)
        [fact] = stage.unmet
        assert fact.text == "failed answers"
        assert fact.expected.startswith("from revision 2")
        assert "from revision 1" in fact.seen

    def test_after_the_abort_the_time_to_recover_is_reported(
        self, stage: Stage, application: Application, session: Session, stream: Background
    ):
        application.period = 10
        rate(percent=10).run(stage.ctx, session)
        stream.timeline.note("abort")
        application.period = 0
        stage.events.clear()
        rate().run(stage.ctx, session)
        recovered, clean, _ = stage.facts
        assert recovered.text == "time to recover after abort"
        assert clean.expected == "100 requests"
        assert int(clean.seen.split()[0]) >= 100

    def test_where_nobody_aborted_the_recovery_counts_from_the_step(
        self, stage: Stage, application: Application, session: Session
    ):
        application.period = 10
        rate(percent=10).run(stage.ctx, session)
        application.period = 0
        rate().run(stage.ctx, session)
        assert "time to recover after expect-error-rate" in stage.said

    def test_who_fails_later_than_that_has_not_recovered(
        self, stage: Stage, application: Application, session: Session
    ):
        application.period = 10
        rate(percent=10).run(stage.ctx, session)
        stage.events.clear()
        with pytest.raises(ExpectationError):
            rate(within=0.1).run(stage.ctx, session)
        assert stage.unmet[0].text.startswith("time to recover")
        assert stage.unmet[0].expected == "at most 0.1 s"

    def test_recovered_means_that_not_one_more_may_fail(self, stage: Stage, application: Application, session: Session):
        application.period = 10
        rate(percent=10).run(stage.ctx, session)
        application.period = 0
        rate().run(stage.ctx, session)
        application.period = 10
        stage.events.clear()
        with pytest.raises(ExpectationError):
            rate().run(stage.ctx, session)
        [fact] = stage.facts
        assert (fact.holds, fact.expected) == (False, "0 failed")

    def test_traffic_that_ends_before_the_recovery_says_what_is_missing(
        self, stage: Stage, application: Application, session: Session
    ):
        application.period = 10
        rate(percent=10).run(stage.ctx, session)
        taken = session.take(NAME, Background)
        assert taken is not None
        taken.wait(stage.ctx, lambda period: period.failed > 0, 10)
        [claim] = taken.conclude(stage.ctx)
        assert not claim.holds
        assert "one with `percent: 0` has to follow" in claim.cause

    def test_too_few_requests_in_time_are_reported(self, stage: Stage, session: Session):
        with pytest.raises(ExpectationError, match="a higher `rate`"):
            step(ExpectErrorRate, rollout="rollouts-demo", requests=1_000_000, timeout=0.05).run(stage.ctx, session)

    def test_without_traffic_there_is_nothing_to_count(self, stage: Stage):
        with pytest.raises(ExpectationError, match="no traffic whose errors"):
            perform(stage.ctx, [rate()])

    @pytest.mark.parametrize("wrong", [{"percent": 100}, {"percent": -1}, {"requests": 5}, {"within": "soon"}])
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]):
        with pytest.raises(ValidationError):
            step(ExpectErrorRate, rollout="x", **wrong)
