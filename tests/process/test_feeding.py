"""Lab 2.3 by real workers and a real store: the same bytes on every way, ranges, a shared link, and nothing left."""

from __future__ import annotations

import http.client
from time import perf_counter

import numpy as np
import pytest
import torch

from labkit import cache
from labkit.labs.feeding_the_cluster import experiments as lab
from labkit.loading import formats, store
from labkit.loading.formats import BLOCK, FILES, FORMATS, MAP, SHARDS
from labkit.loading.loader import BATCH, Batches, LoaderFailed, loading
from labkit.loading.places import Folder, Store
from labkit.loading.samples import KINDS, PICTURES, BrokenSample, decode
from labkit.machine import Machine
from labkit.measure.probes import feeding as probe
from labkit.specs.link import LinkSpec

COUNT = 8 * BLOCK


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for kind in KINDS:
        formats.write(folder / kind, kind, COUNT)
    return folder


@pytest.fixture(scope="module")
def link(root):
    with store.running(root) as there:
        yield there


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", FORMATS)
def test_the_store_gives_what_the_folder_has_by_as_few_requests_as_are_counted(root, link, kind, layout):
    far, near = Store(link.relay_port, f"{kind}/{layout}"), Folder(root / kind / layout)
    for _ in range(2):
        begin = far.requests
        both = zip(formats.read(layout, far, kind, [0, 2]), formats.read(layout, near, kind, [0, 2]), strict=True)
        for here, there in both:
            same = (one if layout == MAP else decode(one, kind) for one in (here, there))
            assert np.array_equal(*same)
        assert far.requests - begin - 2 * BLOCK * formats.requests(layout, kind) in (0, 2)  # Parquet's size and footer


def test_an_answer_that_was_not_read_to_its_end_spoils_no_other(root, link):
    far = Store(link.relay_port, f"{PICTURES}/{SHARDS}")
    far.stream("0000.tar").read(10)
    assert far.whole("0001.tar") == (root / PICTURES / SHARDS / "0001.tar").read_bytes()


@pytest.mark.parametrize("span, expected", [("bytes=0-0", 206), ("bytes=5-9", 206), ("bytes=0-99999999", 206),
                                            ("bytes=99999999-999999999", 416), ("nonsense", 200)])
def test_ranges_are_those_of_http(root, link, span, expected):
    content = (root / PICTURES / FILES / "000000.jpg").read_bytes()
    line = http.client.HTTPConnection("127.0.0.1", link.relay_port, timeout=10)
    line.request("GET", f"/{PICTURES}/loose%20files/000000.jpg", headers={"Range": span})
    answer = line.getresponse()
    said = answer.read()
    line.close()
    assert answer.status == expected
    if expected == 206:
        start, stop = map(int, span.removeprefix("bytes=").split("-"))
        assert said == content[start:stop + 1] and answer.headers["Content-Range"].endswith(f"/{len(content)}")


def test_nothing_outside_its_folder_is_served(link):
    for name in ("../secret", "%2e%2e/%2e%2e/etc/passwd", "nothing"):
        with pytest.raises(FileNotFoundError, match="404"):
            Store(link.relay_port, PICTURES).whole(name)


@pytest.mark.parametrize("readers", [1, 2])
def test_readers_share_the_link(root, readers):
    size, rate = 2**18, 4e6
    with store.running(root, LinkSpec(rate=rate)) as there:
        begin = perf_counter()
        lines = [Store(there.relay_port, f"{PICTURES}/{MAP}") for _ in range(readers)]
        answers = [line._ask("records.bin", f"0-{size - 1}") for line in lines]
        assert all(len(answer.read()) == size for answer in answers)
    assert perf_counter() - begin > 0.9 * readers * size / rate


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("layout", FORMATS)
def test_workers_load_every_sample_once_and_end(root, layout, workers):
    with loading(Batches(layout, Folder(root / PICTURES / layout)), workers) as run:
        some = run(0.0, 30.0)
        assert 0 < some.batches <= COUNT // BATCH and 0 <= some.waiting <= some.seconds
        assert run(0.0, 0.0).batches >= 1  # again, and stopped early


def test_shares_of_workers_are_the_whole(root):
    batches = Batches(FILES, Folder(root / PICTURES / FILES))
    alone = {bytes(np.asarray(one)) for (part,) in batches for one in part}
    with_workers = torch.utils.data.DataLoader(batches, batch_size=None, num_workers=2)
    assert {one.numpy().tobytes() for (part,) in with_workers for one in part} == alone
    assert len(alone) == COUNT


def test_too_many_workers_for_few_samples_are_refused_and_none_stays(root):
    with pytest.raises(LoaderFailed, match="too few for 20 workers") as kept, loading(
            Batches(FILES, Folder(root / PICTURES / FILES)), 20) as run:
        run(0.0, 1.0)
    assert kept.tb


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_worker_finds_broken_reaches_the_reader_as_a_sentence(tmp_path, workers):
    formats.write(tmp_path / "set", PICTURES, COUNT)
    (tmp_path / "set" / FILES / "000003.jpg").write_bytes(b"no picture")
    with pytest.raises(BrokenSample, match=r"^Sample 000003 cannot be decoded"), loading(
            Batches(FILES, Folder(tmp_path / "set" / FILES)), workers) as run:
        run(0.0, 10.0)


def test_a_store_that_ends_is_a_failure_of_the_loader(root):
    with store.running(root) as there:
        batches = Batches(FILES, Store(there.relay_port, f"{PICTURES}/{FILES}"))
    with pytest.raises((LoaderFailed, FileNotFoundError)), loading(batches, 1) as run:
        run(0.0, 10.0)


def test_the_probe_holds_what_it_promises_and_points_are_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("CLUSTER_TO_EDGE_EFFORT", "quick")
    monkeypatch.setattr(probe, "COUNT", 8 * BLOCK)
    monkeypatch.setattr(probe, "_BUDGET", 0.05)
    monkeypatch.setattr(probe, "_epoch", lambda: 0.02)
    probe.folder.cache_clear()
    left = cache.folder("samples") / "set-99999999-killed"
    left.mkdir(parents=True)
    calibration = probe.calibrate(torch.device("cpu"))
    calibration.check(probe.KEYS)
    assert not [why for key, why in calibration.missing.items() if lab.COLD not in key]
    assert not left.exists()
    machine = Machine("A machine", "cpu", 8e9, calibrations={"feeding": calibration})
    steps, far = lab.steps(machine), lab.over_link(machine)
    slow = steps.measure(**{**lab.LOCAL, "state": lab.WARM, "workers": 2, "each": 100})
    fast = steps.measure(**{**lab.LOCAL, "state": lab.WARM, "workers": 0, "each": 50_000})
    assert slow.value >= BATCH / 100 and slow.parts[lab.COMPUTING] > slow.parts[lab.WAITING]
    assert fast.parts[lab.WAITING] > fast.parts[lab.COMPUTING]
    with far.session():
        files, shards = (far.measure(**{**lab.FAR, "layout": layout}) for layout in (FILES, SHARDS))
    assert shards.value > 2 * files.value
    assert files.value < 110  # a round trip of 10 ms for each file
