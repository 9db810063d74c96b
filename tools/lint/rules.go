package lint

import (
	"net/netip"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// maxTemplates is how many templates in the values are reported that cannot be expanded. Each
// takes another execution of the rules.
const maxTemplates = 10

// checkRules finds what the rules of the chart refuse. It excludes from them what they cannot
// handle: templates in the values that cannot be expanded, and malformed entries.
func (l *linter) checkRules(run *helm.Run, parts []*part) {
	for round := 1; ; round++ {
		refusals, err := run.Faults()
		if err == nil {
			for i, p := range parts {
				for _, refusal := range refusals[i] {
					l.addRefusal(p, refusal)
				}
			}
			return
		}
		template, why := readHelmError(err)
		isIt := func(text string) bool { return text == template }
		if round <= maxTemplates && template != "" && l.emptyTexts(parts, isIt, findings.Args{"why": why}) {
			continue
		}
		excluded := false
		for _, p := range parts {
			excluded = p.disableMalformed() || excluded
		}
		if excluded {
			continue
		}
		// It is not clear which template it is, or there are more: go on without any.
		excluded = l.emptyTexts(parts, func(text string) bool { return strings.Contains(text, "{{") }, nil)
		if excluded || len(l.found) == 0 {
			l.helmRefuses(err)
		}
		if !excluded {
			return
		}
	}
}

// emptyTexts empties the strings in the values that match, and says whether there are any. With
// args, it reports each as a template that fails.
func (l *linter) emptyTexts(parts []*part, match func(string) bool, args findings.Args) bool {
	found := false
	for _, p := range parts {
		for _, path := range textsIn(p.Values, match, nil) {
			if args != nil {
				l.report(p, path, false, findings.TemplateFails, args)
			}
			p.refused[printPath(path)] = true
			p.set(path, "")
			found = true
		}
	}
	return found
}

// addRefusal adds what a rule refuses, unless there is an error about that value.
func (l *linter) addRefusal(p *part, refusal helm.Fault) {
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
	}
	name := printPath(field)
	if entry == "" {
		name = printPath(p.whole(field))
	}
	if refusal.Or != "" {
		name += " or " + refusal.Or
		if p.refuses(p.setAt(refusal, []any{refusal.Or})) {
			return
		}
	}
	if !p.refuses(path) {
		at := l.layers.find(p.whole(path), refusal.Key != "")
		l.add(at, findings.ValueRefused, entry, name, findings.Args{"problem": refusal.Problem, "fix": fix})
	}
}

// setAt is the path at which a field of an entry was set: in an override that has it, or in the
// entry.
func (p *part) setAt(refusal helm.Fault, field []any) []any {
	known := field[:1]
	if refusal.Key != "" {
		known = field
	}
	for _, override := range [][]any{{"namespaceOverrides", refusal.Namespace, refusal.Name}, {"overrides", refusal.Name}} {
		if _, has := lookup(p.Values, join(override, known...)); has {
			return join(override, field...)
		}
	}
	return join([]any{"services", *refusal.Index}, field...)
}

// addressAt is the path of the IP of a refused address, which may be in a map, and what to write:
// the form of an IPv6 address that the API server accepts, or the IPv4 address in it.
func addressAt(values map[string]any, path []any, fix string) ([]any, string) {
	value, _ := lookup(values, path)
	if address, isMap := value.(map[string]any); isMap {
		path, value = join(path, "ip"), address["ip"]
	}
	written, _ := value.(string)
	address, err := netip.ParseAddr(strings.Trim(written, "[]"))
	if err == nil && address.Is6() && address.Zone() == "" && address.Unmap().String() != written {
		fix = "write " + address.Unmap().String()
	}
	return path, fix
}
