# Everything a person types is here. `make help` lists it.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X github.com/openintegrationhub/leat/internal/program.version=$(VERSION)
BUILD   := $(GO) build -trimpath -ldflags '$(LDFLAGS)'

# Nothing here needs C, and one static binary is what we ship. The race detector is the exception.
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help run build test test-short test-kill test-cluster test-sailors check format lint vet docs bench images platform cluster-up cluster-down e2e fuzz needs clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: build ## Build leat and run the three example flows (the main job)
	./bin/leat run example/flow.json example/flow2.json example/wh-flow.json

build: ## Build bin/leat
	@mkdir -p bin
	$(BUILD) -o bin/leat ./cmd/leat

needs: ## Install what the tests need and this machine lacks: RabbitMQ, PostgreSQL, npm packages
	@sh test/needs.sh

test: needs ## Run all tests
	$(GO) test -timeout 15m ./...

test-kill: ## Run the kill tests at full length
	LEAT_KILL=full $(GO) test -timeout 60m -count=1 -run Kill -v ./test/... ./internal/...

SAILORS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/leat/sailors

test-sailors: needs ## Run the real libraries of elastic.io and ferryman, from npm and Maven, against Leat (SAILORS is where they are kept)
	sh test/sailors/install.sh "$(SAILORS)"
	LEAT_SAILORS="$(SAILORS)" $(GO) test -timeout 60m -count=1 ./test/sailors
	LEAT_SAILORS="$(SAILORS)" $(GO) test -timeout 60m -count=1 -v -run Sailor ./test/kill

test-cluster: ## Run the tests that need a Kubernetes API server, and fail where they can't; the first time it's built, for 10 minutes
	test/cluster/build.sh api
	LEAT_CLUSTER=1 $(GO) test -timeout 15m -count=1 ./internal/operator ./internal/cluster ./cmd/leat

check: needs format vet lint ## Format, vet, lint, tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 40m ./...

format: ## Fail if a file isn't formatted
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt -w $$files"; exit 1; }

vet:
	$(GO) vet ./...

lint: ## staticcheck with the rules of staticcheck.conf; the shape of the code is test/architecture
	$(GO) tool -modfile=tools/go.mod staticcheck ./...

bench: build needs ## Run the benchmarks; docs/guide/benchmarks.md says how to read them
	sh test/bench/run.sh

images: build ## Pack the images of the Dockerfile as OCI archives in bin/images, without Docker
	$(BUILD) -o bin/leat-platform ./cmd/leat-platform
	$(GO) run ./platform/images -from build=bin -out bin/images

platform: ## Write platform/platform.json and the Helm chart anew from the files in platform/
	$(GO) test ./platform -run 'TestPlatformFileIsMadeOfTheBases|TestChartIsMadeOfTheBases' -update

cluster-up: ## Start a real Kubernetes on this machine, as root; the first time takes 10 minutes
	test/cluster/build.sh full
	test/cluster/up.sh full

cluster-down: ## Stop it
	test/cluster/down.sh

e2e: images ## Install Leat on that Kubernetes and test it there, as root
	test/e2e/run.sh

fuzz: ## Fuzz every target for a minute each
	sh test/fuzz.sh

clean: ## Remove what was built
	rm -rf bin
