"""The repository as a newcomer and a launch button meet it: one address, fit notebooks, an install that works."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import labkit

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
SLUG = ADDRESS.removeprefix("https://github.com/")
NOTEBOOKS = sorted(p for p in (ROOT / "labs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
COURSE = f"{PROJECT['name']} @ git+{ADDRESS}"
MACHINE_PATH = re.compile(r"(?<![\w.])(/home/|/Users/|/root/|/work/|/tmp/|[A-Z]:\\\\)")

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


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
    install = re.compile(r"git\+(https?://[^\"'\s)]+)")
    for path in [*ROOT.glob("*.md"), *(ROOT / "book").rglob("*.md"), *NOTEBOOKS]:
        text = path.read_text("utf-8").replace("\\", "")
        assert set(launch.findall(text)) <= {SLUG}, path
        assert set(install.findall(text)) <= {ADDRESS}, path


def test_dependencies_have_lower_bounds_only():
    """An upper bound or a pin would replace the torch that a reader has."""
    for requirement in PROJECT["dependencies"]:
        assert [each.operator for each in Requirement(requirement).specifier] == [">="], requirement


def test_requirements_are_exact():
    lines = [line.split("#")[0].strip() for line in read("requirements.txt").splitlines()]
    for line in filter(None, lines):
        assert line == "-e ." or [each.operator for each in Requirement(line).specifier] == ["=="], line
    assert "jupyter-book==1.0.4.post1" in lines, "version 2 reads neither _config.yml nor _toc.yml"


def test_readme_names_only_files_that_exist():
    for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)|(?:src|srcset)=\"(?!https?:)([^\"]+)\"", read("README.md")):
        name = "".join(target)
        assert (ROOT / name).exists(), name


# Notebooks


@notebooks
def test_notebook_is_fit_to_publish(path):
    notebook = json.loads(path.read_text("utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    assert not MACHINE_PATH.search(path.read_text("utf-8"))
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None, "run nbstripout"
        assert len(source(cell).splitlines()) <= 25, source(cell)[:80]


@notebooks
def test_notebook_checks_its_claims(path):
    """nbval compares nothing on stripped notebooks, so an expectation or an assert holds a claim."""
    code = "\n".join(source(cell) for cell in cells(path, "code"))
    assert re.search(r"^\s*assert |\bexpect\w*\.[A-Z_]+\.check\(", code, re.MULTILINE)


def test_every_notebook_begins_alike_with_an_install_that_replaces_nothing_and_knows_its_edition():
    first, *others = {source(cells(path, "code")[0]) for path in NOTEBOOKS}
    assert not others
    assert first.startswith(f'course = "{COURSE}"\ntry:\n    import labkit\nexcept ImportError:')
    assert '%pip install -q -c "{here}" "{course}"' in first
    edition = int(re.search(r'getattr\(labkit, "EDITION", 1\) < (\d+):', first)[1])
    assert edition == labkit.EDITION == int(PROJECT["version"].split(".")[1])


@notebooks
def test_figures_have_alternative_text(path):
    for cell in cells(path, "code"):
        if re.search(r"\bplt\.(show|subplots|figure)\(|\bfigures\.|\.savefig\(", source(cell)):
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 3, f"no alternative text for the figure of: {source(cell)[:80]}"


# The book's own extension


book = pytest.importorskip("labkit.book")


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\frac{F}{P}", "<mfrac>"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "<mtable"),
        (r"\begin{equation} a = b \end{equation}", "<mi>a</mi>"),
    ],
)
def test_formula_becomes_mathml(latex, expected):
    assert expected in book.mathml(latex, display=True)
    assert 'display="block"' in book.mathml(latex, display=True)


@pytest.mark.parametrize("latex", [r"\frac", r"\notacommand x", r"a & b", r"\begin{unknown} x \end{unknown}"])
def test_formula_that_cannot_be_shown_is_refused(latex):
    with pytest.raises(ValueError, match="formula"):
        book.mathml(latex)


def test_runs_are_kept_until_labkit_changes(tmp_path, monkeypatch):
    cache = tmp_path / ".jupyter_cache"
    book.forget_stale_runs(cache)
    (cache / "run").write_text("kept")
    book.forget_stale_runs(cache)
    assert (cache / "run").exists()
    monkeypatch.setattr(book, "source_digest", lambda: "another version")
    book.forget_stale_runs(cache)
    assert not (cache / "run").exists()


def test_icons_of_the_pages_and_of_the_style_are_kept():
    named = '.fa-house:before,.fa-home:before{content:"\\f015"}.fa-cat:before{content:"\\f6be"}'
    css = named + '.note:before{content:"\\f05a"}'
    assert book.icons_used(css, ['<i class="fa-solid fa-home"></i>']) == {0xF015, 0xF05A}
