# `make run` and `make test` are all a fresh Debian or Ubuntu machine with a Swift toolchain and Python needs.

HOST ?= 127.0.0.1
PORT ?= 8080
MODELS ?= Models
SWIFT ?= swift
PYTHON ?= python3
# A copy of Tiny Shakespeare, for the models of it. Without one, it is fetched.
DATA ?=
GIVEN_DATA = $(if $(DATA),--data '$(DATA)')

# Which model `make train` trains again, and the recipe of each.
MODEL ?=
RECIPE_shakespeare-mingru = shakespeare.py $(GIVEN_DATA)
RECIPE_shakespeare-minlstm = shakespeare.py --cell minLSTM $(GIVEN_DATA)
RECIPE_selective-copy-mingru = selective_copy.py
RECIPE_selective-copy-minlstm = selective_copy.py --cell minLSTM
RECIPE_surface-code-d3 = surface_code.py
RECIPE_surface-code-d5 = surface_code.py --distance 5
RECIPE_lorenz-mingru = lorenz.py
RECIPE = $(RECIPE_$(MODEL))
TRAINED = $(patsubst RECIPE_%,%,$(filter RECIPE_%,$(.VARIABLES)))

# Parts of `make test`, `make soak` or `make bench`, separated by commas, or a kind of models for `make evaluate`; and
# anything for a short one.
ONLY ?=
QUICK ?=

# Seconds that `make soak` gives each fuzzer.
FUZZ_SECONDS ?= 600

export SWIFT PYTHON MODELS FUZZ_SECONDS
SCANSTEP := .build/release/scanstep
PARTS := $(PYTHON) Tests/run.py
RUN_PACKAGES := curl g++ git libsimdjson-dev libsqlite3-dev libssl-dev pkg-config zlib1g-dev
TEST_PACKAGES := $(RUN_PACKAGES) binutils libcurl4-openssl-dev nghttp2-client nodejs openssl python3 python3-venv
PYTHON_PACKAGES := g++ python3 python3-venv
# torch.compile needs the C++ compiler and Python's headers.
BENCH_PACKAGES := $(RUN_PACKAGES) nginx-light openssl python3 python3-dev python3-venv wrk

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test soak bench bench-http evaluate golden train lint clean
.PHONY: build swift-found recipe-found run-packages test-packages python-packages bench-packages

help:
	@echo 'make run                            build, then serve $(MODELS)/ on $(HOST):$(PORT); HOST=, PORT= and MODELS= change that'
	@echo 'make test                           what every change should pass: format, unit, golden and integration tests, clients'
	@echo 'make soak                           everything: also fuzzers, sanitizers, long kills, all clients; ONLY=fuzz,sanitize FUZZ_SECONDS=60'
	@echo '                                    both print what took how long, and leave logs in .build-test/logs; Tests/parts.py has the parts'
	@echo 'make bench                          measure against PyTorch and others, into Benchmarks/results; ONLY=prefill,step QUICK=1'
	@echo 'make bench-http                     the parts of it that measure the HTTP server, against nginx and Hummingbird; QUICK=1'
	@echo 'make evaluate                       measure the models of $(MODELS)/ through the server, into its README.md and figures/; QUICK=1'
	@echo 'make train MODEL=NAME               train a shipped model again (PyTorch); the run goes on where it was broken off'
	@echo 'make golden                         make the golden tensors again (PyTorch)'
	@echo 'make lint                           swift format, strict, and the layers of docs/architecture.md'
	@echo 'make clean                          remove what was built and the Python environments'

run: run-packages build
	@echo
	@echo 'When it listens, try in another terminal:'
	@echo
	@echo "  curl http://$(HOST):$(PORT)/v1/sessions -H 'Content-Type: application/json' -d '{\"model\": \"shakespeare-mingru\", \"id\": \"first\", \"text\": \"ROMEO:\"}'"
	@echo "  curl -N http://$(HOST):$(PORT)/v1/sessions/first/generate -H 'Content-Type: application/json' -d '{\"max_tokens\": 400, \"temperature\": 0.8, \"seed\": 7, \"stream\": true}'"
	@echo
	@exec $(SCANSTEP) serve --models '$(MODELS)' --host '$(HOST)' --port '$(PORT)'

test soak: swift-found test-packages
	@$(PARTS) $@ $(if $(ONLY),--only '$(ONLY)')

build: swift-found
	$(SWIFT) build -c release --product scanstep

lint: swift-found
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	$(PYTHON) Tests/layers.py

evaluate: run-packages python-packages build .venv-evaluation/ready
	.venv-evaluation/bin/python Models/training/evaluate.py --binary $(SCANSTEP) --models '$(MODELS)' $(GIVEN_DATA) \
		$(if $(ONLY),--only '$(ONLY)') $(if $(QUICK),--quick)

bench: bench-packages build .venv-bench/ready
	.venv-bench/bin/python Benchmarks/bench.py --scanstep $(SCANSTEP) $(if $(ONLY),--only '$(ONLY)') \
		$(if $(QUICK),--quick --results Benchmarks/results-quick,--results Benchmarks/results)

bench-http:
	@$(MAKE) bench ONLY=hello,crowd,overload,leaks

golden: python-packages .venv-golden/ready
	.venv-golden/bin/python Tests/Golden/make_golden.py
	.venv-golden/bin/python Tests/Golden/make_layouts.py
	.venv-golden/bin/python Tests/Golden/make_cells.py

recipe-found:
	@test -n '$(firstword $(RECIPE))' || { echo 'make train MODEL=NAME, one of: $(sort $(TRAINED))' >&2; exit 1; }

train: recipe-found python-packages .venv-training/ready
	.venv-training/bin/python Models/training/$(RECIPE)

clean:
	rm -rf .build .build-address .build-fuzz .build-hummingbird .build-test .build-thread .venv .venv-bench .venv-evaluation .venv-golden .venv-kserve .venv-training

swift-found:
	@command -v $(SWIFT) >/dev/null || { echo 'No `$(SWIFT)` on the PATH: install a Swift 6.3 toolchain from swift.org.' >&2; exit 1; }

run-packages:
	@deploy/packages.sh $(RUN_PACKAGES)

test-packages:
	@deploy/packages.sh $(TEST_PACKAGES)

python-packages:
	@deploy/packages.sh $(PYTHON_PACKAGES)

bench-packages:
	@deploy/packages.sh $(BENCH_PACKAGES)

# The CPU build of PyTorch is the smaller download; an index without one has the plain build, and a machine with a GPU
# wants that.
.venv/ready: Tests/requirements.txt
.venv-bench/ready: Benchmarks/requirements.txt
.venv-evaluation/ready: Models/training/evaluation/requirements.txt
.venv-kserve/ready: Tests/Clients/kserve.txt
.venv-golden/ready: Tests/Golden/requirements.txt
.venv-training/ready: Models/training/requirements.txt
.venv/ready .venv-bench/ready .venv-evaluation/ready .venv-golden/ready .venv-kserve/ready .venv-training/ready:
	$(PYTHON) -m venv $(@D)
	sed '/^torch==/s/$$/$(if $(shell command -v nvidia-smi),,+cpu)/' $< > $(@D)/cpu.txt
	$(@D)/bin/pip install --quiet --no-compile --disable-pip-version-check --requirement $(@D)/cpu.txt || \
	$(@D)/bin/pip install --quiet --no-compile --disable-pip-version-check --requirement $<
	touch $@
