# Larder's commands. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help build run test test-asan test-tsan bench fuzz format lint clean

SWIFT_FILES := Sources Tests Package.swift
# Seconds that `make fuzz` gives each target.
SECONDS ?= 60

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

build: ## release build, the Swift runtime linked in: .build/release/larder
	@scripts/setup.sh build
	swift build -c release --static-swift-stdlib --product larder
	@scripts/backtrace.sh

run: build ## build and serve on :8080 (LISTEN=, ARGS='--backend HOST:PORT')
	@LISTEN='$(LISTEN)' ARGS='$(ARGS)' scripts/run.sh

test: ## set-up, format check, build, every test
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	swift build
	@scripts/test.sh

test-asan: ## every test under the address sanitizer
	@scripts/setup.sh test
	@ASAN_OPTIONS=detect_leaks=0 scripts/test.sh --sanitize=address --scratch-path .build-asan

test-tsan: ## every test under the thread sanitizer
	@scripts/setup.sh test
	@scripts/test.sh --sanitize=thread --scratch-path .build-tsan

bench: build ## measure against nginx, HAProxy and Varnish (BENCH='--quick --only hit-1k --check')
	@scripts/setup.sh bench
	@python3 bench/run.py $(BENCH)

fuzz: ## run the fuzz targets (SECONDS=60)
	@scripts/setup.sh fuzz
	@fuzz/run.sh $(SECONDS)

format: ## rewrite the Swift files in the committed format
	swift format format --in-place --recursive $(SWIFT_FILES)

lint: ## check the format
	swift format lint --strict --recursive $(SWIFT_FILES)

clean: ## remove what was built
	rm -rf .build .build-asan .build-tsan .build-fuzz bench/out
