"""Tables of published scaling, as the course and strangers write them, and the command that predicts them."""

from __future__ import annotations

import pytest

from labkit import __main__, spreadsheet
from labkit import published as reading
from labkit.pages import baselines

HEADER = ",".join(reading.COLUMNS)


def table(tmp_path, *rows, header=HEADER):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def row(accelerators, value, metric="train_throughput", unit="samples/s", batch="256", nodes="1", name="mine"):
    cells = {"series_id": name, "workload": "ResNet-50", "accelerator": "card", "accelerators_per_node": "8",
             "nodes": nodes, "total_accelerators": accelerators, "global_batch": batch, "metric": metric,
             "value": value, "unit": unit, "source": "me"}
    return ",".join(str(cells.get(column, "")) for column in reading.COLUMNS)


GOOD = (row(1, 100), row(2, 190), row(4, 360), row(8, 650))


def test_a_table_is_read_with_doubles_at_their_median_and_the_unusable_counted_by_reason(tmp_path):
    odd = (row(1, 100, metric="speed"), row(1, 40, metric="MFU"), row("", 100), row(2, 210), row(2, 200),
           row(1, 5, name="b"))
    (training,), left_out = reading.read(table(tmp_path, *GOOD, *odd))
    assert training.scales == (1, 2, 4, 8) and training.value(2) == 200
    assert sorted(left_out.values()) == [1, 1, 1, 1] and any("'speed'" in reason for reason in left_out)


@pytest.mark.parametrize(("metric", "unit"), [
    ("train_throughput", "samples/s"), ("throughput_per_gpu", "samples/s/GPU"), ("step_time", "s"),
    ("time_to_train", "min"), ("steps_per_second", "/s")])
def test_every_metric_is_brought_to_a_time_and_back(tmp_path, metric, unit):
    values = {1: 8.0, 2: 7.0, 4: 6.0}
    (training,), _ = reading.read(table(tmp_path, *(row(n, v, metric, unit) for n, v in values.items())))
    assert training.published([run.time for run in training.runs]) == pytest.approx(values)
    twice = training.published([2 * run.time for run in training.runs])
    assert twice == pytest.approx({n: v * 2 if training.slower else v / 2 for n, v in values.items()})


@pytest.mark.parametrize(("rows", "says"), [
    ((), "has no rows"), ((*GOOD, row(16, "fast")), "line 6, column value: 'fast'"),
    ((*GOOD, row(16, -1)), "line 6, column value: '-1'"), ((*GOOD, row(16, 0)), "column value"),
    ((*GOOD, row(16, "inf")), "column value: 'inf'"), ((*GOOD, row(16, "12:30")), "column value: '12:30'"),
    ((*GOOD, row(16, 1, batch="256 each")), "line 6, column global_batch: '256 each'"),
    ((*GOOD, row(16, 1, batch='"1,024,5"')), "column global_batch: '1,024,5'"),
    ((*GOOD, row(16, 1, unit="furlongs/s")), "line 6, column unit: 'furlongs/s' is no unit of train_throughput"),
    ((*GOOD, row(16, 1, unit="")), "column unit: '' is no unit"),
    ((*GOOD, row(16, 1, unit="tokens/s/GPU")), "is no unit of train_throughput"),
    ((*GOOD, row(16, 1, metric="step_time", unit="samples/s")), "is no unit of step_time, which takes ms, s"),
    ((*GOOD, "", ",,,", row(16, "fast")), "line 8, column value: 'fast'"),
    (('"a\nb' + GOOD[0][4:].replace(",", '",', 1), row(16, "fast")), "line 4, column value: 'fast'"),
    ((*GOOD, '"' + GOOD[0]), "line 6: the row cannot be read as CSV"),
    ((*GOOD, row("many", 1)), "column total_accelerators: 'many'"), ((*GOOD, row(16, 1, nodes=-2)), "column nodes"),
    ((*GOOD, "a,b"), "line 6: the row has fewer cells"), ((*GOOD, GOOD[0] + ",more"), "line 6: the row has more cells"),
    (GOOD[:2], "no series with three scales"),
], ids=lambda value: value if isinstance(value, str) else "rows")
def test_what_is_wrong_with_a_table_is_said_with_its_line_and_column(tmp_path, capsys, rows, says):
    path = table(tmp_path, *rows)
    assert __main__.main(["validate", "--published", str(path)]) == 2
    said = capsys.readouterr().err
    assert says in said and "mine.csv" in said


def test_files_that_are_no_table_are_refused(tmp_path, capsys):
    path = table(tmp_path, *GOOD, header=HEADER.replace("metric", "meter"))
    assert __main__.main(["validate", "--published", str(path)]) == 2
    assert "lacks the column metric" in capsys.readouterr().err
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert __main__.main(["validate", "--published", str(path)]) == 2
    path.write_text("")
    assert __main__.main(["validate", "--published", str(path)]) == 2
    assert __main__.main(["validate", "--published", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert __main__.main(["validate", "--published", str(tmp_path)]) == 2
    with pytest.raises(SystemExit):
        __main__.main(["validate", "1.1", "--published", str(path)])


HUMAN = {"1,024": 1024, "1 024": 1024, "1'024": 1024, "1.024e3": 1024, "1.02E+03": 1020, "7.00E+09": 7e9, "7.0B": 7e9,
         "25.6M": 25.6e6, "25.6 M": 25.6e6, "7b": 7e9, "~0.34e9": 0.34e9, "12k": 12e3, "1,234,567.5": 1234567.5,
         "0,5": 0.5, "1.024,5": 1024.5, "1234,567": 1234.567}


@pytest.mark.parametrize("text", HUMAN)
def test_numbers_are_read_as_people_write_them(text, tmp_path):
    rows = [row(n, 10 * n, batch=f'"{text}"') for n in (1, 2, 4)]
    (training,), _ = reading.read(table(tmp_path, *rows))
    assert training.runs[0].batch == pytest.approx(HUMAN[text])


def test_a_comma_is_decimal_where_the_table_says_so_and_refused_where_it_may_be_either(tmp_path):
    def semicolons(*texts):
        lines = [row(2**n, "VALUE").replace(",", ";").replace("VALUE", text) for n, text in enumerate(texts)]
        (training,), _ = reading.read(table(tmp_path, *lines, header=HEADER.replace(",", ";")))
        return [training.value(scale) for scale in training.scales]

    assert semicolons("1,024", "2,5", "3") == pytest.approx([1.024, 2.5, 3])
    assert semicolons("1.024", "2.5", "3") == pytest.approx([1.024, 2.5, 3])
    assert semicolons("1.024,5", "2.048", "3") == pytest.approx([1024.5, 2048, 3])
    with pytest.raises(ValueError, match=r"line 2, column value: '1,024' may mean 1\.024 or 1024"):
        semicolons("1,024", "2", "3")
    with pytest.raises(ValueError, match="may mean"):
        semicolons("1,024", "2.5", "2,5")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_out_of_spreadsheets_and_r_are_read(separator, encoding, end, tmp_path):
    plain, _ = reading.read(table(tmp_path, *GOOD))
    lines = ["", HEADER.upper() + ",more", ",,,", *(line + ",NA" for line in GOOD), "", *["," * 13] * 3,
             row("NA", "NA", batch="NA", nodes="NA") + ","]
    lines[3] = lines[3].replace("ResNet-50", '"ResNet-50"').replace("me,NA", f'"me{end}and others",NA')
    path = tmp_path / "sheet.csv"
    path.write_bytes(end.join(line.replace(",", separator) for line in lines).encode(encoding))
    (training,), left_out = reading.read(path)
    assert training.runs == plain[0].runs and training.source == "me and others"
    assert left_out == {"the value is missing": 1}


TIMES = {"ms": 1e-3, "s": 1, "sec": 1, "seconds": 1, "min": 60, "Minutes": 60, "h": 3600, "hours": 3600, "days": 86400}


@pytest.mark.parametrize("unit", TIMES)
def test_times_are_brought_to_one_unit(unit, tmp_path):
    for metric, seconds in (("time_to_train", 60), ("step_time", 1)):
        rows = [row(n, 8 / n, metric, unit if n > 1 else reading.UNITS[metric][1]) for n in (1, 2, 4)]
        (training,), _ = reading.read(table(tmp_path, *rows))
        assert training.value(4) == pytest.approx(2 * TIMES[unit] / seconds)


@pytest.mark.parametrize(("metric", "unit", "factor", "common"), [
    ("train_throughput", "samples/sec", 1, "samples/s"), ("train_throughput", "images per second", 1, "img/s"),
    ("train_throughput", "tokens / min", 1 / 60, "tokens/s"), ("train_throughput", "seq/h", 1 / 3600, "sequences/s"),
    ("throughput_per_gpu", "tokens/s", 1, "tokens/s/GPU"), ("throughput_per_gpu", "tok/s/chip", 1, "tokens/s/GPU"),
    ("tflops_per_gpu", "PFLOP/s", 1000, "TFLOP/s/GPU"), ("tflops_per_chip", "TFLOPS", 1, "TFLOP/s/GPU"),
    ("steps_per_second", "it/s", 1, "steps/s"), ("steps_per_second", "steps/min", 1 / 60, "steps/s"),
    ("step_time", "ms/step", 1e-3, "s"),
])
def test_rates_are_brought_to_one_unit(metric, unit, factor, common, tmp_path):
    (training,), _ = reading.read(table(tmp_path, *(row(n, 6 * n, metric, unit) for n in (1, 2, 4))))
    assert training.unit == common and training.value(4) == pytest.approx(24 * factor)


def test_the_unit_changes_no_error(tmp_path, capsys):
    def said(unit, factor):
        rows = [row(n, f"{factor * 100 / n**0.9:.9g}", "time_to_train", unit) for n in (8, 16, 64, 256)]
        assert __main__.main(["validate", "--published", str(table(tmp_path, *rows))]) == 0
        return capsys.readouterr().out

    assert said("min", 1) == said("s", 60) == said("h", 1 / 60)


@pytest.mark.parametrize(("content", "says"), [
    (b"PK\x03\x04\x14\x00", "workbook"), (b"\x7fELF\x00\x01", "no text"), (b"\xff\xd8\xff\xe0", "no text in UTF-8"),
    (b"\n \n", "is empty"), (b",,,\n", "lacks the columns"), (HEADER.encode(), "no rows below"),
    (HEADER.replace(",unit", ",value").encode() + b"\n1", "lacks the column unit"),
    (HEADER.encode() + b",value\n1", "column value twice"), (b"x" * (spreadsheet.LARGEST + 1), "larger than 64 MiB"),
], ids=lambda value: value if isinstance(value, str) else "file")
def test_a_file_that_is_no_table_says_what_it_is(content, says, tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    assert __main__.main(["validate", "--published", str(path)]) == 2
    said = capsys.readouterr().err
    assert says in said and "mine.csv" in said


def test_the_command_prints_every_family_beside_its_rivals(tmp_path, capsys):
    assert __main__.main(["validate", "--published", str(table(tmp_path, *GOOD))]) == 0
    said = capsys.readouterr().out
    assert "1 series" in said and "1 of them were not part of the fit" in said
    assert all(word in said for word in ("linear", "Amdahl", "held out", "goal 10% 25%"))
    assert baselines.installed() or "mlsysim is not installed" in said


@pytest.mark.parametrize(("text", "benchmark", "batch", "samples"), [
    ("35 (epoch_num, median)", "resnet", 100, 35 * 1_281_167), ("3072 (samples_count, median)", None, 8, 3072),
    ("8000 (step_num, median)", None, 256, 2_048_000), ("2.54989e+06 (epoch_num, median)", "bert", 768, 2.54989e6),
    ("1.2e+09 (epoch_num, median)", "gpt3", 2048, 1.2e9 / 2048), ("7 (epoch_num, median)", None, 8, None),
    ("", "resnet", 8, None), ("not stated", "resnet", 8, None), ("3.2M", None, 8, 3.2e6),
    ("8,000 steps", None, 8, 64e3),
    ("35 epochs", "resnet", 8, 35 * 1_281_167), ("3,072 (samples_count, median)", None, 8, 3072)])
def test_samples_to_converge_are_read_in_whatever_they_are_counted(text, benchmark, batch, samples):
    assert reading.converged(text, benchmark, batch) == (samples and pytest.approx(samples))


