package lint

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"external-services/tools/helm"
)

// maxTemplates is after how many templates in the values that do not expand the others
// are no longer looked for, each of which takes a run of the validation.
const maxTemplates = 10

// explainTemplates notes what the validation of the chart refuses. It goes on after a
// template in the values that does not expand, without it.
func (l *linter) explainTemplates(run *helm.Run, parts []*helm.Part, pruned []*pruning) {
	for round := 0; ; round++ {
		all, err := run.Faults()
		if err == nil {
			for i, part := range parts {
				for _, fault := range all[i] {
					if !pruned[i].covers(fault) {
						l.faults = append(l.faults, l.finding(part, fault, pruned[i]))
					}
				}
			}
			return
		}
		if round < maxTemplates && l.unexpanded(err, parts, pruned) {
			continue
		}
		// Which template it is cannot be said, or there are too many: go on without all.
		dropped := dropTemplates(parts, pruned)
		if _, _, ok := expansion(err); ok && len(l.faults) > 0 {
			l.faults = append(l.faults, Finding{Position: l.anywhere(), Reason: "more templates do not expand", Fix: "correct the first ones"})
		} else if dropped || len(l.faults) == 0 {
			l.refused(err)
		}
		if !dropped {
			return
		}
	}
}

// unexpanded notes the template in the values that an error is about, takes it out, and
// says whether there is one.
func (l *linter) unexpanded(err error, parts []*helm.Part, pruned []*pruning) bool {
	text, reason, ok := expansion(err)
	if !ok {
		return false
	}
	found := false
	for i, part := range parts {
		for _, path := range stringsAt(part.Values, func(s string) bool { return s == text }, nil) {
			found = true
			f := Finding{
				Position: l.find(append(prefix(part.Path), path...), false),
				Reason:   "does not expand as a template: " + reason,
				Fix:      "correct what stands between {{ and }}",
			}
			f.Entry, f.Field = subject(part.Values, part.Path, path)
			l.faults = append(l.faults, f)
			pruned[i].cut(path)
		}
		pruned[i].apply()
	}
	return found
}

// dropTemplates takes all strings that hold a template out of the values, and says
// whether there were any.
func dropTemplates(parts []*helm.Part, pruned []*pruning) bool {
	dropped := false
	for i, part := range parts {
		for _, path := range stringsAt(part.Values, func(text string) bool { return strings.Contains(text, "{{") }, nil) {
			dropped = true
			pruned[i].cut(path)
		}
		pruned[i].apply()
	}
	return dropped
}

var (
	tplError    = regexp.MustCompile(`(?s)(?:cannot parse template|error during tpl function execution for) (".*)`)
	tplPosition = regexp.MustCompile(`(?s)^.*template: [^ ]*:[0-9]+(:[0-9]+)?: (executing "[^"]*" at )?`)
)

// expansion finds the text of the template and what is wrong with it in an error of
// Helm's function tpl.
func expansion(err error) (text, reason string, ok bool) {
	match := tplError.FindStringSubmatch(err.Error())
	if match == nil {
		return "", "", false
	}
	quoted, err := strconv.QuotedPrefix(match[1])
	if err != nil {
		return "", "", false
	}
	text, err = strconv.Unquote(quoted)
	if err != nil {
		return "", "", false
	}
	reason = strings.TrimPrefix(match[1][len(quoted):], ": ")
	return text, oneLine(tplPosition.ReplaceAllString(reason, "")), true
}

// stringsAt lists where strings that are wanted stand in values, which the chart expands.
func stringsAt(value any, wanted func(string) bool, path []any) [][]any {
	var found [][]any
	switch v := value.(type) {
	case string:
		if wanted(v) {
			found = append(found, slices.Clone(path))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "global" || len(path) > 0 {
				found = append(found, stringsAt(v[key], wanted, append(path, key))...)
			}
		}
	case []any:
		for i, item := range v {
			found = append(found, stringsAt(item, wanted, append(path, i))...)
		}
	}
	return found
}

// finding adds the position to a fault of the chart, and the canonical form of an IPv6
// address.
func (l *linter) finding(part *helm.Part, fault helm.Fault, p *pruning) Finding {
	if other, found := strings.CutSuffix(fault.Problem, " is missing"); found && strings.HasPrefix(other, "or ") {
		return l.finding(part, helm.Fault{Index: fault.Index, Name: fault.Name, Namespace: fault.Namespace, Field: fault.Field + " " + other, Problem: "is missing", Fix: fault.Fix}, p)
	}
	f := Finding{Field: fault.Field, Reason: fault.Problem, Fix: fault.Fix}
	if fault.Index == nil {
		path, key := releasePath(fault), fault.Key != ""
		f.Position = l.find(append(prefix(part.Path), path...), key)
		if len(part.Path) > 0 {
			f.Field = fieldPath(prefix(part.Path)) + "." + f.Field
		}
		return f
	}
	f.Entry = fault.Name
	if f.Entry == "" || p.unnamed[*fault.Index] {
		f.Entry = ""
		f.Field = fieldPath(append(prefix(part.Path), "services", *fault.Index)) + "." + fault.Field
	}
	path := entryPath(part.Values, fault)
	if _, long := lookup(part.Values, path).(map[string]any); long && strings.HasPrefix(fault.Field, "addresses[") {
		path = append(path, "ip")
	}
	f.Position = l.find(append(prefix(part.Path), path...), fault.Key != "")
	if canonical := canonical(fault.Problem); canonical != "" {
		f.Fix = "write " + canonical
	}
	return f
}

// releasePath is where a fault of what is given once a release stands.
func releasePath(fault helm.Fault) []any {
	path := parseField(fault.Field)
	if namespace, found := strings.CutPrefix(fault.Field, "namespaceOverrides."); found {
		path = []any{"namespaceOverrides", namespace}
	}
	if fault.Key != "" {
		path = append(path, fault.Key)
	}
	return path
}

// entryPath is where the field of a fault was set: in what is laid over the entry where
// that has it, and else in the entry.
func entryPath(values map[string]any, fault helm.Fault) []any {
	field := parseField(fault.Field)
	if fault.Key != "" {
		field = append(field, fault.Key)
	}
	alternatives := [][]any{field}
	if fault.Field == "namespace" {
		alternatives = append(alternatives, []any{"namespaces"})
	}
	entry := []any{"services", *fault.Index}
	for _, base := range [][]any{{"namespaceOverrides", fault.Namespace, fault.Name}, {"overrides", fault.Name}, entry} {
		holder, ok := lookup(values, base).(map[string]any)
		if !ok {
			continue
		}
		for _, field := range alternatives {
			value, has := holder[field[0].(string)]
			if _, isMap := value.(map[string]any); has && isMap && fault.Key != "" {
				_, has = value.(map[string]any)[fault.Key]
			}
			if !has {
				continue
			}
			path := append(slices.Clone(base), field...)
			if names, ok := value.([]any); ok && field[0] == "namespaces" {
				if i := slices.Index(names, any(fault.Namespace)); i >= 0 {
					path = append(path, i)
				}
			}
			return path
		}
	}
	return append(entry, field...)
}

// canonical is the form in which the API server takes the IPv6 address that a text
// begins with, quoted, or the IPv4 address that is in it; it is empty where there is
// none other.
func canonical(text string) string {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return ""
	}
	written, err := strconv.Unquote(quoted)
	if err != nil {
		return ""
	}
	address, err := netip.ParseAddr(strings.Trim(written, "[]"))
	if err != nil || !address.Is6() || address.Zone() != "" {
		return ""
	}
	if form := address.Unmap().String(); form != written {
		return form
	}
	return ""
}

// pruning is what is taken out of values, so that the templates can be executed where
// the schema refuses something, and their faults are not those that follow from it.
type pruning struct {
	values map[string]any
	out    [][]any // the paths that are taken out
	meant  [][]any // those that somebody who repairs a fault writes

	unnamed map[int]bool // the entries whose name only stands in for one

	indexed  int                // how many paths that are taken out the following ones are of
	under    map[string][][]any // by what holds them: paths in an entry or a partial entry
	whole    map[string]bool    // paths of an entry, a partial entry or what holds them
	nameless bool               // whether an entry lost its name
}

// cut takes out what stands at a path, by the next apply.
func (p *pruning) cut(path []any) { p.out = append(p.out, slices.Clone(path)) }

// mention notes a path that somebody who repairs a fault writes.
func (p *pruning) mention(path []any) { p.meant = append(p.meant, slices.Clone(path)) }

// apply takes the paths out of the values, and puts something in their place that the
// templates need.
func (p *pruning) apply() {
	for _, path := range p.out {
		if len(path) == 0 {
			continue
		}
		around := lookup(p.values, path[:len(path)-1])
		last := path[len(path)-1]
		switch around := around.(type) {
		case map[string]any:
			key, _ := last.(string)
			delete(around, key)
			if len(path) < 2 {
				continue
			}
			at, isItem := path[len(path)-2].(int)
			if stand := standIn(path[len(path)-min(3, len(path))], at); isItem && stand != nil && key == stand.key {
				around[key] = stand.value
				if path[0] == "services" && len(path) == 3 {
					p.unnamed[at] = true
				}
			}
		case []any:
			at, ok := last.(int)
			if !ok || at >= len(around) {
				continue
			}
			stand := standIn(path[len(path)-2], at)
			switch {
			case path[0] == "services" && len(path) == 2:
				around[at] = map[string]any{"name": stand.value, "enabled": false}
			case stand == nil:
				around[at] = nil
			case stand.key == "port":
				around[at] = map[string]any{stand.key: stand.value, "name": fmt.Sprintf("unnamed-%d", at)}
			default:
				around[at] = stand.value
			}
		}
	}
}

// stand is a value that no rule refuses, and the key that an item cannot do without.
type stand struct {
	key   string
	value any
}

// standIn is what takes the place of an item of a list.
func standIn(list any, at int) *stand {
	switch list {
	case "services":
		return &stand{"name", fmt.Sprintf("unnamed-%d", at)}
	case "ports":
		return &stand{"port", float64(max(1, 65535-at))}
	case "addresses": // of the network for benchmarks, RFC 2544
		return &stand{"ip", netip.AddrFrom4([4]byte{198, 18 + byte(at>>16&1), byte(at >> 8), byte(at)}).String()}
	case "namespaces":
		return &stand{"", fmt.Sprintf("unnamed-%d", at)}
	}
	return nil
}

// consequences are the fields that lack what another one says.
var consequences = map[string][]string{
	"externalName":    {"addresses"},
	"selector":        {"podPort"},
	"sessionAffinity": {"sessionAffinityTimeoutSeconds"},
	"namespace":       {"name"},
	"namespaces":      {"name"},
}

// covers says whether a fault follows from what was taken out.
func (p *pruning) covers(fault helm.Fault) bool {
	p.index()
	if fault.Index == nil {
		// an entry without its name is not found by it
		return p.nameless && strings.Contains(strings.ToLower(fault.Field), "overrides")
	}
	field := parseField(fault.Field)
	if fault.Key != "" {
		field = append(field, fault.Key)
	}
	for _, holder := range [][]any{{"services", *fault.Index}, {"overrides", fault.Name}, {"namespaceOverrides", fault.Namespace, fault.Name}} {
		for _, rest := range p.under[fmt.Sprint(holder)] {
			if follows(field, rest) {
				return true
			}
		}
		for i := range holder {
			if p.whole[fmt.Sprint(holder[:i+1])] {
				return true
			}
		}
	}
	return false
}

// index sorts the paths by the entry or the partial entry they are in.
func (p *pruning) index() {
	if len(p.out) == p.indexed && p.under != nil {
		return
	}
	p.indexed, p.under, p.whole = len(p.out), map[string][][]any{}, map[string]bool{}
	for _, path := range slices.Concat(p.out, p.meant) {
		if len(path) == 0 {
			continue
		}
		depth := 2
		if path[0] == "namespaceOverrides" {
			depth = 3
		}
		if path[0] == "services" && (len(path) < 3 || path[2] == "name") {
			p.nameless = true
		}
		if len(path) <= depth {
			p.whole[fmt.Sprint(path)] = true
			continue
		}
		holder := fmt.Sprint(path[:depth])
		p.under[holder] = append(p.under[holder], path[depth:])
	}
}

// follows says whether a fault of a field of an entry follows from what was taken out of
// the entry.
func follows(field, out []any) bool {
	if out[0] == "enabled" {
		return true
	}
	if len(out) > 2 {
		out = out[:2] // the item of a list
	}
	if len(out) <= len(field) && slices.Equal(out, field[:len(out)]) {
		return true
	}
	name, _ := out[0].(string)
	last, _ := field[len(field)-1].(string)
	return slices.Contains(consequences[name], last)
}
