package lint

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// Helm logs what it leaves out of wrong values.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// seeds are values files from which the fuzzers start.
func seeds() []string {
	texts := []string{
		"",
		"services: [{name: orders, externalName: a.example}]\n",
		"services:\n  - name: ldap\n    addresses: [10.0.0.1, {ip: '2001:db8::1', hostname: a, zone: b, ready: false}]\n    ports: [{name: a, port: 389, targetPort: 390, protocol: TCP, appProtocol: ldap}]\n    labels: {a: b}\n",
		"services: [{name: orders, namespaces: [a, b], addresses: [10.0.0.1], ports: [{port: 80, podPort: http}], selector: {app: a}, backend: both}]\noverrides: {orders: {headless: true}}\nnamespaceOverrides: {a: {orders: {enabled: false}}}\n",
		"a: &a {name: x}\nservices: [{<<: *a, externalName: '{{ .Release.Name }}.example'}]\n",
		"services: [{name: orders, adresses: [2001:DB8::1], ports: [80]}]\nservices: []\n---\nb: c\n",
		"global: {a: {b: [1, 2.5, null, true, ~, 0x10, 1e3, yes]}}\ncommonAnnotations: {x: '{{ .Values.global.a }}'}\n",
		"enabled: false\nendpoints: {kind: Endpoints, maxPerSlice: 3}\ntests: {enabled: false, image: {tag: '1'}, resources: {limits: {cpu: 1}}}\n",
		"\xef\xbb\xbfservices: []\n",
		"? [a]\n: b\n",
		"!!map {services: !!seq []}\n",
	}
	for _, c := range notYAML {
		texts = append(texts, c.text)
	}
	return texts
}

// costly finds templates that Helm executes for as long as they take, whatever the linter
// does: a long range, or a long text.
var costly = regexp.MustCompile(`\{\{(.|\n)*(until|repeat|range|seq|gen|rand|indent|derive|bcrypt|htpasswd|include|template|define|[0-9]{5})`)

// stricter says whether a finding is an error that Helm does not see.
func stricter(f findings.Finding) bool {
	return f.Code == findings.DuplicateKey || f.Code == findings.SecondDocument
}

// errorsOf are the findings that are errors. It fails for one without a message.
func errorsOf(t *testing.T, list []findings.Finding) []findings.Finding {
	for _, f := range list {
		if f.Message == "" || strings.ContainsAny(Line(f), "\n\r") {
			t.Errorf("no message on one line: %+v", f)
		}
	}
	return slices.DeleteFunc(list, func(f findings.Finding) bool { return f.Severity != findings.Error })
}

// FuzzLint lints texts over each other: there is no panic, an error has a message and a position
// in one of the texts, and there is an error exactly if the values do not render.
func FuzzLint(f *testing.F) {
	for i, text := range seeds() {
		f.Add(text, seeds()[(i+1)%3], "")
	}
	f.Add("", "", "services[0].name=a,services[0].externalName=b.example")
	f.Fuzz(func(t *testing.T, first, second, set string) {
		if costly.MatchString(first + second + set) {
			t.Skip("a template of unbounded cost")
		}
		var settings helm.Values
		if set != "" {
			settings.Values = []string{set}
		}
		list := run(t, settings, first, second)
		report := &Report{Findings: list}
		if err := errors.Join(report.WriteText(io.Discard, findings.Plain), report.WriteGitHub(io.Discard)); err != nil {
			t.Error(err)
		}
		all := errorsOf(t, list)
		for _, f := range all {
			if lines := strings.Count(first+second, "\n") + strings.Count(first+second, "\r") + 2; f.Line > lines || f.Line < 0 || f.Column < 0 {
				t.Errorf("position %+v in %d lines", f.Position, lines)
			}
		}
		if slices.ContainsFunc(all, stricter) {
			return
		}
		if err := rendered(settings, first, second); (err == nil) != (len(all) == 0) {
			t.Errorf("rendering: %v\nlint: %v", err, all)
		}
	})
}

// rendered renders values as extsvc template does, which is stricter than helm: objects
// are decoded.
func rendered(settings helm.Values, texts ...string) error {
	var files [][]byte
	for _, text := range texts {
		files = append(files, []byte(text))
	}
	vals, err := helm.MergeTexts(settings, files...)
	if err != nil {
		return err
	}
	chart, err := helm.Embedded()
	if err != nil {
		return err
	}
	_, err = helm.Render(chart, helm.Release{}, vals)
	return err
}

// FuzzSettings parses what the flags set.
func FuzzSettings(f *testing.F) {
	for _, set := range []string{"a=b", "services[0].name=x", "a[1][2]=3", "a={b,c}", "a.b=null", `a\.b=c`, "a[", "a[-1]=b", "a[99999999]=b", "", "=", "a=1,b", "services={}", "services[0]=x,services[0].name=y"} {
		f.Add(set, set, `{"a": [1]}`)
		f.Add("", "", set)
	}
	f.Fuzz(func(t *testing.T, set, setString, setJSON string) {
		if costly.MatchString(set + setString + setJSON) {
			t.Skip("a template of unbounded cost")
		}
		settings := helm.Values{Values: []string{set}, StringValues: []string{setString}, JSONValues: []string{setJSON}}
		const text = "services: [{name: orders, externalName: a.example}]\n"
		all := errorsOf(t, run(t, settings, text))
		if err := rendered(settings, text); (err == nil) != (len(all) == 0) {
			t.Errorf("rendering: %v\nlint: %v", err, all)
		}
	})
}

// FuzzPositions finds a path in layers: the position is in one of them.
func FuzzPositions(f *testing.F) {
	for _, text := range seeds() {
		f.Add(text, text, "services[0].name")
		f.Add(text, "services: null\n", "services[1].ports[0].port")
	}
	f.Fuzz(func(t *testing.T, first, second, field string) {
		var ls layers
		for i, text := range []string{first, second} {
			ls = append(ls, newLayer(fmt.Sprint(i), "", []byte(text)))
		}
		path := parsePath(field)
		for _, key := range []bool{false, true} {
			if p := ls.find(path, key); p.File != "0" && p.File != "1" || p.Line < 0 || p.Column < 0 {
				t.Errorf("%q is at %+v", field, p)
			}
		}
		_ = printPath(path)
	})
}
