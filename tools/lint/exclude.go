package lint

import (
	"maps"
	"slices"

	"external-services/tools/findings"
)

// maxTemplates is how many templates in the values are reported that cannot be expanded. Each
// takes another execution of the rules.
const maxTemplates = 10

// excludeTemplate reports and empties the template in the values that an error of Helm is about,
// and says whether there is one.
func (l *linter) excludeTemplate(parts []*part, err error) bool {
	template, why := readHelmError(err)
	before := len(l.found)
	for _, p := range parts {
		emptyTexts(p.Values, nil, template, func(path []any) {
			l.report(p, path, false, findings.TemplateFails, findings.Args{"why": why})
			p.refused[printPath(path)] = true
		})
	}
	return len(l.found) > before
}

// emptyTexts is values with the strings that are a text emptied, apart from those of global.
func emptyTexts(value any, path []any, text string, each func(path []any)) any {
	switch v := value.(type) {
	case string:
		if v == text && text != "" {
			each(path)
			return ""
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "global" || len(path) > 0 {
				v[key] = emptyTexts(v[key], join(path, key), text, each)
			}
		}
	case []any:
		for i, item := range v {
			v[i] = emptyTexts(item, join(path, i), text, each)
		}
	}
	return value
}

// excludeMalformed disables the entries with malformed values, and says whether there are any. An
// entry that only has no name gets one.
func excludeMalformed(parts []*part) bool {
	found := false
	for _, p := range parts {
		for _, path := range p.malformed {
			p.disable(path)
			found = true
		}
		p.malformed = nil
	}
	return found
}

// disable disables the entry or the override that has a path, or deletes what is not in one.
func (p *part) disable(path []any) {
	depth := map[any]int{"services": 2, "overrides": 2, "namespaceOverrides": 3}[path[0]]
	if depth == 0 || len(path) < depth {
		delete(p.Values, path[0].(string))
		return
	}
	disabled := map[string]any{"enabled": false}
	if i, isItem := path[1].(int); isItem {
		if len(path) == 3 && path[2] == "name" {
			p.set(path, unnamed(i))
			return
		}
		disabled["name"] = unnamed(i)
		if name, _ := lookup(p.Values, join(path[:depth], "name")); isText(name) {
			disabled["name"] = name
		}
	}
	p.set(path[:depth], disabled)
	p.refused[printPath(path[:depth])] = true
}
