from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canarylab import needs_graph

DIAMOND = {"top": ["left", "right"], "left": ["base"], "right": ["base"], "base": [], "alone": []}


@st.composite
def acyclic(draw):
    """A graph without cycles, its names in any order."""
    names = draw(st.lists(st.text("abcdefgh", min_size=1, max_size=3), unique=True, max_size=12))
    needs = {
        name: draw(st.lists(st.sampled_from(names[:index]), max_size=4)) if index else []
        for index, name in enumerate(names)
    }
    return {name: needs[name] for name in draw(st.permutations(names))}


@st.composite
def any_graph(draw):
    names = draw(st.lists(st.text("abcd", min_size=1, max_size=2), unique=True, min_size=1, max_size=8))
    return {name: draw(st.lists(st.sampled_from([*names, "outside"]), max_size=3)) for name in names}


def chains(needs, name):
    """Every chain of needs that ends with the name, first to last."""
    return [[*chain, name] for need in needs[name] for chain in chains(needs, need)] or [[name]]


def test_a_graph_without_cycle_has_none_to_find():
    assert needs_graph.find_cycle(DIAMOND) is None


def test_a_cycle_reads_as_a_chain_of_needs_from_its_first_name_in_the_mapping():
    needs = {"x": ["b"], "b": ["c"], "a": ["b"], "c": ["a"]}
    assert needs_graph.find_cycle(needs) == ["b", "c", "a", "b"]


def test_a_name_that_needs_itself_is_a_cycle_of_one():
    assert needs_graph.find_cycle({"a": ["a"]}) == ["a", "a"]


def test_what_is_needed_comes_first_and_the_mapping_decides_the_rest():
    assert needs_graph.order(DIAMOND) == ["base", "left", "right", "top", "alone"]


def test_an_order_that_is_right_already_stays():
    needs = {"a": [], "b": ["a"], "c": [], "d": ["b"], "e": []}
    assert needs_graph.order(needs) == list(needs)


def test_ordering_a_cycle_is_an_error():
    with pytest.raises(ValueError, match="cycle"):
        needs_graph.order({"a": ["b"], "b": ["a"]})


def test_a_need_outside_the_graph_counts_as_met():
    needs = {"a": ["gone"], "b": ["a", "gone"]}
    assert needs_graph.order(needs) == ["a", "b"]
    assert needs_graph.with_needs(needs, ["b"]) == {"a", "b"}
    assert needs_graph.dependents(needs, ["a"]) == {"a", "b"}
    assert needs_graph.critical_path(needs, {"a": 1, "b": 2, "gone": 9}) == (["a", "b"], 3)


def test_needs_are_followed_to_the_bottom():
    assert needs_graph.with_needs(DIAMOND, ["left"]) == {"left", "base"}
    assert needs_graph.with_needs(DIAMOND, ["top", "alone"]) == set(DIAMOND)


def test_dependents_are_followed_to_the_top():
    assert needs_graph.dependents(DIAMOND, ["right"]) == {"right", "top"}
    assert needs_graph.dependents(DIAMOND, ["base"]) == {"base", "left", "right", "top"}


@pytest.mark.parametrize("function", [needs_graph.with_needs, needs_graph.dependents])
def test_a_name_outside_the_graph_is_a_key_error(function):
    with pytest.raises(KeyError):
        function(DIAMOND, ["nobody"])


def test_the_critical_path_is_the_slowest_chain():
    seconds = {"base": 2.0, "left": 1.0, "right": 5.0, "top": 1.0, "alone": 7.5}
    assert needs_graph.critical_path(DIAMOND, seconds) == (["base", "right", "top"], 8.0)


def test_a_stage_that_did_not_run_adds_nothing_to_the_critical_path():
    assert needs_graph.critical_path({"a": [], "b": ["a"]}, {"a": 3.0}) == (["a"], 3.0)


def test_an_empty_graph_has_an_empty_critical_path():
    assert needs_graph.critical_path({}, {}) == ([], 0.0)


def test_a_chain_longer_than_the_stack_is_no_problem():
    needs = {str(n): [str(n - 1)] if n else [] for n in range(5000)}
    assert needs_graph.find_cycle(needs) is None
    assert needs_graph.order(needs) == list(needs)
    assert needs_graph.with_needs(needs, ["4999"]) == set(needs)
    assert needs_graph.critical_path(needs, dict.fromkeys(needs, 1.0)) == (list(needs), 5000.0)


@given(acyclic())
def test_an_order_holds_every_name_once_and_after_its_needs(needs):
    ordered = needs_graph.order(needs)
    assert sorted(ordered) == sorted(needs)
    assert all(ordered.index(need) < ordered.index(name) for name in needs for need in needs[name])
    assert needs_graph.order({name: needs[name] for name in ordered}) == ordered


@given(any_graph())
def test_there_is_an_order_exactly_where_there_is_no_cycle(needs):
    cycle = needs_graph.find_cycle(needs)
    if cycle is None:
        assert set(needs_graph.order(needs)) == set(needs)
    else:
        assert cycle[0] == cycle[-1]
        assert all(second in needs[first] for first, second in itertools.pairwise(cycle))


@given(any_graph(), st.data())
def test_a_name_is_among_the_needs_of_its_dependents(needs, data):
    name = data.draw(st.sampled_from(sorted(needs)))
    assert needs_graph.dependents(needs, [name]) == {
        other for other in needs if name in needs_graph.with_needs(needs, [other])
    }


@given(acyclic(), st.data())
def test_no_chain_takes_longer_than_the_critical_path(needs, data):
    seconds = {name: float(data.draw(st.integers(0, 9))) for name in needs}
    path, total = needs_graph.critical_path(needs, seconds)
    assert total == sum(seconds[name] for name in path)
    assert all(first in needs[second] for first, second in itertools.pairwise(path))
    sums = [sum(seconds[name] for name in chain) for last in needs for chain in chains(needs, last)]
    assert total == max(sums, default=0.0)
