package discover_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"external-services/tools/discover"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/lint"
)

// render renders values in the namespace shop.
func render(t *testing.T, values string) *helm.Result {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	vals, err := helm.Parse([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Mappings(chart, helm.Release{Namespace: "shop"}, vals)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// lintErrors are the errors of values.
func lintErrors(t *testing.T, values []byte) (list []string) {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	all, err := lint.Run(lint.Options{Chart: chart, Files: []lint.File{{Name: "values.yaml", Text: values}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Severity == findings.Error {
			list = append(list, lint.Line(f))
		}
	}
	return list
}

// The values for the corpus have an entry for each host, and lint finds no error in them.
func TestValuesPassLint(t *testing.T) {
	report := scanCorpus(t, true).Report(discover.ReportOptions{ReleaseNamespace: "shop"})
	text := report.Values()
	for _, line := range lintErrors(t, text) {
		t.Error(line)
	}
	for _, e := range report.Endpoints {
		if !strings.Contains(string(text), "- name: "+e.Entry+"\n") {
			t.Errorf("%s: there is no entry %q", e.Host, e.Entry)
		}
	}
	if !strings.Contains(string(text), "  # - name: cluster0\n") {
		t.Error("an alias of the name of SRV records is not commented out")
	}
	if empty := discover.NewScan().Report(discover.ReportOptions{}).Values(); len(lintErrors(t, empty)) > 0 || !strings.Contains(string(empty), "services: []") {
		t.Errorf("without hosts:\n%s", empty)
	}
}

// before and after are the settings of an application, with addresses and with the names of entries.
const (
	before = `
DB_HOST=10.20.0.5
DB_PORT=3306
REPORT_URL=jdbc:mysql://10.20.0.5:3306/report
LDAP_URL=ldap://ldap.corp.example
SMTP=smtp://smtp.corp.example:587
STOCK_URL=http://stock.shop.svc.cluster.local
`
	after = `
DB_HOST=orders-db
DB_PORT=3307
REPORT_URL=jdbc:mysql://orders-db.shop:3307/report
LDAP_URL=ldap://ldap.shop.svc
SMTP=smtp://smtp.shop.svc.cluster.local:587
STOCK_URL=http://stock.shop.svc.cluster.local
`
	entries = `
services:
  - {name: orders-db, addresses: [10.20.0.5], ports: [{port: 3307, targetPort: 3306}]}
  - {name: ldap, externalName: ldap.corp.example.}
  - {name: smtp, externalName: smtp.corp.example}
`
)

func report(t *testing.T, settings, values string) *discover.Report {
	t.Helper()
	scan := discover.NewScan()
	scan.ReadFile("app.env", []byte(settings))
	return scan.Report(discover.ReportOptions{Names: names(t, values), ReleaseNamespace: "shop"})
}

// With entries, a report says what to write in place of each address, and how far that is.
func TestMapped(t *testing.T) {
	r := report(t, before, entries)
	written := map[string]string{}
	for _, e := range r.Endpoints {
		if !e.Exists {
			t.Errorf("%s has the entry %q, which does not exist", e.Host, e.Entry)
		}
		for _, reference := range e.References {
			written[reference.Key] = reference.Write
		}
	}
	for key, want := range map[string]string{
		"DB_HOST": "orders-db.shop:3307", "REPORT_URL": "orders-db.shop:3307", "LDAP_URL": "ldap.shop", "SMTP": "smtp.shop:587",
	} {
		if written[key] != want {
			t.Errorf("%s: %q, want %q", key, written[key], want)
		}
	}
	if r.Progress.String() != "0 of 4 references use a mapped name (0 %)." || r.ExitCode() != findings.ExitNotice {
		t.Errorf("%s, exit code %d", r.Progress, r.ExitCode())
	}
	if values := string(r.Values()); !strings.Contains(values, "services: []") {
		t.Errorf("there are values for entries that exist:\n%s", values)
	}

	r = report(t, strings.Replace(after, "ldap.shop.svc", "ldap.corp.example", 1), entries)
	if r.Progress.String() != "3 of 4 references use a mapped name (75 %)." || r.ExitCode() != findings.ExitNotice {
		t.Errorf("%s, exit code %d", r.Progress, r.ExitCode())
	}
	r = report(t, after, entries)
	if r.Progress.String() != "4 of 4 references use a mapped name (100 %)." || r.ExitCode() != findings.ExitOK || len(r.Endpoints) > 0 {
		t.Errorf("%s, exit code %d: %v", r.Progress, r.ExitCode(), r.Endpoints)
	}
}

// An entry without the port of a reference is named, and what it lacks.
func TestMappedWithoutThePort(t *testing.T) {
	r := report(t, "A_URL=http://10.20.0.5:9999\n", entries)
	if e := r.Endpoints[0]; e.Entry != "shop/orders-db" || e.References[0].Write != "" || e.Note != "the entry does not have the port 9999: add it" {
		t.Errorf("%+v", e)
	}
}

// The document of -o json has every field of its Go type, and no other.
func TestJSONIsStrict(t *testing.T) {
	text, err := json.Marshal(report(t, before, entries))
	if err != nil {
		t.Fatal(err)
	}
	var decoded discover.Report
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&decoded); err != nil || len(decoded.Endpoints) != 3 || decoded.Progress.Total != 4 {
		t.Errorf("%v: %s", err, text)
	}
}
