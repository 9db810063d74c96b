package parity

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

var update = flag.Bool("update", false, "write the table of docs/validation.md")

// rule is one by which the chart refuses, on purpose, what an API server takes.
type rule struct {
	what string         // what is refused, for the table in docs/validation.md
	why  string         // for the same table
	says *regexp.Regexp // the whole message of the chart

	// whether the rule applies, where the message alone does not say it
	when func(charts charts, d document, objects []object, message string) bool
}

// stricter are the deliberate rules. Everything else that the chart refuses, the API
// servers refuse as well. A rule is as narrow as its message allows: one that is too wide
// would hide that the chart refuses what works.
var stricter = []rule{
	{
		what: "a number in quotes, `null` and other values of a wrong type",
		why:  "Each key has one type. Helm would print another one unpredictably.",
		says: says(`^at '[^']*': got (null|boolean|number|string|array|object), want [a-z ]+$`),
	},
	{
		what: "another word for `backend`, `endpointsKind` or `endpoints.kind`",
		why:  "Only the chart knows these keys: the templates would render half an entry.",
		says: says(`^at '/(.*/backend|.*/endpointsKind|endpoints/kind)': value must be one of `),
	},
	{
		what: "`endpoints.maxPerSlice` over 1000, also with fewer addresses",
		why:  "The limit of an EndpointSlice would first matter with the 1001st address.",
		says: says(`^at '/endpoints/maxPerSlice': (minimum|maximum): got `),
	},
	{
		what: "more than 100 ports",
		why:  "The API's documentation limits EndpointSlices to 100.",
		says: says(`^at '/.*/ports': maxItems: got \d+, want 100$`),
	},
	{
		what: "`tests.timeoutSeconds` outside of 1 to 60",
		why:  "`helm test` would wait forever or not at all.",
		says: says(`^at '/tests/timeoutSeconds': (minimum|maximum): got `),
	},
	{
		what: "the text `<no value>`",
		why:  "Helm removes it.",
		says: says(inEntry + `(?s:.*)<no value>|^at '/.*': '(?s:.*)<no value>(?s:.*)' does not match pattern `),
	},
	{
		what: "a `name` that starts with a digit",
		why:  "Older versions of Kubernetes refuse it.",
		says: says(`^at '/services/\d+/name': '[0-9]([-a-z0-9]{0,61}[a-z0-9])?' does not match pattern `),
	},
	{
		what: "`namespace` and `namespaces` together, no namespace in `namespaces`, or the same one twice",
		why:  "It is not clear which one is meant.",
		says: says(inEntry + `namespace is set, but so is namespaces: |^at '/.*/namespaces': (minItems: got 0, want 1|items at \d+ and \d+ are equal)$`),
	},
	{
		what: "overrides of a name that no entry has, or for a namespace that cannot exist",
		why:  "They would have no effect.",
		says: says(`^(overrides|namespaceOverrides[^:]*): no entry is named |^at '/namespaceOverrides': additional propert(y|ies) (?s:.*) not allowed$`),
	},
	{
		what: "two entries for one Service",
		why:  "The last one would win.",
		says: says(inEntry + `name is taken by services\[\d+\] in the namespace `),
	},
	{
		what: "an entry with both `externalName` and `addresses`, or neither",
		why:  "A Service is an alias or forwards to addresses; with neither it reaches nothing.",
		says: says(inEntry + `(externalName is set, but so is addresses|addresses or externalName is missing|ports is missing): `),
		when: func(c charts, d document, objects []object, message string) bool {
			// With both, Kubernetes would get an alias, which needs no ports.
			return !strings.Contains(message, "ports is missing") || rendered(`"type":"ExternalName"`)(c, d, objects, message)
		},
	},
	{
		what: "an `externalName` or `addresses` that Kubernetes refuses, while the backend is `cluster`",
		why:  "It would fail when you go back.",
		says: says(inEntry + `(externalName|addresses\[\d+\][.a-z]*) (?s:.*): |^at '/.*/(externalName|addresses/\d+/[a-z]+)': (?s:.*) does not match pattern `),
		when: rendered(`"external-services/backend":"cluster"`),
	},
	{
		what: "an `externalName` of digits and dots",
		why:  "No DNS server resolves an alias to an IP address.",
		says: says(inEntry + `externalName "[0-9.]+" is an IP address or a number, `),
	},
	{
		what: "an `externalName` with a label of more than 63 characters",
		why:  "DNS does not allow it (RFC 1035, section 2.3.4).",
		says: says(inEntry + `externalName "` + longLabel + `" is not a DNS name: |^at '/.*/externalName': '` + longLabel + `' does not match pattern `),
	},
	{
		what: "an `externalName` that is `localhost` or the Service itself",
		why:  "Callers would reach themselves.",
		says: says(inEntry + `externalName "[-a-z0-9.]+" is (the calling pod itself|this Service itself): `),
	},
	{
		what: "addresses of multicast and of 240.0.0.0/4",
		why:  "Connections cannot reach them.",
		says: says(inEntry + `addresses\[\d+\] "(22[4-9]|23[0-9]|2[45][0-9]|ff[0-9a-f]{2}:)[0-9a-f.:]*" is (a multicast address|an address of the reserved network 240.0.0.0/4): `),
	},
	{
		what: "an IP address that is not in its canonical form, such as `010.0.0.1` or `2001:DB8::1`",
		why:  "Newer versions of Kubernetes refuse them in EndpointSlices, because programs disagree on what they mean.",
		says: says(inEntry + `addresses\[\d+\] "[0-9A-Fa-f.:]+" is not an (IPv4 address|IPv6 address in its canonical form): `),
		when: anotherForm,
	},
	{
		what: "an IPv4 address mapped into IPv6",
		why:  "For the same reason. Write the IPv4 address.",
		says: says(inEntry + `addresses\[\d+\] "::(ffff|FFFF):[0-9a-f.:]+" is an IPv4 address mapped into IPv6: `),
	},
	{
		what: "the same address twice",
		why:  "It would shift traffic by accident.",
		says: says(inEntry + `addresses\[\d+\] "[-0-9a-z.:]+" is addresses\[\d+\] already: `),
	},
	{
		what: "a DNS name under `addresses` that the resolver cannot follow, or without `resolver.enabled`",
		why:  "It would never have an address.",
		says: says(inEntry + `addresses\[\d+\] "(?s:.*)" (is (not one address|a name, (not an IP address|and the resolver writes no Endpoints objects)|a URL|an IP address or a number, which DNS does not resolve|` +
			`not a DNS name|the calling pod itself|this Service itself|a single label|a name of the cluster itself|not one of resolver.allowedNames)|contains a port): |^at '/.*/addresses/\d+/host': `),
		when: hasHost,
	},
	{
		what: "`resolve` and `healthCheck` for which there is no resolver, name or port of TCP",
		why:  "They would have no effect.",
		says: says(inEntry + `(resolve|healthCheck)([.][a-zA-Z]+)? `),
	},
	{
		what: "settings of the resolver that it cannot read",
		why:  "It would keep to those of before.",
		says: says(`^resolver[.](nameservers|allowedCIDRs|deniedCIDRs)\[\d+\] |^at '/resolver/(nameservers|allowedNames|allowedCIDRs|deniedCIDRs)/\d+': `),
	},
	{
		what: "a `zone` that no node can have as its label",
		why:  "It would match no client.",
		says: says(`^at '/.*/addresses/\d+/zone': '(?s:.*)' does not match pattern `),
		when: withoutHint,
	},
	{
		what: "a `zone` in an Endpoints object, or more than 1000 addresses there",
		why:  "The object cannot hold a zone, and a cluster uses only the first 1000 addresses.",
		says: says(inEntry + `(addresses\[\d+\][.]zone is set, but an Endpoints object has no zones|addresses has \d+ addresses, but a cluster uses only 1000 of an Endpoints object): `),
	},
	{
		what: "a headless Service without `ports`",
		why:  "Service meshes, SRV records and `helm test` need them.",
		says: says(inEntry + `ports is missing: `),
		when: rendered(`"clusterIP":"None"`),
	},
	{
		what: "a `targetPort` or `podPort` other than `port`, with `externalName` or `headless`",
		why:  "Clients connect to the addresses directly: Kubernetes ignores these fields.",
		says: says(inEntry + `ports\[\d+\][.](targetPort|podPort) is \d+ and port is \d+, but a (DNS alias|headless Service) cannot change the port: `),
	},
	{
		what: "`podPort` without `selector`",
		why:  "It applies to no pods.",
		says: says(inEntry + `ports\[\d+\][.]podPort is set, but selector is not: `),
	},
	{
		what: "a `selector` or `podPort` that Kubernetes refuses, while the backend is `external`",
		why:  "It would fail when the pods take over.",
		says: says(inEntry + `(selector: |ports\[\d+\][.]podPort )|^at '/.*/(selector(/.*)?|podPort)': `),
		when: rendered(`"external-services/parked":"true"`),
	},
	{
		what: "an empty `podPort`",
		why:  "It is not a port. If unset, it is `targetPort`.",
		says: says(`^at '/.*/podPort': '' does not match pattern `),
	},
	{
		what: "the backends `both` and `cluster` without `selector`, and `both` with `externalName`",
		why:  "Nothing says which pods take over, and an alias has no addresses to share connections with pods.",
		says: says(inEntry + `(selector is missing, and the backend (both|cluster) sends connections to pods|backend is both, but an alias of a DNS name has no addresses to share connections with pods): `),
	},
	{
		what: "`selector` with addresses in an Endpoints object",
		why:  "Kubernetes overwrites the object, and no connection works.",
		says: says(inEntry + `selector is set, and Kubernetes overwrites the Endpoints object `),
	},
	{
		what: "the label `external-services/parked` in `selector`",
		why:  "The chart uses it to keep pods out.",
		says: says(inEntry + `selector: "external-services/parked" is the label by which the chart keeps pods out: `),
	},
	{
		what: "`sessionAffinityTimeoutSeconds` without `sessionAffinity: ClientIP`",
		why:  "Kubernetes refuses it with `None`, and drops it if neither is set.",
		says: says(inEntry + `sessionAffinityTimeoutSeconds is set, but sessionAffinity is not ClientIP: |^at '/.*/sessionAffinityTimeoutSeconds': (minimum|maximum): got `),
	},
	{
		what: "labels that the chart sets itself",
		why:  "One of the two would be lost.",
		says: says(`^(commonLabels|services\[(?s:.*): labels): "[-a-z./]+" is a label that the chart sets itself: `),
	},
	{
		what: "the labels `endpointslice.kubernetes.io/skip-mirror` and `service.kubernetes.io/headless`",
		why:  "With them Kubernetes ignores the endpoints.",
		says: says(`^(commonLabels|services\[(?s:.*): labels): "(endpointslice.kubernetes.io/skip-mirror|service.kubernetes.io/headless)" makes Kubernetes ignore the endpoints: `),
	},
	{
		what: "annotations that begin with `helm.sh/hook`",
		why:  "The objects would not be part of the release, and nothing would remove them.",
		says: says(`^(commonAnnotations|services\[(?s:.*): annotations): "helm.sh/hook(?s:.*)" takes the objects out of the release, `),
	},
	{
		what: "annotations of pods, and `service.kubernetes.io/topology-aware-hints`",
		why:  "Kubernetes refuses them with some values. Services do not use the former, and the latter has a new name.",
		says: says(`^(commonAnnotations|services\[(?s:.*): annotations): "(kubernetes.io/config.mirror|scheduler.alpha.kubernetes.io/tolerations|controller.kubernetes.io/pod-deletion-cost|seccomp.security.alpha.kubernetes.io/pod|container.(seccomp.security.alpha|apparmor.security.beta).kubernetes.io/(?s:.*)|service.kubernetes.io/topology-aware-hints)" is (for pods|the old name of service.kubernetes.io/topology-mode): `),
	},
	{
		what: "annotations of more than 261888 bytes together",
		why:  "The limit is 262144 bytes, and Helm adds two annotations of its own.",
		says: says(inEntry + `annotations take (261889|26189[0-9]|2619[0-9]{2}|2620[0-9]{2}|2621[0-3][0-9]|26214[0-4]) bytes together with the common ones, `),
	},
	{
		what: "an image, a name in `imagePullSecrets` or a resource for the test Pod that it cannot have",
		why:  "The Pod would not start.",
		says: says(`^at '/tests/image/(repository|tag|digest)': |^at '/tests/imagePullSecrets/\d+/name': |^at '/tests/imagePullSecrets/\d+': missing property 'name'$|^at '/tests/resources/(limits|requests)': additional propert(y|ies) (?s:.*) not allowed$`),
	},
	{
		what: "a quantity in `tests.resources` that is negative, without digits or with an exponent of three digits",
		why:  "Kubernetes gives some of them a meaning that nobody intends.",
		// the last one is no text that YAML can hold, and Helm prints no resources at all
		says: says(`^at '/tests/resources/(limits|requests)/[a-z-]+': '([+-]?[0.]*[A-Za-z]*([eE][+-]?[0-9]*)?|[+]?[0-9.]+[eE][+-]?[0-9]{3,}|(?s:.*)(\\x7f|\x{7f}|[\x{80}-\x{9f}]|[\x{fffe}\x{ffff}]|\\u00[89][0-9a-f]|\\ufff[ef])(?s:.*))' does not match pattern `),
	},
	{
		what: "`draining` together with `ready: true`, `publishNotReadyAddresses` or an Endpoints object, or without a ready address of the same IP family",
		why:  "Connections would still go to the address.",
		says: says(inEntry + `addresses\[\d+\][.](draining is set, but |ready is true, but so is draining: )`),
	},
	{
		what: "an `ingress` or `route` in front of an alias, without `allowAlias`",
		why:  "Most controllers refuse it.",
		says: says(inEntry + `(ingress|route) is in front of an alias of a DNS name, `),
	},
	{
		what: "an `ingress` or `route` for a port that the entry does not have, or for none of several, and such a `backendTLS.port`",
		why:  "Requests would fail.",
		says: says(inEntry + `((ingress|route) is in front of an entry without a TCP port|(ingress|route)[.][][a-z0-9.]+[.]port (\d+ is not a TCP port of the entry|is missing, )|backendTLS[.]port "(?s:.*)" is not the name of a port)`),
	},
	{
		what: "host names in front with a label of more than 63 characters, or whose last label begins with a digit or a dash",
		why:  "DNS has no such names, and clients read some of them as IP addresses.",
		says: says(`^at '/.*/(ingress/hosts/\d+(/host)?|ingress/tls(/\d+)?/hosts/\d+|route/hostnames/\d+|backendTLS/hostname)': '([*][.])?([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*[a-z0-9]([-a-z0-9]*[a-z0-9])?' does not match pattern `),
	},
	{
		what: "names of Gateways and ConfigMaps that no object can have",
		why:  "The references would have no target.",
		says: says(`^at '/.*/(route/parentRefs|backendTLS/caCertificates)/\d+/name': ('(?s:.*)' does not match pattern |maxLength: )`),
	},
	{
		what: "a path of an `ingress` with characters that a URL does not have, or longer than 1024",
		why:  "No request has it, and a route of the Gateway API does not take it.",
		says: says(`^at '/.*/ingress/hosts/\d+/paths/\d+/path': ('(?s:.*)' does not match pattern |maxLength: )`),
	},
	{
		what: "a `route` without `parentRefs`, with the same listener twice, or with paths where its kind has none",
		why:  "No Gateway would serve it, or not as it says.",
		says: says(inEntry + `route[.](parentRefs is missing: |parentRefs\[\d+\] repeats the Gateway |rules\[\d+\]( has a path, but |[.]pathType is ImplementationSpecific, ))|^at '/.*/route/rules/\d+/pathType': value must be one of `),
	},
	{
		what: "an empty list in `ingress`, `route` or `backendTLS`",
		why:  "It could mean all or none.",
		says: says(`^at '/.*/(ingress|route|backendTLS)/.*': minItems: got 0, want 1$`),
	},
	{
		what: "`backendTLS` with both `caCertificates` and `wellKnown`",
		why:  "One of the two would be lost.",
		says: says(inEntry + `backendTLS[.]wellKnown is set, but so is caCertificates: `),
	},
	// The widest comes last, so that the others show.
	{
		what: "a key that the values do not have, or a value where it has no effect",
		why:  "It is misspelled or misplaced, and would have no effect.",
		says: says(`^at '[^']*': .*`),
		when: withoutEffect,
	},
}

// The table in the chart's guide is the list.
func TestStricter(t *testing.T) {
	const begin, end = "<!-- generated from tests/parity by make generate: begin -->\n", "<!-- generated from tests/parity by make generate: end -->\n"
	table := "\n| Refused | Why |\n| --- | --- |\n"
	for _, rule := range stricter {
		table += fmt.Sprintf("| %s | %s |\n", strings.ToUpper(rule.what[:1])+rule.what[1:], rule.why)
	}
	testenv.Section(t, filepath.Join(testenv.Chart(), "docs", "validation.md"), begin, end, table+"\n", *update, "make generate")
}

// longLabel is a DNS name with a label of more than 63 characters.
const longLabel = `([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*[a-z0-9][-a-z0-9]{62,}[a-z0-9]([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*[.]?`

const inEntry = `^services\[\d+\] "(?s:.*)"( with [^:]*)?: `

func says(expression string) *regexp.Regexp { return regexp.MustCompile(expression) }

// rendered says whether the JSON of an object holds a text.
func rendered(text string) func(charts, document, []object, string) bool {
	return func(_ charts, _ document, objects []object, _ string) bool {
		return slices.ContainsFunc(objects, func(o object) bool { return bytes.Contains(o.body, []byte(text)) })
	}
}

// withoutHint says whether the zone that a message is about is in no hint.
func withoutHint(_ charts, _ document, objects []object, message string) bool {
	zone := regexp.MustCompile(`/zone': '((?s:.*))' does not match pattern `).FindStringSubmatch(message)
	if zone == nil {
		return false
	}
	hint, err := json.Marshal(map[string]any{"forZones": []any{map[string]any{"name": zone[1]}}})
	return err == nil && !rendered(string(hint))(charts{}, document{}, objects, message)
}

// hasHost says whether the address that a message is about is one that the resolver would write: it is in no
// slice or Endpoints object of the release.
func hasHost(_ charts, _ document, objects []object, message string) bool {
	text := quoted.FindStringSubmatch(message)
	return text == nil || !slices.ContainsFunc(objects, func(o object) bool {
		address := strconv.Quote(text[1])
		return o.kind == "EndpointSlice" && bytes.Contains(o.body, []byte(`"addresses":[`+address)) || o.kind == "Endpoints" && bytes.Contains(o.body, []byte(`"ip":`+address))
	})
}

var leadingZeros = regexp.MustCompile(`(^|[.])0+([0-9])`)

var quoted = regexp.MustCompile(`addresses\[\d+\] "([^"]*)"`)

// anotherForm says whether the text that a message is about is an IP address all the
// same, as it was read in former times.
func anotherForm(_ charts, _ document, _ []object, message string) bool {
	text := quoted.FindStringSubmatch(message)
	if text == nil {
		return false
	}
	_, err := netip.ParseAddr(leadingZeros.ReplaceAllString(text[1], "$1$2"))
	return err == nil
}

var (
	schemaPlace = regexp.MustCompile(`^at '([^']*)': `)
	unknownKeys = regexp.MustCompile(`additional properties? '(.*)' not allowed$`)
)

// withoutEffect says whether the value that a message of the schema is about has no
// effect: it is empty, or without it the lenient chart renders the same; with another one if it has to be there, such
// as the name of a disabled entry.
func withoutEffect(c charts, d document, _ []object, message string) bool {
	place := schemaPlace.FindStringSubmatch(message)
	if place == nil {
		return false
	}
	path := strings.Split(place[1], "/")[1:]
	var paths [][]string
	if keys := unknownKeys.FindStringSubmatch(message); keys != nil {
		for _, key := range strings.Split(keys[1], "', '") {
			paths = append(paths, append(slices.Clone(path), key))
		}
	} else {
		paths = append(paths, path)
	}
	with, err := documents(c.lenient, d)
	if err != nil {
		return false
	}
	values := copyOf(d.Values)
	for _, path := range paths {
		if removed := remove(values, path); removed == "" || removed == 0.0 {
			return true
		}
	}
	without, err := documents(c.lenient, document{Release: d.Release, Values: values})
	if err != nil && len(paths) == 1 {
		values = copyOf(d.Values)
		replace(values, paths[0], "other")
		without, err = documents(c.lenient, document{Release: d.Release, Values: values})
	}
	return err == nil && slices.Equal(with, without)
}

// replace puts another value in a map.
func replace(in any, path []string, value any) {
	parent := path[:len(path)-1]
	for _, key := range parent {
		switch v := in.(type) {
		case map[string]any:
			in = v[key]
		case []any:
			if index, err := strconv.Atoi(key); err == nil && index < len(v) {
				in = v[index]
			}
		}
	}
	if v, ok := in.(map[string]any); ok {
		v[path[len(parent)]] = value
	}
}

// remove takes away what stands at a path, as a JSON pointer has it, and returns it.
func remove(in any, path []string) (removed any) {
	for i, key := range path {
		last := i == len(path)-1
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		switch v := in.(type) {
		case map[string]any:
			in = v[key]
			if last {
				delete(v, key)
			}
		case []any:
			index, err := strconv.Atoi(key)
			if err != nil || index >= len(v) {
				return nil
			}
			in = v[index]
			if last {
				v[index] = nil // those behind it keep their places
			}
		default:
			return nil
		}
	}
	return in
}
