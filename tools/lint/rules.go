package lint

import (
	"net/netip"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// checkRules finds what the rules of the chart refuse. It excludes from them what they cannot
// handle: templates in the values that cannot be expanded, and malformed entries.
func (l *linter) checkRules(run *helm.Run, parts []*part) {
	refusals, err := run.Refusals()
	for round := 0; err != nil; round++ {
		if (round >= maxTemplates || !l.excludeTemplate(parts, err)) && !excludeMalformed(parts) {
			l.helmRefuses(err)
			return
		}
		refusals, err = run.Refusals()
	}
	for i, p := range parts {
		for _, refusal := range refusals[i] {
			l.addRefusal(p, refusal)
		}
	}
}

// addRefusal adds what a rule refuses, unless there is an error about that value.
func (l *linter) addRefusal(p *part, refusal helm.Refusal) {
	field := parsePath(refusal.Field)
	if refusal.Key != "" {
		field = append(field, refusal.Key)
	}
	path, entry, fix := field, refusal.Name, refusal.Fix
	if refusal.Index != nil {
		path = p.setAt(refusal, field)
		if len(field) == 2 && field[0] == "addresses" {
			path, fix = addressAt(p.Values, path, fix)
		}
		if entry == unnamed(*refusal.Index) {
			entry, field = "", join([]any{"services", *refusal.Index}, field...)
		}
		if refusal.Or != "" && p.refuses(p.setAt(refusal, []any{refusal.Or})) {
			return
		}
	}
	if p.refuses(path) {
		return
	}
	if entry == "" {
		field = p.whole(field)
	}
	shown := printPath(field)
	if refusal.Or != "" {
		shown += " or " + refusal.Or
	}
	at := l.layers.find(p.whole(path), refusal.Key != "")
	l.add(at, findings.ValueRefused, entry, shown, findings.Args{"problem": refusal.Problem, "fix": fix})
}

// setAt is the path at which a field of an entry was set: in an override that has it, or in the
// entry.
func (p *part) setAt(refusal helm.Refusal, field []any) []any {
	known := field[:1]
	if refusal.Key != "" {
		known = field
	}
	ofNamespace := []any{"namespaceOverrides", refusal.Namespace, refusal.Name}
	for _, override := range [][]any{ofNamespace, {"overrides", refusal.Name}} {
		if _, has := lookup(p.Values, join(override, known...)); has {
			return join(override, field...)
		}
	}
	return join([]any{"services", *refusal.Index}, field...)
}

// addressAt is the path of the IP or the DNS name of a refused address, which may be in a map, and what to
// write: the form of an IPv6 address that the API server accepts, or the IPv4 address in it.
func addressAt(values map[string]any, path []any, fix string) ([]any, string) {
	value, _ := lookup(values, path)
	if address, isMap := value.(map[string]any); isMap {
		key := "ip"
		if _, has := address["host"]; has {
			key = "host"
		}
		path, value = join(path, key), address[key]
	}
	written, _ := value.(string)
	address, err := netip.ParseAddr(strings.Trim(written, "[]"))
	if err == nil && address.Is6() && address.Zone() == "" && address.Unmap().String() != written {
		fix = "write " + address.Unmap().String()
	}
	return path, fix
}
