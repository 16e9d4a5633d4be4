# Every job has a name here; CI runs `make test` and `make test-cluster`. What takes more than a line stands in scripts/.

.DEFAULT_GOAL := help
.NOTPARALLEL:

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Always the whole workspace: another choice of packages means other features of shared dependencies, and cargo would
# compile nearly everything, llama.cpp among it, once more for each choice.
RELEASE := cargo build --release --locked --workspace

UI_SOURCES := $(shell find src-ui/src src-ui/public -type f) $(wildcard src-ui/*.html src-ui/*.json src-ui/*.ts)
UI_MODULES := src-ui/node_modules/.package-lock.json
UI := src-ui/dist/index.html src-ui/dist-desktop/index.html

## run     install what is missing, build, fetch the starter model and open the window; without a display, serve the browser
run: build model
	@scripts/run.sh

## build   the release binaries flotilla and flotilla-desktop, and the UI of both
build: setup-run $(UI)
	$(RELEASE)

## test    every check and test that needs no cluster
test: setup-test model $(UI)
	@scripts/test.sh

## check   formatting, lints, licences and stale generated types; runs no test
check: setup-test $(UI)
	@scripts/check.sh

## fmt     format everything
fmt: $(UI_MODULES)
	cargo fmt --all
	cd src-ui && npm run --silent format

## types   write anew what TypeScript knows of Rust: the OpenAPI snapshot and the types of both APIs
types: setup-test $(UI_MODULES)
	@scripts/types.sh

## bench   measure the release build beside llama.cpp itself, and the page in Chromium; print the tables
bench: build model setup-test
	@scripts/bench.sh

## images  build both container images from source with Docker and print their sizes
images:
	@scripts/images.sh build

## test-cluster  what needs a cluster, on the one that KUBECONFIG names: deploy, chat, update under load
test-cluster: setup-test model $(UI)
	@scripts/test-cluster.sh

## model   fetch the starter model and check its hash
model:
	@scripts/model.sh

## setup   install the system packages that developing takes
setup: setup-test

setup-run setup-test: setup-%:
	@scripts/setup.sh $*

$(UI_MODULES): src-ui/package-lock.json
	cd src-ui && npm ci --no-audit --no-fund

src-ui/dist/index.html: $(UI_SOURCES) $(UI_MODULES)
	cd src-ui && npm run build

src-ui/dist-desktop/index.html: $(UI_SOURCES) $(UI_MODULES)
	cd src-ui && npm run build:desktop

help:
	@sed -n 's/^## /make /p' Makefile

.PHONY: run build test check fmt types bench images test-cluster model setup setup-run setup-test help
