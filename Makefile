# make demo, make test and the rest: see `make help`. Needs Python 3.10 to 3.13 and a package registry; installs into .venv, .venv-lowest and .venv-pytorch3d only.
.DEFAULT_GOAL := help
.PHONY: help install demo test test-faults test-pytorch3d test-lowest test-glb test-inputs test-fuzz test-browser check gate lint types coverage bench lab hooks \
        notebooks export readme pictures docs release-check test-docker clean

BIN       := .venv/bin
# the first Python on this machine that is in range and can make environments; `make PYTHON=/path/to/python ...` chooses another
PYTHON    ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
               $$p -c 'import sys, venv, ensurepip; sys.exit(not (3,10) <= sys.version_info < (3,14))' 2>/dev/null && { echo $$p; break; }; done)
TORCH     := $(shell sed -n 's/^\(torch==[0-9.]*\).*/\1/p' constraints.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu

# torch's threads sleep while they wait: spinning, they would take the cores from Warp's kernels and from other programs
export OMP_WAIT_POLICY ?= PASSIVE

OUT       ?= runs/demo
MINUTES   ?= 3
WORKERS   ?= 2
NB        ?= $(sort $(wildcard nbs/[!_]*.ipynb))
PARITY     = $(wildcard nbs/600_published.distance.ipynb nbs/630_published.files.ipynb)
# what the benchmarks compare with
RIVALS     = $(shell sed -n 's/^bench_requirements = //p' settings.ini)
SECONDS   ?= 60
# what changes inputs so that they reach new code
FUZZERS    = $(shell sed -n 's/^fuzz_requirements = //p' settings.ini)
# what drives the browser
BROWSER    = $(shell sed -n 's/^browser_requirements = //p' settings.ini)
# what tests need of the dev extra
TESTERS    = $(filter-out jupyterlab% nbconvert% ruff% pyright% coverage% build%,$(shell sed -n 's/^dev_requirements = //p' settings.ini))
# what builds the documentation site
SPHINX     = $(shell sed -n 's/^docs_requirements = //p' settings.ini)
HOOKS      = $(shell sed -n 's/^hooks_requirements = //p' settings.ini)
START      = $(firstword $(wildcard $(OUT)/face.ipynb nbs/*quickstart.ipynb))
# a Python for which the lowest versions of our requirements have packages
LOWEST_PYTHON ?= $(shell for p in python3.10 python3.11; do \
               $$p -c 'import venv, ensurepip' 2>/dev/null && { echo $$p; break; }; done)
LOWEST_TORCH  := $(shell sed -n 's/^requirements = torch>=\([0-9.]*\).*/\1/p' settings.ini)

help:  ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1#\2/p' Makefile | awk -F'#' '{ printf "%-21s %s\n", $$1, $$2 }'
	@echo "  variables: PYTHON=python3.12  OUT=runs/demo  MINUTES=3  WORKERS=2  NB='nbs/050_mesh.ipynb ...'"

demo: .venv/installed  ## photograph the built-in head, train on it, evaluate and drive it; pictures, a video and metrics in runs/demo
	$(BIN)/nerflame demo --out "$(OUT)" --minutes $(MINUTES)

# shapes in signatures are checked under test; one thread each, because the notebooks run side by side
test: .venv/installed check  ## run the tests in all notebooks; check that notebooks, modules and README agree
	NERFLAME_TYPECHECK=1 MPLBACKEND=agg OMP_NUM_THREADS=1 $(BIN)/nbdev_test --n_workers $(WORKERS) --do_print --timing

# a short form of it runs in the tests (nbs/950_testing.ipynb)
test-faults: .venv/installed  ## kill trainings, fill disks, remove folders, and compare what goes on with a training without faults; half an hour; SHORT=1: a minute; ONLY="kills disk": these kinds
	$(BIN)/python tools/faults.py $(if $(SHORT),--short) $(if $(ONLY),--only $(ONLY)) $(if $(SHORT)$(ONLY),,--table tools/trust/faults.md)

# PyTorch3D tries every face for every point, so its parity tests are small. Without it they fail here instead of being skipped.
test-pytorch3d: .venv-pytorch3d/installed  ## parity with PyTorch3D, in an environment of its own (6 GB; Linux x86-64 only)
	@failed=0; for notebook in $(PARITY); do \
	  NERFLAME_REQUIRE_PYTORCH3D=1 NERFLAME_TYPECHECK=1 MPLBACKEND=agg OMP_NUM_THREADS=1 .venv-pytorch3d/bin/nbdev_test --path $$notebook --n_workers 0 --do_print --timing || failed=1; \
	done; exit $$failed

test-glb: .venv/installed  ## test our glTF files with Khronos' validator and with three.js in a headless browser (Node, Chromium; skipped without); RUN=runs/demo: those of this face; PICTURE=glb.jpg: side by side
	$(BIN)/python tools/test_glb.py $(RUN) $(if $(PICTURE),--picture "$(PICTURE)")

test-inputs: .venv/installed  ## give all readers bad files and values; fails at a traceback, a hang or a crash (some minutes)
	$(BIN)/python tools/bad_inputs.py --table tools/trust/bad_inputs.md

test-fuzz: .venv/fuzz  ## feed the readers of files with inputs that change at random, a minute each (SECONDS=600: ten); those that find a fault are kept in tools/fuzz_corpus
	$(BIN)/python tools/fuzz.py --seconds $(SECONDS) --table tools/trust/fuzz.md

test-browser: .venv/browser  ## the preview in JupyterLab, Notebook 7 and headless Chromium (which must be there), a stranger's RUN, whose names are scripts, and the page of a face; screenshots in runs/browser; RUN=runs/demo: its page
	$(BIN)/python tools/browser.py
	$(BIN)/python tools/browser_hostile.py
	$(BIN)/python tools/browser_page.py $(RUN)

# We measure the modules, also in programs that notebooks start. Checking annotations would count as running code, so it is off.
coverage: .venv/installed  ## run the notebooks (or NB=...) and report which lines of the modules they run
	rm -f .coverage .coverage.*
	@failed=0; for notebook in $(NB); do \
	  MPLBACKEND=agg OMP_NUM_THREADS=1 $(BIN)/coverage run tools/measure.py $$notebook || failed=1; \
	done; $(BIN)/coverage combine -q; $(BIN)/coverage report; exit $$failed

test-lowest: .venv-lowest/installed  ## run the notebooks (or NB=...) with the lowest versions that settings.ini allows, in an environment of its own
	@failed=0; for notebook in $(NB); do \
	  NERFLAME_TYPECHECK=1 MPLBACKEND=agg OMP_NUM_THREADS=1 .venv-lowest/bin/nbdev_test --path $$notebook --n_workers 0 --do_print --timing || failed=1; \
	done; exit $$failed

check: .venv/installed lint  ## check that export, clean and readme would change nothing, and lint
	$(BIN)/python tools/check.py

# one thread, so that sums are added in one order; ONLY="mesh train": these parts
gate: .venv/installed  ## compare what the code computes with the record in tools/gate.json
	$(BIN)/python tools/gate.py check $(if $(ONLY),--only $(ONLY))

lint: .venv/installed  ## ruff on the exported modules, on tools/ and on bench/
	$(BIN)/ruff check nerflame tools bench setup.py

types: .venv/installed  ## pyright on the exported modules, and whether it finds every patched method; a minute (needs Node, or fetches it)
	$(BIN)/python tools/typecheck.py

release-check: .venv/installed  ## build wheel and source archive, install the wheel into an empty environment, import it and run the smallest demo there; DIST=dist: keep the archives
	$(BIN)/python tools/release.py $(if $(DIST),--keep "$(DIST)")

# Docker may be installed while no daemon runs, as on many shared machines
test-docker:  ## build the Docker image (CPU) and run the smallest demo in it (skipped without a Docker daemon)
	@if docker info >/dev/null 2>&1; then docker build -t nerflame . && docker run --rm nerflame demo --out demo --minutes 0.05; \
	else echo "make: test-docker skipped: no Docker daemon answers here" >&2; fi

bench: .venv/bench  ## benchmarks into bench/results, an hour; QUICK=1: 3 minutes, small sizes; ONLY="closest frames": these sections
	$(BIN)/python bench/run.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(BENCH_OPTIONS)

lab: .venv/installed  ## JupyterLab on the face of `make demo` (its preview), or on the quickstart; notebooks are cleaned when they are saved
	$(BIN)/jupyter lab --FileContentsManager.pre_save_hook=nbdev.clean.clean_jupyter $(START)

# The driver is named with its path, so that git finds it without the environment being active.
hooks: .venv/installed  ## set up git here: merge notebooks cell by cell, and clean, export and lint before each commit
	git config merge.nbdev-merge.name "merge notebooks cell by cell"
	git config merge.nbdev-merge.driver '"$(CURDIR)/$(BIN)/nbdev_merge" %O %A %B %P'
	$(BIN)/pip install -q -c constraints.txt $(foreach r,$(HOOKS),"$(r)")
	$(BIN)/pre-commit install

notebooks: .venv/installed  ## run the notebooks (or NB=...) and save their outputs
	MPLBACKEND=module://matplotlib_inline.backend_inline $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=1800 --ExecutePreprocessor.store_widget_state=False $(NB)
	$(BIN)/python tools/outputs.py $(NB)
	$(BIN)/nbdev_clean

export: .venv/installed  ## write the modules in nerflame/ from the notebooks, and stubs for methods that are added by @patch
	$(BIN)/nbdev_export
	$(BIN)/python tools/stubs.py
	$(BIN)/python tools/forms.py

readme: .venv/installed  ## write README.md and CONTRIBUTING.md from their notebooks, and the Colab badges of the tutorials
	$(BIN)/python tools/colab.py
	$(BIN)/python tools/readme.py

pictures: .venv/browser  ## the pictures of README and tutorials, from the RUN of `make demo` (Chromium must be there)
	$(BIN)/python tools/pictures.py --run "$(OUT)"

docs: .venv/docs  ## build the documentation site into _docs from what is saved in the notebooks; fails for dead links, exported names that are missing, and for parameters without a meaning
	$(BIN)/python tools/docs.py

install: .venv/installed  ## make .venv, install everything into it and fetch the model files for photographs (56 MB, once)

# A stamp, so that a second make installs nothing. Without an NVIDIA card the CPU build of torch is taken, 3 GB smaller: from a place
# that pip already knows, else from torch's own index; where neither has it, the registry's build does as well. Without a network the
# model files stay missing, a note says how to bring them, and the tests that need them say that they skip.
.venv/installed: settings.ini setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10 to 3.13 with venv found; install one (Debian, Ubuntu: python3-venv) or say make PYTHON=/path/to/python" >&2; exit 1; }
	@$(BIN)/python -c pass 2>/dev/null || { echo "creating .venv with $(PYTHON)"; "$(PYTHON)" -m venv --clear .venv; }
	@if $(BIN)/python -c 'import sys, importlib.metadata as m; sys.exit(m.version("torch").split("+")[0] != sys.argv[1])' $(TORCH:torch==%=%) 2>/dev/null; then :; \
	elif [ "$$(uname)" != Linux ] || nvidia-smi -L >/dev/null 2>&1; then $(BIN)/pip install -c constraints.txt $(TORCH); \
	else $(BIN)/pip install --no-deps $(TORCH)+cpu 2>/dev/null \
	  || $(BIN)/pip install --no-deps --timeout 15 --retries 1 --index-url $(CPU_INDEX) $(TORCH)+cpu \
	  || { echo "no CPU build of torch within reach: taking the registry's"; $(BIN)/pip install -c constraints.txt $(TORCH); }; fi
	$(BIN)/pip install --use-pep517 -c constraints.txt -e ".[dev]"
	@$(BIN)/python -c "from nerflame.photos.models import fetch_models; fetch_models()" 2>&1 | tail -n 1 \
	  | sed 's/^\([a-zA-Z_.]*: \)/make: going on without the model files for photographs: /' >&2
	@touch $@

# Libraries to compare with (Open3D: 0.4 GB). The benchmarks go on without those that do not install, so this never fails; the next make tries again.
.venv/bench: settings.ini constraints.txt | .venv/installed
	@if $(BIN)/pip install -c constraints.txt $(foreach r,$(RIVALS),"$(r)"); then touch $@; \
	elif $(BIN)/pip install -c constraints.txt $(foreach r,$(filter libigl%,$(RIVALS)),"$(r)"); then echo "make: Open3D does not install here: going on without it" >&2; \
	else echo "make: neither libigl nor Open3D installs here: going on without them" >&2; fi

.venv/browser: settings.ini constraints.txt | .venv/installed
	$(BIN)/pip install -c constraints.txt $(foreach r,$(BROWSER),"$(r)")
	@touch $@

.venv/docs: settings.ini constraints.txt | .venv/installed
	$(BIN)/pip install -c constraints.txt $(foreach r,$(SPHINX),"$(r)")
	@touch $@

# It has packages for few systems; elsewhere Hypothesis takes its place.
.venv/fuzz: settings.ini constraints.txt | .venv/installed
	-$(BIN)/pip install -c constraints.txt $(foreach r,$(FUZZERS),"$(r)")
	@touch $@

# The extra brings its own version of torch, the CUDA build, which also asks for an older setuptools; everything else as in .venv.
# Without JupyterLab and without compiling all of torch's Python files beforehand it takes 2 minutes instead of 4.
.venv-pytorch3d/installed: settings.ini setup.py constraints.txt
	@test "$$(uname -sm)" = "Linux x86_64" || { echo "make: PyTorch3D comes as a package for Linux on x86-64 only; this is $$(uname -sm)" >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10 to 3.13 with venv found; say make PYTHON=/path/to/python" >&2; exit 1; }
	@.venv-pytorch3d/bin/python -c pass 2>/dev/null || { echo "creating .venv-pytorch3d with $(PYTHON)"; "$(PYTHON)" -m venv --clear .venv-pytorch3d; }
	@grep -v -E '^(torch|setuptools)==' constraints.txt > .venv-pytorch3d/constraints.txt
	.venv-pytorch3d/bin/pip install --use-pep517 --no-compile -c .venv-pytorch3d/constraints.txt -e ".[all,pytorch3d]" $(foreach r,$(TESTERS),"$(r)")
	@touch $@

# uv takes the lowest version of each requirement and the newest of what these require in turn. A CPU build of torch is tried first, as above.
.venv-lowest/installed: settings.ini setup.py constraints.txt
	@test -n "$(LOWEST_PYTHON)" || { echo "make: no Python 3.10 or 3.11 with venv found; say make LOWEST_PYTHON=/path/to/python" >&2; exit 1; }
	@.venv-lowest/bin/python -c pass 2>/dev/null || { echo "creating .venv-lowest with $(LOWEST_PYTHON)"; "$(LOWEST_PYTHON)" -m venv --clear .venv-lowest; }
	.venv-lowest/bin/pip install -q -c constraints.txt uv
	@.venv-lowest/bin/python -c 'import torch' 2>/dev/null \
	  || .venv-lowest/bin/pip install --no-deps --timeout 15 --retries 1 --index-url $(CPU_INDEX) "torch==$(LOWEST_TORCH)+cpu" 2>/dev/null \
	  || echo "no CPU build of torch $(LOWEST_TORCH) within reach: taking the registry's"
	.venv-lowest/bin/uv pip install --python .venv-lowest/bin/python --resolution lowest-direct -e ".[all]" $(foreach r,$(TESTERS),"$(r)")
	@touch $@

clean:  ## remove the environments and build products, not runs
	rm -rf .venv .venv-lowest .venv-pytorch3d build dist *.egg-info .coverage .coverage.*
