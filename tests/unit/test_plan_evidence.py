"""The planner held against published systems: what is read out of a row, what is said, and how good it is."""

from __future__ import annotations

import csv
import math
import random

import pytest

from labkit import __main__
from labkit.data import data_folder
from labkit.pages import baselines, plan_evidence

EVIDENCE = data_folder() / "plan" / "evidence.csv"


@pytest.fixture(scope="module")
def rows():
    return plan_evidence.read()


def table(path, *rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(plan_evidence.COLUMNS)
        writer.writerows(rows)
    return path


def test_every_row_is_predicted_with_its_interval_or_says_why_not(rows):
    for row in rows:
        assert (row.predicted is None) == bool(row.why), row.system
        if row.predicted:
            assert 0 <= row.predicted.low <= row.predicted.value <= row.predicted.high, row
    assert len(rows) == 69 and sum(row.predicted is not None for row in rows) >= 41


def test_the_planner_is_as_good_as_the_page_says(rows):
    """The goal: a factor of 1.3 in the median, 2 for nine in ten, nine in ten inside."""
    score = plan_evidence.score(rows)
    assert score.median < 1.3 and score.p90 < 2 and score.inside > 0.9
    assert min(row.factor for row in rows if row.predicted) < 1.05 < max(row.factor for row in rows if row.predicted)


def test_small_mixtures_would_be_missed_by_a_factor_of_five_as_the_page_says(monkeypatch):
    monkeypatch.setattr(plan_evidence.lines, "LEAST_MIXTURE", 0)
    rates = [row for row in plan_evidence.read() if "gpt-oss" in row.workload and row.metric.endswith(" rate")]
    assert len(rates) == 2 and all(5 < row.predicted.value / row.value < 6 for row in rates)


def test_what_mlsysim_says_is_on_record_and_others_name_who_says_it(rows):
    found = plan_evidence.beside_mlsysim(rows)
    assert len(found) == 5
    assert all(max(said / row.value, row.value / said) < 1.4 and row.predicted for row, said in found)
    if baselines.installed():
        said = baselines.of_plans()
        assert [value for _, value in found] == pytest.approx(list(said.values()), rel=1e-3)
    assert str(plan_evidence.rivals()).count("https://") >= 7


def test_a_row_that_was_not_seen_is_read_by_its_words(tmp_path):
    path = table(tmp_path / "new.csv", [
        "Somebody", "MLPerf Training v5.1 Llama 3.1 8B pretraining; global batch 32; seq 8192",
        "4 nodes x 8 H100-SXM-80GB (32 GPUs)", "time_to_train", "75", "min", "https://example.org"])
    [row] = plan_evidence.read(path)
    assert row.predicted and 30 < row.predicted.value < 150 and row.predicted.low < 75 < row.predicted.high
    [twice] = plan_evidence.read(table(tmp_path / "more.csv", [
        "Somebody", "MLPerf Training v5.1 Llama 3.1 8B pretraining; global batch 32; seq 8192",
        "8 nodes x 8 H100-SXM-80GB (64 GPUs)", "time_to_train", "40", "min", "https://example.org"]))
    assert twice.predicted.value == pytest.approx(row.predicted.value / 2)


# What the table of evidence does not hold, from the other tables of data/ and NVIDIA's README of the NeMo Framework
# Launcher at 40f4085d. Some are among the systems that the shares are from.
@pytest.mark.parametrize(("workload", "composition", "metric", "value", "unit"), [
    ("MLPerf Training v5.0 Llama2-70B LoRA; global batch 8", "1 node x 8 H200-SXM-141GB", "time_to_train", 26.1, "min"),
    ("MLPerf Training v5.1 Llama2-70B LoRA; global batch 8", "1 node x 8 B200-SXM-180GB", "time_to_train", 9.9, "min"),
    ("70B dense, 2T tokens", "2000 A100-80GB", "GPU hours", 1720320, "h"),
    ("A dense model, 175B", "4608 H100-SXM", "MFU", 42, "%"),
    ("Nemotron-22B, seq 4096, fp8", "64 H100-SXM", "train_throughput", 4113, "tokens/s/GPU"),
    ("MLPerf Inference v4.1 llama2-70b Offline", "1 node x 8 H200-SXM-141GB; fp8", "offline rate", 34864, "tokens/s"),
    ("MLPerf Inference v4.1 resnet50 Offline", "8 H200-SXM-141GB; int8", "offline rate", 756960, "samples/s"),
])
def test_figures_of_other_tables_are_predicted_within_their_interval(tmp_path, workload, composition, metric, value,
                                                                     unit):
    [row] = plan_evidence.read(table(tmp_path / "t.csv", ["A", workload, composition, metric, value, unit, "x"]))
    assert row.predicted, row.why
    assert row.factor < 2.5 and row.inside, plan_evidence.said(row)


def test_fine_tunings_that_no_share_knows_are_predicted_within_their_interval():
    rows = plan_evidence.fine_tunings()
    score = plan_evidence.score(rows)
    assert score.predicted == score.rows >= 40 and score.median < 1.4 and score.inside > 0.9
    assert len({row.system.split("|")[2] for row in rows}) >= 7  # publishers


def test_a_board_is_predicted_by_others_with_its_software_and_never_by_itself(rows):
    nucleo = [row for row in rows if row.system.startswith("NUCLEO") and row.predicted]
    assert len(nucleo) == 6 and all("same software" in row.predicted.formula for row in nucleo)
    assert all(row.factor < 1.1 for row in nucleo)  # within 5 % of what was published: how Lab 4.1 does it, too
    stranger = [row for row in rows if row.system.startswith("Kai_Jiang") and row.predicted]
    assert all("all publishers" in row.predicted.formula for row in stranger)
    widths = [[row.predicted.high / row.predicted.low for row in some] for some in (nucleo, stranger)]
    assert max(widths[0]) < min(widths[1])  # who is unknown is known less


UNITS = {"offline rate": "tokens/s", "weights per GPU": "GiB"}
LLAMA, TRAINED_ON = "MLPerf Training v5.1 Llama 3.1 8B; global batch 32; seq 8192", "8 nodes x 8 H200-SXM"


@pytest.mark.parametrize(("workload", "composition", "metric", "value", "unit"), [
    (LLAMA, TRAINED_ON, "Time to train", 0.63, "h"),
    (LLAMA, TRAINED_ON, "time-to-train", 2265, "seconds"),
    (LLAMA, TRAINED_ON, "samples_to_target", 196608 * 8192, "tokens"),
    ("A dense model, 175B", "4608 H100-SXM", "MFU", 0.42, "fraction"),
    ("GPT-3 175B, batch 64, seq 2048, fp16, full recompute", "64 A100-80GB", "step time", 18130, "ms"),
    ("Nemotron-22B, seq 4096, fp8", "64 H100-SXM", "train_throughput", 64 * 4113, "tokens/s"),
    ("MLPerf Training v4.1 Llama2-70B LoRA", "64 H100-SXM", "train_throughput", 14.48, "samples/s"),
    ("70B dense, 2T tokens", "2000 A100-80GB", "wall time", 35.84, "days"),
    ("MLPerf Inference llama2-70b Offline", "8x H200 SXM, FP8", "Tokens per second", 34.9, "ktokens/s"),
    ("MLPerf Inference llama2-70b", "8 H200-SXM; fp8", "Offline rate", 34864 / 8, "tok/s/GPU"),
    ("MLPerf Inference llama2-70b", "8 H200-SXM; fp8", "Offline rate", 34864 * 3600, "tokens per hour"),
    ("Llama-3.1-8B", "H100 79.18 GiB, TP 1", "weights per GPU", 15350, "MiB"),
    ("405B dense, 15.6T tokens", "16,384 H100-SXM", "wall time", 78, "days"),
    ("405B dense, 15.6T tokens", "16,384 H100-SXM", "accelerator hours", 30.84, "million hours"),
    ("resnet50 offline", "1 L4", "throughput", 13, "k images/s"),
])
def test_a_unit_is_read_as_it_is_spelled(tmp_path, workload, composition, metric, value, unit):
    [row] = plan_evidence.read(table(tmp_path / "t.csv", ["A", workload, composition, metric, value, unit, "x"]))
    assert row.predicted, row.why
    assert row.inside and row.factor < 1.5, plan_evidence.said(row)


def test_a_row_without_a_figure_is_passed_by(tmp_path):
    known = ["A", "Llama-3.1-8B", "H100 79.18 GiB, TP 1", "weights per GPU", "15", "GiB", "x"]
    empty, blank = [*known[:4], "", *known[5:]], [*known[:3], "", "3", "", ""]
    rows = plan_evidence.read(table(tmp_path / "t.csv", known, empty, blank))
    assert [bool(row.predicted) for row in rows] == [True, False, False]
    assert plan_evidence.said(rows[1]) == "The row has no figure."
    assert plan_evidence.score(rows).predicted == 1


ODD = ("0", "-1", "1e99", "x", "TP 0", "fp4", "MoE", "resnet50 offline", "B200", "L4", "%", "(", "8x22B", "NaN", "0B",
       "9A0B", "999999999999B", "batch 7", "seq 0", "tokens/s/gpu", "k tok/min", "LoRA", "5T tokens", "70B-A0B")


def test_whatever_a_row_says_it_is_predicted_or_says_why(tmp_path, rows):
    """Rows of the table with cells exchanged, emptied, and with odd words in them."""
    rng, columns, found = random.Random(5), plan_evidence.COLUMNS, []
    known = [[str(getattr(row, column)) for column in columns] for row in rows]
    for _ in range(1500):
        row = list(rng.choice(known))
        for place in rng.choices([place for place, name in enumerate(columns) if name != "value"], k=rng.randint(1, 4)):
            row[place] = rng.choice([rng.choice(known)[place], f"{row[place]} {rng.choice(ODD)}", rng.choice(ODD), ""])
        found.append(row)
    for row in plan_evidence.read(table(tmp_path / "odd.csv", *found)):
        assert (row.predicted is None) == bool(row.why) and plan_evidence.said(row)
        if row.predicted:
            assert 0 <= row.predicted.low <= row.predicted.value <= row.predicted.high < math.inf


@pytest.mark.parametrize(("metric", "unit", "why"), [
    ("time_to_train", "fortnights", "'fortnights', is none of ms, s"), ("time_to_train", "", "is none of"),
    ("offline rate", "USD", "is no rate such as tokens/s"), ("offline rate", "queries/s", "how many tokens they have"),
    ("weights", "m", "is none of mb, mib"),
])
def test_a_unit_that_is_not_known_is_not_guessed(tmp_path, metric, unit, why):
    [row] = plan_evidence.read(table(tmp_path / "t.csv", ["A", f"{LLAMA}; bf16", TRAINED_ON, metric, 1, unit, "x"]))
    assert row.predicted is None and why in row.why


@pytest.mark.parametrize(("workload", "composition", "metric", "why"), [
    ("MLPerf Training GPT-OSS 20B (MoE)", "one GB300 NVL72", "time_to_train", "mixture of experts"),
    ("Llama-3.1-8B", "8 potatoes", "offline rate", "names no accelerator"),
    ("Llama-3.1-8B", "0 x H100-SXM", "offline rate", "has no accelerator"),
    ("7B dense, 0T tokens", "8 H100-SXM", "wall_time", "above 0"),
    ("MLPerf Training Llama 3.1 8B; global batch 999999", "8 H100-SXM", "time_to_train", "within a factor of two"),
    ("Llama-3.1-8B", "1 node x 8 H100-SXM; fp4", "offline rate", "no arithmetic in fp4"),
    ("MLPerf Inference v6.1 llama3.1-405b", "1 node x 8 B200-SXM; fp4", "offline rate", "long documents"),
    ("Llama-4-Scout-17B-16E", "H100 79.18 GiB, TP 4", "weights per GPU", "mixture of experts"),
    ("A network of mine", "8 H100-SXM", "offline rate", "no network"),
    ("Llama-3.1-8B", "8 H100-SXM", "TTFT p99", "distance from saturation"),
    ("Llama-3.1-8B", "8 H100-SXM", "noise", "no line for this metric"),
])
def test_what_is_not_predicted_says_why(tmp_path, workload, composition, metric, why):
    path = table(tmp_path / "t.csv", ["A", workload, composition, metric, "1", UNITS.get(metric, "s"), "x"])
    [row] = plan_evidence.read(path)
    assert row.predicted is None and why in row.why
    with pytest.raises(ValueError, match="No row of this table is predicted"):
        plan_evidence.score([row])


def test_the_command_scores_a_table_and_refuses_what_is_none(capsys, tmp_path):
    assert __main__.main(["plan", "--validate", str(EVIDENCE)]) == 0
    out = capsys.readouterr().out
    assert "lie in the printed interval" in out and len(out.splitlines()) == 70
    bad = tmp_path / "bad.csv"
    bad.write_text("system,value\nA,1\n", "utf-8")
    assert __main__.main(["plan", "--validate", str(bad)]) == 2
    assert "lacks the columns" in capsys.readouterr().err
    assert __main__.main(["plan", "--validate", str(tmp_path / "none.csv")]) == 2


# The command on workloads


def test_the_command_plans_a_file_in_every_form(capsys, tmp_path):
    assert __main__.main(["plan", "--example", "hospital"]) == 0
    path = tmp_path / "workload.yaml"
    path.write_text(capsys.readouterr().out, "utf-8")
    for form, words in {"text": "This plan meets the workload.", "json": '"met": true', "markdown": "| line | value |",
                        "html": "<h2>Sources</h2>"}.items():
        assert __main__.main(["plan", str(path), "--as", form]) == 0
        assert words in capsys.readouterr().out
    assert __main__.main(["plan", "--schema"]) == 0
    assert '"active_parameters"' in capsys.readouterr().out


def test_the_exit_code_says_whether_a_plan_is_met_and_whether_the_file_is_right(capsys, tmp_path):
    path = tmp_path / "workload.yaml"
    __main__.main(["plan", "--example", "assistant"])
    text = capsys.readouterr().out
    path.write_text(text.replace("first_seconds: 2", "first_seconds: 0.01"), "utf-8")
    assert __main__.main(["plan", str(path)]) == 1
    assert "does not meet" in capsys.readouterr().out
    for wrong, words in {"peak_rate: -5": "inference.peak_rate is -5. Allowed is a number from 0",
                         "peak_rate: [": "no YAML"}.items():
        path.write_text(text.replace("peak_rate: 5", wrong), "utf-8")
        assert __main__.main(["plan", str(path)]) == 2
        assert words in capsys.readouterr().err
    assert __main__.main(["plan", "--example", "bakery"]) == 2
    assert "There are hospital" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["plan"])
    assert stopped.value.code == 2
