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
test: ## run every test; finds or starts PostgreSQL, Redis, RabbitMQ, NATS and Chromium
	tests/with-services cargo test $(WORKSPACE) $(ARGS)

.PHONY: pgbouncer-test
pgbouncer-test: ## run the contract suite through PgBouncer, in transaction mode
	tests/with-services --no-browser --pgbouncer cargo test $(WORKSPACE) --package payout-adapters --test pgbouncer -- --nocapture $(ARGS)

.PHONY: deploy-test
deploy-test: ## check deploy/: Kubernetes' schemas, systemd's analysis, nginx under load
	$(if $(TESTED_BINARY),,cargo build $(WORKSPACE) --bin payout)
	tests/deploy/run $(ARGS)

.PHONY: compose-test
compose-test: ## start docker-compose.yml in an engine of its own, kill parts of it, and count; needs root
	$(if $(TESTED_BINARY),,cargo build $(WORKSPACE) --bin payout)
	tests/compose/run $(ARGS)

# The tree may have changes that are not committed yet.
.PHONY: package
package: ## build the crates that are published, payout-core and payout-adapters, as crates.io would
	cargo package --locked --package payout-core --package payout-adapters --allow-dirty $(ARGS)

.PHONY: examples
examples: ## build and test the example project and README's snippets, as projects of their own
	CARGO_TARGET_DIR="$${CARGO_TARGET_DIR:-$(CURDIR)/target}" \
		cargo test $(FLAGS) --manifest-path examples/own-ports/Cargo.toml --test service
	tests/readme

.PHONY: django-test
django-test: ## import databases created by Django itself, and compare; needs Python
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/with-services --no-browser --no-brokers tests/django/run $(ARGS)

.PHONY: console-test
console-test: ## look at every page of the console with a browser and axe-core, follow a story, and weigh the pages; needs Node.js
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/with-services tests/console/run $(ARGS)

.PHONY: screenshots
screenshots: ## take pictures of every page of the console, in target/console/pictures
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/with-services tests/console/run pictures target/console/pictures

.PHONY: webhooks-test
webhooks-test: ## verify webhooks with the libraries from PyPI, npm and crates.io, and names that lead inside; needs Python and Node.js
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/webhooks/run $(ARGS)

.PHONY: clients
clients: ## generate clients from the OpenAPI document, and run a scenario with them; needs Python and Node.js
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/clients/run $(ARGS)

# It listens on port 8090, notifies the service on port 8000, and writes a file of providers for the service. Other
# arguments: make provider-stand-in PROVIDER=adyen ARGS='--port 8091 --faults drill'
STAND_IN = $(or $(PROVIDER),adyen)
.PHONY: provider-stand-in
provider-stand-in: ## run a stand-in for a real provider: PROVIDER=adyen, paypal or stripe
	@cargo run $(FLAGS) --profile $(PROFILE) --bin payout-stand-in -- --provider $(STAND_IN) --port 8090 \
		--setup target/stand-in/$(STAND_IN) --notify http://127.0.0.1:8000/api/providers/$(STAND_IN)/notifications/ $(ARGS)

# PROVIDER is contract (the default), adyen, paypal, stripe, or mixed: several with routes. QUEUE is redis (the default),
# postgres, amqp or nats. SEED replays a plan of faults;
# SECONDS is the length; LONG=1 takes thirty minutes, with the default lease. The build is a
# release build unless PROFILE is given.
DRILL_PROFILE = $(if $(filter command environment,$(firstword $(origin PROFILE))),$(PROFILE),release)
DRILL_FOLDER = $(if $(filter dev,$(DRILL_PROFILE)),debug,$(DRILL_PROFILE))
# In the profile of the tests, with the tests: cargo then selects the same features for the dependencies as `make test`,
# and compiles nothing again.
DRILL_BUILD = $(if $(filter dev,$(DRILL_PROFILE)),$(WORKSPACE) --bins --tests,\
	$(FLAGS) --package payout-app --package payout-drill --package payout-stand-ins)

.PHONY: drill
drill: ## inject faults into a whole service of real processes; PROVIDER=adyen, QUEUE=nats, SEED=7, SECONDS=60, or LONG=1
	cargo build --profile $(DRILL_PROFILE) $(DRILL_BUILD)
	tests/with-services --no-browser --no-brokers "$${CARGO_TARGET_DIR:-target}/$(DRILL_FOLDER)/payout-drill" $(if $(PROVIDER),--provider $(PROVIDER)) \
		$(if $(QUEUE),--queue $(QUEUE)) $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(LONG),--long) $(ARGS)

# FULL=1 measures with ten million payouts, which takes most of an hour; ONLY=creates,drains measures only these rows.
BENCH = "$${CARGO_TARGET_DIR:-target}/release/payout-bench"

.PHONY: bench
bench: ## measure the service beside its limits, and write docs/performance.md; FULL=1, ONLY=creates
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser --no-brokers $(BENCH) table $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY),--out docs/performance.md) $(ARGS)

.PHONY: bench-compare
bench-compare: ## compare another build with this one, side by side; BEFORE=path/to/payout
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser --no-brokers $(BENCH) compare $(or $(BEFORE),$(error say which: BEFORE=path/to/payout)) $(ARGS)

.PHONY: bench-providers
bench-providers: ## measure providers beside each other, and their limits of calls per second
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser --no-brokers $(BENCH) providers $(ARGS)

.PHONY: bench-webhooks
bench-webhooks: ## measure deliveries of webhooks at 1,000 payouts a second, 1,000 readers of the live stream, and 200 operators
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser $(BENCH) webhooks $(ARGS)
	tests/with-services --no-browser $(BENCH) streams

.PHONY: bench-batches
bench-batches: ## measure batches of 100,000 rows beside COPY, what single payouts feel of them, and exports
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser --no-brokers $(BENCH) batches $(ARGS)

.PHONY: bench-options
bench-options: ## measure creates with each queue and each option, and the time until a worker claims a payout
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser $(BENCH) options $(ARGS)

.PHONY: bench-large
bench-large: ## measure statistics, lists and the feed with ten million payouts; takes half an hour and 20 GB
	cargo build $(FLAGS) --release --package payout-app --package payout-bench
	tests/with-services --no-browser --no-brokers $(BENCH) large $(ARGS)

.PHONY: bench-http
bench-http: ## put the same load on a running server; URL=http://127.0.0.1:8000
	cargo build $(FLAGS) --release --package payout-bench
	$(BENCH) http $(or $(URL),$(error say which: URL=http://127.0.0.1:8000)) $(ARGS)

.PHONY: simulation
simulation: ## simulate the whole protocol for a number of seeds; SEEDS=5000
	SIMULATION_SEEDS=$(or $(SEEDS),5000) cargo test $(FLAGS) --package payout-adapters --all-features --test simulation -- \
		--nocapture $(ARGS)

.PHONY: api-fuzz
api-fuzz: ## check the running service against its OpenAPI document
	PROFILE=$(PROFILE) FLAGS="$(FLAGS)" tests/api-fuzz $(ARGS)

# SPECS is the folder of the vendors' OpenAPI descriptions, which are not part of this repository; PROVIDER judges only one.
.PHONY: conformance
conformance: ## judge the providers' adapters by what the vendors publish; SPECS=folder, PROVIDER=stripe
	tests/conformance/run --check-specs
	UPDATE=1 cargo test $(WORKSPACE) --test lost_answers
	tests/conformance/run $(PROVIDER) $(ARGS)

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
	RUSTDOCFLAGS='-D warnings' cargo doc $(FLAGS) --package payout-core --no-deps

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

# Without an encryption key for the containers, this creates one in a separate file, and a password for the database unless
# .env says something of it. .env names the files for docker compose alone, so that `make run` does not use production's.
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
		(umask 077; echo 'DOCKER_ENCRYPTION_KEYS_FILE=secrets/encryption_keys' >> .env); \
		if ! grep -Eqs '^(export +)?(POSTGRES_[A-Z]+|DOCKER_DATABASE_URL|DOCKER_DATABASE_URL_FILE) *=' .env; then \
			password=$$(head -c 24 /dev/urandom | base64 | tr '+/' 'xy'); \
			(umask 077; printf '%s' "$$password" > secrets/postgres_password; \
				printf 'postgres://payout:%s@db:5432/payout\n' "$$password" > secrets/database_url); \
			chmod 444 secrets/postgres_password secrets/database_url; \
			(umask 077; printf '%s\n' POSTGRES_PASSWORD= DOCKER_POSTGRES_PASSWORD_FILE=secrets/postgres_password \
				DOCKER_DATABASE_URL= DOCKER_DATABASE_URL_FILE=secrets/database_url >> .env); \
		fi; }

.PHONY: down
down: ## stop everything that `up` started, and Prometheus, Alertmanager and Grafana; keep the data
	docker compose --profile observability down
