"""Values drawn at random, in the words of Hypothesis's strategies, which take fifty times as long for large ones.

What is drawn follows from the random generator that is handed over. Nothing is made smaller after a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random
from typing import Any, Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")

_TRIES = 1000


class Strategy(Generic[T]):
    """A way to draw a value."""

    def __init__(self, draw: Callable[[Random], T]) -> None:
        self.draw = draw

    def map(self, make: Callable[[T], S]) -> Strategy[S]:
        return Strategy(lambda random: make(self.draw(random)))

    def flatmap(self, choose: Callable[[T], Strategy[S]]) -> Strategy[S]:
        return Strategy(lambda random: choose(self.draw(random)).draw(random))

    def filter(self, is_right: Callable[[T], Any]) -> Strategy[T]:
        def draw(random: Random) -> T:
            for _ in range(_TRIES):
                if is_right(drawn := self.draw(random)):
                    return drawn
            raise ValueError("hardly any value is right")

        return Strategy(draw)

    def __or__(self, other: Strategy[Any]) -> Strategy[Any]:
        return one_of(self, other)


def just(value: T) -> Strategy[T]:
    return Strategy(lambda _: value)


def none() -> Strategy[None]:
    return just(None)


def sampled_from(values: Sequence[T]) -> Strategy[T]:
    return Strategy(lambda random: random.choice(values))


def one_of(*strategies: Strategy[Any]) -> Strategy[Any]:
    """Each as likely as any other."""
    return Strategy(lambda random: random.choice(strategies).draw(random))


def lists(
    strategy: Strategy[T], most: int, least: int = 0, unique_by: Callable[[T], Hashable] | None = None
) -> Strategy[list[T]]:
    """Of that many, or of fewer where they have to be unique."""

    def draw(random: Random) -> list[T]:
        drawn = [strategy.draw(random) for _ in range(random.randint(least, most))]
        return [*{unique_by(one): one for one in drawn}.values()] if unique_by else drawn

    return Strategy(draw)


def dictionaries(keys: Strategy[S], values: Strategy[T], most: int) -> Strategy[dict[S, T]]:
    return lists(tuples(keys, values), most).map(dict)


def fixed_dictionaries(parts: Mapping[str, Strategy[Any]]) -> Strategy[dict[str, Any]]:
    return Strategy(lambda random: {key: part.draw(random) for key, part in parts.items()})


def tuples(*strategies: Strategy[Any]) -> Strategy[tuple[Any, ...]]:
    return Strategy(lambda random: tuple(one.draw(random) for one in strategies))
