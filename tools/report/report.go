// Package report shows how far a migration is on one HTML page: the state of every entry, what its
// connections go to, what is wrong, and the hosts outside that applications still call. The page is
// one file that asks for nothing, neither scripts, fonts nor images, so it can be mailed, kept and
// printed.
package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"external-services/tools/check"
	"external-services/tools/discover"
	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// Report is what the page shows: the document that extsvc report -o json prints.
type Report struct {
	// Title is the heading of the page.
	Title string `json:"title"`

	// Time is when the cluster was read.
	Time time.Time `json:"time"`

	// Check has the entries and the findings.
	Check *check.Report `json:"check"`

	// Discover is what the configuration of applications refers to, with its progress. It is null unless it was
	// asked for.
	Discover *discover.Report `json:"discover"`
}

// State is how many entries have a backend.
type State struct {
	Backend values.Backend
	Count   int
	Percent int // of all entries, rounded; those of all states are 100 together
}

// States are the backends in the order of a migration, also those that no entry has.
func (r *Report) States() []State {
	states := []State{{Backend: values.External}, {Backend: values.Both}, {Backend: values.Cluster}}
	total, end := len(r.Check.Entries), 0
	for i := range states {
		for _, e := range r.Check.Entries {
			if e.Desired.Backend == states[i].Backend {
				states[i].Count++
			}
		}
		end += states[i].Count
		states[i].Percent = percent(end, total)
	}
	for i := len(states) - 1; i > 0; i-- {
		states[i].Percent -= states[i-1].Percent
	}
	return states
}

// percent is 0 only of 0, and 100 only of all.
func percent(part, all int) int {
	if part == 0 || all == 0 {
		return 0
	}
	rounded := int(math.Round(100 * float64(part) / float64(all)))
	if part < all {
		return min(max(rounded, 1), 99)
	}
	return rounded
}

// Row is the line of an entry.
type Row struct {
	*check.Entry
	Outside string // its addresses or its DNS name
	Ports   string

	// PodPercent is the share of the pods in the ready endpoints, -1 if there are none: of an alias, and where no
	// connection succeeds.
	PodPercent int
}

// Rows are the entries: those with errors first, then those with warnings, each by namespace and name.
func (r *Report) Rows() []Row {
	var rows []Row
	for _, e := range r.Check.Entries {
		row := Row{Entry: e, Outside: outside(e.Desired), PodPercent: podPercent(e.Endpoints)}
		var ports []string
		for _, p := range e.Desired.Ports {
			ports = append(ports, p.String())
		}
		row.Ports = strings.Join(ports, ", ")
		rows = append(rows, row)
	}
	order := []check.Result{check.Failed, check.Warned, check.Unknown, check.OK}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Compare(slices.Index(order, a.Result), slices.Index(order, b.Result))
	})
	return rows
}

// outside names what the entry maps, also while its connections go to pods alone.
func outside(m *service.Mapping) string {
	if m.IsAlias() {
		return m.ExternalName
	}
	var addresses []string
	for _, a := range m.Addresses {
		addresses = append(addresses, a.Text())
	}
	return findings.Some(addresses, ", ")
}

func podPercent(endpoints []check.Endpoint) int {
	pods, all := 0, 0
	for _, e := range endpoints {
		if !e.Ready {
			continue
		}
		all++
		if e.Class == service.Pods {
			pods++
		}
	}
	if all == 0 {
		return -1
	}
	return percent(pods, all)
}

// Names are the entries by which discover tells how many references use a mapped name.
func Names(r *check.Report) *discover.Names {
	mappings := map[service.Key]*service.Mapping{}
	for _, e := range r.Entries {
		mappings[e.Key] = e.Desired
	}
	return discover.NewNames(mappings)
}

// ReferencePercent is the share of the references of applications that use a mapped name.
func (r *Report) ReferencePercent() int {
	return percent(r.Discover.Progress.Mapped, r.Discover.Progress.Total)
}

// Call is a host outside that applications still call, as the page shows it.
type Call struct {
	Host  string
	Where string
	Write string
	Note  string
}

// Calls are the hosts outside that the configuration of applications still has.
func (r *Report) Calls() []Call {
	var calls []Call
	for _, e := range r.Discover.Endpoints {
		call := Call{Host: e.Host, Note: e.Note}
		var places, writes []string
		for _, reference := range e.References {
			places = append(places, reference.Place.String()+" "+reference.Key)
			if w := reference.Write; w != "" && !slices.Contains(writes, w) {
				writes = append(writes, w)
			}
		}
		const most = 3 // lines of a row
		if more := len(places) - most; more > 0 {
			places = append(places[:most], fmt.Sprintf("and %d more", more))
		}
		call.Where, call.Write = strings.Join(places, ", "), strings.Join(writes, ", ")
		calls = append(calls, call)
	}
	return calls
}

// Findings are those of check, and what discover could not read.
func (r *Report) Findings() []findings.Finding {
	if r.Discover == nil {
		return r.Check.Findings
	}
	return slices.Concat(r.Check.Findings, r.Discover.Findings)
}

// Errors is how many findings are errors, and Warnings how many are warnings.
func (r *Report) Errors() int   { return r.count(findings.Error) }
func (r *Report) Warnings() int { return r.count(findings.Warning) }

func (r *Report) count(severity findings.Severity) (n int) {
	for _, f := range r.Findings() {
		if f.Severity == severity {
			n++
		}
	}
	return n
}

// ExitCode is the exit code of extsvc report. A reference to a host outside is no finding: the page is about the way.
func (r *Report) ExitCode() int { return findings.ExitCode(r.Findings()) }

//go:embed page.html
var text string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"number": number}).Parse(text))

// number is a number of things: "1 entry", "2 entries".
func number(count int, one, many string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", count, many)
}

// WriteHTML writes the page.
func (r *Report) WriteHTML(w io.Writer) error { return page.Execute(w, r) }
