from __future__ import annotations

from support.isolation import isolated_home  # noqa: F401 - a fixture for every test here
