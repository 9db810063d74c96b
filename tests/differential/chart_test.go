package differential

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"external-services/tools/render"
)

// charts are the chart as it is, and one that refuses nothing: it shows what the API
// server would be asked to take without the chart's rules.
type charts struct {
	chart, lenient *render.Chart
}

func loadCharts() (charts, error) {
	chart, err := render.Embedded()
	if err != nil {
		return charts{}, err
	}
	lenient, err := render.Embedded()
	if err != nil {
		return charts{}, err
	}
	lenient.Schema = nil
	// Without these two, no fault is noted and none keeps an entry from being rendered.
	for _, name := range []string{"external-services.refuse", "external-services.validate.kind"} {
		found := false
		for _, template := range lenient.Templates {
			define := fmt.Sprintf("{{- define %q -}}", name)
			if bytes.Contains(template.Data, []byte(define)) {
				found = true
				emptied := fmt.Sprintf("{{- define %q -}}{{- end -}}{{- define %q -}}", name, name+".unused")
				template.Data = bytes.Replace(template.Data, []byte(define), []byte(emptied), 1)
			}
		}
		if !found {
			return charts{}, fmt.Errorf("the templates of the chart do not define %s", name)
		}
	}
	return charts{chart, lenient}, nil
}

// version is that of the chart.
var version = func() string {
	chart, err := render.Embedded()
	if err != nil {
		panic(err) // it is part of this program
	}
	return chart.Metadata.Version
}()

// refusal is why a chart does not render.
type refusal struct {
	schema   bool     // values.schema.json refuses, and not the templates
	messages []string // what is wrong, each by itself
	unclear  bool     // there is no message of the chart, but an error of a template
}

var (
	schemaError = regexp.MustCompile(`^values don't meet the specifications of the schema\(s\) in the following chart\(s\):\nexternal-services:\n((?s).*)$`)
	chartError  = regexp.MustCompile(`^execution error at \(external-services/templates/[a-zA-Z]+\.(?:yaml|txt):\d+:\d+\): ((?s).*)$`)
	faultCount  = regexp.MustCompile(`^\d+ faults:\n  - `)
)

// read takes the error of helm apart.
func read(err error) refusal {
	text := err.Error()
	if m := schemaError.FindStringSubmatch(text); m != nil {
		return refusal{schema: true, messages: strings.Split(strings.TrimPrefix(strings.TrimSpace(m[1]), "- "), "\n- ")}
	}
	if m := chartError.FindStringSubmatch(text); m != nil {
		if head := faultCount.FindString(m[1]); head != "" {
			return refusal{messages: strings.Split(strings.TrimPrefix(m[1], head), "\n  - ")}
		}
		return refusal{messages: []string{m[1]}}
	}
	return refusal{messages: []string{text}, unclear: true}
}

// documents are the YAML documents that a chart renders of values.
func documents(c *render.Chart, d document) ([]string, error) {
	manifests, _, err := render.Manifests(c, d.Release, d.Values)
	if err != nil {
		return nil, err
	}
	var documents []string
	for _, manifest := range manifests {
		documents = append(documents, manifest.Content)
	}
	return documents, nil
}
