package parity

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"external-services/tools/helm"
	"external-services/tools/values"
)

// document is what a user gives helm: a release and its values.
type document struct {
	Release helm.Release   `json:"release"`
	Values  map[string]any `json:"values"`

	// what the values were made from, where they have no fault: nothing is in overrides,
	// and no template stands in them
	plain *values.Values
}

// entry is an entry of services, decoded.
type entry = map[string]any

// shape is what an entry is like, for faults that need one of a kind.
type shape int

const (
	alias        shape = iota // externalName
	forwarding                // addresses in EndpointSlices
	headless                  // the same without a ClusterIP
	legacy                    // addresses in an Endpoints object
	parked                    // addresses in EndpointSlices, and a selector that counts later
	both                      // the same, and the selector counts
	cluster                   // a selector only, or beside what leads outside
	clusterAlias              // a selector that counts, beside an externalName
	shapes
)

// everyShape and outward are for faults that fit into several shapes; outward has
// those that render the addresses.
var (
	everyShape = []shape{alias, forwarding, headless, legacy, parked, both, cluster, clusterAlias}
	outward    = []shape{forwarding, headless, legacy, parked, both}
	sliced     = []shape{forwarding, headless, parked, both}
	services   = []shape{forwarding, legacy, headless, parked, both, cluster, clusterAlias}
	selecting  = []shape{both, cluster, clusterAlias}
)

// The namespaces that exist in the clusters, and with which a document is sent as it
// is. The release is in the first of them.
var namespaces = []string{"release", "shop", "billing", "a", "0x1f", strings.Repeat("n", 63)}

// What valid strings are made of: short ones, those at the limits, and those that YAML
// would read as something else without quotes.
var (
	serviceNames = rapid.OneOf(
		rapid.StringMatching(`[a-z]([-a-z0-9]{0,12}[a-z0-9])?`),
		rapid.StringMatching(`[a-z][-a-z0-9]{61}[a-z0-9]`),
		rapid.SampledFrom([]string{"null", "true", "no", "off", "y", "n", "e1", "mysql-test"}),
	)
	labels63 = rapid.OneOf(
		rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?`),
		rapid.StringMatching(`[a-z0-9][-a-z0-9]{61}[a-z0-9]`),
		rapid.SampledFrom([]string{"null", "true", "80", "1e3", "0x1f", "010"}),
	)
	domains = rapid.OneOf(
		rapid.StringMatching(`[a-z]([-a-z0-9]{0,8}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?){0,3}[.][a-z]{2,5}`),
		rapid.StringMatching(`([a-z0-9][-a-z0-9]{61}[a-z0-9][.]){3}[a-z][-a-z0-9]{59}[a-z0-9]`), // 253 characters
		rapid.SampledFrom([]string{"a.example", "legacyhost", "null", "1password.example", "xn--bcher-kva.example", "db.localhost.example"}),
	)
	nameParts = rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?`),
		rapid.StringMatching(`[A-Za-z0-9][-A-Za-z0-9_.]{61}[A-Za-z0-9]`),
		rapid.SampledFrom([]string{"null", "true", "1", "1e3", "0x1f", "a.b_c-D"}),
	)
	labelKeys       = rapid.OneOf(nameParts, rapid.Map(nameParts, func(s string) string { return "example.com/" + s }), rapid.Custom(prefixed))
	annotationKeys  = rapid.OneOf(labelKeys, rapid.Map(nameParts, func(s string) string { return "Example.COM/" + s }))
	labelValues     = rapid.OneOf(rapid.Just(""), nameParts)
	annotationTexts = rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", "any text: \"quoted\" é\ttab }} {", "null", "~", "0x1f", "a\nb\r\n c", "\u0000\u0001\u0085\ue000 \U0001f600", "#", "{a: b}", strings.Repeat("x", 10_000)}),
	).Filter(func(s string) bool { return !strings.Contains(s, "{{") && !strings.ContainsFunc(s, unapplicable) })
	appProtocols = rapid.OneOf(rapid.SampledFrom([]string{"http", "HTTP", "kubernetes.io/h2c", "null", "80"}), nameParts, labelKeys)
	podPortNames = rapid.OneOf(rapid.StringMatching(`[a-z0-9]{0,4}[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,4})?`), rapid.StringMatching(`[a-z][a-z0-9]{14}`), rapid.SampledFrom([]string{"http", "null", "e", "1e3"}))
	ipv4         = rapid.Custom(func(t *rapid.T) string {
		octet := rapid.IntRange(0, 255)
		return fmt.Sprintf("%d.%d.%d.%d", octet.Draw(t, "octet"), octet.Draw(t, "octet"), octet.Draw(t, "octet"), octet.Draw(t, "octet"))
	}).Filter(reachable)
	ipv6 = rapid.Custom(func(t *rapid.T) string {
		var address [16]byte
		for i := 0; i < 16; i += 2 {
			if group := rapid.OneOf(rapid.Just(uint16(0)), rapid.Uint16()).Draw(t, "group"); group > 0 {
				address[i], address[i+1] = byte(group>>8), byte(group)
			}
		}
		return netip.AddrFrom16(address).String()
	}).Filter(reachable)
	// what is not over the default limits of the test Pod, and not below its requests
	littles = rapid.SampledFrom([]string{"1", "10m", "0.5", "1500m", "1e3", "16Mi", "100k", "+1", ".5", "1.", "2E3", "32Mi", "1u", "0"})
	lots    = rapid.SampledFrom([]string{"1Gi", "64Mi", "128M", "1.5Gi", "3E", "1e9", "2E9", "1Ei", "999999999"})
)

// prefixed is a key with a domain of up to 253 characters.
func prefixed(t *rapid.T) string {
	return domains.Draw(t, "domain") + "/" + nameParts.Draw(t, "name")
}

// unapplicable says whether server-side apply refuses a text with the character: its
// decoder takes JSON as YAML, and these are not printable there.
func unapplicable(r rune) bool {
	return r == 0x7f || (0x80 <= r && r <= 0x9f && r != 0x85) || r == 0xfffe || r == 0xffff
}

// reachable says whether an address is one that a host outside can have.
func reachable(text string) bool {
	ip := netip.MustParseAddr(text)
	return !ip.IsUnspecified() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() && !ip.Is4In6() &&
		!(ip.Is4() && ip.As4()[0] >= 240)
}

// oneIn is true once in 2 to the power of bits times, and never in the smallest value.
func oneIn(t *rapid.T, what string, bits int) bool {
	for range bits {
		if !rapid.Bool().Draw(t, what) {
			return false
		}
	}
	return true
}

func pick[T any](t *rapid.T, what string, choices ...T) T {
	return rapid.SampledFrom(choices).Draw(t, what)
}

func number(t *rapid.T, what string, from, to int) int {
	return rapid.OneOf(rapid.IntRange(from, to), rapid.SampledFrom([]int{from, to})).Draw(t, what)
}

// plainValues draws values that the chart accepts. The entry at the place returned has
// one of the shapes. Entries have DNS names, health checks and something in front only with the rest.
func plainValues(t *rapid.T, of []shape, withRest bool) (*values.Values, int) {
	v := values.Default()
	if withRest && oneIn(t, "resolver", 1) {
		drawResolver(t, &v.Resolver)
	}
	v.Tests.Enabled = oneIn(t, "tests", 2)
	if v.Tests.Enabled {
		drawTests(t, &v.Tests)
	}
	if oneIn(t, "endpoints.kind", 2) {
		v.Endpoints.Kind = values.EndpointsLegacy
	}
	if oneIn(t, "endpoints.maxPerSlice", 1) {
		v.Endpoints.MaxPerSlice = number(t, "maxPerSlice", 1, 1000)
	}
	if oneIn(t, "commonLabels", 2) {
		v.CommonLabels = pairs(t, labelKeys, labelValues)
	}
	if oneIn(t, "commonAnnotations", 2) {
		v.CommonAnnotations = pairs(t, annotationKeys, annotationTexts)
	}
	names := rapid.SliceOfNDistinct(serviceNames, 1, 3, rapid.ID).Draw(t, "names")
	at := rapid.IntRange(0, len(names)-1).Draw(t, "place")
	for i, name := range names {
		shapes := everyShape
		if i == at {
			shapes = of
		}
		e := plainEntry(t, &v, name, pick(t, "shape", shapes...))
		if withRest && oneIn(t, "front", 1) {
			front(t, &e)
		}
		v.Services = append(v.Services, e)
	}
	return &v, at
}

func plainEntry(t *rapid.T, v *values.Values, name string, shape shape) values.Entry {
	e := values.Entry{Name: name}
	if oneIn(t, "placed", 1) {
		if oneIn(t, "several namespaces", 1) {
			e.Namespaces = rapid.SliceOfNDistinct(rapid.SampledFrom(namespaces), 1, 3, rapid.ID).Draw(t, "namespaces")
		} else {
			e.Namespace = pick(t, "namespace", namespaces...)
		}
	}
	if oneIn(t, "enabled", 4) {
		e.Enabled = ptr(false)
	} else if oneIn(t, "enabled", 2) {
		e.Enabled = ptr(true)
	}
	if shape >= parked {
		e.Selector = pairs(t, labelKeys, labelValues)
		delete(e.Selector, "external-services/parked")
		e.Selector["app"] = ptr(labelValues.Draw(t, "app")) // one of them is not null
	}
	switch shape {
	case both:
		e.Backend = values.Both
	case cluster, clusterAlias:
		e.Backend = values.Cluster
	default:
		if oneIn(t, "backend", 2) {
			e.Backend = values.External
		}
	}
	switch shape {
	case legacy:
		if v.Endpoints.Kind != values.EndpointsLegacy || oneIn(t, "endpointsKind", 1) {
			e.EndpointsKind = values.EndpointsLegacy
		}
	default:
		if v.Endpoints.Kind == values.EndpointsLegacy || oneIn(t, "endpointsKind", 2) {
			e.EndpointsKind = values.EndpointSlice
		}
	}
	withAddresses := slices.Contains(outward, shape) || (shape == cluster && oneIn(t, "addresses of before", 1))
	switch {
	case withAddresses:
		e.Addresses = addresses(t, shape)
	case shape == alias || shape == clusterAlias:
		e.ExternalName = domains.Draw(t, "externalName")
		if e.ExternalName == name {
			e.ExternalName += ".example"
		}
		if oneIn(t, "trailing dot", 2) {
			e.ExternalName += "."
		}
	}
	if shape == headless || (shape >= parked && oneIn(t, "headless", 2)) {
		e.Headless = ptr(true)
	} else if oneIn(t, "headless", 3) {
		e.Headless = ptr(false)
	}
	if shape != alias || oneIn(t, "ports", 1) {
		e.Ports = ports(t, &e)
	}
	if oneIn(t, "sessionAffinity", 2) {
		e.SessionAffinity = pick(t, "affinity", values.AffinityNone, values.AffinityClientIP)
		if e.SessionAffinity == values.AffinityClientIP && oneIn(t, "timeout", 1) {
			e.SessionAffinityTimeoutSeconds = number(t, "seconds", 1, 86400)
		}
	}
	if oneIn(t, "trafficDistribution", 2) {
		e.TrafficDistribution = pick(t, "distribution", values.PreferClose, values.PreferSameZone, values.PreferSameNode)
	}
	if oneIn(t, "publishNotReadyAddresses", 2) {
		e.PublishNotReadyAddresses = ptr(rapid.Bool().Draw(t, "publish"))
	}
	if v.Resolver.Enabled && withAddresses && shape != legacy {
		followed(t, &e)
	}
	if slices.Contains(sliced, shape) && (e.PublishNotReadyAddresses == nil || !*e.PublishNotReadyAddresses) && oneIn(t, "draining", 2) {
		drain(t, e.Addresses)
	}
	if oneIn(t, "labels", 2) {
		e.Labels = pairs(t, labelKeys, labelValues)
	}
	if oneIn(t, "annotations", 2) {
		e.Annotations = pairs(t, annotationKeys, annotationTexts)
	}
	return e
}

// addresses are up to five, and now and then as many as the limits of Kubernetes are at.
func addresses(t *rapid.T, shape shape) []values.Address {
	var ips []string
	if oneIn(t, "many addresses", 8) {
		most := 1001
		if shape == legacy {
			most = 1000
		}
		for i := range number(t, "count", 100, most) {
			ips = append(ips, fmt.Sprintf("10.%d.%d.7", i/256, i%256))
		}
	} else {
		families := pick(t, "families", ipv4, ipv6, rapid.OneOf(ipv4, ipv6))
		ips = rapid.SliceOfNDistinct(families, 1, 5, rapid.ID).Draw(t, "ips")
	}
	long := oneIn(t, "long form", 1)
	var list []values.Address
	for _, ip := range ips {
		a := values.Address{IP: ip}
		if long && len(ips) < 10 {
			if oneIn(t, "hostname", 1) {
				a.Hostname = labels63.Draw(t, "hostname")
			}
			if shape != legacy && oneIn(t, "zone", 1) {
				a.Zone = nameParts.Draw(t, "zone")
			}
			if oneIn(t, "ready", 1) {
				a.Ready = ptr(rapid.Bool().Draw(t, "ready"))
			}
		}
		list = append(list, a)
	}
	return list
}

// followed puts DNS names among the addresses of an entry, and sets what the resolver does with them.
func followed(t *rapid.T, e *values.Entry) {
	if oneIn(t, "names", 1) {
		hosts := domains.Filter(func(s string) bool {
			return strings.Contains(s, ".") && !strings.HasSuffix(s, ".svc") && !strings.HasPrefix(s, e.Name+".")
		})
		for _, name := range rapid.SliceOfNDistinct(hosts, 1, 3, rapid.ID).Draw(t, "hosts") {
			a := values.Address{Host: name}
			if oneIn(t, "hostname", 2) {
				a.Hostname = labels63.Draw(t, "hostname")
			}
			if oneIn(t, "ready", 2) {
				a.Ready = ptr(rapid.Bool().Draw(t, "ready"))
			}
			e.Addresses = append(e.Addresses, a)
		}
		if oneIn(t, "resolve", 1) {
			e.Resolve = &values.Resolve{KeepSeconds: number(t, "keepSeconds", 0, 86400), MaxAddresses: number(t, "maxAddresses", 1, 1000)}
		}
	}
	i := slices.IndexFunc(e.Ports, func(p values.Port) bool { return cmpOr(p.Protocol, values.TCP) == values.TCP })
	if i < 0 || !oneIn(t, "healthCheck", 2) {
		return
	}
	e.HealthCheck = &values.HealthCheck{Port: e.Ports[i].Name}
	if oneIn(t, "interval", 1) {
		e.HealthCheck.IntervalSeconds, e.HealthCheck.TimeoutSeconds = number(t, "interval", 1, 3600), number(t, "timeout", 1, 60)
		e.HealthCheck.Rise, e.HealthCheck.Fall = number(t, "rise", 1, 100), number(t, "fall", 1, 100)
	}
}

// drain takes one of the addresses out of use, if another one of its family stays ready.
func drain(t *rapid.T, list []values.Address) {
	a := &list[rapid.IntRange(0, len(list)-1).Draw(t, "draining address")]
	a.Draining = ptr(true)
	if a.Ready != nil && *a.Ready {
		a.Ready = nil
	}
	if !slices.ContainsFunc(list, func(other values.Address) bool {
		return (other.Host+a.Host != "" || family(other) == family(*a)) && other.Draining == nil && (other.Ready == nil || *other.Ready)
	}) {
		a.Draining = nil
	}
}

// ports are up to four, and now and then as many as an entry may have.
func ports(t *rapid.T, e *values.Entry) []values.Port {
	count := rapid.IntRange(1, 4).Draw(t, "ports")
	if oneIn(t, "many ports", 8) {
		count = 100
	}
	isHeadless := e.Headless != nil && *e.Headless
	var list []values.Port
	names, numbers := map[string]bool{}, map[string]bool{}
	for i := range count {
		p := values.Port{Port: number(t, "port", 1, 65535)}
		if oneIn(t, "protocol", 1) {
			p.Protocol = pick(t, "protocol", values.TCP, values.UDP, values.SCTP)
		}
		for protocol := cmpOr(p.Protocol, values.TCP); numbers[fmt.Sprint(p.Port, protocol)]; {
			p.Port = p.Port%65535 + 1
		}
		numbers[fmt.Sprint(p.Port, cmpOr(p.Protocol, values.TCP))] = true
		if count > 1 || oneIn(t, "port name", 1) {
			p.Name = labels63.Draw(t, "port name")
			for next := i; names[p.Name]; next++ {
				p.Name = fmt.Sprintf("p%d", next)
			}
			names[p.Name] = true
		}
		if oneIn(t, "targetPort", 1) {
			p.TargetPort = p.Port
			if e.ExternalName == "" && !isHeadless {
				p.TargetPort = number(t, "targetPort", 1, 65535)
			}
		}
		if len(e.Selector) > 0 && oneIn(t, "podPort", 1) {
			podPort := intstr.FromString(podPortNames.Draw(t, "podPort"))
			if rapid.Bool().Draw(t, "podPort is a number") {
				podPort = intstr.FromInt32(int32(p.Port))
				if !isHeadless {
					podPort = intstr.FromInt32(int32(number(t, "podPort", 1, 65535)))
				}
			}
			p.PodPort = &podPort
		}
		if oneIn(t, "appProtocol", 2) {
			p.AppProtocol = appProtocols.Draw(t, "appProtocol")
		}
		list = append(list, p)
	}
	return list
}

func pairs(t *rapid.T, keys, texts *rapid.Generator[string]) values.Pairs {
	result := values.Pairs{}
	for key, text := range rapid.MapOfN(keys, texts, 0, 4).Draw(t, "pairs") {
		result[key] = &text
	}
	for _, key := range slices.Sorted(maps.Keys(result)) {
		if oneIn(t, "null", 3) {
			result[key] = nil
		}
	}
	return result
}

func drawTests(t *rapid.T, tests *values.Tests) {
	drawImage(t, &tests.Image, &tests.ImagePullSecrets)
	if oneIn(t, "timeoutSeconds", 1) {
		tests.TimeoutSeconds = number(t, "timeoutSeconds", 1, 60)
	}
	drawResources(t, &tests.Resources)
}

// drawResolver draws settings of a resolver that is enabled, without those that need kinds which the clusters
// do not have.
func drawResolver(t *rapid.T, r *values.Resolver) {
	r.Enabled = true
	drawImage(t, &r.Image, &r.ImagePullSecrets)
	drawResources(t, &r.Resources)
	r.Replicas = number(t, "replicas", 1, 10)
	if oneIn(t, "following", 1) {
		r.MinSeconds = number(t, "minSeconds", 1, 3600)
		r.MaxSeconds = number(t, "maxSeconds", r.MinSeconds, 3600)
		r.Nameservers = []string{pick(t, "nameserver", "10.0.0.53", "10.0.0.53:5353", "2001:db8::53", "[2001:db8::53]:65535")}
		r.AllowedCIDRs = []string{"0.0.0.0/0", "::/0"}
		r.DeniedCIDRs = []string{pick(t, "denied", "10.244.0.0/16", "2001:db8::/32", "10.0.0.1/32")}
	}
	r.AdmissionPolicy = oneIn(t, "admissionPolicy", 2)
	if oneIn(t, "placement", 2) {
		r.NodeSelector = drawn(t, labelKeys, labelValues)
		r.Tolerations = []map[string]any{pick(t, "toleration",
			map[string]any{"operator": "Exists"}, map[string]any{"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"})}
		r.Affinity = map[string]any{"nodeAffinity": map[string]any{}}
		r.PriorityClassName = pick(t, "priority", "", "system-cluster-critical", "a.b")
	}
	if oneIn(t, "metadata of the Pods", 2) {
		r.PodLabels, r.PodAnnotations = drawn(t, labelKeys, labelValues), drawn(t, annotationKeys, annotationTexts)
	}
}

// drawn are pairs of which none is null.
func drawn(t *rapid.T, keys, texts *rapid.Generator[string]) map[string]string {
	return rapid.MapOfN(keys, texts, 0, 4).Draw(t, "pairs")
}

func drawImage(t *rapid.T, image *values.Image, secrets *[]values.LocalReference) {
	if oneIn(t, "image", 1) {
		image.Repository = pick(t, "repository", "busybox", "registry.example:5000/mirror/busybox", "a")
		image.Tag = pick(t, "tag", "1.37.0", "latest", "1")
		image.Digest = pick(t, "digest", "", "sha256:"+strings.Repeat("a", 64))
		image.PullPolicy = pick(t, "pullPolicy", values.PullAlways, values.PullIfNotPresent, values.PullNever)
	}
	if oneIn(t, "imagePullSecrets", 2) {
		*secrets = []values.LocalReference{{Name: pick(t, "secret", "registry", "a.b", "0")}}
	}
}

func drawResources(t *rapid.T, resources *values.Resources) {
	if oneIn(t, "resources", 1) {
		*resources = values.Resources{Requests: map[string]string{}, Limits: map[string]string{}}
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"cpu", "memory", "ephemeral-storage"}), 0, 3, rapid.ID).Draw(t, "resources")
		for _, name := range names {
			little, lot := littles.Draw(t, "little"), lots.Draw(t, "lot")
			switch pick(t, "kind", "request", "limit", "both", "equal") {
			case "request":
				resources.Requests[name] = little
			case "limit":
				resources.Limits[name] = lot
			case "both":
				resources.Requests[name], resources.Limits[name] = little, lot
			case "equal":
				resources.Requests[name], resources.Limits[name] = lot, lot
			}
		}
	}
}

// decoded is the document of values, without those that are the defaults.
func decoded(v *values.Values) document {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // types of this repository that every run marshals
	}
	var result map[string]any
	if err := json.Unmarshal(text, &result); err != nil {
		panic(err)
	}
	text, err = json.Marshal(values.Default())
	if err != nil {
		panic(err)
	}
	var defaults map[string]any
	if err := json.Unmarshal(text, &defaults); err != nil {
		panic(err)
	}
	withoutDefaults(result, defaults)
	return document{Release: helm.Release{Name: "outside", Namespace: namespaces[0]}, Values: result}
}

func withoutDefaults(of, defaults map[string]any) {
	for key, value := range defaults {
		inner, isMap := of[key].(map[string]any)
		if reflect.DeepEqual(of[key], value) {
			delete(of, key)
		} else if innerDefaults, ok := value.(map[string]any); ok && isMap && key != "requests" && key != "limits" {
			withoutDefaults(inner, innerDefaults)
		}
	}
}

// spread writes a document in another way that means the same: keys of entries move to
// overrides and namespaceOverrides and leave something else behind, and strings become
// templates of globals.
func spread(t *rapid.T, d *document) {
	list, ok := d.Values["services"].([]any)
	if !ok {
		return
	}
	count := map[any]int{}
	for _, item := range list {
		if e, ok := item.(entry); ok {
			if name, ok := e["name"].(string); ok {
				count[name]++
			}
		}
	}
	for _, item := range list {
		e, ok := item.(entry)
		if !ok {
			continue
		}
		name, ok := e["name"].(string)
		if !ok || count[name] != 1 {
			continue
		}
		if oneIn(t, "templates", 2) {
			template(t, d, e)
		}
		if oneIn(t, "overrides", 2) {
			override(t, d, e, name)
		}
	}
}

// template replaces strings of an entry by templates that expand to them.
func template(t *rapid.T, d *document, e entry) {
	globals, ok := d.Values["global"].(map[string]any)
	if !ok {
		if d.Values["global"] != nil {
			return
		}
		globals = map[string]any{}
		d.Values["global"] = globals
	}
	global := func(text string) string {
		key := fmt.Sprintf("g%d", len(globals))
		cut := rapid.IntRange(0, len([]rune(text))).Draw(t, "cut")
		if strings.HasSuffix(string([]rune(text)[:cut]), "{") {
			cut = 0 // {{{ is no template
		}
		globals[key] = string([]rune(text)[cut:])
		return string([]rune(text)[:cut]) + "{{ .Values.global." + key + " }}"
	}
	if text, ok := e["externalName"].(string); ok && text != "" && !strings.Contains(text, "{{") {
		e["externalName"] = global(text)
	}
	if list, ok := e["addresses"].([]any); ok && len(list) < 10 {
		for i, item := range list {
			switch address := item.(type) {
			case string:
				if !strings.Contains(address, "{{") {
					list[i] = global(address)
				}
			case map[string]any:
				for _, key := range []string{"ip", "host"} {
					if text, ok := address[key].(string); ok && !strings.Contains(text, "{{") {
						address[key] = global(text)
					}
				}
			}
		}
	}
	if annotations, ok := e["annotations"].(map[string]any); ok {
		for _, key := range slices.Sorted(maps.Keys(annotations)) {
			if text, ok := annotations[key].(string); ok && !strings.Contains(text, "{{") {
				annotations[key] = global(text)
			}
		}
	}
}

// override moves keys of an entry to where they win over what it has.
func override(t *rapid.T, d *document, e entry, name string) {
	into := section(d.Values, "overrides")
	if into == nil {
		return
	}
	patch := section(into, name)
	inNamespaces := rapid.Bool().Draw(t, "namespaceOverrides") && e["namespaces"] == nil && (e["namespace"] == nil || oneOf(namespaces, e["namespace"]))
	if inNamespaces {
		namespace, ok := e["namespace"].(string)
		if !ok {
			namespace = d.Release.Namespace
		}
		if into = section(d.Values, "namespaceOverrides"); into == nil {
			return
		}
		if into = section(into, namespace); into == nil {
			return
		}
		patch = section(into, name)
	}
	for _, key := range slices.Sorted(maps.Keys(e)) {
		switch key {
		case "name", "sessionAffinityTimeoutSeconds":
			continue
		case "namespace", "namespaces":
			if inNamespaces {
				continue
			}
		}
		if !rapid.Bool().Draw(t, "move "+key) || (e[exclusive[key]] != nil && e[key] != nil) {
			continue
		}
		value := e[key]
		delete(e, key)
		patch[key] = value
		// what a patch wins over
		decoy := rapid.Bool().Draw(t, "decoy")
		switch key {
		case "sessionAffinity":
			if timeout, ok := e["sessionAffinityTimeoutSeconds"]; ok {
				delete(e, "sessionAffinityTimeoutSeconds")
				patch["sessionAffinityTimeoutSeconds"] = timeout
			}
			if decoy {
				e["sessionAffinity"], e["sessionAffinityTimeoutSeconds"] = "ClientIP", 7.0
			}
		case "externalName":
			if decoy && e["addresses"] == nil && patch["addresses"] == nil {
				e["addresses"] = []any{"10.9.9.9"}
			}
		case "addresses":
			if decoy && e["externalName"] == nil && patch["externalName"] == nil {
				e["externalName"] = "decoy.example"
			}
		case "namespace":
			if decoy && e["namespaces"] == nil {
				e["namespaces"] = []any{"a", "shop"}
			}
		case "ports":
			if decoy {
				e["ports"] = []any{map[string]any{"port": 7.0}, map[string]any{"port": 7.0}}
			}
		case "headless", "publishNotReadyAddresses", "enabled":
			if decoy {
				e[key] = rapid.Bool().Draw(t, "decoy")
			}
		case "labels", "annotations", "selector":
			all, ok := value.(map[string]any)
			if !ok {
				continue
			}
			left := map[string]any{}
			for _, k := range slices.Sorted(maps.Keys(all)) {
				switch pick(t, "part", "moves", "stays", "wins") {
				case "stays":
					left[k] = all[k]
					delete(all, k)
				case "wins":
					left[k] = "decoy"
				}
			}
			if len(left) > 0 {
				e[key] = left
			}
		}
	}
}

// exclusive are keys of which a patch takes away the other one.
var exclusive = map[string]string{"externalName": "addresses", "addresses": "externalName", "namespace": "namespaces", "namespaces": "namespace"}

// section is a map of a map, made where there is none, or nil where there is something
// else.
func section(of map[string]any, key string) map[string]any {
	if of[key] == nil {
		of[key] = map[string]any{}
	}
	inner, _ := of[key].(map[string]any)
	return inner
}

func oneOf(list []string, value any) bool {
	text, ok := value.(string)
	return ok && slices.Contains(list, text)
}

func ptr[T any](value T) *T { return &value }

// cmpOr is the first of two that is not empty.
func cmpOr[T ~string](one, other T) T {
	if one == "" {
		return other
	}
	return one
}
