"""Where the course keeps things, with a home and without one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs
import pytest

from labkit import cache


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """A process to which nobody named a folder; where its home would be is for the test to say."""
    monkeypatch.delenv("CLUSTER_TO_EDGE_CACHE")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    cache._root.cache_clear()
    yield lambda place: monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(place))
    cache._root.cache_clear()


def test_the_folder_that_was_named_is_taken_even_where_it_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path / "no" / "such"))
    assert cache.folder("machines") == tmp_path / "no" / "such" / "machines"
    assert not (tmp_path / "no").exists()


def test_it_lies_in_the_folder_for_caches(homeless, tmp_path):
    homeless(tmp_path / "caches" / "cluster-to-edge")
    assert cache.folder("machines") == tmp_path / "caches" / "cluster-to-edge" / "machines"


@pytest.mark.parametrize("home", ["a file", "none", "read-only"])
def test_without_a_home_that_can_be_written_it_lies_with_the_temporary_files(home, homeless, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    homeless({"a file": tmp_path / "file" / "cluster-to-edge", "none": "~/.cache/cluster-to-edge",
              "read-only": tmp_path / "kept"}[home])
    if home == "read-only":
        monkeypatch.setattr(os, "access", lambda *_: False)
    if home == "none":
        def nowhere(path):
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "expanduser", nowhere)
    folder = cache.folder("machines")
    assert folder.is_relative_to(tmp_path / "temporary") and "cluster-to-edge" in str(folder)
    cache.write_atomically(folder / "one.json", b"{}")
    assert (folder / "one.json").read_bytes() == b"{}"


def test_a_full_disk_leaves_the_old_content_and_no_part(tmp_path):
    path = tmp_path / "one.json"
    cache.write_atomically(path, b"old")

    def full(part):
        part.write_bytes(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        cache.write_atomically(path, full)
    assert path.read_bytes() == b"old" and [each.name for each in tmp_path.iterdir()] == ["one.json"]
