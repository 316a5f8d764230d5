"""Shared by the pure tests, which run two at a time."""

from __future__ import annotations

import os
import sys

import pytest

from labkit import effort

sys.modules.setdefault("rfc3987_syntax", None)  # jsonschema does without it, and reading its grammar takes 1.6 s


@pytest.fixture(scope="session", autouse=True)
def fair_threads():
    """Let tests that run side by side not ask for each other's processors."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def usual_effort(monkeypatch):
    """Each test at the usual effort, whatever the reader's environment says or another test began."""
    monkeypatch.delenv(effort.VARIABLE, raising=False)
    monkeypatch.setattr(effort, "_asked", effort.USUAL)
