"""Shared by the pure tests, which run two at a time."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def fair_threads():
    """Let tests that run side by side not ask for each other's processors."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)
