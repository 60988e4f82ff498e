# The jobs of the course. Each target sets up what it needs (.venv, from the pinned requirements), then calls one tool.
# Without make, as on Windows: `python tools/bootstrap.py course`, `... test`, `... run coursework --help`.

PYTHON ?= python3
port ?= 8000
lab_port ?= 8888
BOOTSTRAP := $(PYTHON) tools/bootstrap.py
COURSEWORK := $(BOOTSTRAP) run coursework

.DEFAULT_GOAL := help
.PHONY: help course lab test grade site new gate format lint clean

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

course:  ## set up, build the site and serve it beside JupyterLab (port=8000 lab_port=8888)
	@$(BOOTSTRAP) course --port $(port) --lab-port $(lab_port)

lab:  ## open JupyterLab on the course (options=--no-browser)
	@$(BOOTSTRAP) run jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(options)

test:  ## run all tests: the code, the exercises, the site, every notebook
	@$(BOOTSTRAP) test

grade:  ## grade the demo class, each submission isolated, and open its report
	@$(COURSEWORK) grade demo/submissions --parameters demo/private.yml --cell-timeout 10 --open

site:  ## build the site into _build/html, a warning being an error
	@$(COURSEWORK) site

new:  ## make a chapter that passes the gate as it stands: part=math slug=my_chapter
	@$(COURSEWORK) new "$(part)" "$(slug)"

gate:  ## prove that every exercise's checks accept the reference and refuse every named mistake
	@$(COURSEWORK) gate

format:  ## bring code and notebooks to normal form
	@$(BOOTSTRAP) run ruff check --fix --quiet
	@$(BOOTSTRAP) run ruff format --quiet
	@$(COURSEWORK) format

lint:  ## say what `make format` would change, and what is suspect
	@$(BOOTSTRAP) run ruff check
	@$(BOOTSTRAP) run ruff format --check
	@$(COURSEWORK) format --check

clean:  ## remove what was built; .venv, grades and your own progress stay
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
