# What a developer runs. CI runs the same by .ci/run.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The race detector needs a C compiler. diyform itself is never built with one.
HAVE_CC := $(shell command -v gcc || command -v clang)
RACE    := $(if $(HAVE_CC),-race)
# Go arguments for one's own use: make test TEST=./state/ TESTFLAGS='-run Journal -v'
TEST      ?= ./...
TESTFLAGS ?=

export CGO_ENABLED = 0
# Where ip and nft are; an ordinary user on Debian does not look there.
export PATH := $(PATH):/usr/sbin:/sbin

PREFIX      ?= /usr/local
DESTDIR     ?=

.PHONY: build man install demo test lint bench vm-check docs fmt setup clean

build: ## build/diyform, one static binary
	go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o build/diyform ./cmd/diyform

man: build ## build/man, the manual pages
	@rm -rf build/man
	build/diyform man build/man

share = $(DESTDIR)$(PREFIX)/share
install: man ## the program, its manual and what makes shells complete it, below PREFIX
	install -D -m 0755 build/diyform $(DESTDIR)$(PREFIX)/bin/diyform
	install -d $(share)/man/man1 $(share)/bash-completion/completions $(share)/zsh/site-functions $(share)/fish/vendor_completions.d
	install -m 0644 build/man/*.1 $(share)/man/man1
	build/diyform completion bash >$(share)/bash-completion/completions/diyform
	build/diyform completion zsh >$(share)/zsh/site-functions/_diyform
	build/diyform completion fish >$(share)/fish/vendor_completions.d/diyform.fish

demo: build build/playhost ## examples/nat on a disposable machine, as root or as an ordinary user
	@scripts/setup.sh ip ping sysctl
	@PATH="$(CURDIR)/build:$$PATH" build/playhost -- sh examples/nat/demo.sh

test: setup build/conftest ## all tests; those that need a machine make one of namespaces
	CGO_ENABLED=$(if $(RACE),1,0) GORACE=atexit_sleep_ms=0 go test $(RACE) -timeout 20m $(TESTFLAGS) $(TEST)

lint: ## formatting, vet, staticcheck, and the architecture's rules
	@unformatted=$$(gofmt -l cmd config plan apply state providers internal); \
		test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test ./internal/arch

bench: build build/playhost setup ## the engine alone; 1,000 hosts, against plain netlink and ip; containers, against crun and podman; the planner alone
	scripts/setup.sh podman
	go build -buildvcs=false -o build/ ./internal/bench ./internal/bench/floor ./internal/bench/containers ./internal/bench/engine
	build/engine -binary build/diyform
	PATH="$(CURDIR)/build:$$PATH" build/playhost -- build/bench
	unshare --mount --propagation private build/containers
	go test ./apply -run '^$$' -bench 'Plan|Apply' -benchtime 2x

vm-check: ## containers on another kernel: VM='COMMAND...' runs what follows in a VM, see scripts/vm-check.sh
	scripts/vm-check.sh $(VM)

docs: ## docs/resources.md and docs/functions.md from the declarations of types and functions
	@mkdir -p build docs
	for page in resources functions; do \
		go run ./internal/docgen $$page > build/$$page.md && mv build/$$page.md docs/$$page.md || exit 1; done

fmt:
	gofmt -w cmd config plan apply state providers internal

setup: ## install the programs that tests look with
	@scripts/setup.sh

clean:
	rm -rf build

# The conftest that policies are tested with, without what fetches them: a minute, once.
build/conftest: internal/conftest/go.mod internal/conftest/go.sum internal/conftest/getter/getter.go
	cd internal/conftest && go build -buildvcs=false -ldflags '-s -w' -o ../../$@ github.com/open-policy-agent/conftest

build/playhost: FORCE
	@go build -buildvcs=false -o $@ ./internal/playhost/cmd/playhost

FORCE:
