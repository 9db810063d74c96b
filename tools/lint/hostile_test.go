package lint

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"external-services/tools/helm"
)

// hostile files are made to fill the memory or the time of whoever reads them.
func hostileFiles() map[string]string {
	laughs := "a0: &a0 [" + strings.Repeat("lol, ", 9) + "lol]\n"
	for i := 1; i < 10; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	merges := "m0: &m0 {a: b}\n"
	for i := 1; i < 40; i++ {
		merges += fmt.Sprintf("m%d: &m%d {<<: [*m%d, *m%d, *m%d]}\n", i, i, i-1, i-1, i-1)
	}
	return map[string]string{
		"billion laughs":          laughs,
		"one long string, often":  "a: &a " + strings.Repeat("x", 100_000) + "\nb: [" + strings.Repeat("*a, ", 100_000) + "*a]\n",
		"merges of merges":        merges + "services: [{name: a, x: y}]\n",
		"an anchor inside itself": "a: &a [*a, *a]\nservices: *a\n",
		"deep lists":              "services: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000),
		"deeper lists":            "services: " + strings.Repeat("[", 1_000_000),
		"deep maps":               "global: " + strings.Repeat("{a: ", 5_000) + strings.Repeat("}", 5_000),
		"deep blocks":             deepBlocks(3_000),
		"deep dashes":             "services:\n" + strings.Repeat("- ", 5_000) + "a\n",
		"many items":              "services: [" + strings.Repeat("a,", 300_000) + "a]",
		"many empty entries":      "services: [" + strings.Repeat("{},", 30_000) + "{}]",
		"many addresses":          "services: [{name: a, ports: [{port: 80}], addresses: [" + strings.Repeat("x,", 5_000) + "x]}]",
		"many keys":               manyKeys(50_000),
		"many equal keys":         strings.Repeat("services: []\n", 200_000),
		"many documents":          strings.Repeat("---\nservices: []\n", 100_000),
		"many broken templates":   manyEntries(300, `externalName: "{{ x%d"`),
		"a long key":              strings.Repeat("k", 1_000_000) + ": 1\n",
		"a long comment":          "#" + strings.Repeat("c", 5_000_000) + "\nservices: []\n",
		"many comments":           strings.Repeat("# c\n", 500_000) + "services: []\n",
		"too long":                "services: []\n#" + strings.Repeat("x", maxText),
		"not UTF-8":               "services:\n- name: a\xff\xfe\n",
		"NUL":                     "services: []\n\x00",
		"only a byte order mark":  "\xef\xbb\xbf",
		"UTF-16":                  "\xff\xfes\x00e\x00r\x00v\x00i\x00c\x00e\x00s\x00:\x00 \x00[\x00]\x00\n\x00",
		"half of UTF-16":          "\xff\xfes",
		"a huge number":           "services: [{name: a, externalName: a.example, ports: [{port: 1" + strings.Repeat("0", 300) + "}]}]",
		"not a number":            "services: [{name: a, externalName: a.example, ports: [{port: .nan}]}]",
		"odd keys":                "? [a, b]\n: c\n? {d: e}\n: f\n",
		"a binary":                "services: !!binary aGVsbG8=\n",
		"a tag":                   "services: !!python/object:os.system [x]\n",
	}
}

func deepBlocks(depth int) string {
	var out strings.Builder
	out.WriteString("global:\n")
	for i := range depth {
		out.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return out.String()
}

func manyKeys(count int) string {
	var out strings.Builder
	for i := range count {
		fmt.Fprintf(&out, "k%d: {}\n", i)
	}
	return out.String()
}

func manyEntries(count int, fields string) string {
	var out strings.Builder
	out.WriteString("services:\n")
	for i := range count {
		fmt.Fprintf(&out, "- {name: s%d, %s}\n", i, fmt.Sprintf(fields, i))
	}
	return out.String()
}

// What a hostile file may take at most.
const (
	mostTime   = 5 * time.Minute // some seconds on an idle machine: it does not hang
	mostMemory = 1 << 30         // bytes of the heap and what the system has not got back
)

func TestHostileFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that hostile files take bounded time and memory")
	}
	// As in extsvc lint. With the setting of make test, most of the heap would be garbage.
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	for name, content := range hostileFiles() {
		t.Run(name, func(t *testing.T) {
			peak, done := make(chan uint64), make(chan struct{})
			go watch(peak, done)
			start := time.Now()
			report := run(t, helm.Values{}, content)
			took := time.Since(start)
			close(done)
			memory := <-peak
			t.Logf("%d bytes: %v, %d MiB, %d faults", len(content), took.Round(time.Millisecond), memory>>20, len(report.Faults))
			if took > mostTime || memory > mostMemory {
				t.Errorf("took %v and %d MiB", took, memory>>20)
			}
			for i, f := range report.Faults {
				if i < 3 {
					t.Logf("%.300s", line(f, ""))
				}
				if f.Reason == "" {
					t.Errorf("no reason: %+v", f)
				}
			}
		})
	}
}

// watch measures the heap until done, beside what was there before.
func watch(peak chan<- uint64, done <-chan struct{}) {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before, most := stats.HeapAlloc, uint64(0)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		runtime.ReadMemStats(&stats)
		if stats.HeapAlloc > before {
			most = max(most, stats.HeapAlloc-before)
		}
		select {
		case <-done:
			peak <- most
			return
		case <-ticker.C:
		}
	}
}

// The messages for what lint does not read.
func TestLimits(t *testing.T) {
	files := hostileFiles()
	for name, want := range map[string]string{
		"too long":               "0.yaml:1:1: the values files have more than 16 MiB: a release has room for 1 MiB: split the list into several releases\n",
		"one long string, often": "0.yaml:1:1: has more than 32 MiB with its YAML aliases written out: use fewer aliases of smaller values\n",
		"billion laughs":         "0.yaml:1:1: has more than 32 MiB with its YAML aliases written out: use fewer aliases of smaller values\n",
		"not UTF-8":              "0.yaml:2:10: is not YAML: invalid leading UTF-8 octet: write the file in UTF-8\n",
		"NUL":                    "0.yaml:2:1: is not YAML: control characters are not allowed: take the control character out, or write it as an escape in double quotes\n",
	} {
		if got := text(t, run(t, helm.Values{}, files[name])); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, set := range []string{"a" + strings.Repeat("[65536]", 1000) + "=1", "a[99999999999999999999]=1", "a[ 2000000]=1"} {
		got := text(t, run(t, helm.Values{Values: []string{set}}))
		if want := "the list indexes of the flags that set values sum up to more than 1048576: write long lists in a values file\n"; got != want {
			t.Errorf("%.40s: %s, want %s", set, got, want)
		}
	}
}

// Of a template in the values that calls itself, lint says what Helm says.
func TestTemplateCallsItself(t *testing.T) {
	values := `services: [{name: a, externalName: '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}'}]`
	got := text(t, run(t, helm.Values{}, values))
	if !strings.Contains(got, "rendering template has a nested reference name") {
		t.Errorf("prints %.600s", got)
	}
}
