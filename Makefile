# The dev profile keeps the first `make run` short; `make run PROFILE=release` builds the optimised binary.
PROFILE ?= dev
# Arguments for the program that the target runs: make worker ARGS=--help, make test ARGS=money.
ARGS ?=
# More flags for every cargo call: CI passes --locked.
FLAGS ?=
# The number of worker containers that `make up` starts.
WORKERS ?= 1

PAYOUT = cargo run $(FLAGS) --profile $(PROFILE) --bin payout --
# Once the binary is built, cargo is quiet, so that only the command's own output shows.
PAYOUT_QUIETLY = cargo run $(FLAGS) $$(test ! -e "$(BINARY)" || echo --quiet) --profile $(PROFILE) --bin payout --
WORKSPACE = $(FLAGS) --workspace --all-features

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Announces the first build, which shows nothing but cargo's crate names for minutes.
BINARY = $${CARGO_TARGET_DIR:-target}/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/payout
SAY_WHAT_IS_BUILT = @test -e "$(BINARY)" || echo 'Building payout and its 350 or so dependencies for the first time: two to ten minutes,' \
	'depending on the machine. Later starts take seconds.'

.PHONY: run
run: ## run the server and a worker in one process, on SQLite: nothing else to install
	$(SAY_WHAT_IS_BUILT)
	@$(PAYOUT) run $(ARGS)

.PHONY: payout
payout: ## run any command of the binary: make payout ARGS='keys list'
	@$(PAYOUT_QUIETLY) $(or $(ARGS),--help)

.PHONY: keys
keys: ## manage API keys: make keys ARGS='create billing --scopes read,write'
	@$(PAYOUT_QUIETLY) keys $(or $(ARGS),--help)

.PHONY: doctor
doctor: ## check everything that the service needs, and report what is wrong
	@$(PAYOUT_QUIETLY) doctor $(ARGS)

.PHONY: install
install: ## install the release binary in cargo's bin folder (~/.cargo/bin)
	cargo install --locked --path payout-app $(ARGS)

.PHONY: serve
serve: ## run the HTTP server alone
	$(SAY_WHAT_IS_BUILT)
	@$(PAYOUT) serve $(ARGS)

.PHONY: worker
worker: ## run a worker alone
	$(SAY_WHAT_IS_BUILT)
	@$(PAYOUT) worker $(ARGS)

.PHONY: migrate
migrate: ## bring the database's schema up to date
	$(SAY_WHAT_IS_BUILT)
	@$(PAYOUT) migrate $(ARGS)

.PHONY: openapi
openapi: ## print the OpenAPI document
	@cargo run $(FLAGS) --quiet --profile $(PROFILE) --bin payout -- openapi $(ARGS)

.PHONY: test
test: ## run every test; finds or starts PostgreSQL, Redis and Chromium
	tests/with-services cargo test $(WORKSPACE) $(ARGS)

.PHONY: examples
examples: ## build and test the example project and README's snippets, as projects of their own
	CARGO_TARGET_DIR="$${CARGO_TARGET_DIR:-$(CURDIR)/target}" \
		cargo test $(FLAGS) --manifest-path examples/own-ports/Cargo.toml --test service
	tests/readme

.PHONY: django-test
django-test: ## import databases created by Django itself, and compare; needs Python
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/with-services --no-browser tests/django/run $(ARGS)

# SEED replays a plan of faults; SECONDS is the length; LONG=1 takes thirty minutes, with the default lease. The build is a
# release build unless PROFILE is given.
DRILL_PROFILE = $(if $(filter command environment,$(firstword $(origin PROFILE))),$(PROFILE),release)
DRILL_FOLDER = $(if $(filter dev,$(DRILL_PROFILE)),debug,$(DRILL_PROFILE))
# With the features that the tests were built with, in the profile of the tests: nothing is compiled again.
DRILL_BUILD = $(if $(filter dev,$(DRILL_PROFILE)),$(WORKSPACE) --bin payout --bin payout-drill,$(FLAGS) --package payout-app --package payout-drill)

.PHONY: drill
drill: ## inject faults into a whole service of real processes; SEED=7, SECONDS=60, or LONG=1 for thirty minutes
	cargo build --profile $(DRILL_PROFILE) $(DRILL_BUILD)
	tests/with-services --no-browser "$${CARGO_TARGET_DIR:-target}/$(DRILL_FOLDER)/payout-drill" $(if $(SEED),--seed $(SEED)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(LONG),--long) $(ARGS)

# FULL=1 measures with ten million payouts, which takes most of an hour; ONLY=creates,drains measures only these rows.
BENCH = "$${CARGO_TARGET_DIR:-target}/release/payout-bench"

.PHONY: bench
bench: ## measure the service beside its limits, and write docs/performance.md; FULL=1, ONLY=creates
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser $(BENCH) table $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY),--out docs/performance.md) $(ARGS)

.PHONY: bench-compare
bench-compare: ## compare another build with this one, side by side; BEFORE=path/to/payout
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser $(BENCH) compare $(or $(BEFORE),$(error say which: BEFORE=path/to/payout)) $(ARGS)

.PHONY: bench-http
bench-http: ## put the same load on a running server; URL=http://127.0.0.1:8000
	cargo build $(FLAGS) --release --package payout-bench
	$(BENCH) http $(or $(URL),$(error say which: URL=http://127.0.0.1:8000)) $(ARGS)

.PHONY: simulation
simulation: ## simulate the whole protocol for a number of seeds; SEEDS=20000
	SIMULATION_SEEDS=$(or $(SEEDS),20000) cargo test $(FLAGS) --package payout-adapters --all-features --test simulation -- \
		--nocapture $(ARGS)

.PHONY: api-fuzz
api-fuzz: ## check the running service against its OpenAPI document
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/api-fuzz $(ARGS)

.PHONY: fuzz
fuzz: ## fuzz the parsers of money, bodies, cursors and the provider's answers; SECONDS=60 in total
	tests/fuzz/run $(or $(SECONDS),60) $(ARGS)

.PHONY: mutants
mutants: ## mutate the state machine and the policies, and check that a test fails for each mutant
	tests/mutants $(ARGS)

.PHONY: settings
settings: ## write README's table, .env.example and docker-compose.yml from the table of settings
	UPDATE=1 cargo test $(FLAGS) --package payout-app --lib the_documents_are_those_of_the_table

.PHONY: lint
lint: ## check formatting, clippy, the direction of dependencies and the documentation
	cargo fmt --all -- --check
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	cargo test $(WORKSPACE) --test dependencies
	RUSTDOCFLAGS='-D warnings' cargo doc $(WORKSPACE) --no-deps
	for features in '' contract mocks; do \
		RUSTDOCFLAGS='-D warnings' cargo doc $(FLAGS) --package payout-core --no-deps --features "$$features" || exit 1; \
	done

# Advisories need the network: tests/supply-chain deny, tests/supply-chain audit.
.PHONY: supply-chain
supply-chain: ## check the licences, bans and sources of the dependencies
	tests/supply-chain $(ARGS)

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: up
up: .docker-has-a-key ## start everything in Docker, and wait until it is healthy; WORKERS=3 for three workers
	docker compose up --build --detach --wait --wait-timeout 300 --scale worker=$(WORKERS)

# Without an encryption key for the containers, this creates one in a separate file. .env names that file for docker compose
# alone, so that `make run` does not use the key of production.
.PHONY: .docker-has-a-key
.docker-has-a-key:
	@test -n "$$PAYOUT_ENCRYPTION_KEYS$$DOCKER_ENCRYPTION_KEYS_FILE" \
		|| grep -Eqs '^(export +)?(PAYOUT_ENCRYPTION_KEYS|DOCKER_ENCRYPTION_KEYS_FILE) *= *.' .env || { \
		set -e; \
		(umask 077; mkdir -p secrets); chmod 700 secrets; \
		test -s secrets/encryption_keys || { \
			(umask 077; printf 'k1:%s\n' "$$(head -c 32 /dev/urandom | base64)" > secrets/encryption_keys.part); \
			chmod 444 secrets/encryption_keys.part; mv secrets/encryption_keys.part secrets/encryption_keys; \
			echo 'A new encryption key is in secrets/encryption_keys: keep a copy of it. Without it the recipients are lost.'; }; \
		test ! -s .env || test -z "$$(tail -c 1 .env)" || echo >> .env; \
		(umask 077; echo 'DOCKER_ENCRYPTION_KEYS_FILE=secrets/encryption_keys' >> .env); }

.PHONY: down
down: ## stop everything that `up` started, and Prometheus, Alertmanager and Grafana; keep the data
	docker compose --profile observability down
