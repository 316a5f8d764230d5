"""A lab alone in an empty folder, where somebody else has chosen the packages: as in Colab.

The notebook's own first cell installs the course from its release; what is there stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import venv
from importlib.metadata import distribution
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from release_server import ADDRESS, ROOT, serving_release

from labkit import effort
from labkit.labs.lab import labs
from labkit.netem import hosts
from labkit.netem.tunnel import CLOUD

# Colab's front end and kernel of years ago, by its own list (github.com/googlecolab/backend-info, pip-freeze.txt), and
# versions of what else it brings that are older than those the course is tested with.
THERE = ("ipykernel==6.17.1", "ipython==7.34.0", "ipywidgets==7.7.1", "matplotlib==3.10.0", "numpy==2.0.2",
         "pandas==2.2.2", "pillow==11.3.0", "psutil==5.9.5", "pyarrow==18.1.0", "pydantic==2.11.10",
         "setuptools==80.9.0")
# The ends of emulated links are on this computer too, in networks of their own.
HERE = {"127.0.0.1", "::1", "localhost", "", CLOUD, *map(hosts.address, range(4))}
# Writes down whom any Python of a lab but pip calls.
LISTENER = """
import sys

def heard(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) and "pip" not in " ".join(sys.orig_argv):
        with open({path!r}, "a") as calls:
            print(arguments[1][0], file=calls)

sys.addaudithook(heard)
"""


def lent(package: str, into: Path) -> None:
    """Put links to an installed package, and to what it needs, into another environment instead of fetching it."""
    found = distribution(package)
    for top in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
        if not (into / top).exists():
            (into / top).symlink_to(found.locate_file(top))
    for needed in map(Requirement, found.requires or ()):
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            lent(needed.name, into)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A Python that has PyTorch and THERE, and no course."""
    folder = tmp_path_factory.mktemp("there")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    subprocess.run([python, "-m", "pip", "install", "-q", *THERE], check=True, timeout=600)
    lent("torch", packages)
    return python


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """A file with the hosts that a lab called."""
    path = tmp_path_factory.mktemp("calls") / "hosts.txt"
    path.with_name("sitecustomize.py").write_text(LISTENER.format(path=str(path)))
    return path


@pytest.fixture(scope="module", autouse=True)
def kernel(there, calls, tmp_path_factory):
    """A kernel of that Python, named `there`, for which the course's address leads to the working tree."""
    known = tmp_path_factory.mktemp("jupyter")
    (known / "kernels" / "there").mkdir(parents=True)
    command = [str(there), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    with serving_release(tmp_path_factory.mktemp("release")) as address, pytest.MonkeyPatch.context() as patch:
        spec = {"argv": command, "display_name": "there", "language": "python", "env": {
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{address}.insteadOf", "GIT_CONFIG_VALUE_0": ADDRESS,
            "PYTHONPATH": str(calls.parent), effort.VARIABLE: effort.QUICK,
            "CLUSTER_TO_EDGE_CACHE": str(tmp_path_factory.mktemp("cache"))}}
        (known / "kernels" / "there" / "kernel.json").write_text(json.dumps(spec), "utf-8")
        patch.setenv("JUPYTER_PATH", str(known))
        yield


def packages_of(python: Path) -> set[str]:
    command = [python, "-m", "pip", "list", "--format=freeze"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split())


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.slug)
def test_a_lab_replaces_nothing_and_calls_nobody_outside(lab, there, calls, tmp_path):
    calls.write_text("")
    before = packages_of(there)
    notebook = nbformat.read(ROOT / f"{lab.notebook}.ipynb", 4)
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="there", timeout=600, resources=place).execute()
    after = packages_of(there)
    assert before <= after
    assert any(line.startswith("cluster-to-edge==") for line in after)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "restart" not in "".join(output.get("text", "") for output in first.outputs)
    assert set(calls.read_text().split()) <= HERE
