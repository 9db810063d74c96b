package parity

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"external-services/tools/helm"
)

// charts are the chart as it is, one that refuses nothing, and one without the pass over all
// addresses and host names. The second shows what the API server would be asked to take without the
// chart's rules, and the third what the chart says if it looks at each one.
type charts struct {
	chart, lenient, close *helm.Chart
}

func loadCharts() (charts, error) {
	chart, err := helm.Embedded()
	if err != nil {
		return charts{}, err
	}
	lenient, err := redefined(map[string]string{"external-services.refuse": ""})
	if err != nil {
		return charts{}, err
	}
	lenient.Schema = nil
	close, err := redefined(map[string]string{"external-services.usual": `{{ $_ := set . "usual" (dict "addresses" dict "hosts" dict) }}`})
	if err != nil {
		return charts{}, err
	}
	return charts{chart, lenient, close}, nil
}

// redefined is the chart with other texts for some of its named templates.
func redefined(texts map[string]string) (*helm.Chart, error) {
	c, err := helm.Embedded()
	if err != nil {
		return nil, err
	}
	for name, text := range texts {
		found := false
		for _, template := range c.Templates {
			define := fmt.Sprintf("{{- define %q -}}", name)
			if bytes.Contains(template.Data, []byte(define)) {
				found = true
				other := fmt.Sprintf("{{- define %q -}}%s{{- end -}}{{- define %q -}}", name, text, name+".unused")
				template.Data = bytes.Replace(template.Data, []byte(define), []byte(other), 1)
			}
		}
		if !found {
			return nil, fmt.Errorf("the templates of the chart do not define %s", name)
		}
	}
	return c, nil
}

// version is that of the chart.
var version = func() string {
	chart, err := helm.Embedded()
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
	chartError  = regexp.MustCompile(`^execution error at \(external-services/templates/[a-zA-Z/]+\.(?:yaml|txt):\d+:\d+\): ((?s).*)$`)
	faultCount  = regexp.MustCompile(`^\d+ errors, the first: `)
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
func documents(c *helm.Chart, d document) ([]string, error) {
	manifests, _, err := helm.Manifests(c, d.Release, d.Values)
	if err != nil {
		return nil, err
	}
	var documents []string
	for _, manifest := range manifests {
		documents = append(documents, manifest.Content)
	}
	return documents, nil
}

// closer holds what the chart makes of values against what it makes of them if it looks at each
// address and host name.
func closer(charts charts, d document) string {
	rendered, err := documents(charts.chart, d)
	closely, closeErr := documents(charts.close, d)
	switch {
	case sortedLines(err) != sortedLines(closeErr):
		return fmt.Sprintf("got: %v\nlooking closely: %v", err, closeErr)
	case !slices.Equal(rendered, closely):
		return "it renders other objects"
	}
	return ""
}

// sortedLines is the text of an error, for those of the schema come in any order.
func sortedLines(err error) string {
	lines := strings.Split(fmt.Sprint(err), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
