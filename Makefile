# Larder's commands. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help build run test test-asan test-tsan coverage bench goals soak torture fuzz format lint clean

SWIFT_FILES := Sources Tests Package.swift
# SECONDS= is how long `make soak` takes, `make torture` at most, `make fuzz` for each target, and the load of test-asan and test-tsan.
soak torture: SECONDS ?= 1200
torture: ROUNDS ?= 200
fuzz test-asan test-tsan: SECONDS ?= 60

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

build: ## release build, the Swift runtime linked in: .build/release/larder
	@scripts/setup.sh build
	swift build -c release --static-swift-stdlib --product larder
	@scripts/backtrace.sh

run: build ## build and serve on :8080, cache in cache-data (LISTEN=, ARGS='--backend HOST:PORT')
	@LISTEN='$(LISTEN)' ARGS='$(ARGS)' scripts/run.sh

test: ## set-up, format check, build, every test
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	swift build
	@scripts/test.sh

test-asan: ## every test and mixed load under the address sanitizer (SECONDS=60)
	@scripts/setup.sh test
	@scripts/setup.sh soak
	@scripts/sanitized.sh address $(SECONDS)

test-tsan: ## every test and mixed load under the thread sanitizer (SECONDS=60)
	@scripts/setup.sh test
	@scripts/setup.sh soak
	@scripts/sanitized.sh thread $(SECONDS)

coverage: ## lines of parsing and framing that tests run, branches of message length
	@scripts/setup.sh test
	@scripts/coverage.sh

bench: build ## measure against nginx, HAProxy and Varnish (BENCH='--quick --only hit-1k --check')
	@scripts/setup.sh bench
	@python3 bench/run.py $(BENCH)

goals: build ## measure every goal with a figure, peers beside it (GOALS='--only S5 --tries 1 --no-peers')
	@scripts/setup.sh bench
	@PYTHONPATH=bench python3 -m goals $(GOALS)

soak: build ## mixed load with faults, and whether anything grows (SECONDS=1200)
	@scripts/setup.sh soak
	@python3 bench/soak.py --seconds $(SECONDS)

torture: build ## kill it again and again with a disk, and check all that it serves then (ROUNDS=200, SECONDS=1200)
	@scripts/setup.sh torture
	@python3 bench/torture.py --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

fuzz: ## run the fuzz targets (SECONDS=60)
	@scripts/setup.sh fuzz
	@fuzz/run.sh $(SECONDS)

format: ## rewrite the Swift files in the committed format
	swift format format --in-place --recursive $(SWIFT_FILES)

lint: ## check the format
	swift format lint --strict --recursive $(SWIFT_FILES)

clean: ## remove what was built
	rm -rf .build .build-asan .build-tsan .build-coverage bench/out
