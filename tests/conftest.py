"""Shared by every test; lying here, it puts this folder, and so `toy`, on the import path."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache folder for the tests alone: the reader's profile, guesses and data stay as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
