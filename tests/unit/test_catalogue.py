"""The catalogue: every figure with a source and a unit, the right numbers, and machines by their names."""

from __future__ import annotations

import math
import re

import pytest

from labkit import catalogue, units
from labkit.data import data_folder, read_csv
from labkit.labs.cats import experiments as step
from labkit.widgets.table import BLANK, Column, Table, shown

# Which figures of a machine each word of its source speaks of.
SPEAKS_OF = {
    "rates": [f"{name}_op_per_s" if name == "int8" else f"{name}_flop_per_s" for name in catalogue.FORMATS],
    "memory": ["memory_bytes"], "bandwidth": ["memory_bytes_per_s"], "link": ["link_bytes_per_s"], "power": ["tdp_w"],
    "advertised": ["advertised_op_per_s"], "matrix product": ["matmul_bf16_flop_per_s"],
    "Linpack": ["linpack_flop_per_s", "linpack_w"],
}
FIGURES = {
    "hardware": [column for columns in SPEAKS_OF.values() for column in columns],
    "links": ["bytes_per_s", "latency_s"],
    "storage": ["bytes_per_s", "latency_s", "operations_per_s"],
    "collectives": ["bytes_per_s", "payload_bytes", "accelerators", "nodes"],
    "mlperf-storage": ["bytes_per_s", "samples_per_s", "busy_percent", "accelerators", "hosts"],
    "mlperf-inference": ["single_latency_s", "multi_latency_s", "samples_per_s"],
    "mlperf-server": ["server_samples_per_s", "offline_samples_per_s", "mean_latency_s", "median_latency_s",
                      "tail_latency_s", "first_latency_s", "each_latency_s", "server_tokens_per_s",
                      "offline_tokens_per_s", "accelerators"],
    "mlperf-tiny": ["samples_per_s", "accuracy_percent", "energy_j"],
    "two-clocks": ["samples_per_s"],
    "decoding": ["weights_bytes", "tokens_per_s"],
    "sharing": ["job_percent", "worst_percent", "best_percent", "pair_percent", "pairs_failed", "accelerators"],
    "precision-accuracy": ["wide_percent", "narrow_percent"],
    "precision-speed": ["accelerators", "wide_samples_per_s", "narrow_samples_per_s"],
    "training-runs": ["parameters", "tokens", "accelerator_hours"],
    "stalls": ["least_busy_percent", "most_busy_percent"],
    "llm-serving": ["accelerators", "prompt_tokens", "answer_tokens", "requests", "tokens_per_s", "first_latency_s",
                    "each_latency_s"],
    "llm-memory": ["accelerators", "memory_bytes", "weights_bytes", "cache_bytes"],
    "training-memory": ["accelerators", "tensor", "stages", "tokens", "held_bytes"],
    "scaling": ["accelerators", "each_tokens_per_s", "each_flop_per_s", "reached_percent"],
}
tables = pytest.mark.parametrize("name", catalogue.TABLES)


def printed(name):
    return read_csv(data_folder() / f"{name}.csv")


# The files


@tables
def test_every_row_has_a_name_of_its_own_a_source_and_a_figure(name):
    rows = catalogue.table(name)
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert row["name"] and row["source"] and row["trust"] in ("A", "B", "C"), row
        assert any(row[figure] for figure in FIGURES[name]), f"{row['name']} has no figure"
        assert None not in row, f"{row['name']} has too many cells"


@tables
def test_every_column_is_text_or_numbers_with_a_unit(name):
    for row, cells in zip(catalogue.table(name), printed(name), strict=True):
        for column, text in cells.items():
            assert text == text.strip(), (row["name"], column)
            if catalogue.unit(column) is None:
                assert column not in FIGURES[name] and not re.fullmatch(r"[\d.,e+-]+", text), (row["name"], column)
            elif text:
                assert math.isfinite(row[column]) and row[column] > 0, (row["name"], column)
                assert catalogue.unit(column) in ("", "%", "B", "/s", *units.PREFIXED)
            else:
                assert row[column] is None


def test_the_source_of_a_machine_says_which_figures_it_is_for():
    for row in catalogue.table("hardware"):
        spoken = [word for part in row["source"].split("; ") for word in part.split(": ")[0].split(", ")]
        have = [word for word, columns in SPEAKS_OF.items() if any(row[column] for column in columns)]
        assert sorted(spoken) == sorted(have), row["name"]


def test_no_figure_of_a_machine_is_beyond_what_is_built():
    bounds = {"B": (2e5, 1e12), "B/s": (1e8, 1e13), "FLOP/s": (1e8, 2e16), "OP/s": (5e11, 1e16), "W": (1, 2000)}
    for row in catalogue.table("hardware"):
        for column in FIGURES["hardware"]:
            if row[column]:
                low, high = bounds[catalogue.unit(column)]
                assert low <= row[column] <= high, (row["name"], column)
        if row["matmul_bf16_flop_per_s"]:
            assert 0.3 < row["matmul_bf16_flop_per_s"] / row["bf16_flop_per_s"] < 1, row["name"]
        rates = [rate for name in ("fp32", "tf32", "bf16", "fp8") if (rate := catalogue.peak(row, name))]
        assert rates == sorted(rates), f"{row['name']}: fewer bits, lower rate"


@pytest.mark.parametrize(
    ("table", "name", "figures"),
    [
        ("hardware", "NVIDIA H100 SXM", {"bf16_flop_per_s": 989e12, "fp32_flop_per_s": 67e12, "memory_bytes": 80e9,
                                         "memory_bytes_per_s": 3.35e12, "link_bytes_per_s": 450e9, "tdp_w": 700,
                                         "int8_op_per_s": 1979e12, "fp4_flop_per_s": None}),
        ("hardware", "NVIDIA T4", {"fp16_flop_per_s": 65e12, "bf16_flop_per_s": None, "memory_bytes_per_s": 320e9}),
        ("hardware", "Google TPU v5e", {"bf16_flop_per_s": 197e12, "int8_op_per_s": 394e12, "memory_bytes": 16e9}),
        ("hardware", "NVIDIA Jetson Orin Nano 8GB", {"fp16_flop_per_s": 10e12, "advertised_op_per_s": 40e12}),
        ("hardware", "Raspberry Pi 5 8GB", {"linpack_flop_per_s": 35.169e9, "linpack_w": 12.7}),
        ("hardware", "Raspberry Pi Zero 2 W", {"memory_bytes": None, "linpack_flop_per_s": 0.37e9}),
        ("links", "InfiniBand HDR 4x", {"bytes_per_s": 25e9, "latency_s": 0.6e-6}),
        ("links", "10 GbE", {"bytes_per_s": 1.25e9, "latency_s": None}),
        ("links", "NVLink 4 (H100, H200)", {"bytes_per_s": 450e9}),
        ("collectives", "All-reduce, 512 × H100, 256 MB", {"bytes_per_s": 32.95e9, "nodes": 64}),
        ("storage", "Open a small file, Lustre", {"latency_s": 2.3e-3}),
    ],
)
def test_figures_are_those_that_a_hand_copied(table, name, figures):
    row = catalogue.by_name(table)[name]
    assert {column: row[column] for column in figures} == figures


def test_blocks_of_4_kib_make_the_bandwidth_of_the_ssd():
    rows = [row for row in catalogue.table("storage") if "980 PRO" in row["name"]]
    assert len(rows) == 6
    for row in rows:
        assert row["operations_per_s"] * 4096 == pytest.approx(row["bytes_per_s"], rel=1e-3)


def test_samples_times_their_size_make_the_bandwidth_of_mlperf_storage():
    """The sizes are those of the benchmark's own settings (mlcommons/storage, `record_length`)."""
    sizes = {"resnet50": 114660.07, "unet3d": 146600628.27, "cosmoflow": 2828486.71}
    for row in catalogue.table("mlperf-storage"):
        assert row["samples_per_s"] * sizes[row["workload"]] == pytest.approx(row["bytes_per_s"], rel=5e-3), row["name"]


# Machines


def test_a_machine_carries_its_datasheet_and_no_more():
    machines = catalogue.machines()
    rows = catalogue.by_name("hardware")
    assert machines.keys() == rows.keys()
    for name, machine in machines.items():
        row = rows[name]
        assert machine.name == name and machine.device == "catalogue" and not machine.calibrated
        assert machine.source == row["source"]
        figures = machine.memory, machine.flops, machine.bandwidth
        assert figures == (row["memory_bytes"], row["fp32_flop_per_s"], row["memory_bytes_per_s"])
        assert machine.formats.get("fp32") == machine.flops
        assert {format: catalogue.peak(row, format) for format in machine.formats} == machine.formats
        assert all(catalogue.peak(row, format) is None for format in set(catalogue.FORMATS) - machine.formats.keys())


def test_a_machine_is_found_by_its_name():
    h100 = catalogue.machine("NVIDIA H100 SXM")
    assert h100 is catalogue.machines()["NVIDIA H100 SXM"]
    assert (h100.formats["bf16"], h100.bandwidth) == (989e12, 3.35e12)
    assert "fp4" not in h100.formats and "fp8" in h100.formats


def test_the_lab_compares_with_machines_that_have_what_it_needs():
    for name, _ in step.CATALOGUE.values():
        machine = catalogue.machine(name)
        assert machine.flops and machine.bandwidth and machine.memory


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("NVIDIA H100", ["NVIDIA H100 SXM", "NVIDIA H100 PCIe"]),
        ("H100", ["NVIDIA H100 SXM", "NVIDIA H100 PCIe"]),
        ("nvidia h100 sxm", ["NVIDIA H100 SXM"]),
        ("NVIDIA  H100-SXM ", ["NVIDIA H100 SXM"]),
        ("NVIDIAH100SXM", ["NVIDIA H100 SXM"]),
        ("NVIDIA H100 SXM5", ["NVIDIA H100 SXM"]),
        ("Nvdia H100 SXM", ["NVIDIA H100 SXM"]),
        ("mi300", ["AMD MI300X"]),
        ("TPU v5", ["Google TPU v5e", "Google TPU v5p"]),
    ],
)
def test_a_name_that_is_nearly_right_gets_the_right_one(wrong, near):
    with pytest.raises(ValueError, match=re.escape(f"no machine '{wrong}'")) as refusal:
        catalogue.machine(wrong)
    assert all(repr(name) in str(refusal.value) for name in near)
    assert "labkit.catalogue.machines()" in str(refusal.value)


@pytest.mark.parametrize("wrong", ["qqq", "", " ", "–", None, 0.5, "x" * 1000])
def test_a_name_like_no_other_is_told_how_to_find_one(wrong):
    with pytest.raises(ValueError, match=r"no machine .* labkit\.catalogue\.machines\(\) lists all") as refusal:
        catalogue.machine(wrong)
    assert "Did you mean" not in str(refusal.value)


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"no table 'cars'\. It has hardware, links"):
        catalogue.table("cars")


def test_a_number_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "links.csv").write_text("name,bytes_per_s,source\nA link,fast,nobody\n")
    monkeypatch.setattr(catalogue, "data_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"data/links\.csv, 'A link': bytes_per_s is 'fast', not a number"):
        catalogue.table.__wrapped__("links")


# The table that shows it

COLUMNS = [Column("name", "Name"), Column("size", "Size", "B"), Column("nodes", "Nodes", "")]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "B", BLANK), ("", None, BLANK), (2**30, "B", "1 GiB"), (989e12, "FLOP/s", "989 TFLOP/s"),
     (1979e12, "OP/s", "1.98 POP/s"), (5e-7, "s", "500 ns"), (1056.0, "", "1,056"), (0, "", "0"),
     ("NVLink", None, "NVLink")],
)
def test_a_cell_shows_its_value_in_its_unit(value, unit, text):
    assert shown(value, unit) == text


def test_the_text_names_what_is_known_and_skips_blanks():
    rows = [{"name": "A", "size": 2**20, "nodes": None, "source": "a book"},
            {"name": "B", "size": None, "nodes": 4.0, "source": ""}]
    text = Table(rows, COLUMNS, "Things", more={"Source": "source"}).text()
    assert text == "Things\nA; Size: 1 MiB; Source: a book\nB; Nodes: 4"


def test_in_the_book_the_table_stands_in_the_page_as_html(monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    rows = [{"name": "<b>A</b>", "size": 2**20, "nodes": None, "source": "</script><script>alert(1)</script>"}]
    html = Table(rows, COLUMNS, "Things", more={"Source": "source"})._repr_mimebundle_()["text/html"]
    assert html.count("<script") == html.count("</script>") == 1
    assert '<th scope="row">&lt;b&gt;A&lt;/b&gt;</th><td>1 MiB</td><td>–</td>' in html


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": []}, "needs rows"), ({"columns": []}, "needs rows, and columns"),
        ({"columns": COLUMNS[1:]}, "first is text"), ({"kind": "size"}, "no column of text 'size'"),
        ({"kind": "colour"}, "no column of text 'colour'"), ({"more": {"Source": "where"}}, "no 'where'"),
        ({"rows": [{"name": "A", "size": 1}]}, "no 'nodes'"),
        *(({"rows": [{"name": "A", "size": size, "nodes": 1}]}, "a finite number, or None")
          for size in ("8 GiB", "", math.nan, math.inf, True, [1])),
        *(({"rows": [{"name": name, "size": 1, "nodes": 1}]}, "it must be text") for name in (None, 7)),
    ],
)
def test_a_table_of_the_wrong_things_is_refused(change, words):
    arguments = {"rows": [{"name": "A", "size": 1, "nodes": 1}], "columns": COLUMNS, "title": "Things"} | change
    with pytest.raises(ValueError, match=words):
        Table(**arguments)
