"""The arithmetic of shares, hosts' ranks and texts."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from canarylab.rollouts.routes.layer_view import LayerView, evenly, expected, joined
from canarylab.rollouts.routes.match import host_rank, text_matches

REVISIONS = st.sampled_from(["aaa", "bbb", "ccc", ""])
PERCENT = st.floats(0, 100)
LABELS = st.lists(st.sampled_from(["a", "b", "www", "example"]), min_size=1, max_size=4)


def seen(shares: dict[str, float], mirrored: dict[str, float] | None = None) -> LayerView:
    return LayerView("somewhere", "somehow", shares, mirrored or {})


class TestShares:
    @given(st.lists(REVISIONS, min_size=1))
    def test_even_ones_sum_up_to_all_and_follow_the_counts(self, pods: list[str]):
        shares = evenly(pods)
        assert math.isclose(sum(shares.values()), 100)
        assert all(math.isclose(shares[one], 100 * pods.count(one) / len(pods)) for one in pods)

    def test_nobody_shares_nothing(self):
        assert evenly([]) == {}
        assert joined([]) == {}

    @given(st.lists(st.tuples(st.integers(1, 100), st.lists(REVISIONS, min_size=1)), min_size=1))
    def test_those_of_several_destinations_sum_up_to_all(self, parts: list[tuple[int, list[str]]]):
        whole = sum(weight for weight, _ in parts)
        shares = joined((100 * weight / whole, evenly(pods)) for weight, pods in parts)
        assert math.isclose(sum(shares.values()), 100)

    @given(PERCENT)
    def test_a_destination_passes_its_share_on(self, percent: float):
        shares = joined([(percent, {"aaa": 50.0, "bbb": 50.0})])
        assert shares == pytest.approx({"aaa": percent / 2, "bbb": percent / 2})

    @given(PERCENT)
    def test_of_two_revisions_the_canary_gets_the_percent_and_stable_the_rest(self, percent: float):
        shares = expected("aaa", "bbb", percent)
        assert shares == pytest.approx({"aaa": 100 - percent, "bbb": percent})

    def test_what_an_experiment_gets_is_taken_from_stable(self):
        assert expected("aaa", "bbb", 20, {"ccc": 10.0, "ddd": 5.0}) == {"aaa": 65, "bbb": 20, "ccc": 10, "ddd": 5}

    @given(PERCENT)
    def test_where_both_are_one_revision_everything_is_its(self, percent: float):
        assert math.isclose(expected("aaa", "aaa", percent)["aaa"], 100)


class TestAgreeing:
    @given(st.dictionaries(REVISIONS, PERCENT))
    def test_whatever_it_says_agrees_with_itself(self, shares: dict[str, float]):
        assert seen(shares).agrees(shares, {})
        assert seen({}, shares).agrees({}, shares)

    @given(st.dictionaries(REVISIONS, PERCENT), st.dictionaries(REVISIONS, PERCENT))
    def test_agreeing_goes_both_ways(self, some: dict[str, float], others: dict[str, float]):
        assert seen(some).agrees(others, {}) is seen(others).agrees(some, {})

    @given(PERCENT, st.floats(0.02, 100))
    def test_more_than_rounding_disagrees(self, percent: float, off: float):
        assert not seen({"aaa": percent}).agrees({"aaa": percent + off}, {})

    def test_what_is_left_out_is_0(self):
        assert seen({"aaa": 100}).agrees({"aaa": 100, "bbb": 0}, {"bbb": 0})

    def test_fractions_are_rounded(self):
        assert seen({"aaa": 100 / 3}).agrees({"aaa": 33.333}, {})

    def test_who_gets_copies_counts(self):
        assert not seen({"aaa": 100}, {"bbb": 100}).agrees({"aaa": 100}, {})
        assert not seen({"aaa": 100}).agrees({"aaa": 100}, {"bbb": 100})

    def test_nobody_is_not_what_was_expected(self):
        assert not seen({}).agrees(expected("aaa", "bbb", 5), {})


class TestHostRank:
    @given(LABELS)
    def test_the_name_itself_comes_before_every_wildcard_and_longer_ones_before_shorter(self, labels: list[str]):
        host = ".".join(["x", *labels])
        patterns = [host, *("*." + ".".join(labels[start:]) for start in range(len(labels))), "*"]
        ranks = [host_rank(pattern, host) for pattern in patterns]
        assert all(ranks)
        assert ranks == sorted(ranks, reverse=True)
        assert len(set(ranks)) == len(ranks)

    @given(LABELS, LABELS)
    def test_another_name_has_no_rank(self, some: list[str], others: list[str]):
        assume(some != others)
        assert host_rank(".".join(some), ".".join(others)) == 0

    @pytest.mark.parametrize(
        ("pattern", "host"),
        [
            ("*.example.com", "example.com"),
            ("*.example.com", "badexample.com"),
            ("*.a.example.com", "b.example.com"),
            ("", "example.com"),
        ],
    )
    def test_a_wildcard_stands_for_names_below_it(self, pattern: str, host: str):
        assert host_rank(pattern, host) == 0

    def test_case_does_not_matter(self):
        assert host_rank("A.Example.com", "a.example.COM") == host_rank("a.example.com", "a.example.com")
        assert host_rank("*.Example.com", "a.example.com") > 0

    def test_a_wildcard_may_stand_for_several_labels(self):
        assert host_rank("*.example.com", "a.b.example.com") > 0


class TestTexts:
    @given(st.text(), st.sampled_from(["exact", "prefix", "suffix", "contains"]))
    def test_every_text_matches_itself(self, text: str, kind: str):
        assert text_matches(kind, text, text)

    @given(st.text(), st.sampled_from(["exact", "prefix", "path prefix", "suffix", "contains", "regex"]))
    def test_nothing_matches_what_is_not_there(self, text: str, kind: str):
        assert not text_matches(kind, text, None)

    @given(st.text(alphabet="ab/", max_size=6), st.text(alphabet="ab/", max_size=6))
    def test_a_path_prefix_is_a_prefix_that_ends_where_an_element_does(self, folder: str, path: str):
        if text_matches("path prefix", folder, path):
            rest = path.removeprefix(folder.removesuffix("/"))
            assert path == folder.removesuffix("/") + rest
            assert rest == "" or rest.startswith("/")

    @pytest.mark.parametrize("only_re2_reads_it", [r"\pN+", r"(?i", "[", r"\z"])
    def test_what_python_cannot_read_matches_nothing(self, only_re2_reads_it: str):
        assert not text_matches("regex", only_re2_reads_it, "1")

    def test_a_kind_that_is_not_known_matches_nothing(self):
        assert not text_matches("glob", "*", "a")
