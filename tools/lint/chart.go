package lint

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"external-services/tools/render"
)

// explainTemplates notes what the validation of the chart refuses. It goes on after a
// template in the values that does not expand, without it.
func (l *linter) explainTemplates(run *render.Run, parts []*render.Part, pruned []*pruning) {
	for {
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
		text, reason, ok := unexpanded(err)
		found := false
		for i, part := range parts {
			if !ok {
				break
			}
			for _, path := range stringsAt(part.Values, text, nil) {
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
		if !found {
			if len(l.faults) == 0 {
				l.refused(err)
			}
			return
		}
	}
}

var (
	tplError    = regexp.MustCompile(`(?s)(?:cannot parse template|error during tpl function execution for) (".*)`)
	tplPosition = regexp.MustCompile(`(?s)^.*template: [^ ]*:[0-9]+(:[0-9]+)?: (executing "[^"]*" at )?`)
)

// unexpanded finds the text of the template and what is wrong with it in an error of
// Helm's function tpl.
func unexpanded(err error) (text, reason string, ok bool) {
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

// stringsAt lists where a string stands in values.
func stringsAt(value any, text string, path []any) [][]any {
	var found [][]any
	switch v := value.(type) {
	case string:
		if v == text {
			found = append(found, slices.Clone(path))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "global" || len(path) > 0 {
				found = append(found, stringsAt(v[key], text, append(path, key))...)
			}
		}
	case []any:
		for i, item := range v {
			found = append(found, stringsAt(item, text, append(path, i))...)
		}
	}
	return found
}

// finding adds the position to a fault of the chart, and the canonical form of an IPv6
// address.
func (l *linter) finding(part *render.Part, fault render.Fault, p *pruning) Finding {
	f := Finding{Field: fault.Field, Reason: fault.What, Fix: fault.Write}
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
		f.Field = fmt.Sprintf("services[%d].%s", *fault.Index, fault.Field)
	}
	path := entryPath(part.Values, fault)
	if _, long := lookup(part.Values, path).(map[string]any); long && strings.HasPrefix(fault.Field, "addresses[") {
		path = append(path, "ip")
	}
	f.Position = l.find(append(prefix(part.Path), path...), fault.Key != "")
	if canonical := canonical(fault.What); canonical != "" {
		f.Fix = "write " + canonical
	}
	return f
}

// releasePath is where a fault of what is given once a release stands.
func releasePath(fault render.Fault) []any {
	path := []any{fault.Field}
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
func entryPath(values map[string]any, fault render.Fault) []any {
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
	paths  [][]any // taken out, or to be written by somebody who repairs a fault
	cuts   int     // how many of the first paths are taken out

	unnamed map[int]bool // the entries whose name only stands in for one
}

// cut takes out what stands at a path, by the next apply.
func (p *pruning) cut(path []any) {
	p.paths = slices.Insert(p.paths, p.cuts, slices.Clone(path))
	p.cuts++
}

// mention notes a path that somebody who repairs a fault writes.
func (p *pruning) mention(path []any) { p.paths = append(p.paths, slices.Clone(path)) }

// apply takes the paths out of the values, and puts something in their place that the
// templates need.
func (p *pruning) apply() {
	for _, path := range p.paths[:p.cuts] {
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
			case stand != nil && stand.key == "":
				around[at] = stand.value
			case stand != nil:
				around[at] = map[string]any{stand.key: stand.value, "name": fmt.Sprintf("unnamed-%d", at)}
				if stand.key == "ip" {
					around[at] = stand.value
				}
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
func (p *pruning) covers(fault render.Fault) bool {
	field := parseField(fault.Field)
	if fault.Key != "" {
		field = append(field, fault.Key)
	}
	for _, path := range p.paths {
		if fault.Index == nil {
			// an entry without its name is not found by it
			named := path[0] == "services" && (len(path) < 3 || path[2] == "name")
			if named && strings.Contains(strings.ToLower(fault.Field), "overrides") {
				return true
			}
			continue
		}
		var rest []any
		switch {
		case len(path) >= 2 && path[0] == "services" && path[1] == any(*fault.Index),
			len(path) >= 2 && path[0] == "overrides" && path[1] == any(fault.Name):
			rest = path[2:]
		case len(path) >= 3 && path[0] == "namespaceOverrides" && path[1] == any(fault.Namespace) && path[2] == any(fault.Name):
			rest = path[3:]
		case len(path) < 3 && path[0] == "namespaceOverrides", len(path) < 2 && path[0] == "overrides":
			return true
		default:
			continue
		}
		if len(rest) == 0 || rest[0] == "enabled" {
			return true
		}
		if len(rest) > 2 {
			rest = rest[:2] // the item of a list
		}
		if len(rest) <= len(field) && slices.Equal(rest, field[:len(rest)]) {
			return true
		}
		name, _ := rest[0].(string)
		last, _ := field[len(field)-1].(string)
		if slices.Contains(consequences[name], last) {
			return true
		}
	}
	return false
}
