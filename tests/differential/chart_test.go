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
	refusals := 0
	for _, template := range lenient.Templates {
		refusals += bytes.Count(template.Data, []byte("{{- fail "))
		template.Data = bytes.ReplaceAll(template.Data, []byte("{{- fail "), []byte("{{- $_ := "))
	}
	if refusals == 0 {
		return charts{}, fmt.Errorf("the templates of the chart have no {{- fail to take out")
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
