package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"

	"external-services/tools/schema"
	"external-services/tools/values"
)

// effects has, for every key of the values, two settings that render differently.
// The keys are named as in the README's tables.
var effects = map[string][2]string{
	"enabled":               {`{"services": [{"name": "a", "externalName": "a.example"}]}`, `{"enabled": false, "services": [{"name": "a", "externalName": "a.example"}]}`},
	"services":              {`{}`, `{"services": [{"name": "a", "externalName": "a.example"}]}`},
	"overrides":             {alias(``), `{"overrides": {"a": {"externalName": "b.example"}}, ` + alias(``)[1:]},
	"namespaceOverrides":    {alias(``), `{"namespaceOverrides": {"apps": {"a": {"externalName": "b.example"}}}, ` + alias(``)[1:]},
	"endpoints.kind":        {addresses(`["10.0.0.1"]`, ``), `{"endpoints": {"kind": "Endpoints"}, ` + addresses(`["10.0.0.1"]`, ``)[1:]},
	"endpoints.maxPerSlice": {addresses(`["10.0.0.1", "10.0.0.2"]`, ``), `{"endpoints": {"maxPerSlice": 1}, ` + addresses(`["10.0.0.1", "10.0.0.2"]`, ``)[1:]},
	"commonLabels":          {alias(``), `{"commonLabels": {"a": "b"}, ` + alias(``)[1:]},
	"commonAnnotations":     {alias(``), `{"commonAnnotations": {"a": "b"}, ` + alias(``)[1:]},

	"resolver.enabled":                       {withoutResolver, named(``, ``)},
	"resolver.replicas":                      resolver(`"replicas": 3`),
	"resolver.image.repository":              resolver(`"image": {"repository": "registry.example/resolver"}`),
	"resolver.image.tag":                     resolver(`"image": {"tag": "1.2.3"}`),
	"resolver.image.digest":                  resolver(`"image": {"digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`),
	"resolver.image.pullPolicy":              resolver(`"image": {"pullPolicy": "Always"}`),
	"resolver.imagePullSecrets":              resolver(`"imagePullSecrets": [{"name": "a"}]`),
	"resolver.imagePullSecrets[].name":       {resolver(`"imagePullSecrets": [{"name": "a"}]`)[1], resolver(`"imagePullSecrets": [{"name": "b"}]`)[1]},
	"resolver.nameservers":                   resolver(`"nameservers": ["10.0.0.53"]`),
	"resolver.minSeconds":                    resolver(`"minSeconds": 6`),
	"resolver.maxSeconds":                    resolver(`"maxSeconds": 61`),
	"resolver.allowedNames":                  resolver(`"allowedNames": ["*.example"]`),
	"resolver.allowedCIDRs":                  resolver(`"allowedCIDRs": ["10.0.0.0/8"]`),
	"resolver.deniedCIDRs":                   resolver(`"deniedCIDRs": ["10.0.0.0/8"]`),
	"resolver.metrics.podMonitor":            resolver(`"metrics": {"podMonitor": true}`),
	"resolver.metrics.prometheusRule":        {resolver(`"metrics": {"podMonitor": true}`)[1], resolver(`"metrics": {"podMonitor": true, "prometheusRule": true}`)[1]},
	"resolver.admissionPolicy":               resolver(`"admissionPolicy": true`),
	"resolver.resources.requests":            resolver(`"resources": {"requests": {"cpu": "1m"}}`),
	"resolver.resources.limits":              resolver(`"resources": {"limits": {"cpu": "1"}}`),
	"resolver.nodeSelector":                  resolver(`"nodeSelector": {"a": "b"}`),
	"resolver.tolerations":                   resolver(`"tolerations": [{"operator": "Exists"}]`),
	"resolver.affinity":                      resolver(`"affinity": {"nodeAffinity": {}}`),
	"resolver.priorityClassName":             resolver(`"priorityClassName": "a"`),
	"resolver.podLabels":                     resolver(`"podLabels": {"a": "b"}`),
	"resolver.podAnnotations":                resolver(`"podAnnotations": {"a": "b"}`),
	"services[].addresses[].host":            {named(``, ``), strings.Replace(named(``, ``), `"a.example"`, `{"host": "b.example"}`, 1)},
	"services[].resolve.keepSeconds":         {named(``, ``), named(``, `, "resolve": {"keepSeconds": 60}`)},
	"services[].resolve.drainSeconds":        {named(``, ``), named(``, `, "resolve": {"drainSeconds": 60}`)},
	"services[].resolve.maxAddresses":        {named(``, ``), named(``, `, "resolve": {"maxAddresses": 60}`)},
	"services[].healthCheck.port":            checked(`"port": "http"`),
	"services[].healthCheck.intervalSeconds": checked(`"intervalSeconds": 60`),
	"services[].healthCheck.timeoutSeconds":  checked(`"timeoutSeconds": 60`),
	"services[].healthCheck.rise":            checked(`"rise": 60`),
	"services[].healthCheck.fall":            checked(`"fall": 60`),

	"tests.enabled":                 tests(`"enabled": false`),
	"tests.image.repository":        tests(`"image": {"repository": "registry.example/busybox"}`),
	"tests.image.tag":               tests(`"image": {"tag": "1.36.1"}`),
	"tests.image.digest":            tests(`"image": {"digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`),
	"tests.image.pullPolicy":        tests(`"image": {"pullPolicy": "Always"}`),
	"tests.imagePullSecrets":        tests(`"imagePullSecrets": [{"name": "a"}]`),
	"tests.imagePullSecrets[].name": {tests(`"imagePullSecrets": [{"name": "a"}]`)[1], tests(`"imagePullSecrets": [{"name": "b"}]`)[1]},
	"tests.timeoutSeconds":          tests(`"timeoutSeconds": 9`),
	"tests.resources.requests":      tests(`"resources": {"requests": {"cpu": "1m"}}`),
	"tests.resources.limits":        tests(`"resources": {"limits": {"cpu": "1"}}`),

	"services[].name":                             {alias(``), `{"services": [{"name": "b", "externalName": "a.example"}]}`},
	"services[].namespaces":                       {alias(``), alias(`, "namespaces": ["shop", "billing"]`)},
	"services[].enabled":                          {alias(``), alias(`, "enabled": false`)},
	"services[].namespace":                        {alias(``), alias(`, "namespace": "shop"`)},
	"services[].externalName":                     {alias(``), `{"services": [{"name": "a", "externalName": "b.example"}]}`},
	"services[].addresses":                        {addresses(`["10.0.0.1"]`, ``), addresses(`["10.0.0.2"]`, ``)},
	"services[].addresses[].ip":                   {addresses(`[{"ip": "10.0.0.1"}]`, ``), addresses(`[{"ip": "10.0.0.2"}]`, ``)},
	"services[].addresses[].hostname":             {addresses(`[{"ip": "10.0.0.1"}]`, ``), addresses(`[{"ip": "10.0.0.1", "hostname": "a-0"}]`, ``)},
	"services[].addresses[].zone":                 {addresses(`[{"ip": "10.0.0.1"}]`, ``), addresses(`[{"ip": "10.0.0.1", "zone": "eu-1a"}]`, ``)},
	"services[].addresses[].ready":                {addresses(`[{"ip": "10.0.0.1"}]`, ``), addresses(`[{"ip": "10.0.0.1", "ready": false}]`, ``)},
	"services[].addresses[].draining":             {addresses(`["10.0.0.1", "10.0.0.2"]`, ``), addresses(`["10.0.0.1", {"ip": "10.0.0.2", "draining": true}]`, ``)},
	"services[].ports":                            {alias(``), alias(`, "ports": [{"port": 80}]`)},
	"services[].ports[].name":                     {alias(`, "ports": [{"port": 80}]`), alias(`, "ports": [{"port": 80, "name": "http"}]`)},
	"services[].ports[].port":                     {alias(`, "ports": [{"port": 80}]`), alias(`, "ports": [{"port": 81}]`)},
	"services[].ports[].targetPort":               {addresses(`["10.0.0.1"]`, ``), addresses(`["10.0.0.1"]`, `, "targetPort": 8080`)},
	"services[].ports[].protocol":                 {addresses(`["10.0.0.1"]`, ``), addresses(`["10.0.0.1"]`, `, "protocol": "UDP"`)},
	"services[].ports[].appProtocol":              {addresses(`["10.0.0.1"]`, ``), addresses(`["10.0.0.1"]`, `, "appProtocol": "http"`)},
	"services[].ports[].podPort":                  {moving(``, `cluster`), moving(`, "podPort": "http"`, `cluster`)},
	"services[].backend":                          {moving(``, `external`), moving(``, `both`)},
	"services[].selector":                         {entry(``), entry(`"selector": {"app": "a"}`)},
	"services[].endpointsKind":                    {entry(``), entry(`"endpointsKind": "Endpoints"`)},
	"services[].headless":                         {entry(``), entry(`"headless": true`)},
	"services[].sessionAffinity":                  {entry(``), entry(`"sessionAffinity": "ClientIP"`)},
	"services[].sessionAffinityTimeoutSeconds":    {entry(`"sessionAffinity": "ClientIP"`), entry(`"sessionAffinity": "ClientIP", "sessionAffinityTimeoutSeconds": 60`)},
	"services[].trafficDistribution":              {entry(``), entry(`"trafficDistribution": "PreferClose"`)},
	"services[].publishNotReadyAddresses":         {entry(``), entry(`"publishNotReadyAddresses": true`)},
	"services[].ingress.className":                {ingress(``, ``), ingress(``, `, "className": "internal"`)},
	"services[].ingress.hosts":                    {ingress(``, ``), ingress(`"b.example", `, ``)},
	"services[].ingress.hosts[].host":             {ingress(``, ``), ingress(`{"host": "b.example"}, `, ``)},
	"services[].ingress.hosts[].paths":            {ingress(`{"host": "b.example"}, `, ``), ingress(`{"host": "b.example", "paths": [{}, {"path": "/a"}]}, `, ``)},
	"services[].ingress.hosts[].paths[].path":     {ingress(`{"host": "b.example"}, `, ``), ingress(`{"host": "b.example", "paths": [{"path": "/a"}]}, `, ``)},
	"services[].ingress.hosts[].paths[].pathType": {ingress(`{"host": "b.example"}, `, ``), ingress(`{"host": "b.example", "paths": [{"pathType": "Exact"}]}, `, ``)},
	"services[].ingress.hosts[].paths[].port":     inFront(`"ingress": {"hosts": [{"host": "a.example", "paths": [{"port": 80}]}]}`, `"ingress": {"hosts": [{"host": "a.example", "paths": [{"port": 81}]}]}`),
	"services[].ingress.tls.secretName":           {ingress(``, `, "tls": {}`), ingress(``, `, "tls": {"secretName": "a"}`)},
	"services[].ingress.tls.hosts":                {ingress(``, `, "tls": {"secretName": "a"}`), ingress(``, `, "tls": [{"secretName": "a", "hosts": ["*.example"]}]`)},
	"services[].ingress.allowAlias":               {alias(`, "ports": [{"port": 80}], "ingress": {"hosts": ["a.example"], "allowAlias": true}`), alias(`, "ports": [{"port": 80}]`)},
	"services[].ingress.annotations":              {ingress(``, ``), ingress(``, `, "annotations": {"a": "b"}`)},
	"services[].route.kind":                       {route(``), route(`, "kind": "TLSRoute"`)},
	"services[].route.parentRefs":                 {route(``), strings.Replace(route(``), `{"name": "a"}`, `{"name": "a"}, {"name": "b"}`, 1)},
	"services[].route.parentRefs[].name":          {route(``), strings.Replace(route(``), `{"name": "a"}`, `{"name": "b"}`, 1)},
	"services[].route.parentRefs[].namespace":     {route(``), strings.Replace(route(``), `{"name": "a"}`, `{"name": "a", "namespace": "b"}`, 1)},
	"services[].route.parentRefs[].sectionName":   {route(``), strings.Replace(route(``), `{"name": "a"}`, `{"name": "a", "sectionName": "b"}`, 1)},
	"services[].route.hostnames":                  {route(``), strings.Replace(route(``), `["a.example"]`, `["b.example"]`, 1)},
	"services[].route.rules":                      {route(``), route(`, "rules": [{}, {"path": "/a"}]`)},
	"services[].route.rules[].path":               {route(``), route(`, "rules": [{"path": "/a"}]`)},
	"services[].route.rules[].pathType":           {route(``), route(`, "rules": [{"pathType": "Exact"}]`)},
	"services[].route.rules[].port":               inFront(`"route": {"parentRefs": [{"name": "a"}], "rules": [{"port": 80}]}`, `"route": {"parentRefs": [{"name": "a"}], "rules": [{"port": 81}]}`),
	"services[].route.allowAlias":                 {alias(`, "ports": [{"port": 80}], "route": {"parentRefs": [{"name": "a"}], "allowAlias": true}`), alias(`, "ports": [{"port": 80}]`)},
	"services[].route.annotations":                {route(``), route(`, "annotations": {"a": "b"}`)},
	"services[].backendTLS.hostname":              backendTLS(`"hostname": "a.example", "wellKnown": "System"`, `"hostname": "b.example", "wellKnown": "System"`),
	"services[].backendTLS.caCertificates":        backendTLS(`"hostname": "a.example", "caCertificates": [{"name": "a"}]`, `"hostname": "a.example", "caCertificates": [{"name": "a"}, {"name": "b"}]`),
	"services[].backendTLS.caCertificates[].name": backendTLS(`"hostname": "a.example", "caCertificates": [{"name": "a"}]`, `"hostname": "a.example", "caCertificates": [{"name": "b"}]`),
	"services[].backendTLS.wellKnown":             backendTLS(`"hostname": "a.example", "caCertificates": [{"name": "a"}]`, `"hostname": "a.example", "wellKnown": "System"`),
	"services[].backendTLS.port":                  backendTLS(`"hostname": "a.example", "wellKnown": "System"`, `"hostname": "a.example", "wellKnown": "System", "port": "b"`),

	"services[].labels":      {alias(``), alias(`, "labels": {"a": "b"}`)},
	"services[].annotations": {alias(``), alias(`, "annotations": {"a": "b"}`)},
}

// without are the keys that render nothing, with the reason.
var without = map[string]string{
	"global": "Helm puts the globals of a parent chart there",
}

func alias(more string) string {
	return `{"services": [{"name": "a", "externalName": "a.example"` + more + `}]}`
}

// tests is an entry without and with settings of tests.
func tests(settings string) [2]string {
	return [2]string{alias(``), `{"tests": {` + settings + `}, ` + alias(``)[1:]}
}

// withoutResolver are values that need no resolver, for the same Service.
const withoutResolver = `{"services": [{"name": "a", "addresses": ["10.0.0.1"], "ports": [{"port": 80}]}]}`

// named is an entry with a DNS name as its address, with settings of the resolver and more of the entry.
func named(settings, more string) string {
	if settings != "" {
		settings = ", " + settings
	}
	return `{"resolver": {"enabled": true` + settings + `}, "services": [{"name": "a", "addresses": ["a.example"], "ports": [{"port": 80, "name": "http"}]` + more + `}]}`
}

// resolver is such an entry without and with settings of the resolver.
func resolver(settings string) [2]string { return [2]string{named(``, ``), named(settings, ``)} }

// checked is such an entry with a health check of the defaults and with one of settings.
func checked(settings string) [2]string {
	return [2]string{named(``, `, "healthCheck": {}`), named(``, `, "healthCheck": {`+settings+`}`)}
}

func entry(more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"services": [{"name": "a", "addresses": ["10.0.0.1"], "ports": [{"port": 80}]` + more + `}]}`
}

func addresses(list, morePort string) string {
	return `{"services": [{"name": "a", "addresses": ` + list + `, "ports": [{"port": 80` + morePort + `}]}]}`
}

// ingress is an entry with an Ingress for the host a.example, with other hosts before it and more settings.
func ingress(hosts, more string) string {
	return entry(`"ingress": {"hosts": [` + hosts + `"a.example"]` + more + `}`)
}

// route is an entry with a route for the host a.example, with more settings.
func route(more string) string {
	return entry(`"route": {"parentRefs": [{"name": "a"}], "hostnames": ["a.example"]` + more + `}`)
}

// inFront are two entries with two ports and something in front.
func inFront(one, other string) [2]string {
	of := func(part string) string {
		return `{"services": [{"name": "a", "addresses": ["10.0.0.1"], "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}], ` + part + `}]}`
	}
	return [2]string{of(one), of(other)}
}

// backendTLS are two entries whose Gateways speak TLS to them.
func backendTLS(one, other string) [2]string {
	return inFront(`"backendTLS": {`+one+`}`, `"backendTLS": {`+other+`}`)
}

// moving is an entry with pods to take over.
func moving(morePort, backend string) string {
	return `{"services": [{"name": "a", "addresses": ["10.0.0.1"], "ports": [{"port": 80` + morePort + `}], "selector": {"app": "a"}, "backend": "` + backend + `"}]}`
}

// A key of the values that no template reads would be accepted and lost.
func TestEveryKeyHasAnEffect(t *testing.T) {
	keys := map[string]bool{}
	for _, p := range schema.Properties(values.Default()) {
		key := p.Key
		if p.Group() {
			continue
		}
		keys[key] = true
		if _, ok := without[key]; ok {
			continue
		}
		values, ok := effects[key]
		if !ok {
			t.Errorf("no test shows what %s renders: write one into effects", key)
			continue
		}
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			one, other := templateJSON(t, values[0]), templateJSON(t, values[1])
			if one == other {
				t.Errorf("both settings render the same:\n%s", one)
			}
		})
	}
	for key := range effects {
		if !keys[key] {
			t.Errorf("effects has the key %s, and the schema has not", key)
		}
	}
}

func templateJSON(t *testing.T, values string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.json")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return template(t, helm.Options{ValuesFiles: []string{file}})
}
