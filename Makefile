# make            lists the targets
# Every target works in a fresh clone: what it needs, it installs.

GOLANGCI_LINT := v2.15.0
BENCHSTAT := v0.0.0-20260908200009-22c9c6c9d4da
MODULES := $(shell sed -n 's/^\t\(\.[^ ]*\)$$/\1/p' go.work)
# Modules besides the root whose tests say something about Go, and not about a server.
SERVERLESS := ./examples/adopt ./examples/routers ./fibersession ./gorillabridge ./gorillabridge/interop ./otelmetrics ./redisstore/interop ./scsbridge ./sqlitestore
# Of the oldest Go the newest patch: before go1.25.3 testing/synctest takes a WaitGroup for
# another bubble's now and then, because the runtime allocates its records without a lock.
OLDEST_GO := go1.25.14
FUZZTIME ?= 100000x
TOOLS := $(CURDIR)/.tools

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | sort | expand -t 16

.PHONY: demo
demo: ## run the shop on http://127.0.0.1:8080
	@[ -z "$$(go list -deps -f '{{if and .Stale (not .Standard)}}{{.ImportPath}}{{end}}' ./shop 2>/dev/null | head -20 | sed -n 20p)" ] || \
		echo "Go downloads and compiles the shop with the clients of all stores first. That takes a minute or two, and seconds from then on."
	go run ./shop -insecure

.PHONY: setup
setup: ## install the servers and the browser that tests start
	@scripts/setup redis-server memcached nginx apache2 haproxy chromium
	@command -v node >/dev/null || scripts/setup nodejs
	@! apt-cache show firefox-esr >/dev/null 2>&1 || scripts/setup firefox-esr
	@command -v etcd >/dev/null || scripts/setup etcd-server
	@[ -e /usr/share/java/zookeeper.jar ] && command -v java >/dev/null || scripts/setup zookeeper default-jre-headless
	@command -v promtool >/dev/null || scripts/setup prometheus
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || scripts/setup postgresql
	@command -v nutcracker >/dev/null || [ -x /usr/sbin/nutcracker ] || scripts/setup nutcracker
	@command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || scripts/setup mariadb-server

# Tests that start servers wait most of their time: four packages of them take less than half of
# two processors. In reverse order, since the longest stand near the end of the alphabet.
SERVERS := -p 4 $$(scripts/packages servers | sort -r)

.PHONY: test
test: setup ## test every module, allocation gates included
	go test -timeout 20m $$(scripts/packages alone)
	go test -timeout 20m $(SERVERS)

.PHONY: race
race: setup ## test every module under the race detector (RACE=-short: one fault a storm, and nothing of other processes)
	go test -race -timeout 30m $(RACE) $$(scripts/packages alone)
	go test -race -timeout 30m $(RACE) $(SERVERS)

.PHONY: e2e
e2e: setup ## the tests in a real browser only
	cd e2e && go test -count=1 -v ./...

.PHONY: picture
picture: setup ## docs/outage.png anew: an outage as a visitor sees it
	cd e2e && go test -count=1 -run TestAVisitorSeesAnOutageAndNothingElse -strip $(CURDIR)/docs/outage.png .

.PHONY: test-node
test-node: setup ## test beside real Express, which it installs
	@command -v node >/dev/null && command -v npm >/dev/null || scripts/setup nodejs npm
	@for d in node/interop/app examples/express-and-go/app; do [ -d $$d/node_modules ] || (cd $$d && npm ci --no-fund --no-audit) || exit 1; done
	cd node/interop && GOWORK=off go test -count=1 ./...
	cd examples/express-and-go && GOWORK=off go test -count=1 ./...

.PHONY: vet
vet:
	go vet work

.PHONY: lint
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT) ## gofmt, vet and golangci-lint
	@test -z "$$(gofmt -l .)" || { echo "gofmt -w: $$(gofmt -l .)"; exit 1; }
	@go run ./internal/test/shape -gate >/dev/null
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $< run ./...) || exit 1; done

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) GOWORK=off GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	mv $(TOOLS)/golangci-lint $@

.PHONY: shape
shape: ## lines, cycles of files, branches and methods of each package of the root module
	@go run ./internal/test/shape $(SHAPE)

.PHONY: mutants
mutants: ## run the tests against mutants of the code: make mutants MUTANTS="-list state -v"
	@go run ./internal/test/mutants $(MUTANTS)

.PHONY: fuzz
fuzz: ## fuzz every target, FUZZTIME (100000x) inputs each
	@scripts/fuzz $(FUZZTIME)

.PHONY: tidy
tidy: ## fail where a go.mod or go.sum is not tidy
	@for m in $(MODULES); do echo "tidy $$m"; (cd $$m && GOWORK=off go mod tidy -diff) || exit 1; done

.PHONY: modules
modules: setup modules-vet ## build each module and its tests by itself, on the newest patch of the oldest Go or the oldest that it names, and run the short tests that need no server of their own; the root builds on the oldest too
	@echo "test, $(OLDEST_GO) ." && GOWORK=off GOTOOLCHAIN=$(OLDEST_GO)+auto go test -short $$(GOWORK=off scripts/packages alone ./...)
	@for m in $(SERVERLESS); do echo "test, $(OLDEST_GO) $$m"; (cd $$m && GOWORK=off GOTOOLCHAIN=$(OLDEST_GO)+auto go test -short ./...) || exit 1; done

.PHONY: modules-vet
modules-vet:
	@GOWORK=off GOTOOLCHAIN=go$(shell sed -n 's/^go //p' go.mod) go build ./...
	@for m in $(MODULES); do echo "vet, $(OLDEST_GO) $$m"; (cd $$m && GOWORK=off GOTOOLCHAIN=$(OLDEST_GO)+auto go vet ./...) || exit 1; done

.PHONY: vulncheck
vulncheck: ## known vulnerabilities of what each module uses; says so where the database cannot be reached
	@scripts/vulncheck

.PHONY: release
release: ## dist/: the command for each platform, built twice and compared, checksums, bills of materials: docs/RELEASING.md
	@scripts/release build

.PHONY: cover
cover: setup ## coverage of the root module, in coverage.out
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -1

.PHONY: bench
bench: setup bench/node/node_modules ## docs/BENCHMARKS.md and its picture anew, in a quarter of an hour
	go run ./bench -full -page docs/BENCHMARKS.md -picture docs/benchmarks.svg

bench/node/node_modules: bench/node/package-lock.json
	@if command -v npm >/dev/null; then cd bench/node && npm ci --no-audit --no-fund && touch node_modules; else echo "no npm: Express is left out"; fi

.PHONY: lab
lab: setup lab/node/node_modules ## docs/COMPARISON.md and its picture anew: what visitors of Holdfast and of others meet in the same faults, in six minutes
	go run ./lab -page docs/COMPARISON.md -picture docs/comparison.svg

lab/node/node_modules: lab/node/package-lock.json
	@if command -v npm >/dev/null; then cd lab/node && npm ci --no-audit --no-fund && touch node_modules; else echo "no npm: Express is left out"; fi

.PHONY: docs
docs: ## the documents as static pages in docs/site, with a table of contents and a search; a dead link is an error
	@go run ./docsite

.PHONY: bench-compare
bench-compare: $(TOOLS)/benchstat ## compare with a commit: make bench-compare REF=main~1
	@scripts/bench-compare $(TOOLS)/benchstat "$(REF)"

$(TOOLS)/benchstat:
	GOBIN=$(TOOLS) GOWORK=off GOFLAGS= go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT)
