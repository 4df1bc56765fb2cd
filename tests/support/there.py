"""A value that may be None in general, and not in this test."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def there(value: T | None) -> T:
    """The value, which has to be there."""
    assert value is not None
    return value
