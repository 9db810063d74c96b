package importer

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/lint"
	"external-services/tools/values"
)

// entriesPerCheck is how many entries the chart checks at once, which limits the memory.
const entriesPerCheck = 250

// check has the chart check entries. It removes what the chart refuses and an entry works without, and refuses
// the entries that the chart still refuses.
func check(entries []*entry, options Options) error {
	for {
		text, lines := valuesOf(entries)
		list, err := options.lint(text)
		if err != nil || len(list) == 0 {
			return err
		}
		errorsOf := map[*entry][]findings.Finding{}
		for _, f := range list {
			if i := sort.SearchInts(lines, f.Line+1) - 1; i >= 0 {
				errorsOf[entries[i]] = append(errorsOf[entries[i]], f)
			}
		}
		if len(errorsOf) == 0 {
			return fmt.Errorf("the chart refuses the values: %s", list[0].Message)
		}
		for e, list := range errorsOf {
			e.correct(list)
		}
	}
}

// valuesOf is the values file of the entries that are not refused, and the line at which each entry begins. One
// that is refused has no lines, and begins where the next one does.
func valuesOf(entries []*entry) (text []byte, lines []int) {
	text = []byte("services:\n")
	if hasHosts(entries) {
		text = append([]byte(withResolver), text...)
	}
	line := bytes.Count(text, []byte("\n")) + 1
	for _, e := range entries {
		lines = append(lines, line)
		if e.refused {
			continue
		}
		item := e.withStandIns()
		text = append(text, item...)
		line += bytes.Count(item, []byte("\n"))
	}
	return text, lines
}

// lint lists the errors in values.
func (o Options) lint(text []byte) ([]findings.Finding, error) {
	chart, err := helm.Open(o.Chart)
	if err != nil {
		return nil, err
	}
	list, err := lint.Run(lint.Options{Chart: chart, Release: helm.Release{Name: "import", Namespace: o.ReleaseNamespace},
		Files: []lint.File{{Name: "values.yaml", Text: text}}})
	return slices.DeleteFunc(list, func(f findings.Finding) bool { return f.Severity != findings.Error }), err
}

// correct removes what errors are about, or refuses the entry if it does not work without.
func (e *entry) correct(list []findings.Finding) {
	optional, removed := e.optional(), false
	for _, f := range list {
		if part, ok := optional[f.Field]; ok {
			e.notCarriedOver(part.what, "%s", f.Message)
			part.remove()
			removed = true
		}
	}
	if removed {
		return
	}
	for _, f := range list {
		e.refuseAt(e.textOfField(f.Field), strings.Join(f.Fix, " "), "%s: %s", f.Field, f.Message)
	}
}

// textOfField is the address or the name that a finding is about, as the objects have it, or empty.
func (e *entry) textOfField(field string) string {
	switch field {
	case "externalName":
		return e.service.Spec.ExternalName
	case "name":
		return e.Name
	}
	for i, a := range e.Addresses {
		if at := fmt.Sprintf("addresses[%d]", i); field == at || strings.HasPrefix(field, at+".") {
			return textOf(a)
		}
	}
	return ""
}

// part is a part of an entry.
type part struct {
	what   string
	remove func()
}

// optional are the parts that an entry works without, by the fields of findings about them.
func (e *entry) optional() map[string]part {
	parts := map[string]part{}
	for what, pairs := range map[string]values.Pairs{"label": e.Labels, "annotation": e.Annotations} {
		for key, value := range pairs {
			p := part{what + " " + key + "=" + *value, func() { delete(pairs, key) }}
			parts[what+"s."+key], parts[fmt.Sprintf("%ss[%q]", what, key)] = p, p
		}
	}
	add := func(value *string, field, of string) {
		if *value != "" {
			name := field[strings.LastIndex(field, ".")+1:]
			parts[field] = part{name + " " + *value + of, func() { *value = "" }}
		}
	}
	for i := range e.Addresses {
		add(&e.Addresses[i].Hostname, fmt.Sprintf("addresses[%d].hostname", i), " of "+textOf(e.Addresses[i]))
		add(&e.Addresses[i].Zone, fmt.Sprintf("addresses[%d].zone", i), " of "+textOf(e.Addresses[i]))
	}
	for i := range e.Ports {
		add(&e.Ports[i].AppProtocol, fmt.Sprintf("ports[%d].appProtocol", i), fmt.Sprintf(" of port %d", e.Ports[i].Port))
	}
	return parts
}
