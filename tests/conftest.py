"""Shared by the tests of every tier: see README.md."""

from __future__ import annotations

import pytest

from labkit.timing import clock


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache folder for the tests alone: the reader's profile, guesses and data stay as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def quiet(monkeypatch):
    """A machine on which nobody else works."""
    monkeypatch.setattr(clock.Contention, "share", lambda self: 0.0)
