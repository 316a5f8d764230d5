"""The field's tools beside ours: their answers are read right, their products and sums are right, and one that is
missing is skipped with words."""

from __future__ import annotations

import shutil
import sys

import field
import numpy as np
import pytest
import torch
from field import blas

# Recorded from fio 3.33 and iperf3 3.12, cut to what is read and what lies beside it.
FIO = """{"fio version": "fio-3.33", "jobs": [{"jobname": "field", "error": 0, "read": {"io_bytes": 1265664,
 "bw_bytes": 24816941, "runtime": 51, "total_ios": 309,
 "slat_ns": {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0},
 "clat_ns": {"min": 33400, "max": 13368655, "mean": 161270.268608, "stddev": 883592.316904, "N": 309,
  "percentile": {"1.000000": 34048, "50.000000": 48896, "99.000000": 3850240}}},
 "write": {"io_bytes": 0, "clat_ns": {"min": 0, "max": 0, "mean": 0.0, "N": 0}}}]}"""
IPERF3 = """{"start": {"version": "iperf 3.12",
  "test_start": {"protocol": "TCP", "num_streams": 1, "blksize": 1048576}},
 "intervals": [
  {"streams": [{"bytes": 154664960}], "sum": {"seconds": 0.101, "bytes": 154664960, "bits_per_second": 12250568378.4}},
  {"streams": [{"bytes": 336855040}], "sum": {"seconds": 0.100, "bytes": 336855040, "bits_per_second": 26937358334.9}},
  {"streams": [{"bytes": 235929600}], "sum": {"seconds": 0.100, "bytes": 235929600, "bits_per_second": 18862861768.7}}],
 "end": {"sum_sent": {"seconds": 0.3, "bits_per_second": 19400000000.0},
  "sum_received": {"seconds": 0.3, "bits_per_second": 19360000000.0}}}"""


def test_what_fio_says_of_one_read():
    assert field.fio_seconds(FIO, "random") == pytest.approx(48.896e-6)
    assert field.fio_seconds(FIO, "sequential") == pytest.approx(161.270268608e-6)


def test_what_iperf3_says_of_a_stream():
    assert field.iperf3_rates(IPERF3) == pytest.approx((2.42e9, 26937358334.9 / 8))


@pytest.fixture
def program(tmp_path):
    """The compiled triad."""
    try:
        return field.compiled(tmp_path)
    except field.Missing as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("n", [1, 3, 1001, 2**20])
def test_the_triad_in_c_is_right_and_answers_each_line_with_seconds(program, n):
    with field.passes(program, str(n)) as one:  # "ready" comes after the program has checked its own sums
        assert all(0 < one() < 10 for _ in range(5))


def test_the_triad_in_c_finds_a_wrong_sum(program, tmp_path, monkeypatch):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "stream.c").write_text((field.HERE / "stream.c").read_text().replace("+ 3.0f * c[i]", "+ 2.0f * c[i]"))
    monkeypatch.setattr(field, "HERE", wrong)
    with pytest.raises(field.Missing, match="element 1 is 3"), field.passes(field.compiled(wrong), "1001"):
        pass


def test_a_reference_that_does_not_start_says_why(program):
    with pytest.raises(field.Missing, match="no memory for three arrays of 0 floats"), field.passes(program, "0"):
        pass


@pytest.mark.parametrize("name", blas.DTYPES)
@pytest.mark.parametrize("own", [False, True])
def test_a_product_by_hand_is_the_product(name, own):
    library = field.own_blas() if own else "numpy"
    left, right = (np.random.default_rng(seed).random((65, 65)).astype(blas.DTYPES[name]) for seed in (1, 2))
    out = np.zeros_like(left)
    try:
        blas.product(library, left, right, out)()
    except (OSError, AttributeError) as trouble:
        pytest.skip(f"PyTorch's library does not export its BLAS: {trouble}")
    assert np.allclose(out, left.astype(np.float64) @ right, rtol=1e-5)


def test_a_reference_gets_as_many_threads_as_ours_and_no_advice(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    code = "import os; print('ready', flush=True); input(); "
    code += "print(int(os.environ['OMP_NUM_THREADS']) + 1000 * ('OPENBLAS_CORETYPE' in os.environ), flush=True)"
    with field.passes(sys.executable, "-c", code) as ask:
        assert ask() == torch.get_num_threads()


def test_a_ratio_above_one_means_that_ours_is_faster(quiet, monkeypatch):
    monkeypatch.setattr(field, "REST_S", 0)
    theirs = iter([2.0, 2.2, 2.1])
    found = field.compare("a", lambda: 2.0, lambda: next(theirs), pairs=3, bar=0.06, why="")
    assert found.ratios == pytest.approx([1.0, 1.1, 1.05]) and found.holds and found.figure == "1.05 (1.00 to 1.10)"
    assert not field.compare("b", lambda: 2.0, lambda: 1.0, pairs=3, bar=0.05, why="").holds


def test_what_hey_says_of_its_answers():
    head = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n"
    rows = "0.0084,0.0004,0.0000,0.0001,0.0078,0.0001,{},0.0201\n0.0067,0.0000,0.0000,0.0000,0.0066,0.0000,200,0.0402\n"
    assert field.hey_seconds(head + rows.format(200)) == [0.0084, 0.0067]
    for said in ("", head, head + rows.format(503)):
        with pytest.raises(field.Missing, match="others than 200"):
            field.hey_seconds(said)


@pytest.mark.parametrize(("tool", "compares"), [("fio", field.fio), ("iperf3", field.iperf3), ("cc", field.stream),
                                                ("hey", field.hey)])
def test_a_tool_that_is_not_here_is_named_with_the_command_that_installs_it(tool, compares, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(field.Missing, match=r"(apt-get|brew) install"):
        next(compares())


def test_a_tool_that_fails_says_what_it_said():
    with pytest.raises(field.Missing, match="failed: a reason"):
        field.output(sys.executable, "-c", "import sys; sys.exit('a reason')")
