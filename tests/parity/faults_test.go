package parity

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// class is a class of values: what is put into values that the chart accepts.
type class struct {
	name string

	// the shapes of the entry that it is put into
	shapes []shape

	// put changes values, at best only what it is named for
	put func(t *rapid.T, d *document, e entry)

	// says is part of what the chart refuses the values with. Without it the values may
	// be fine or not, and the API server decides.
	says string
}

// plain are the values without a fault.
const plain = "valid"

// Strings that have gone wrong somewhere: in a shell, in another program's output, in a
// keyboard's other layout.
var (
	strange = rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{
			"", " ", "a b", " a", "a ", "a\n", "\ta", "a.", ".a", "a..b", "-a", "a-", "a--b", "_a", "a_b", "A", "É", "münchen", "ａ", "a\u200b", "١",
			"null", "true", "1", "0", "-1", "1.5", "1e3", "0x1f", "010", "~", "[]", "{}", "{{", "}}", "{{ nope", "{{ .Values.nope }}", "{{ fail \"x\" }}", "{{ 1 }}", "<no value>",
			"a/b", "/a", "a/", "a/b/c", "a:b", "a:80", "http://a.example", "*.a.example", "a,b", "a@b", "localhost", "10.0.0.1", "2001:db8::1", "::", "1.2.3", "1.2.3.4.5",
			"\u0000", "\u007f", "\u0085", "\u009f", "\uffff", "\ufeff", "\u2028", "\"", "'", "\\", "`", "$(id)", "%s", "%!s", "#", "&a", "*a", "!a", "|", ">", "- a", "a: b",
			strings.Repeat("a", 15), strings.Repeat("a", 16), strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 253), strings.Repeat("a", 254),
			strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 127) + "a", strings.Repeat("a", 63) + "." + strings.Repeat("b", 64),
		}),
		rapid.StringMatching(`[a-zA-Z0-9._:/-]{1,20}`),
		rapid.StringMatching(`[0-9a-f:.]{1,20}`),
	)
	anything = rapid.OneOf(
		rapid.Map(strange, func(s string) any { return s }),
		rapid.SampledFrom([]any{nil, true, false, 0.0, 1.0, -1.0, 1.5, 65536.0, 1e10, []any{}, []any{"a"}, []any{nil}, []any{1.0}, map[string]any{}, map[string]any{"a": "b"}, map[string]any{"ip": "10.0.0.1"}}),
	)
)

// matching draws a string that a regular expression describes.
func matching(expression string) *rapid.Generator[string] { return rapid.StringMatching(expression) }

func just(choices ...string) *rapid.Generator[string] { return rapid.SampledFrom(choices) }

// set gives keys of the entry, inner ones after outer ones, a value.
func set[T any](values *rapid.Generator[T], path ...string) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) { put(e, any(values.Draw(t, "value")), path...) }
}

func put(in map[string]any, value any, path ...string) {
	for _, key := range path[:len(path)-1] {
		in = section(in, key)
	}
	in[path[len(path)-1]] = value
}

func unset(keys ...string) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		for _, key := range keys {
			delete(e, key)
		}
	}
}

// every does one thing after the other.
func every(steps ...func(*rapid.T, *document, entry)) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		for _, step := range steps {
			step(t, d, e)
		}
	}
}

// root is set for the keys of the values themselves.
func root[T any](values *rapid.Generator[T], path ...string) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) { put(d.Values, any(values.Draw(t, "value")), path...) }
}

// address puts an address among the others of the entry, in its short or long form.
func address(ips *rapid.Generator[string]) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		list := e["addresses"].([]any)
		var item any = ips.Draw(t, "ip")
		if oneIn(t, "long form", 2) {
			item = map[string]any{"ip": item}
		}
		e["addresses"] = slices.Insert(list, rapid.IntRange(0, min(len(list), 5)).Draw(t, "place"), item)
	}
}

// host puts a DNS name among the addresses of the entry, in its short or long form.
func host(names *rapid.Generator[string]) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		var item any = names.Draw(t, "host")
		if oneIn(t, "long form", 2) {
			item = map[string]any{"host": item}
		}
		e["addresses"] = append(e["addresses"].([]any), item)
	}
}

// resolver gives a key of the resolver a value.
func resolver[T any](values *rapid.Generator[T], key string) func(*rapid.T, *document, entry) {
	return root(values, "resolver", key)
}

// addressKey gives a key of one of the addresses a value.
func addressKey[T any](values *rapid.Generator[T], key string) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		list := e["addresses"].([]any)
		i := rapid.IntRange(0, min(len(list)-1, 4)).Draw(t, "place")
		long, ok := list[i].(map[string]any)
		if !ok {
			long = map[string]any{"ip": list[i]}
			list[i] = long
		}
		long[key] = values.Draw(t, "value")
	}
}

// aPort is one of the ports of the entry, which gets one where it has none.
func aPort(t *rapid.T, e entry) map[string]any {
	list, _ := e["ports"].([]any)
	if len(list) == 0 {
		list = []any{map[string]any{"port": 80.0}}
		e["ports"] = list
	}
	return list[rapid.IntRange(0, min(len(list)-1, 4)).Draw(t, "place")].(map[string]any)
}

// addPort puts a port behind the others, in the place of the last one where the entry
// has as many as it may.
func addPort(e entry, port map[string]any) {
	list := e["ports"].([]any)
	e["ports"] = append(list[:min(len(list), 99)], port)
}

// port gives a key of one of the ports a value.
func port[T any](values *rapid.Generator[T], key string) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) { aPort(t, e)[key] = values.Draw(t, "value") }
}

// pair puts a pair into the labels or annotations of the entry or of all objects.
func pair(of string, keys, texts *rapid.Generator[string]) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		key, text := keys.Draw(t, "key"), texts.Draw(t, "text")
		if rapid.Bool().Draw(t, "common") {
			put(d.Values, text, "common"+strings.ToUpper(of[:1])+of[1:], key)
			for _, item := range d.Values["services"].([]any) {
				if inner, ok := item.(entry)[of].(map[string]any); ok {
					delete(inner, key)
				}
			}
		} else {
			put(e, text, of, key)
		}
	}
}

func selector(keys, texts *rapid.Generator[string]) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		put(e, texts.Draw(t, "text"), "selector", keys.Draw(t, "key"))
	}
}

// tests turns the test Pod on before it gives its keys a value.
func tests[T any](values *rapid.Generator[T], path ...string) func(*rapid.T, *document, entry) {
	return every(root(rapid.Just(true), "tests", "enabled"), enabled, root(values, append([]string{"tests"}, path...)...))
}

// enabled takes care that the entry renders something.
func enabled(t *rapid.T, d *document, e entry) { delete(e, "enabled") }

// wrongType puts a value of any type but some.
func wrongType(types string, put func(*rapid.Generator[any]) func(*rapid.T, *document, entry)) func(*rapid.T, *document, entry) {
	return put(anything.Filter(func(value any) bool { return !strings.Contains(types, kindOf(value)) }))
}

func kindOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// somewhere draws a place in a value: a map and a key of it, or a list and an index.
func somewhere(t *rapid.T, in any) (replace func(any), remove func()) {
	for {
		switch v := in.(type) {
		case map[string]any:
			keys := slices.Sorted(maps.Keys(v))
			if len(keys) == 0 {
				return nil, nil
			}
			key := pick(t, "key", keys...)
			if inner := kindOf(v[key]); (inner != "object" && inner != "array") || oneIn(t, "stop", 2) || empty(v[key]) {
				return func(value any) { v[key] = value }, func() { delete(v, key) }
			}
			in = v[key]
		case []any:
			i := rapid.IntRange(0, min(len(v)-1, 9)).Draw(t, "index")
			if inner := kindOf(v[i]); (inner != "object" && inner != "array") || oneIn(t, "stop", 2) || empty(v[i]) {
				return func(value any) { v[i] = value }, func() { v[i] = nil }
			}
			in = v[i]
		default:
			return nil, nil
		}
	}
}

func empty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// classes are the faults, by the field that they are in.
// classes are the faults.
var classes = slices.Concat(entryClasses, routeClasses)

var entryClasses = []class{
	// what the values may be as a whole
	{"unknown key of the values", everyShape, root(anything, "servcies"), "additional properties 'servcies' not allowed"},
	{"unknown key of endpoints", everyShape, root(anything, "endpoints", "knd"), "additional properties 'knd' not allowed"},
	{"unknown key of an entry", everyShape, set(anything, "adresses"), "additional properties 'adresses' not allowed"},
	{"unknown key of an address", outward, addressKey(anything, "hostName"), "additional properties 'hostName' not allowed"},
	{"unknown key of a port", everyShape, port(anything, "nodePort"), "additional properties 'nodePort' not allowed"},
	{"unknown key of overrides", everyShape, func(t *rapid.T, d *document, e entry) {
		put(d.Values, anything.Draw(t, "value"), "overrides", e["name"].(string), "adresses")
	}, "additional properties 'adresses' not allowed"},
	{"namespace in namespaceOverrides", everyShape, func(t *rapid.T, d *document, e entry) {
		put(d.Values, "shop", "namespaceOverrides", "shop", e["name"].(string), "namespace")
	}, "additional properties 'namespace' not allowed"},
	{"name in overrides", everyShape, func(t *rapid.T, d *document, e entry) {
		put(d.Values, "other", "overrides", e["name"].(string), "name")
	}, "additional properties 'name' not allowed"},
	{"services of another type", everyShape, wrongType("array null", func(v *rapid.Generator[any]) func(*rapid.T, *document, entry) { return root(v, "services") }), "want array"},
	{"enabled of another type", everyShape, root(just("false", "no", ""), "enabled"), "want boolean"},
	{"a label of another type", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		put(e, anything.Filter(func(v any) bool { return !strings.Contains("string null", kindOf(v)) }).Draw(t, "value"), pick(t, "map", "labels", "annotations", "selector"), "a")
	}), "want null or string"},

	// names and namespaces
	{"name missing", everyShape, unset("name"), "missing property 'name'"},
	{"name empty", everyShape, every(enabled, set(just(""), "name")), "does not match pattern"},
	{"name null", everyShape, set(rapid.Just[any](nil), "name"), "got null, want string"},
	{"name a number", everyShape, set(rapid.Float64Range(1, 99), "name"), "got number, want string"},
	{"name with a digit first", everyShape, every(enabled, set(matching(`[0-9]([-a-z0-9]{0,8}[a-z0-9])?`), "name")), "does not match pattern"},
	{"name with a dash first or last", everyShape, every(enabled, set(matching(`-[a-z]{1,3}|[a-z]{1,3}-`), "name")), "does not match pattern"},
	{"name with upper case", everyShape, every(enabled, set(matching(`[a-z]{0,4}[A-Z][a-z]{0,4}`), "name")), "does not match pattern"},
	{"name with a dot, a space or another character", everyShape, every(enabled, set(matching(`[a-z]{1,4}[._ /:é\n][a-z]{1,4}`), "name")), "does not match pattern"},
	{"name of 64 characters", everyShape, every(enabled, set(matching(`[a-z]{64}`), "name")), "does not match pattern"},
	{"any name", everyShape, every(enabled, set(strange, "name")), ""},
	{"name twice", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		other := map[string]any{"name": e["name"], "externalName": "other.example"}
		for _, key := range []string{"namespace", "namespaces"} {
			if e[key] != nil {
				other[key] = e[key]
			}
		}
		list := d.Values["services"].([]any)
		d.Values["services"] = slices.Insert(list, rapid.IntRange(0, len(list)).Draw(t, "place"), any(other))
	}), "is taken by services["},
	{"namespace with upper case", everyShape, every(enabled, unset("namespaces"), set(matching(`[a-z]{0,4}[A-Z]{1,4}`), "namespace")), "does not match pattern"},
	{"namespace with another character", everyShape, every(enabled, unset("namespaces"), set(matching(`[a-z]{1,4}[._ /:é\n?#%][a-z]{1,4}`), "namespace")), "does not match pattern"},
	{"namespace with a dash first or last", everyShape, every(enabled, unset("namespaces"), set(matching(`-[a-z]{1,3}|[a-z]{1,3}-`), "namespace")), "does not match pattern"},
	{"namespace of 64 characters", everyShape, every(enabled, unset("namespaces"), set(matching(`[a-z]{64}`), "namespace")), "does not match pattern"},
	{"any namespace", everyShape, every(enabled, unset("namespaces"), set(strange, "namespace")), ""},
	{"any namespaces", everyShape, every(enabled, unset("namespace"), func(t *rapid.T, d *document, e entry) {
		var list []any
		for _, namespace := range rapid.SliceOfN(strange, 0, 3).Draw(t, "namespaces") {
			list = append(list, namespace)
		}
		e["namespaces"] = append([]any{}, list...)
	}), ""},
	{"namespaces empty", everyShape, every(enabled, unset("namespace"), set(rapid.Just([]any{}), "namespaces")), "minItems: got 0, want 1"},
	{"namespaces with one twice", everyShape, every(enabled, unset("namespace"), set(rapid.Just([]any{"shop", "a", "shop"}), "namespaces")), "are equal"},
	{"namespace and namespaces", everyShape, every(enabled, set(just(namespaces...), "namespace"), set(rapid.Just([]any{"shop"}), "namespaces")), "is set, but so is namespaces"},
	{"invalid release namespace", everyShape, every(enabled, unset("namespace", "namespaces"), func(t *rapid.T, d *document, e entry) {
		d.Release.Namespace = matching(`[A-Z._]{1,5}`).Draw(t, "namespace")
	}), "amespace"},

	// overrides
	{"overrides of no entry", everyShape, func(t *rapid.T, d *document, e entry) {
		put(d.Values, map[string]any{}, "overrides", e["name"].(string)[:0]+"x"+matching(`[a-z]{0,5}-no-entry`).Draw(t, "name"))
	}, "no entry is named"},
	{"namespaceOverrides of no entry", everyShape, func(t *rapid.T, d *document, e entry) {
		put(d.Values, map[string]any{}, "namespaceOverrides", pick(t, "namespace", "shop", "nowhere"), matching(`[a-z]{0,5}-no-entry`).Draw(t, "name"))
	}, "no entry is named"},
	{"namespaceOverrides of no namespace", everyShape, func(t *rapid.T, d *document, e entry) {
		put(d.Values, map[string]any{}, "namespaceOverrides", matching(`[A-Z._-]{1,5}`).Draw(t, "namespace"), e["name"].(string))
	}, "not allowed"},

	// externalName
	{"externalName a URL", []shape{alias}, every(enabled, set(matching(`(https?|ldap|mysql)://[a-z]{1,5}[.]example(:[0-9]{2,4})?(/[a-z]{0,3})?`), "externalName")), "is a URL"},
	{"externalName an IPv4 address", []shape{alias}, every(enabled, set(ipv4, "externalName")), "is an IP address or a number"},
	{"externalName digits", []shape{alias}, every(enabled, set(matching(`[0-9]{1,9}([.][0-9]{1,3}){0,4}[.]?`), "externalName")), "is an IP address or a number"},
	{"externalName an IPv6 address", []shape{alias}, every(enabled, func(t *rapid.T, d *document, e entry) {
		ip := ipv6.Draw(t, "ip")
		e["externalName"] = pick(t, "form", ip, "["+ip+"]", ip+"%eth0", "["+ip+"]:80")
	}), "is an IP address or a number"},
	{"externalName with a port", []shape{alias}, every(enabled, set(matching(`[a-z]{1,5}[.]example:[0-9]{0,5}`), "externalName")), "contains a port"},
	{"externalName with upper case", []shape{alias}, every(enabled, set(matching(`[a-z]{0,5}[A-Z]{1,3}[.](example|COM)`), "externalName")), "externalName"},
	{"externalName with another character", []shape{alias}, every(enabled, set(matching(`[a-z]{0,5}[_*/@ é,;\n][a-z]{0,3}[.]example`), "externalName")), "externalName"},
	{"externalName with an empty label", []shape{alias}, every(enabled, set(just(".", "..", ".a.example", "a..example", "a.example.."), "externalName")), ""},
	{"externalName with a dash at the end of a label", []shape{alias}, every(enabled, set(matching(`(-[a-z]{1,3}|[a-z]{1,3}-)[.]example|a[.]-b|a[.]b-`), "externalName")), "externalName"},
	{"externalName with a label of 64 characters", []shape{alias}, every(enabled, set(matching(`([a-z]{1,3}[.])?[a-z]{64}([.]example)?`), "externalName")), "externalName"},
	{"externalName of 254 characters", []shape{alias}, every(enabled, set(matching(`([a-z]{63}[.]){3}[a-z]{62}[.]?`), "externalName")), "is not a DNS name"},
	{"externalName localhost", []shape{alias}, every(enabled, set(matching(`([a-z]{1,3}[.])?localhost[.]?`), "externalName")), "is the calling pod itself"},
	{"externalName of the Service itself", []shape{alias}, every(enabled, unset("namespaces"), func(t *rapid.T, d *document, e entry) {
		name, namespace := e["name"].(string), d.Release.Namespace
		if e["namespace"] != nil {
			namespace = e["namespace"].(string)
		}
		e["externalName"] = pick(t, "form", name, name+"."+namespace, name+"."+namespace+".svc", name+"."+namespace+".svc.cluster.local", name+".")
	}), ""},
	{"externalName and addresses", outward, every(enabled, set(domains, "externalName")), "is set, but so is addresses"},
	{"any externalName", []shape{alias}, every(enabled, set(strange, "externalName")), ""},

	// addresses
	{"neither externalName nor addresses", outward[:3], every(enabled, unset("addresses")), "or externalName is missing"},
	{"addresses empty", outward[:3], every(enabled, set(rapid.Just([]any{}), "addresses")), "or externalName is missing"},
	{"address empty", outward, every(enabled, address(just(""))), "is not an IP address"},
	{"address with leading zeros", outward, every(enabled, address(matching(`10[.]0{1,2}[0-9][.]0[.][1-9]|0(10|01|0)[.]0[.]0[.]1|10[.]0[.]0[.]0[0-9]{1,2}`))), "is not an IPv4 address"},
	{"address with a number over 255", outward, every(enabled, address(matching(`10[.]0[.][0-9][.](25[6-9]|2[6-9][0-9]|[3-9][0-9]{2})`))), "is not an IPv4 address"},
	{"address of three or five numbers", outward, every(enabled, address(matching(`10[.]0[.][1-9]|10([.][0-9]){4}|[0-9]{1,10}`))), "is not an IPv4 address"},
	{"address in hexadecimal", outward, every(enabled, address(just("0xa.0.0.1", "0x0a000001"))), "is a name, not an IP address"},
	{"address with a prefix length", outward, every(enabled, address(just("10.0.0.1/32", "10.0.0.0/24", "2001:db8::/64"))), "is a network or has a prefix length"},
	{"address with a port", outward, every(enabled, address(just("10.0.0.1:80", "a.example:80"))), "contains a port"},
	{"address in brackets", outward, every(enabled, address(just("[2001:db8::1]", "[2001:db8::1]:80"))), "is in brackets"},
	{"address a URL", outward, every(enabled, address(just("http://10.0.0.1", "tcp://10.0.0.1:3306"))), "is a URL"},
	{"address a name", outward, every(enabled, address(domains.Filter(func(s string) bool { return !strings.Contains(s, "localhost") }))), "is a name, not an IP address"},
	{"addresses in one string", outward, every(enabled, address(just("10.0.0.1,10.0.0.2", "10.0.0.1 10.0.0.2", " 10.0.0.1", "10.0.0.1 "))), "is not one IP address"},
	{"address unspecified", outward, every(enabled, address(just("0.0.0.0", "::"))), "is the unspecified address"},
	{"address loopback", outward, every(enabled, address(rapid.OneOf(just("::1"), matching(`127[.][0-9][.]0[.][1-9]`)))), "is a loopback address"},
	{"address link-local", outward, every(enabled, address(rapid.OneOf(just("169.254.169.254", "fe80::1", "febf::1"), matching(`169[.]254[.][0-9][.][0-9]`)))), "is a link-local address"},
	{"address multicast of the link", outward, every(enabled, address(matching(`224[.]0[.]0[.][1-9]|ff02::[1-9]`))), "is a multicast address"},
	{"address multicast", outward, every(enabled, address(matching(`22[5-9][.]0[.]0[.][1-9]|23[0-9][.]0[.]0[.]1|ff0[1345e]::[1-9]`))), "is a multicast address"},
	{"address of 240.0.0.0/4", outward, every(enabled, address(matching(`24[0-9][.]0[.]0[.][1-9]|25[0-5][.]0[.]0[.]1|255[.]255[.]255[.]255`))), "is an address of the reserved network"},
	{"IPv6 address in upper case", outward, every(enabled, address(matching(`2001:DB8::[1-9]|2001:db8::[A-F]`))), "is not an IPv6 address in its canonical form"},
	{"IPv6 address with leading zeros", outward, every(enabled, address(matching(`2001:0db8::[1-9]|2001:db8::0[0-9a-f]{1,3}`))), "is not an IPv6 address in its canonical form"},
	{"IPv6 address not shortened", outward, every(enabled, address(just("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:1:1:1:1", "2001:db8::0:1", "2001:db8:0::1", "0:0:1:2:3:4:5:6"))), "is not an IPv6 address in its canonical form"},
	{"IPv6 address with one zero or the wrong zeros shortened", outward, every(enabled, address(just("2001:db8::1:1:1:1:1", "2001:0:0:1::0:1", "2001:0:0:0:1::1", "1:0:0:2::3", "1::2:0:0:3:4", "::1:2:3:4:5:6:7"))), ""},
	{"invalid IPv6 address", outward, every(enabled, address(just("2001:db8::1::2", "2001:db8", ":1", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "2001:db8::g", "2001:db8:::1", "2001:db8::12345"))), ""},
	{"IPv6 address with a zone", outward, every(enabled, address(just("fe80::1%eth0", "2001:db8::1%1"))), "has a zone"},
	{"IPv4 address mapped into IPv6", outward, every(enabled, address(just("::ffff:10.0.0.1", "::FFFF:10.0.0.1", "::ffff:a00:1"))), "is an IPv4 address mapped into IPv6"},
	{"address twice", outward, every(enabled, func(t *rapid.T, d *document, e entry) {
		list := e["addresses"].([]any)
		again := list[rapid.IntRange(0, min(len(list)-1, 5)).Draw(t, "which")]
		if long, ok := again.(map[string]any); ok {
			again = long["ip"]
		}
		e["addresses"] = append(list, again)
	}), "already"},
	{"any address", outward, every(enabled, address(strange)), ""},
	{"name with the resolver", sliced, every(enabled, resolver(rapid.Just(true), "enabled"), host(domains)), ""},
	{"any name with the resolver", sliced, every(enabled, resolver(rapid.Just(true), "enabled"), host(strange)), ""},
	{"name of a single label", sliced, every(enabled, resolver(rapid.Just(true), "enabled"), host(matching(`[a-z]{10,20}`))), "is a single label"},
	{"name that is not allowed", sliced, every(enabled, resolver(rapid.Just(true), "enabled"), resolver(rapid.Just([]any{"*.corp.example"}), "allowedNames"), host(just("corp.example", "a.example"))), "is not one of resolver.allowedNames"},
	{"name of the cluster", sliced, every(enabled, resolver(rapid.Just(true), "enabled"), host(just("a.other.svc", "a.other.svc.cluster.local"))), "is a name of the cluster itself"},
	{"name in an Endpoints object", []shape{legacy}, every(enabled, resolver(rapid.Just(true), "enabled"), host(just("db.corp.example"))), "the resolver writes no Endpoints objects"},
	{"healthCheck without the resolver", outward, every(enabled, set(rapid.Just(map[string]any{}), "healthCheck")), "is set, but resolver.enabled is not true"},
	{"healthCheck of a port that is missing", sliced, every(enabled, resolver(rapid.Just(true), "enabled"), set(rapid.Just(map[string]any{"port": "no-port-of-it"}), "healthCheck")), "is not the name of a port"},
	{"resolve without a name", outward, every(enabled, set(rapid.Just(map[string]any{"keepSeconds": 60.0}), "resolve")), "no address is a DNS name"},
	{"any network of the resolver", everyShape, every(enabled, resolver(rapid.Map(strange, func(s string) []any { return []any{s} }), "deniedCIDRs")), ""},
	{"any name server of the resolver", everyShape, every(enabled, resolver(rapid.Map(strange, func(s string) []any { return []any{s} }), "nameservers")), ""},
	{"any digits and colons as address", outward, every(enabled, address(matching(`([0-9a-f]{0,4}:){1,8}[0-9a-f]{0,4}|[0-9]{1,3}([.][0-9]{1,3}){3}`))), ""},
	{"ip missing", outward, every(enabled, func(t *rapid.T, d *document, e entry) {
		e["addresses"] = append(e["addresses"].([]any), map[string]any{"hostname": "a"})
	}), "has neither ip nor host"},
	{"address of another type", outward, every(enabled, func(t *rapid.T, d *document, e entry) {
		e["addresses"] = append(e["addresses"].([]any), anything.Filter(func(v any) bool { return !strings.Contains("string object", kindOf(v)) }).Draw(t, "value"))
	}), "want string or object"},
	{"invalid hostname", outward, every(enabled, addressKey(matching(`[A-Z]{1,3}|[a-z]{1,3}[._ /é][a-z]{1,3}|-a|a-|[a-z]{64}`), "hostname")), "does not match pattern"},
	{"any hostname", outward, every(enabled, addressKey(strange, "hostname")), ""},
	{"invalid zone", sliced, every(enabled, addressKey(matching(`[a-z]{1,3}[ /:é][a-z]{1,3}|-a|a-|[a-z]{64}`), "zone")), "does not match pattern"},
	{"invalid zone, with hints", sliced, every(enabled, set(just("PreferClose", "PreferSameZone"), "trafficDistribution"), addressKey(matching(`[a-z]{1,3}[ /:é][a-z]{1,3}|-a|a-|[a-z]{64}`), "zone")), "does not match pattern"},
	{"any zone", outward, every(enabled, addressKey(strange, "zone")), ""},
	{"zone in an Endpoints object", []shape{legacy}, every(enabled, addressKey(nameParts, "zone")), "an Endpoints object has no zones"},
	{"draining and ready", sliced, every(enabled, func(t *rapid.T, d *document, e entry) {
		e["addresses"] = []any{map[string]any{"ip": "10.0.0.1", "ready": true, "draining": true}, "10.0.0.2"}
		delete(e, "publishNotReadyAddresses")
	}), "is true, but so is draining"},
	{"draining with nothing else ready", []shape{forwarding, headless, parked}, every(enabled, func(t *rapid.T, d *document, e entry) {
		e["addresses"] = []any{map[string]any{"ip": "10.0.0.1", "draining": true}, map[string]any{"ip": "10.0.0.2", "ready": false}, "2001:db8::1"}
		delete(e, "publishNotReadyAddresses")
	}), "no IPv4 address is ready"},
	{"draining in an Endpoints object", []shape{legacy}, every(enabled, addressKey(rapid.Just(true), "draining")), "draining"},
	{"draining with publishNotReadyAddresses", sliced, every(enabled, set(rapid.Just(true), "publishNotReadyAddresses"), addressKey(rapid.Just(true), "draining")), "draining"},
	{"ready of another type", outward, every(enabled, addressKey(just("false", "no"), "ready")), "want boolean"},
	{"1001 addresses in an Endpoints object", []shape{legacy}, every(enabled, func(t *rapid.T, d *document, e entry) { e["addresses"] = many(1001) }), "a cluster uses only 1000 of an Endpoints object"},
	{"1001 addresses in one slice", sliced, every(enabled, root(rapid.Just(1001.0), "endpoints", "maxPerSlice"), func(t *rapid.T, d *document, e entry) { e["addresses"] = many(1001) }), "maximum: got 1,001, want 1,000"},
	{"maxPerSlice out of its range", everyShape, every(enabled, root(rapid.SampledFrom([]float64{-1, 0, 1001, 1e9}), "endpoints", "maxPerSlice")), "imum: got"},
	{"maxPerSlice no number", everyShape, every(enabled, root(rapid.SampledFrom([]any{"100", 1.5, true}), "endpoints", "maxPerSlice")), "want integer"},
	{"another kind in endpoints.kind", everyShape, every(enabled, root(just("Endpointslice", "endpoints", "", "Pod"), "endpoints", "kind")), "value must be one of"},
	{"another kind in endpointsKind", everyShape, every(enabled, set(just("Endpointslice", "endpoints", "", "Pod"), "endpointsKind")), "value must be one of"},

	// ports
	{"ports missing", services, every(enabled, unset("ports")), "ports is missing"},
	{"ports empty", services, every(enabled, set(rapid.Just([]any{}), "ports")), "ports is missing"},
	{"port missing", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) { delete(aPort(t, e), "port") }), "missing property 'port'"},
	{"port out of its range", everyShape, every(enabled, port(rapid.SampledFrom([]float64{0, -1, 65536, 1e9}), "port")), "imum: got"},
	{"port with a fraction", everyShape, every(enabled, port(rapid.SampledFrom([]float64{80.5, 0.5}), "port")), "got number, want integer"},
	{"port in quotes", everyShape, every(enabled, port(just("80", "http", ""), "port")), "got string, want integer"},
	{"targetPort out of its range", outward[:1], every(enabled, port(rapid.SampledFrom([]float64{0, -1, 65536, 1e9}), "targetPort")), "imum: got"},
	{"targetPort a name", outward, every(enabled, port(just("http", "80"), "targetPort")), "got string, want integer"},
	{"targetPort that an alias cannot change to", []shape{alias}, every(enabled, func(t *rapid.T, d *document, e entry) { otherPort(aPort(t, e), "targetPort") }), "a DNS alias cannot change the port"},
	{"targetPort that a headless Service cannot change to", []shape{headless}, every(enabled, func(t *rapid.T, d *document, e entry) { otherPort(aPort(t, e), "targetPort") }), "a headless Service cannot change the port"},
	{"invalid protocol", everyShape, every(enabled, port(just("tcp", "HTTP", "", "ICMP", "TCP/UDP"), "protocol")), "value must be one of"},
	{"port and protocol twice", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		one := maps.Clone(aPort(t, e))
		for i, p := range e["ports"].([]any) {
			if p.(map[string]any)["name"] == nil {
				p.(map[string]any)["name"] = fmt.Sprint("n", i)
			}
		}
		one["name"] = "again"
		if one["protocol"] == nil && oneIn(t, "TCP", 1) {
			one["protocol"] = "TCP"
		}
		addPort(e, one)
	}), "repeats the port"},
	{"port name twice", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		one := aPort(t, e)
		if one["name"] == nil {
			one["name"] = "http"
		}
		addPort(e, map[string]any{"name": one["name"], "port": freePort(e)})
	}), "is the name of ports["},
	{"port name missing", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		one := aPort(t, e)
		if len(e["ports"].([]any)) == 1 {
			e["ports"] = append(e["ports"].([]any), map[string]any{"name": "other", "port": freePort(e)})
		}
		if rapid.Bool().Draw(t, "empty") {
			one["name"] = ""
		} else {
			delete(one, "name")
		}
	}), ".name is missing"},
	{"invalid port name", everyShape, every(enabled, port(matching(`[A-Z]{1,3}|[a-z]{1,3}[._ /é][a-z]{1,3}|-a|a-|[a-z]{64}`), "name")), "does not match pattern"},
	{"any port name", everyShape, every(enabled, port(strange, "name")), ""},
	{"invalid appProtocol", everyShape, every(enabled, port(matching(`[a-z]{1,3}[ :é][a-z]{1,3}|-a|a-|/a|a/|a/b/c|A[.]EXAMPLE/a|[a-z]{64}|_a[.]b/c`), "appProtocol")), "does not match pattern"},
	{"appProtocol with a domain of 254 characters", everyShape, every(enabled, port(matching(`([a-z]{63}[.]){3}[a-z]{62}/a`), "appProtocol")), "has a domain of over 253 characters"},
	{"any appProtocol", everyShape, every(enabled, port(strange, "appProtocol")), ""},
	{"101 ports", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		var list []any
		for i := range 101 {
			list = append(list, map[string]any{"name": fmt.Sprint("p", i), "port": float64(i + 1)})
		}
		e["ports"] = list
	}), "maxItems: got 101, want 100"},
	{"podPort without pods", []shape{alias, forwarding, legacy, headless}, every(enabled, port(just("http"), "podPort")), "is set, but selector is not"},
	{"podPort out of its range", selecting, every(enabled, port(rapid.SampledFrom([]float64{0, -1, 65536, 1e9}), "podPort")), "imum: got"},
	{"podPort a number in quotes", selecting, every(enabled, port(just("80", "0"), "podPort")), "does not match pattern"},
	{"invalid podPort name", selecting, every(enabled, port(matching(`[A-Z]{1,3}|[a-z]{1,3}[._ /é][a-z]{1,3}|-a|a-|a--b|[a-z]{16}`), "podPort")), "/podPort'"},
	{"invalid podPort name, while pods wait", []shape{parked}, every(enabled, port(matching(`[A-Z]{1,3}|a--b|[a-z]{16}`), "podPort")), "/podPort'"},
	{"podPort empty", selecting, every(enabled, port(just(""), "podPort")), "does not match pattern"},
	{"any podPort", selecting, every(enabled, port(strange, "podPort")), ""},
	{"podPort that a headless Service cannot change to", []shape{both, cluster}, every(enabled, set(rapid.Just(true), "headless"), func(t *rapid.T, d *document, e entry) {
		for _, p := range e["ports"].([]any) {
			delete(p.(map[string]any), "targetPort")
			delete(p.(map[string]any), "podPort")
		}
		otherPort(aPort(t, e), "podPort")
	}), "a headless Service cannot change the port"},

	// backend and selector
	{"invalid backend", everyShape, every(enabled, set(just("External", "pods", "none", "external,cluster"), "backend")), "value must be one of"},
	{"backend without a selector", selecting, every(enabled, unset("selector"), withoutPodPorts), "selector is missing"},
	{"backend with an empty selector", selecting, every(enabled, set(rapid.SampledFrom([]any{map[string]any{}, map[string]any{"app": nil}}), "selector"), withoutPodPorts), "selector is missing"},
	{"backend both with externalName", []shape{clusterAlias}, every(enabled, set(just("both"), "backend")), "is both, but an alias"},
	{"selector of the parked label", append([]shape{parked}, selecting...), every(enabled, selector(just("external-services/parked"), labelValues)), "by which the chart keeps pods out"},
	{"selector with an Endpoints object", []shape{parked, both}, every(enabled, func(t *rapid.T, d *document, e entry) {
		e["endpointsKind"] = "Endpoints"
		for i, a := range e["addresses"].([]any) {
			if long, ok := a.(map[string]any); ok {
				e["addresses"].([]any)[i] = long["ip"]
			}
		}
	}), "Kubernetes overwrites the Endpoints object"},
	{"invalid selector key", selecting, every(enabled, selector(matching(badKeys), labelValues)), "not allowed"},
	{"invalid selector value", selecting, every(enabled, selector(labelKeys, matching(badValues))), "does not match pattern"},
	{"invalid selector, while pods wait", []shape{parked}, every(enabled, selector(labelKeys, matching(badValues))), "does not match pattern"},
	{"any selector", selecting, every(enabled, selector(strange, strange)), ""},

	// settings
	{"invalid sessionAffinity", everyShape, every(enabled, set(just("clientIP", "Cookie", ""), "sessionAffinity")), "value must be one of"},
	{"sessionAffinityTimeoutSeconds out of its range", services, every(enabled, set(just("ClientIP"), "sessionAffinity"), set(rapid.SampledFrom([]float64{0, -1, 86401, 1e9}), "sessionAffinityTimeoutSeconds")), "imum: got"},
	{"sessionAffinityTimeoutSeconds without ClientIP", everyShape, every(enabled, unset("sessionAffinity"), func(t *rapid.T, d *document, e entry) {
		if oneIn(t, "None", 1) {
			e["sessionAffinity"] = "None"
		}
		e["sessionAffinityTimeoutSeconds"] = float64(number(t, "seconds", 1, 86400))
	}), "is set, but sessionAffinity is not ClientIP"},
	{"invalid trafficDistribution", everyShape, every(enabled, set(just("preferClose", "PreferSameRegion", "Auto"), "trafficDistribution")), "value must be one of"},
	{"headless of another type", everyShape, every(enabled, set(just("true", "None"), "headless")), "want boolean"},
	{"publishNotReadyAddresses of another type", everyShape, every(enabled, set(just("true", "yes"), "publishNotReadyAddresses")), "want boolean"},

	// labels and annotations
	{"invalid label key", everyShape, every(enabled, pair("labels", matching(badKeys), labelValues)), "not allowed"},
	{"label key with upper case in its domain", everyShape, every(enabled, pair("labels", matching(`[A-Z][a-z]{1,3}[.]example/a`), labelValues)), "not allowed"},
	{"label key with a domain of 254 characters", everyShape, every(enabled, pair("labels", matching(`([a-z]{63}[.]){3}[a-z]{62}/a`), labelValues)), "has a domain of over 253 characters"},
	{"label value that Helm removes", everyShape, every(enabled, pair("labels", labelKeys, just("<no value>"))), "does not match pattern"},
	{"invalid label value", everyShape, every(enabled, pair("labels", labelKeys, matching(badValues))), "does not match pattern"},
	{"label of the chart", everyShape, every(enabled, pair("labels", just("helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "external-services/backend", "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"), labelValues)), "is a label that the chart sets itself"},
	{"label that makes Kubernetes ignore endpoints", everyShape, every(enabled, pair("labels", just("endpointslice.kubernetes.io/skip-mirror", "service.kubernetes.io/headless"), labelValues)), "makes Kubernetes ignore the endpoints"},
	{"any label key", everyShape, every(enabled, pair("labels", strange, labelValues)), ""},
	{"any label value", everyShape, every(enabled, pair("labels", labelKeys, strange)), ""},
	{"invalid annotation key", everyShape, every(enabled, pair("annotations", matching(badKeys), annotationTexts)), "not allowed"},
	{"annotation of a hook", everyShape, every(enabled, pair("annotations", just("helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"), just("test", "pre-install", "1"))), "takes the objects out of the release"},
	{"any annotation key", everyShape, every(enabled, pair("annotations", strange, annotationTexts)), ""},
	{"any annotation", everyShape, every(enabled, pair("annotations", annotationKeys, strange)), ""},
	{"annotations of 256 KiB", everyShape, every(enabled, sized(250_000, 300_000)), ""},
	{"annotations at the limit", everyShape, every(enabled, sized(261_880, 262_150)), ""},

	// what templates make
	{"invalid template", everyShape, every(enabled, func(t *rapid.T, d *document, e entry) {
		put(e, pick(t, "template", "{{", "{{ nope", "{{ nope }}", "{{ if }}", "{{ .Values.a.b.c }}", "{{ end }}", "{{ required \"x\" nil }}"), "annotations", "a")
	}), ""},
	{"externalName that expands to anything", []shape{alias}, every(enabled, expanding(strange, func(e entry, text string) { e["externalName"] = text })), ""},
	{"address that expands to anything", outward, every(enabled, expanding(strange, func(e entry, text string) { e["addresses"] = append(e["addresses"].([]any), text) })), ""},
	{"annotation that expands to anything", everyShape, every(enabled, expanding(strange, func(e entry, text string) { put(e, text, "annotations", "a") })), ""},

	// the test Pod
	{"any repository", everyShape, every(tests(strange, "image", "repository")), ""},
	{"any tag", everyShape, every(tests(strange, "image", "tag")), ""},
	{"any digest", everyShape, every(tests(strange, "image", "digest")), ""},
	{"invalid pullPolicy", everyShape, tests(just("always", "", "Sometimes"), "image", "pullPolicy"), "value must be one of"},
	{"timeoutSeconds of the tests out of its range", everyShape, tests(rapid.SampledFrom([]float64{-1, 0, 61}), "timeoutSeconds"), "imum: got"},
	{"any imagePullSecrets", everyShape, tests(rapid.Map(strange, func(s string) any { return []any{map[string]any{"name": s}} }), "imagePullSecrets"), ""},
	{"any request", everyShape, tests(rapid.OneOf(strange, quantityForms), "resources", "requests", "cpu"), ""},
	{"any limit", everyShape, tests(rapid.OneOf(strange, quantityForms), "resources", "limits", "memory"), ""},
	{"any resource", everyShape, func(t *rapid.T, d *document, e entry) {
		name := rapid.OneOf(strange, just("cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "example.com/gpu", "storage", "pods", "kubernetes.io/x", "requests.cpu", "attachable-volumes-x")).Draw(t, "name")
		tests(lots, "resources", pick(t, "map", "requests", "limits"), name)(t, d, e)
	}, ""},
	{"request over its limit", everyShape, every(tests(rapid.OneOf(lots, littles, quantityForms), "resources", "requests", "memory"), tests(rapid.OneOf(lots, littles, quantityForms), "resources", "limits", "memory")), ""},
	{"any annotation that Kubernetes knows", everyShape, func(t *rapid.T, d *document, e entry) {
		enabled(t, d, e)
		if oneIn(t, "tests", 1) {
			put(d.Values, true, "tests", "enabled")
		}
		pair("annotations", just(
			"service.beta.kubernetes.io/load-balancer-source-ranges", "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode",
			"kubernetes.io/config.mirror", "scheduler.alpha.kubernetes.io/tolerations", "controller.kubernetes.io/pod-deletion-cost",
			"seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/test", "container.apparmor.security.beta.kubernetes.io/test", "container.apparmor.security.beta.kubernetes.io/other",
			"kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time", "endpoints.kubernetes.io/over-capacity", "service.alpha.kubernetes.io/tolerate-unready-endpoints",
			"kubernetes.io/ingress-bandwidth", "meta.helm.sh/release-name", "helm.sh/resource-policy", "kubernetes.io/psp", "kubernetes.io/limit-ranger",
		), rapid.OneOf(just("", "a", "1", "Auto", "auto", "[]", "{}", "[{}]", "10.0.0.0/8", "runtime/default", "unconfined", "localhost/a", "keep"), strange))(t, d, e)
		if oneIn(t, "two of them", 1) {
			pair("annotations", just("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"), just("Auto", "auto", "Disabled"))(t, d, e)
		}
	}, ""},

	// anything, anywhere
	{"anything anywhere", everyShape, func(t *rapid.T, d *document, e entry) {
		var in any = e
		if oneIn(t, "in the whole", 2) {
			in = d.Values
		}
		if replace, remove := somewhere(t, in); replace != nil {
			if oneIn(t, "removed", 3) {
				remove()
			} else {
				replace(anything.Draw(t, "value"))
			}
		}
	}, ""},
	{"anything in an entry", everyShape, func(t *rapid.T, d *document, e entry) {
		key := pick(t, "key", "name", "namespace", "namespaces", "enabled", "externalName", "addresses", "ports", "backend", "selector", "headless", "endpointsKind", "sessionAffinity", "sessionAffinityTimeoutSeconds", "trafficDistribution", "publishNotReadyAddresses", "labels", "annotations")
		e[key] = anything.Draw(t, "value")
	}, ""},
	{"anything in overrides", everyShape, func(t *rapid.T, d *document, e entry) {
		key := pick(t, "key", "namespace", "namespaces", "enabled", "externalName", "addresses", "ports", "backend", "selector", "headless", "endpointsKind", "sessionAffinity", "sessionAffinityTimeoutSeconds", "trafficDistribution", "publishNotReadyAddresses", "labels", "annotations")
		put(d.Values, anything.Draw(t, "value"), "overrides", e["name"].(string), key)
	}, ""},
	{"two entries mixed", everyShape, func(t *rapid.T, d *document, e entry) {
		other, _ := plainValues(t, everyShape, false)
		one := decoded(other).Values["services"].([]any)[0].(entry)
		for _, key := range slices.Sorted(maps.Keys(one)) {
			if key != "name" && rapid.Bool().Draw(t, key) {
				e[key] = one[key]
			}
		}
	}, ""},
}

const (
	badKeys   = `[a-z]{1,3}[ :@é][a-z]{1,3}|-a|a-|/a|a/|a/b/c|[a-z]{64}|_a|a[.][.]b/c|a_b[.]c/d`
	badValues = `[a-z]{1,3}[ :@é/\n][a-z]{1,3}|-a|a-|[a-z]{64}|_a|[.]`
)

// quantityForms are quantities of resources, and what is close to one.
var quantityForms = matching(`[+-]?[0-9]{0,4}[.]?[0-9]{0,4}(|m|k|K|M|G|Ki|Mi|Gi|ki|n|u|E|Ei|e[+-]?[0-9]{1,2}|E[0-9]|Zi)`)

func many(count int) []any {
	var list []any
	for i := range count {
		list = append(list, fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	return list
}

// otherPort gives a key of a port another number than its port.
func otherPort(p map[string]any, key string) { p[key] = float64(int(p["port"].(float64))%65535 + 1) }

// freePort is a number that no port of the entry has.
func freePort(e entry) float64 {
	number := 1.0
	for _, p := range e["ports"].([]any) {
		if n, _ := p.(map[string]any)["port"].(float64); n >= number {
			number = n + 1
		}
	}
	if number > 65535 {
		for number = 1; slices.ContainsFunc(e["ports"].([]any), func(p any) bool { return p.(map[string]any)["port"] == number }); {
			number++
		}
	}
	return number
}

func withoutPodPorts(t *rapid.T, d *document, e entry) {
	for _, p := range e["ports"].([]any) {
		delete(p.(map[string]any), "podPort")
	}
}

// sized has annotations, those of all objects together, that take some number of bytes.
func sized(from, to int) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		size := number(t, "size", from, to)
		common := rapid.IntRange(0, size/2).Draw(t, "common")
		if common > 0 {
			d.Values["commonAnnotations"] = map[string]any{"a": strings.Repeat("x", common-1)}
		} else {
			delete(d.Values, "commonAnnotations")
		}
		e["annotations"] = map[string]any{"b": strings.Repeat("y", size-common-1)}
	}
}

// expanding puts a template where a string is, which expands to one of the texts.
func expanding(texts *rapid.Generator[string], put func(entry, string)) func(*rapid.T, *document, entry) {
	return func(t *rapid.T, d *document, e entry) {
		section(d.Values, "global")["text"] = texts.Draw(t, "text")
		put(e, "{{ .Values.global.text }}")
	}
}
