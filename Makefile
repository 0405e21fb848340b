# Everything a developer or a first-time user runs. `make help` lists it.
SHELL := /bin/bash
GO ?= go
# Time for each fuzz target in test-long.
FUZZTIME ?= 10m
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -buildid= -X main.version=$(VERSION)
STATIC := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='$(LDFLAGS)'
# linux/GOARCH of the agent; mips and mipsle run on cores without a floating point
# unit, and are compiled without inlining: their code is the largest, their flash
# the smallest (docs/decisions/0012-inspection-on-devices.md).
AGENT_ARCHES := amd64 arm64 arm mips mipsle riscv64

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: demo
demo: build ## stage the attack in a lab of network namespaces and show it blocked (root; KEEP=1 leaves it running)
	@test "$$(id -u)" = 0 || { echo "make demo needs root: it makes network namespaces and loads XDP programs. Run: sudo make demo"; exit 1; }
	@.ci/deps demo
	bin/masugata lab demo --bin bin $(if $(KEEP),--keep) $(DEMO_FLAGS)

.PHONY: build
build: ## build bin/masugata, bin/masugata-gate and bin/masugata-agent (and the lab's bot)
	@.ci/deps build
	@mkdir -p bin
	$(STATIC) -o bin/masugata-gate ./cmd/masugata-gate
	$(STATIC) -o bin/masugata-agent ./cmd/masugata-agent
	$(STATIC) -o bin/masugata-lab-bot ./internal/lab/attack/bot
	CGO_ENABLED=1 $(GO) build -trimpath -buildvcs=false -ldflags='$(LDFLAGS)' -o bin/masugata ./cmd/masugata

.PHONY: test
test: ## all quick tests: Go, then the dashboard's
	@.ci/deps test
	$(GO) vet ./...
	$(GO) test -timeout 9m ./...
	@$(MAKE) --no-print-directory test-ui

.PHONY: test-ui
test-ui: ## type check and unit tests of the dashboard (left out, with a word, where Node.js is too old; never in CI)
	@if .ci/deps node; then \
		cd ui && npm ci --no-audit --no-fund --silent && npm run --silent check && npm test --silent; \
	elif [ -n "$$CI" ]; then exit 1; \
	else echo "SKIPPED: the dashboard's own tests; the dashboard itself is built and embedded already"; fi

.PHONY: test-browser
test-browser: ## the dashboard in headless Chromium against a real control plane and lab (root)
	@.ci/deps browser
	test/browser/run

.PHONY: test-race
test-race: ## Go tests under the race detector
	@.ci/deps test
	$(GO) test -race -timeout 25m ./...

.PHONY: test-long
test-long: build ## hours: kills under load, fuzzing of every parser
	@.ci/deps test
	MASUGATA_LONG=1 $(GO) test -timeout 120m -count=1 ./...
	.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## figures for bench/RESULTS.md: data path, event path, detection, FastNetMon
	@.ci/deps bench
	bench/run

# The profile makes the inspection about a tenth faster and the build a minute
# longer, so ordinary builds go without. bench/inspect/profile makes it anew.
PROFILE := -pgo=cmd/masugata-gate/inspect.pgo

.PHONY: gate-release
gate-release: ## bin/masugata-gate, optimised by a profile of its inspection (a minute longer)
	$(STATIC) $(PROFILE) -o bin/masugata-gate ./cmd/masugata-gate

.PHONY: gate-hyperscan
gate-hyperscan: ## the same with Hyperscan as its pattern search (needs libhyperscan-dev; not static)
	CGO_ENABLED=1 $(GO) build -trimpath -buildvcs=false -tags hyperscan $(PROFILE) -ldflags='$(LDFLAGS)' -o bin/masugata-gate ./cmd/masugata-gate

.PHONY: agent-all
agent-all: ## the agent for every architecture, into bin/agent/
	@for a in $(AGENT_ARCHES); do \
		echo "agent linux/$$a"; \
		case $$a in mips*) small=-gcflags=all=-l;; *) small=;; esac; \
		GOOS=linux GOARCH=$$a GOARM=6 GOMIPS=softfloat $(STATIC) $$small -o bin/agent/masugata-agent-$$a ./cmd/masugata-agent || exit 1; \
	done; ls -l bin/agent

.PHONY: generate
generate: ## make generated files anew: protocols, eBPF objects, state queries, API description, rule keywords, dashboard
	.ci/generate

.PHONY: clean
clean: ## remove what make built
	rm -rf bin ui/node_modules
