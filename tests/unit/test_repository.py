"""The repository as a newcomer and a launch button meet it: one address, fit notebooks, an install that works."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from jupyter_cache.cache.db import DB_NAME
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import labkit
from labkit import expectation
from labkit.book import lab_pages, runs, spaces, surprises
from labkit.labs.lab import Lab, labs

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
SLUG = ADDRESS.removeprefix("https://github.com/")
NOTEBOOKS = sorted(p for p in (ROOT / "labs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
COURSE = f"{PROJECT['name']} @ git+{ADDRESS}@v{PROJECT['version']}"  # of the release that a notebook belongs to
MACHINE_PATH = re.compile(r"(?<![\w.])(/home/|/Users/|/root/|/work/|/tmp/|[A-Z]:\\\\)")

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


# The registry of labs


def test_the_registry_the_table_of_contents_and_the_readme_have_the_same_labs():
    here = [lab.notebook for lab in labs()]
    assert here == re.findall(r"file: (labs/\S+)", read("_toc.yml"))
    assert here == [path.relative_to(ROOT).with_suffix("").as_posix() for path in NOTEBOOKS]
    rows = re.findall(r"^\| (\d\.\d) (.+?) \|", read("README.md"), re.MULTILINE)
    assert rows == [(lab.number, lab.title) for lab in labs()]


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.number)
def test_a_lab_s_heading_has_its_number_so_that_no_page_is_called_the_same(lab):
    heading = source(cells(ROOT / f"{lab.notebook}.ipynb", "markdown")[0]).split("\n")[0]
    assert heading == f"# Lab {lab.number} · {lab.title}"


# One address


def test_configuration_holds_to_the_address():
    repository = yaml.safe_load(read("_config.yml"))["repository"]
    assert repository == {"url": ADDRESS, "branch": "main"}
    assert yaml.safe_load(read("CITATION.cff"))["repository-code"] == ADDRESS
    assert yaml.safe_load(read("CITATION.cff"))["version"] == PROJECT["version"]


def test_readme_launches_every_lab_from_the_address():
    readme = read("README.md")
    for path in NOTEBOOKS:
        place = path.relative_to(ROOT).as_posix()
        assert f"https://colab.research.google.com/github/{SLUG}/blob/main/{place}" in readme
        assert f"https://mybinder.org/v2/gh/{SLUG}/main?urlpath=lab/tree/{place}" in readme


def test_no_other_repository_is_meant():
    """Launch links and installs name this repository wherever they stand."""
    launch = re.compile(r"(?:colab\.research\.google\.com/github|mybinder\.org/v2/gh)/([\w.-]+/[\w.-]+)")
    install = re.compile(r"git\+(https?://[^\"'\s)@]+)")
    for path in [*ROOT.glob("*.md"), *(ROOT / "book").rglob("*.md"), *NOTEBOOKS]:
        text = path.read_text("utf-8").replace("\\", "")
        assert set(launch.findall(text)) <= {SLUG}, path
        assert set(install.findall(text)) <= {ADDRESS}, path


def test_dependencies_have_lower_bounds_only():
    """An upper bound or a pin would replace the torch that a reader has."""
    for requirement in PROJECT["dependencies"]:
        assert [each.operator for each in Requirement(requirement).specifier] == [">="], requirement


def test_the_book_says_of_every_dependency_what_it_is_for():
    page = read("book/appendices/dependencies.md").split("## Tried, and left out")[0]
    extras = PROJECT["optional-dependencies"].values()
    asked = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(rows))) == sorted({Requirement(each).name for each in asked})


def brought(name: str, found: dict[str, str]) -> dict[str, str]:
    """Return the licence, as its metadata say it, of an installed package and of all that it needs, by package."""
    name = canonicalize_name(name)
    if name not in found:
        about = distribution(name).metadata
        classes = [line for line in about.get_all("Classifier", ()) if line.startswith("License ::")]
        found[name] = about.get("License-Expression") or "; ".join(classes) or about.get("License") or ""
        for needed in map(Requirement, distribution(name).requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                brought(needed.name, found)
    return found


def test_what_an_installation_brings_may_be_passed_on():
    found = {}
    for needed in map(Requirement, PROJECT["dependencies"]):
        if needed.marker is None or needed.marker.evaluate():
            brought(needed.name, found)
    found.pop("mlcommons-loadgen", None)  # its metadata say nothing; its repository has Apache-2.0
    refused = {name: licence for name, licence in found.items() if "GPL" in licence
               or not re.search("MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|MPL|Unlicense", licence)}
    # PyTorch's build for NVIDIA's GPUs brings these, as the page of dependencies says.
    assert [name for name in refused if not name.startswith(("nvidia-", "cuda-"))] == []


def test_requirements_are_exact():
    lines = [line.split("#")[0].strip() for name in ("requirements.txt", "requirements-labs.txt")
             for line in read(name).splitlines()]
    for line in {*lines} - {"", "-e .", "-r requirements-labs.txt"}:
        assert [each.operator for each in Requirement(line).specifier] == ["=="], line
    assert "jupyter-book==1.0.4.post1" in lines, "version 2 reads neither _config.yml nor _toc.yml"


def test_what_launches_the_labs_elsewhere_installs_what_they_were_tested_with():
    assert "-r ../requirements-labs.txt" in read(".binder/requirements.txt").splitlines()
    assert "requirements-labs.txt" in json.loads(read(".devcontainer/devcontainer.json"))["postCreateCommand"]
    asked = {Requirement(each).name for each in PROJECT["dependencies"]}
    pinned = re.findall(r"^([\w.-]+)==", read("requirements-labs.txt"), re.MULTILINE)
    assert asked <= set(pinned)


def test_the_bounds_of_python_are_said_before_pip_fails():
    lowest, beyond = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups())
    assert f"(3, {lowest}) <= v < (3, {beyond})" in read("Makefile")
    assert f"Python 3.{lowest} to 3.{beyond - 1}" in read("README.md")


def test_readme_names_only_files_that_exist():
    for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)|(?:src|srcset)=\"(?!https?:)([^\"]+)\"", read("README.md")):
        name = "".join(target)
        assert (ROOT / name).exists(), name


def test_no_line_of_prose_begins_with_a_percent_sign():
    """MyST takes such a line for a comment, and leaves it out of the page."""
    for path in (ROOT / "book").rglob("*.md"):
        prose = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert re.findall(r"^\s*%.*", prose, re.MULTILINE) == [], path.name


@pytest.mark.parametrize(("text", "joined"), [
    ("27 % of 3 GB/s in 5 µs", "27\xa0% of 3\xa0GB/s in 5\xa0µs"),
    ("up to 100 Gbit/s, 74.5 GiB", "up to 100\xa0Gbit/s, 74.5\xa0GiB"),
    ("8 samples, 4 models, 2 Ws", "8 samples, 4 models, 2 Ws")])
def test_a_number_and_its_unit_stay_on_one_line(text, joined):
    assert spaces.joined(text) == joined


# Notebooks


@notebooks
def test_notebook_is_fit_to_publish(path):
    notebook = json.loads(path.read_text("utf-8"))
    strip = (f"{path.name} holds what a run or another program left in it: "
             f"nbstripout --keep-id {path.relative_to(ROOT).as_posix()}")
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"], strip
    assert (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5) and all("id" in c for c in notebook["cells"]), (
        f"{path.name} was saved in an older format, without the cells' ids, as Colab does. Bring it up to date with: "
        f"python -c 'import nbformat as n, sys; p = sys.argv[1]; n.write(n.v4.upgrade(n.read(p, 4)), p)' "
        f"{path.relative_to(ROOT).as_posix()}")
    assert not MACHINE_PATH.search(path.read_text("utf-8"))
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None, strip
        assert len(source(cell).splitlines()) <= 25, source(cell)[:80]


@notebooks
def test_notebook_checks_its_claims(path):
    """A run alone compares nothing: an expectation or an assert holds a claim."""
    code = "\n".join(source(cell) for cell in cells(path, "code"))
    assert re.search(r"^\s*assert |\bexpect\w*\.[A-Z_]+\.check\(", code, re.MULTILINE)


def test_every_notebook_begins_alike_with_an_install_that_replaces_nothing_and_knows_its_edition():
    first, *others = {source(cells(path, "code")[0]) for path in NOTEBOOKS}
    assert not others
    assert first.startswith(f'course = "{COURSE}"\ntry:\n    import labkit\nexcept ImportError:')
    assert '!"{sys.executable}" -m pip install -q -c "{here}" "{course}"' in first  # %pip always asks for a restart
    edition = int(re.search(r'getattr\(labkit, "EDITION", 1\) < (\d+):', first)[1])
    assert edition == labkit.EDITION == int(PROJECT["version"].split(".")[1])


@notebooks
def test_a_lab_ends_in_its_last_cell_so_that_its_exercises_are_part_of_it(path):
    ends = [cell for cell in cells(path, "code") if "LAB.end()" in source(cell)]
    assert ends == cells(path, "code")[-1:] and source(ends[0]).splitlines()[-1] == "LAB.end()"


@notebooks
def test_figures_have_alternative_text(path):
    for cell in cells(path, "code"):
        if re.search(r"\bplt\.(show|subplots|figure)\(|\bfigures\.|\.savefig\(", source(cell)):
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 3, f"no alternative text for the figure of: {source(cell)[:80]}"


# The book's own extension


book = pytest.importorskip("labkit.book")
formulas = pytest.importorskip("labkit.book.formulas")


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\frac{F}{P}", "<mfrac>"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "<mtable"),
        (r"\begin{equation} a = b \end{equation}", "<mi>a</mi>"),
    ],
)
def test_formula_becomes_mathml(latex, expected):
    assert expected in formulas.mathml(latex, display=True)
    assert 'display="block"' in formulas.mathml(latex, display=True)


@pytest.mark.parametrize("latex", [r"\frac", r"\notacommand x", r"a & b", r"\begin{unknown} x \end{unknown}"])
def test_formula_that_cannot_be_shown_is_refused(latex):
    with pytest.raises(ValueError, match="formula"):
        formulas.mathml(latex)


def test_pages_run_again_when_labkit_changes_and_only_our_folders_go(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("another book's")
    (tmp_path / "labkit-notes").mkdir()
    first = book.pages_cache(tmp_path)
    first.mkdir()
    assert book.pages_cache(tmp_path) == first and first.is_dir()
    monkeypatch.setattr(book, "source_digest", lambda: 64 * "0")
    assert book.pages_cache(tmp_path) != first and not first.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "labkit-notes"}


# The labs' runs and their pages


@pytest.fixture
def toy_lab(tmp_path):
    lab = Lab("1.9", "Toy", (), ())
    path = tmp_path / f"{lab.notebook}.ipynb"
    path.parent.mkdir(parents=True)
    cells = [nbformat.v4.new_markdown_cell("# Toy\n\nA question."), nbformat.v4.new_code_cell("1 + 1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return lab


def done(lab, root, **changes):
    notebook = runs.source(lab, root)
    data = {runs.RUN_MIME: {"machine": "a machine"}, expectation.MIME: {
        "lab": "1.9", "name": "faster", "state": "surprise", "statement": "Two are faster.", "otherwise": "One core."}}
    notebook.cells[1].outputs = [nbformat.v4.new_output("display_data", data=data)]
    return dataclasses.replace(runs.Run(notebook, runs.key(lab, root), "quick", 3.0), **changes)


def test_the_cache_of_pages_is_made_before_they_are_read_side_by_side(tmp_path):
    config = SimpleNamespace(nb_execution_cache_path=str(tmp_path))
    book._on_config(SimpleNamespace(outdir=str(tmp_path / "html")), config)
    assert (Path(config.nb_execution_cache_path) / DB_NAME).is_file()


def test_a_run_is_kept_until_its_lab_changes(toy_lab, tmp_path):
    folder = tmp_path / "runs"
    assert runs.wanting(toy_lab, tmp_path, folder, "quick")
    runs.keep(done(toy_lab, tmp_path), toy_lab, folder)
    assert not runs.wanting(toy_lab, tmp_path, folder, "quick") and runs.wanting(toy_lab, tmp_path, folder, "usual")
    assert runs.kept(toy_lab, tmp_path, folder).machine == "a machine"
    path = tmp_path / f"{toy_lab.notebook}.ipynb"
    path.write_text(path.read_text("utf-8").replace("1 + 1", "1 + 2"), "utf-8")
    assert runs.kept(toy_lab, tmp_path, folder) is None


def test_a_kept_run_is_shown_with_the_labs_text_of_today(toy_lab, tmp_path):
    folder = tmp_path / "runs"
    runs.keep(done(toy_lab, tmp_path), toy_lab, folder)
    path = tmp_path / f"{toy_lab.notebook}.ipynb"
    path.write_text(path.read_text("utf-8").replace("A question.", "A better question."), "utf-8")
    shown = runs.kept(toy_lab, tmp_path, folder)
    assert "A better question." in shown.notebook.cells[0].source
    assert shown.machine == "a machine"


def test_a_broken_run_is_tried_again_and_its_page_says_so(toy_lab, tmp_path):
    broken = done(toy_lab, tmp_path, broken=runs.Breakage(1, "ValueError: no", "Traceback ..."))
    runs.keep(broken, toy_lab, tmp_path / "runs")
    assert runs.wanting(toy_lab, tmp_path, tmp_path / "runs", "quick")
    page = lab_pages.page(runs.source(toy_lab, tmp_path), runs.kept(toy_lab, tmp_path, tmp_path / "runs"))
    assert "broke off" in page.cells[1].source and "What to do" in page.cells[1].source
    assert "Traceback" in page.cells[1].source


def test_a_page_shows_warnings_by_their_words(toy_lab, tmp_path):
    run = done(toy_lab, tmp_path)
    lines = ["/a/place/machine.py:188: UserWarning: The speed changed.\n", "  return _calibrate(path)\n", "Note: 1\n"]
    run.notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stderr", text="".join(lines))]
    (output,) = lab_pages.page(runs.source(toy_lab, tmp_path), run).cells[1].outputs
    assert output.text == "The speed changed.\nNote: 1\n"


def test_a_lab_that_waits_shows_its_text(toy_lab, tmp_path):
    page = lab_pages.page(runs.source(toy_lab, tmp_path), None)
    assert page.cells[0].source == "# Toy"
    assert "is being run on your machine" in page.cells[1].source and "A question." in page.cells[2].source
    assert nbformat.writes(page) == nbformat.writes(lab_pages.page(runs.source(toy_lab, tmp_path), None))


def test_the_page_of_surprises_lists_those_of_its_runs(toy_lab, tmp_path):
    said = surprises.markdown({toy_lab: done(toy_lab, tmp_path)})
    assert "a machine" in said and "Two are faster." in said and "One core." in said and "0 of 1" in said
    assert "Not run yet: 1.9 Toy" in surprises.markdown({toy_lab: None, **{
        dataclasses.replace(toy_lab, number="1.8"): done(toy_lab, tmp_path)}})
