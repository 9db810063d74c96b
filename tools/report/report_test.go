package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"external-services/tools/check"
	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// of is a report of so many entries with each backend.
func of(external, both, cluster int) *Report {
	r := &Report{Title: "External services", Check: &check.Report{}}
	add := func(backend values.Backend, count int) {
		for range count {
			key := service.Key{Namespace: "shop", Name: fmt.Sprint("entry-", len(r.Check.Entries))}
			m := &service.Mapping{Key: key, Backend: backend}
			r.Check.Entries = append(r.Check.Entries, &check.Entry{Key: key, Desired: m, Result: check.OK})
		}
	}
	add(values.External, external)
	add(values.Both, both)
	add(values.Cluster, cluster)
	return r
}

// The shares are whole numbers that are 100 together, and 100 % is never said of less than all.
func TestStates(t *testing.T) {
	for _, c := range []struct{ external, both, cluster, wantExternal, wantBoth, wantCluster int }{
		{0, 0, 0, 0, 0, 0},
		{1, 0, 0, 100, 0, 0},
		{1, 1, 1, 33, 34, 33},
		{1, 0, 999, 1, 0, 99},
		{999, 0, 1, 99, 0, 1},
		{0, 0, 7, 0, 0, 100},
	} {
		got := of(c.external, c.both, c.cluster).States()
		if got[0].Percent != c.wantExternal || got[1].Percent != c.wantBoth || got[2].Percent != c.wantCluster ||
			got[0].Count != c.external || got[1].Count != c.both || got[2].Count != c.cluster {
			t.Errorf("%d, %d and %d entries are %+v", c.external, c.both, c.cluster, got)
		}
	}
}

// The entries to look at come first.
func TestRows(t *testing.T) {
	r := of(4, 0, 0)
	r.Check.Entries[1].Result, r.Check.Entries[2].Result, r.Check.Entries[3].Result = check.Unknown, check.Failed, check.Warned
	var got []string
	for _, row := range r.Rows() {
		got = append(got, row.Name)
	}
	if want := "entry-2 entry-3 entry-1 entry-0"; strings.Join(got, " ") != want {
		t.Errorf("the rows are %q, want %s", got, want)
	}
}

// The share of the pods counts what is ready, and an alias has none.
func TestPodPercent(t *testing.T) {
	pod, own := check.Endpoint{Ready: true, Class: service.Pods}, check.Endpoint{Ready: true, Class: service.Own}
	for _, c := range []struct {
		endpoints []check.Endpoint
		want      int
	}{
		{nil, -1},
		{[]check.Endpoint{{Class: service.Pods}}, -1},
		{[]check.Endpoint{own}, 0},
		{[]check.Endpoint{own, pod, {Class: service.Own}}, 50},
		{[]check.Endpoint{pod}, 100},
	} {
		if got := podPercent(c.endpoints); got != c.want {
			t.Errorf("%+v: %d, want %d", c.endpoints, got, c.want)
		}
	}
}

// What a cluster says is text on the page, and the page refers to nothing else. tests/report opens it in a browser.
func TestWriteHTML(t *testing.T) {
	r := of(1, 0, 0)
	const hostile = `<script src=https://evil.example/x.js></script>`
	r.Title = hostile
	r.Check.Entries[0].Name = hostile
	r.Check.Entries[0].Desired.Kind, r.Check.Entries[0].Desired.ExternalName = "ExternalName", `"><img src=x onerror=alert(1)>`
	r.Check.Findings = []findings.Finding{{
		Code: "a-code", Severity: findings.Error, Namespace: "shop", Entry: "web", Message: hostile, Cause: hostile, Fix: []string{hostile},
	}}
	var out bytes.Buffer
	if err := r.WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`(?i)<(script|img|link|iframe)|url\(|@import`).FindAllString(out.String(), -1); found != nil {
		t.Errorf("the page has %q", found)
	}
	for _, want := range []string{"&lt;script src=https://evil.example/x.js&gt;", "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;", "<b>shop/web</b>"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}
