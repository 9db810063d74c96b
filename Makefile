# external-services: `make` lists the targets.

include ci/versions.env

SHELL := /usr/bin/env bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# One setting of cgo for every build: the compiled packages are shared, no C
# compiler is needed, and names are resolved as in a container from scratch.
export CGO_ENABLED := 0

# The compiler writes no tables for a debugger: nobody debugs what make builds (go test and
# dlv by themselves have them). terratest brings the SDK of a cloud along, a sixth of all that
# is compiled, and no test calls it: it is compiled without inlining too, in half the time.
COMPILER_FLAGS := -gcflags=all=-dwarf=false '-gcflags=github.com/aws/...=-l -dwarf=false'
export GOFLAGS := $(filter-out $(COMPILER_FLAGS),$(GOFLAGS)) $(COMPILER_FLAGS)

# The compiler, the linker, helm and the tests live for seconds or minutes. They collect garbage
# late, or from 2 GiB on, which takes a fifth off the time of the processors.
LATE_GC := GOGC=800 GOMEMLIMIT=2GiB

# relative, so that the repository may have a space in its path
BIN := .bin
PROGRESS := ci/progress.sh

# What ci/progress.sh says of each long step, for the table at the end of make test.
export STEP_TIMES := $(CURDIR)/$(BIN)/step-times
GO_FILES := $(wildcard $(shell git ls-files -co --exclude-standard '*.go' | grep -v '^tools/cluster/'))
CLUSTER_FILES := $(wildcard $(shell git ls-files -co --exclude-standard 'tools/cluster/*.go')) tools/cluster/go.mod

# What a released helm is told about itself at link time; the second half is the
# Kubernetes that `helm template` and `helm lint` assume.
HELM_MINOR := $(word 2,$(subst ., ,$(HELM_KUBERNETES_VERSION)))
HELM_LDFLAGS := -s -w -X helm.sh/helm/v3/internal/version.version=$(HELM_VERSION) \
	$(foreach package,chartutil lint/rules,-X helm.sh/helm/v3/pkg/$(package).k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$(package).k8sVersionMinor=$(HELM_MINOR))

# The programs whose dependencies ci/licenses.txt lists.
PROGRAMS := .:./tools/...,./tests/cmd/... tools/cluster:./...

# YAML as people write it: not templates, and not what Helm prints or tests get wrong.
YAML_FILES := $(wildcard $(shell git ls-files -co --exclude-standard '*.yaml' '*.yml' | grep -v -e /templates/ -e /testdata/))
# What people read in English; of the programs, their messages and help texts.
PROSE := $(wildcard $(shell git ls-files -co --exclude-standard '*.md' 'charts/*.yaml' 'charts/*.tpl' 'charts/*.txt' 'charts/*.sh' 'charts/*.json' \
	'values-examples/*.yaml' 'tools/*.go' 'tools/*.yaml' | grep -v -e '\.zh-CN\.md$$' -e _test.go -e /testdata/))

SHELL_SCRIPTS := .ci/run $(wildcard $(shell git ls-files -co --exclude-standard 'ci/*.sh'))

WORKFLOWS := $(wildcard .github/workflows/*.yml)

STATICCHECK := $(CURDIR)/$(BIN)/staticcheck

CHART_VERSION := $(shell sed -n 's/^version: //p' charts/external-services/Chart.yaml)

# The packages and fuzz targets that make fuzz runs one after the other.
FUZZ_TARGETS := tools/lint:FuzzLint tools/lint:FuzzSettings tools/lint:FuzzPositions tools/helm:FuzzParse tools/helm:FuzzDecode \
	tools/cmd/generate:FuzzInsert tools/importer:FuzzText tools/discover:FuzzFile tests/schema:FuzzLintMutations tools/resolver/lookup:FuzzAnswer

##@ Use

.PHONY: demo
demo: packages $(BIN)/helm $(if $(KEEP),$(BIN)/kubectl) $(BIN)/probe $(BIN)/resolver $(BIN)/demo $(BIN)/cluster ## Show what the chart does on the embedded cluster, in three acts (KEEP=1 leaves it up)
	@$(LATE_GC) $(PROGRESS) -v "components of the cluster" $(BIN)/cluster build >/dev/null
	@$(LATE_GC) $(BIN)/demo $(if $(KEEP),-keep)

##@ Develop

.PHONY: test-unit
test-unit: ## The inner loop: tests of the tools, in process; make test has them all
	@go test -short ./tools/...

.PHONY: test
test: ## All tests, with what they need installed and built
	@rm -f '$(STEP_TIMES)'
	@$(MAKE) --no-print-directory packages $(BIN)/modules tools $(BIN)/suite $(BIN)/image
	@$(LATE_GC) $(PROGRESS) -v "components of the older Kubernetes" $(BIN)/cluster build --kubernetes $(KUBERNETES_OLDEST_VERSION)
	@$(LATE_GC) $(PROGRESS) "what the tests are compiled with" ci/compile-tests.sh
	@$(LATE_GC) $(BIN)/suite '$(STEP_TIMES)'

.PHONY: test-routes
test-routes: packages tools $(BIN)/traefik ## A cutover behind a real controller, Traefik: by Ingress, by HTTPRoute, and over TLS
	go test -count=1 -v ./tests/routes

.PHONY: test-gitops
test-gitops: packages tools $(BIN)/helm-controller $(BIN)/source-controller $(BIN)/argocd ## The real Flux and Argo CD: install, drift, cutover under load, refusals, permissions, uninstall, prune
	@ci/packages.sh redis-check-rdb=redis-tools
	go test -count=1 -v -p=1 -timeout 1h ./tests/flux ./tests/argocd

.PHONY: kind-tools
kind-tools: packages tools $(BIN)/kind $(BIN)/image
	@ci/packages.sh jq=jq iptables=iptables ip6tables=iptables nsenter=util-linux catatonit=catatonit mmdebstrap=mmdebstrap

.PHONY: test-kind
test-kind: kind-tools $(BIN)/ct ## The cluster tests, helm test and chart-testing on kind clusters, as root (ALL=1 for those that are left out for their time too, KIND_NODE_IMAGE=...)
	@KIND_NODE_IMAGE='$(KIND_NODE_IMAGE)' ALL='$(ALL)' ci/kind/test.sh

.PHONY: kind-node-image
kind-node-image: $(BIN)/cluster ## Build the node image of test-kind, of Debian packages and Go modules
	@ci/kind/test.sh image

.PHONY: transitions
transitions: tools ## Take an entry from each state to each other one, and write the table of docs/transitions.md
	@$(LATE_GC) $(BIN)/cluster build --kubernetes $(KUBERNETES_OLDEST_VERSION)
	@go test -C tests/transitions -count=1 -timeout 3h -all -update

.PHONY: test-nightly
test-nightly: tools ## What takes long and make test has a part of: all transitions, with each Helm on each Kubernetes, and more random input
	@$(LATE_GC) $(BIN)/cluster build --kubernetes $(KUBERNETES_OLDEST_VERSION)
	go test -count=1 -timeout 3h ./tests/transitions -all
	@$(MAKE) --no-print-directory fuzz COUNT=20000

.PHONY: soak
soak: tools $(BIN)/bench ## The tests of the resolver with minutes of changes and failures in place of seconds, and up to 10,000 names
	@$(BIN)/bench resolver

.PHONY: fuzz
fuzz: tools ## Random input for all that reads it (FUZZTIME=1m each), then random values for the chart and real API servers (COUNT=100000, SEED=1)
	@for target in $(FUZZ_TARGETS); do go test -run '^$$' -fuzz "^$${target##*:}$$" -fuzztime $(or $(FUZZTIME),1m) -fuzzminimizetime 2s ./$${target%%:*} || exit 1; done
	@$(LATE_GC) $(BIN)/cluster build --kubernetes $(KUBERNETES_OLDEST_VERSION)
	go test -count=1 -timeout 24h ./tests/schema -run TestMalformed -malformed 10000
	go test -count=1 -v -timeout 24h ./tests/parity -run 'TestParity|TestKept' -table -values $(or $(COUNT),100000) -seed $(or $(SEED),1)

.PHONY: bench
bench: packages tools $(BIN)/kubectl $(BIN)/bench ## What the chart and the tools cost, in 20 minutes: the chart's docs/benchmarks.md (BENCH=template,lint for some parts, ROUNDS=1)
	@$(BIN)/bench $(if $(ROUNDS),-rounds $(ROUNDS)) $(BENCH)

.PHONY: generate
generate: $(BIN)/helm $(BIN)/helm4 $(BIN)/generate $(BIN)/bench $(BIN)/licenses ## Write what is generated: schema, values.yaml, README tables, annotations, golden files, the page of the benchmarks, the list of licences
	$(BIN)/generate
	go test -count=1 ./tests/render -run TestGolden -update
	go test -count=1 ./tests/parity -run TestStricter -update
	go test -count=1 ./tests/schema -run TestListOfRefusals -update
	go test -count=1 ./tests/repository -run TestTablesOfFindings -update
	go test -count=1 ./tools/cmd/extsvc -run TestTableOfCommands -update
	$(BIN)/bench -write
	$(BIN)/licenses -write ci/licenses.txt $(PROGRAMS)

.PHONY: verify
verify: lint $(BIN)/helm $(BIN)/helm4 $(BIN)/generate $(BIN)/licenses $(BIN)/editor/package.json ## Check that what is generated is up to date, and lint
	$(BIN)/generate -check
	go test -count=1 ./tests/render -run 'TestGolden|TestNoStrayGolden'
	go test -count=1 ./tests/parity -run TestStricter
	go test -count=1 ./tests/schema -run TestListOfRefusals
	go test -count=1 ./tests/repository -run TestTablesOfFindings
	go test -count=1 ./tests/bench -run TestPage
	go test -count=1 ./tests/sbom
	go test -count=1 ./tests/editor
	@ci/packages.sh chromium=chromium
	go test -count=1 ./tests/report
	$(BIN)/licenses ci/licenses.txt $(PROGRAMS)
	@for module in . tools/cluster ci/tools ci/traefik ci/flux ci/argocd; do echo "go mod tidy -diff in $$module"; go -C $$module mod tidy -diff || exit 1; done
	@for modfile in $(notdir $(wildcard tools/cluster/kubernetes-*.mod)); do echo "go mod tidy -diff of $$modfile"; go -C tools/cluster mod tidy -modfile=$$modfile -diff || exit 1; done

.PHONY: lint
lint: packages $(BIN)/helm $(BIN)/helm4 $(BIN)/ct $(BIN)/staticcheck $(BIN)/actionlint $(BIN)/words ## Lint the chart, with Helm 3 and 4, the Go code, scripts, YAML, workflows and words
	@unformatted=$$("$$(go env GOROOT)/bin/gofmt" -l charts ci tests tools) && [ -z "$$unformatted" ] || { echo "not formatted, run gofmt -w: $$unformatted" >&2; exit 1; }
	go vet ./...
	go -C tools/cluster vet ./internal/... ./cmd/cluster/... ./e2e/...
	go -C ci/tools vet ./...
	$(STATICCHECK) ./...
	cd tools/cluster && $(STATICCHECK) ./internal/... ./cmd/cluster/... ./e2e/...
	cd ci/tools && $(STATICCHECK) ./...
	shellcheck $(SHELL_SCRIPTS)
	shellcheck -s sh charts/external-services/files/test.sh ci/tools/dist/templates/plugin.complete ci/tools/dist/templates/kubectl_complete-extsvc
	@echo yamllint --strict -c ci/lintconf.yaml; yamllint --strict -c ci/lintconf.yaml $(YAML_FILES)
	$(BIN)/actionlint $(WORKFLOWS)
	@echo words; $(BIN)/words $(PROSE)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ct lint --config ct.yaml
	@mkdir -p $(BIN)/v4 && ln -sf ../helm4 $(BIN)/v4/helm
	PATH="$(CURDIR)/$(BIN)/v4:$$PATH" $(BIN)/ct lint --config ct.yaml

.PHONY: clean
clean: ## Take down the clusters and delete what was built
	@if [ -x $(BIN)/cluster ]; then for name in demo test; do $(BIN)/cluster --name $$name down; done; fi
	@ci/kind/test.sh clean
	rm -rf $(BIN) dist

##@ Build

.PHONY: tools
tools: $(BIN)/helm $(BIN)/helm4 $(BIN)/kubectl $(BIN)/extsvc $(BIN)/resolver $(BIN)/generate $(BIN)/probe $(BIN)/demo $(BIN)/cluster $(BIN)/dist $(BIN)/krew ## Build every program, and the components of the embedded cluster
	@$(LATE_GC) $(BIN)/cluster build

# All modules, so that their download is a step of its own.
$(BIN)/modules: go.mod ci/tools/go.mod $(wildcard tools/cluster/*.mod)
	@mkdir -p $(BIN)
	@$(PROGRESS) "download of modules" ci/download.sh
	@touch $@

.PHONY: packages
packages:
	@ci/packages.sh ip=iproute2 nft=nftables mariadbd=mariadb-server-core mariadb-install-db=mariadb-server-core mariadb=mariadb-client-core busybox=busybox yamllint=yamllint shellcheck=shellcheck

$(BIN)/helm: go.mod ci/versions.env
	@$(LATE_GC) $(PROGRESS) "helm $(HELM_VERSION)" go build -v -ldflags '$(HELM_LDFLAGS)' -o $@ helm.sh/helm/v3/cmd/helm

$(BIN)/helm4: ci/tools/go.mod ci/versions.env
	@$(LATE_GC) $(PROGRESS) "helm $(HELM4_VERSION)" go -C ci/tools build -v -ldflags '-s -w -X helm.sh/helm/v4/internal/version.version=$(HELM4_VERSION)' -o '$(CURDIR)/$@' helm.sh/helm/v4/cmd/helm

$(BIN)/ct: ci/tools/go.mod
	@$(LATE_GC) $(PROGRESS) "chart-testing $(CHART_TESTING_VERSION)" go -C ci/tools build -v -ldflags '-s -w' -o '$(CURDIR)/$@' github.com/helm/chart-testing/v3/ct

$(BIN)/staticcheck: ci/tools/go.mod
	@$(LATE_GC) $(PROGRESS) staticcheck go -C ci/tools build -v -ldflags '-s -w' -o '$(CURDIR)/$@' honnef.co/go/tools/cmd/staticcheck

$(BIN)/actionlint: ci/tools/go.mod
	@$(LATE_GC) $(PROGRESS) actionlint go -C ci/tools build -v -ldflags '-s -w' -o '$(CURDIR)/$@' github.com/rhysd/actionlint/cmd/actionlint

$(BIN)/cyclonedx-gomod: ci/tools/go.mod
	@$(LATE_GC) $(PROGRESS) cyclonedx-gomod go -C ci/tools build -v -ldflags '-s -w' -o '$(CURDIR)/$@' github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

$(BIN)/krew: ci/tools/go.mod
	@$(LATE_GC) $(PROGRESS) krew go -C ci/tools build -v -ldflags '-s -w' -o '$(CURDIR)/$@' sigs.k8s.io/krew/cmd/krew

$(BIN)/traefik: ci/traefik/go.mod
	@$(LATE_GC) $(PROGRESS) traefik go -C ci/traefik build -v -ldflags '-s -w' -o '$(CURDIR)/$@' github.com/traefik/traefik/v3/cmd/traefik

$(BIN)/helm-controller $(BIN)/source-controller: $(BIN)/%: ci/flux/go.mod
	@$(LATE_GC) $(PROGRESS) "Flux's $*" go -C ci/flux build -v -ldflags '-s -w' -o '$(CURDIR)/$@' github.com/fluxcd/$*

$(BIN)/argocd: ci/argocd/go.mod ci/argocd/main.go
	@$(LATE_GC) $(PROGRESS) "Argo CD $(ARGOCD_VERSION)" go -C ci/argocd build -v -ldflags '-s -w' -o '$(CURDIR)/$@' .

$(BIN)/licenses $(BIN)/suite $(BIN)/words: $(BIN)/%: ci/tools/go.mod $(wildcard ci/tools/licenses/*.go ci/tools/suite/*.go ci/tools/words/*.go)
	@$(LATE_GC) $(PROGRESS) $* go -C ci/tools build -v -o '$(CURDIR)/$@' ./$*

# Their gzip is that of the compiler, so they are compiled with the one that what they pack is.
$(BIN)/image $(BIN)/dist: $(BIN)/%: ci/tools/go.mod ci/versions.env $(wildcard ci/tools/image/*.go ci/tools/dist/*.go ci/tools/dist/templates/*)
	@$(LATE_GC) $(PROGRESS) $* env GOTOOLCHAIN=$(GO_VERSION) go -C ci/tools build -v -o '$(CURDIR)/$@' ./$*

$(BIN)/editor/package.json: ci/versions.env
	@ci/packages.sh node=nodejs npm=npm
	@$(PROGRESS) "YAML language server $(YAML_LANGUAGE_SERVER_VERSION)" npm install --silent --no-audit --no-fund --prefix $(BIN)/editor yaml-language-server@$(YAML_LANGUAGE_SERVER_VERSION)

$(BIN)/kind: ci/tools/go.mod
	@$(LATE_GC) $(PROGRESS) "kind $(KIND_VERSION)" go -C ci/tools build -v -ldflags '-s -w' -o '$(CURDIR)/$@' sigs.k8s.io/kind

$(BIN)/extsvc: $(GO_FILES) go.mod $(wildcard $(shell git ls-files -co --exclude-standard charts))
	@$(LATE_GC) $(PROGRESS) extsvc go build -v -o $@ ./tools/cmd/extsvc

$(BIN)/resolver: $(GO_FILES) go.mod
	@$(LATE_GC) $(PROGRESS) resolver go build -v -o $@ ./tools/cmd/resolver

$(BIN)/generate: $(GO_FILES) go.mod tools/cmd/generate/entries.yaml
	@$(LATE_GC) $(PROGRESS) generate go build -v -o $@ ./tools/cmd/generate

$(BIN)/probe $(BIN)/demo $(BIN)/bench: $(BIN)/%: $(GO_FILES) go.mod
	@$(LATE_GC) $(PROGRESS) $* go build -v -ldflags '-s -w' -o $@ ./tests/cmd/$*

$(BIN)/kubectl: tests/cmd/kubectl/main.go go.mod ci/versions.env
	@$(LATE_GC) $(PROGRESS) "kubectl $(KUBERNETES_VERSION)" go build -v -ldflags '-s -w -X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION)' -o $@ ./tests/cmd/kubectl

$(BIN)/cluster: $(CLUSTER_FILES)
	@$(LATE_GC) $(PROGRESS) "the embedded cluster's command" go -C tools/cluster build -v -o '$(CURDIR)/$@' ./cmd/cluster

##@ Release

.PHONY: image
image: $(BIN)/image $(BIN)/licenses $(BIN)/cyclonedx-gomod ## Build the image of the resolver in dist/, without Docker, with its bill of materials (CycloneDX)
	@$(LATE_GC) ci/image.sh $(BIN)/image $(BIN)/licenses dist
	$(BIN)/cyclonedx-gomod bin -json -noserial -notimestamp -std -version v$(CHART_VERSION) -output dist/resolver-$(CHART_VERSION).cdx.json dist/resolver-linux-amd64

.PHONY: package
package: $(BIN)/helm4 $(BIN)/generate $(if $(IMAGE_REPOSITORY),image) ## Make the chart's archive in dist/, the same bytes from the same files (IMAGE_REPOSITORY=... REPOSITORY_URL=... as a release does)
	@IMAGE_REPOSITORY='$(IMAGE_REPOSITORY)' REPOSITORY_URL='$(REPOSITORY_URL)' ci/package.sh $(BIN)/helm4 $(BIN)/generate dist

.PHONY: dist
dist: $(BIN)/dist $(BIN)/licenses $(BIN)/cyclonedx-gomod $(BIN)/extsvc ## Make the archives of extsvc in dist/, which are plugins of Helm and kubectl too, with checksums and bills of materials (REPOSITORY_URL=... for krew)
	@REPOSITORY_URL='$(REPOSITORY_URL)' $(LATE_GC) ci/dist.sh $(BIN)/dist $(BIN)/licenses $(BIN)/cyclonedx-gomod $(BIN)/extsvc dist $(PLATFORMS)

.PHONY: release
release: $(BIN)/helm4 $(BIN)/generate image dist ## Push the image of the resolver, sign the archives of extsvc and the chart, and push the chart (REGISTRY=oci://..., KEY, KEYRING; see ci/release.sh)
	@REPOSITORY_URL='$(REPOSITORY_URL)' ci/release.sh $(BIN)/helm4 $(BIN)/generate $(BIN)/image $(BIN)/dist dist

##@ Help

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
