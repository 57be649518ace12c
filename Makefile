# One word per job; `make help` lists them. Longer recipes live in the scripts they call.
SHELL    := /bin/bash
PREFIX   ?= /usr/local
HOST     := $(shell rustc -vV | sed -n 's/^host: //p')
# The optimised static binaries, and the one that the suites run.
DIST     := target/dist
RUNT     ?= $(CURDIR)/$(DIST)/runt
IMGMGR   ?= $(CURDIR)/$(DIST)/imgmgr
# runt starts twice as fast on musl (docs/design/0002-start.md); where the toolchain can't have
# that target, it is linked with the C library of the host.
MUSL     := $(HOST:-gnu=-musl)
# Peers for `make conformance`, by name or path.
PEERS    ?= runc
STATIC   := -C target-feature=+crt-static -C relocation-model=static
# What a start does not execute lies together, and stays on disk.
LAYOUT   := -C link-arg=-Wl,-T,runtime/cold.ld

.PHONY: help build check test conformance clients vm vm-verity bench fuzz demo doc install clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the static release binaries
	@rustup target add $(MUSL) || echo "no target $(MUSL): runt is built for $(HOST)" >&2
	target=$(HOST); \
	if [ -d "$$(rustc --print sysroot)/lib/rustlib/$(MUSL)/lib" ]; then target=$(MUSL); fi; \
	RUSTFLAGS="$(STATIC) $(LAYOUT)" cargo build --profile small --target $$target -p runt && \
	install -D -t $(DIST) target/$$target/small/runt
	RUSTFLAGS="$(STATIC)" cargo build --release --target $(HOST) -p imgmgr
	install -D -t $(DIST) target/$(HOST)/release/imgmgr

check: ## Format, lints and unit tests: fast, no root
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace --lib --bins

test: ## All that CI runs: checks, unit tests, fuzzing, documents, demo, conformance, clients, VM core
	conformance/all

conformance: build ## Run the suite on $(PEERS) and runt, and print a table
	cargo run -q -p conformance -- table $(foreach peer,$(PEERS),--runtime $(peer)=$(peer)) --runtime runt=$(RUNT)

clients: build ## Run podman, containerd and dockerd with runt as their runtime
	cargo run -p conformance-clients -- --runtime $(RUNT)

vm: build ## Run the suite on cgroup v2 and systemd, in a virtual machine
	conformance/vm/suite $(RUNT)

vm-verity: ## Run imgmgr's tests of sealed mounts, in a virtual machine with fs-verity
	conformance/vm/verity

bench: build ## Measure runt and imgmgr beside their peers; markdown tables on standard output
	cargo run -p conformance-bench -- --runtime $(RUNT)
	cargo run -p conformance-bench --bin image-bench -- --imgmgr $(IMGMGR) $(IMAGE_BENCH)

fuzz: ## Run every fuzz target for FUZZ_SECONDS (default 20); CI has 8
	conformance/fuzz-smoke $(FUZZ_SECONDS)

demo: build ## Build runt, make a bundle, and show its whole life
	conformance/demo/run $(RUNT)

doc: ## Build the API documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude xtask --no-deps --document-private-items

install: build ## Install binaries, man pages and completions under $(DESTDIR)$(PREFIX)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(DIST)/runt $(DIST)/imgmgr
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 man/*.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/*.8
	for program in runt imgmgr; do install -D -m 644 completions/$$program.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$program; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d completions/*.fish
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions completions/_*

clean: ## Remove all that was built
	cargo clean
