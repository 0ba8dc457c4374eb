# Mayfly: AWS Lambda on machines you own. `make help` lists the targets.

GO          ?= go
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DATA        ?= $(or $(MAYFLY_DATA),$(HOME)/.mayfly)
RUN_FLAGS   ?=
FUZZTIME    ?= 10s
N           ?= 100000

export CGO_ENABLED = 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/mayfly, static
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/mayfly ./cmd/mayfly

.PHONY: run
run: build ## Build, start a server, deploy the sample, invoke it, keep serving (DATA=folder, RUN_FLAGS=...)
	@samples/run.sh bin/mayfly "$(DATA)" $(RUN_FLAGS)

.PHONY: cross
cross: ## Build for every system that we ship
	GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/mayfly-linux-amd64 ./cmd/mayfly
	GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/mayfly-linux-arm64 ./cmd/mayfly
	GOOS=darwin GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/mayfly-darwin-arm64 ./cmd/mayfly

.PHONY: check
check: ## What needs no test machine: format, vet, staticcheck, laws, builds for every system
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./cmd/... ./internal/...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test ./internal/laws
	$(MAKE) cross docs-check

.PHONY: test-tools
test-tools: ## Install what the tests need (Debian packages, Python and npm clients into .cache)
	e2e/setup.sh

.PHONY: test
test: build test-tools ## Install what the tests need, and run them all
	PATH="$(CURDIR)/.cache/bin:$$PATH" $(GO) test -shuffle=on -timeout 20m ./...

.PHONY: race
race: ## The unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -shuffle=on ./internal/...

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (10s)
	@for p in $$($(GO) list ./internal/...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

.PHONY: bench
bench: build test-tools ## Measure beside rivals, in one run (BENCH_FLAGS="-quick -run cold,warm -langs go"); figures into bench/out
	$(GO) run ./bench -mayfly bin/mayfly $(BENCH_FLAGS)

.PHONY: bench-docs
bench-docs: ## Write docs/benchmarks.md from the figures in bench/out/bench.json
	$(GO) run ./bench -render bench/out/bench.json >bench/out/benchmarks.md
	mv bench/out/benchmarks.md docs/benchmarks.md

.PHONY: soak
soak: build test-tools ## Soak: N (100000) invocations that misbehave while code changes; nothing may leak or be stale
	PATH="$(CURDIR)/.cache/bin:$$PATH" MAYFLY_SOAK=$(N) $(GO) test ./e2e -run '^TestSoak$$' -v -count=1 -timeout 12h

.PHONY: docs
docs: ## Write the generated pages in docs/
	$(GO) run ./tools/docs coverage >docs/coverage.md
	$(GO) run ./tools/docs cli >docs/cli.md

.PHONY: docs-check
docs-check: ## Fail when a generated page is out of date
	@$(GO) run ./tools/docs coverage | diff -u docs/coverage.md - || { echo "run: make docs"; exit 1; }
	@$(GO) run ./tools/docs cli | diff -u docs/cli.md - || { echo "run: make docs"; exit 1; }

.PHONY: clean
clean: ## Remove what was built and installed here
	rm -rf bin .cache
