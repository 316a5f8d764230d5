"""An offline room: what `make wheelhouse` collects installs the course with nothing but that folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_room_without_a_network_installs_the_course_and_its_doctor_answers(tmp_path):
    subprocess.run(["make", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.requirements", "wheelhouse"], cwd=ROOT,
                   check=True, timeout=1800)
    venv.create(tmp_path / "room", with_pip=True)
    programs = tmp_path / "room" / ("Scripts" if os.name == "nt" else "bin")
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    alone["PIP_CONFIG_FILE"] = os.devnull
    subprocess.run([programs / "pip", "install", "-q", "--no-index", "--find-links", "wheelhouse", "-r",
                    "requirements.txt"], cwd=ROOT, env=alone, check=True, timeout=1200)
    said = subprocess.run([programs / "labkit", "doctor"], cwd=tmp_path, env=alone, check=True, timeout=120,
                          capture_output=True, text=True).stdout
    assert "whole here" in said and "PyTorch" in said
