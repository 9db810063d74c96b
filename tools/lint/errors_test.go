package lint

import (
	"errors"
	"testing"

	"external-services/tools/helm"
)

// notYAML are texts that Helm cannot parse, and what lint says of each.
var notYAML = []struct {
	name, text   string
	line, column int
	problem, fix string
}{
	{"a tab", "services:\n\t- name: orders\n", 2, 1, "is not YAML: a tab is in the indentation", "indent with spaces"},
	{"a tab after spaces", "services:\n  - name: orders\n  \texternalName: a.example\n", 3, 1, "is not YAML: a tab is in the indentation", "indent with spaces"},
	{"a character that needs quotes", "services:\n- name: @orders\n", 2, 1, "is not YAML: found character that cannot start any token", "check the indentation, the brackets and the quotes near this line"},
	{"indentation", "services:\n  - name: orders\n   externalName: a.example\n", 3, 1, "is not YAML: did not find expected '-' indicator", "check the indentation, the brackets and the quotes near this line"},
	{"a bracket", "services: [\n", 2, 1, "is not YAML: did not find expected node content", "check the indentation, the brackets and the quotes near this line"},
	{"an anchor", "services:\n- name: *host\n", 2, 9, "is not YAML: unknown anchor 'host' referenced", "quote a value that begins with *, or define the anchor before it"},
	{"Latin-1", "# f\xfcr\nservices: []\n", 1, 4, "is not YAML: invalid leading UTF-8 octet", "write the file in UTF-8"},
	{"UTF-8 cut off", "services:\n- name: a\xc3", 2, 10, "is not YAML: incomplete UTF-8 octet sequence", "write the file in UTF-8"},
	{"NUL", "services: []\n\x00", 2, 1, "is not YAML: control characters are not allowed", "delete the control character, or escape it in double quotes"},
	{"a list", "- name: orders\n", 1, 1, "is not a map", "write keys at the top of the file, such as services:"},
	{"a text", "orders\n", 1, 1, "is not a map", "write keys at the top of the file, such as services:"},
	{"not a number", "a: .nan\n", 1, 1, "contains .nan or .inf", "write a number"},
	{"a key in braces", "{{ a }}: b\n", 1, 1, "has a key that is a list or a map", "quote a key that begins with [, { or {{"},
	{"a list as key", "? [a, b]\n: c\n", 1, 1, "has a key that is a list or a map", "quote a key that begins with [, { or {{"},
}

func TestReadYAMLError(t *testing.T) {
	for _, c := range notYAML {
		_, err := helm.Parse([]byte(c.text))
		if err == nil {
			t.Errorf("%s: Helm parses it", c.name)
			continue
		}
		if got, want := readYAMLError([]byte(c.text), err), (yamlError{c.line, c.column, c.problem, c.fix}); got != want {
			t.Errorf("%s: %v\n%+v, want\n%+v", c.name, err, got, want)
		}
	}
}

func TestReadHelmError(t *testing.T) {
	for _, c := range []struct{ name, text, template, reason string }{
		{
			"a template of the chart calls fail", `execution error at (external-services/templates/service.yaml:1:4): 2 errors, the first: a` + "\n  - b",
			"", "2 errors, the first: a - b",
		},
		{
			"tpl gets no template", `template: external-services/templates/_mappings.tpl:1:2: executing "x" at <tpl $y $>: error calling tpl: cannot parse template "{{ oops": template: gotpl:1: function "oops" not defined`,
			"{{ oops", `function "oops" not defined`,
		},
		{
			"tpl cannot execute it", `error calling tpl: error during tpl function execution for "{{ .Values.a.b }}\n": template: gotpl:1:10: executing "gotpl" at <.Values.a.b>: nil pointer evaluating interface {}.b`,
			"{{ .Values.a.b }}\n", `<.Values.a.b>: nil pointer evaluating interface {}.b`,
		},
		{"anything else", "release name \"A\": invalid\n release name", "", `release name "A": invalid release name`},
	} {
		if template, reason := readHelmError(errors.New(c.text)); template != c.template || reason != c.reason {
			t.Errorf("%s: %q, %q\nwant %q, %q", c.name, template, reason, c.template, c.reason)
		}
	}
}
