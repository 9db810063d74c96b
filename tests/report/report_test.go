// Package report opens the page of extsvc report in headless Chromium. make verify runs it.
package report

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"external-services/tools/check"
	"external-services/tools/discover"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/report"
	"external-services/tools/service"
	"external-services/tools/values"
)

var screenshot = flag.String("screenshot", "", "write a screenshot of the page to this file")

// browser starts Chromium with a profile of its own, which asks for nothing by itself.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.WSURLReadTimeout(2*time.Minute))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses it to root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("Chromium does not start; make verify installs it: %v", err)
	}
	return ctx
}

// command is an action that sends a command of the browser's protocol.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// media has the page be on a screen or on paper, and light or dark.
func media(on, scheme string) chromedp.Action[chromedp.Void] {
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: on, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// example is a report of some entries: half are outside, a quarter is on the way, and a quarter has moved, with an
// error in every tenth and a warning in every seventh.
func example(entries int) *report.Report {
	r := &report.Report{
		Title: "External services of the release outside",
		Time:  time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC),
		Check: &check.Report{Release: &helm.Deployed{Name: "outside", Namespace: "shop", Revision: 7, Status: "deployed"}},
	}
	names := []string{"orders-db", "payments", "ldap", "smtp", "search", "invoices-of-the-accounting-department", "kafka", "cache"}
	for n := range entries {
		key := service.Key{Namespace: []string{"shop", "warehouse"}[n%2], Name: fmt.Sprintf("%s-%d", names[n%len(names)], n)}
		m := &service.Mapping{Key: key, Ports: []service.Port{{Name: "tcp", Port: 5432, Protocol: "TCP"}}}
		e := &check.Entry{Key: key, Desired: m, Result: check.OK}
		outside := fmt.Sprintf("10.0.%d.%d", n/250, n%250)
		switch {
		case n%4 == 1 && n%3 == 0:
			m.Backend, m.Kind, m.ExternalName = values.External, "ExternalName", "a-long-name-of-a-managed-database.abcdefghijkl.eu-central-1.example.com"
		case n%4 < 2:
			m.Backend, m.Addresses = values.External, []service.Address{{IP: outside, Ready: true}}
			e.Endpoints = []check.Endpoint{{Address: outside, Ready: true, Class: service.Own}}
		case n%4 == 2:
			m.Backend, m.Addresses = values.Both, []service.Address{{IP: outside, Ready: true}}
			e.Endpoints = []check.Endpoint{
				{Address: outside, Ready: true, Class: service.Own},
				{Address: "10.244.0.7", Ready: true, Class: service.Pods}, {Address: "10.244.0.8", Ready: true, Class: service.Pods},
			}
		default:
			m.Backend, m.Addresses = values.Cluster, []service.Address{{IP: outside, Ready: true}}
			e.Endpoints = []check.Endpoint{{Address: "10.244.0.9", Ready: true, Class: service.Pods}}
		}
		add := func(code findings.Code, result check.Result, args findings.Args) {
			e.Result = result
			r.Check.Findings = append(r.Check.Findings, findings.New(code, key.Namespace, key.Name, args))
		}
		switch {
		case n%10 == 9:
			add(findings.ServiceMissing, check.Failed, findings.Args{"apply": "Run helm upgrade outside."})
		case n%7 == 6:
			add(findings.NameStale, check.Warned, findings.Args{"why": "orders.example.com does not resolve since 09:12: SERVFAIL"})
		}
		r.Check.Entries = append(r.Check.Entries, e)
	}
	r.Discover = calls(r.Check, entries)
	return r
}

// calls is what discover finds in configuration that has as many references as there are entries: two of three use the
// name of an entry, some of the others an address of one, and some a host that no entry has.
func calls(r *check.Report, references int) *discover.Report {
	var text strings.Builder
	for n := range references {
		e := r.Entries[n%len(r.Entries)].Desired
		switch {
		case n%3 != 2:
			fmt.Fprintf(&text, "url.%d=https://%s.%s:5432\n", n, e.Name, e.Namespace)
		case n%2 == 0 && len(e.Addresses) > 0:
			fmt.Fprintf(&text, "url.%d=https://%s:5432\n", n, e.Addresses[0].IP)
		default:
			fmt.Fprintf(&text, "url.%d=https://a-long-name-of-the-accounting-department-%d.corp.example\n", n, n%40)
		}
	}
	scan := discover.NewScan()
	scan.ReadFile("apps/orders/application.properties", []byte(text.String()))
	return scan.Report(discover.ReportOptions{Names: report.Names(r), ReleaseNamespace: "shop"})
}

// look is what a reader sees of the page.
type look struct {
	Heading  string   `json:"heading"`
	Shares   string   `json:"shares"` // what the bar says
	Widths   []int    `json:"widths"` // of the parts of the bar, in percent of it
	Rows     int      `json:"rows"`   // of entries
	Mapped   string   `json:"mapped"` // how many references use a mapped name
	Share    int      `json:"share"`  // the same as a part of its bar, in percent
	Calls    []string `json:"calls"`  // the hosts outside that applications call
	First    []string `json:"first"`  // the cells of the first row
	Findings int      `json:"findings"`
	Overflow int      `json:"overflow"` // how far the page is wider than the window, in pixels
	Highest  int      `json:"highest"`  // the height of the highest row, in pixels
	Contrast float64  `json:"contrast"` // the lowest contrast of a text with the page
	Dark     bool     `json:"dark"`
}

// looking measures the page. The contrast is that of https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
const looking = `(() => {
	const all = selector => [...document.querySelectorAll(selector)]
	const channels = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number)
	const luminance = colour => {
		const [r, g, b] = channels(colour).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		return 0.2126 * r + 0.7152 * g + 0.0722 * b
	}
	const page = luminance(getComputedStyle(document.body).backgroundColor)
	const contrasts = all("h1, h2, p, td, th, strong, span, code, b, li").filter(e => e.textContent.trim()).map(e => {
		const text = luminance(getComputedStyle(e).color)
		return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05)
	})
	const bar = document.querySelector(".bar"), references = document.querySelector(".references")
	const part = (element, of) => Math.round(100 * element.getBoundingClientRect().width / of.getBoundingClientRect().width)
	return {
		heading: document.querySelector("h1").textContent,
		shares: bar.getAttribute("aria-label"),
		widths: [...bar.children].map(child => part(child, bar)),
		rows: all(".entries tbody tr").length,
		mapped: document.querySelector("#references").textContent,
		share: part(references.firstElementChild, references),
		calls: all(".calls tbody td:first-child").map(cell => cell.innerText.trim()),
		first: all("tbody tr:first-child td").map(cell => cell.innerText.trim()),
		findings: all(".finding").length,
		overflow: document.documentElement.scrollWidth - innerWidth,
		highest: Math.round(Math.max(...all("tbody tr").map(row => row.getBoundingClientRect().height))),
		contrast: Math.min(...contrasts),
		dark: page < 0.2,
	}
})()`

// The page shows the entries, the share that has moved, the hosts that applications still call and the findings, in a wide and a narrow window, light and
// dark, and asks for nothing.
func TestPage(t *testing.T) {
	ctx := browser(t)
	var requests []string
	err := chromedp.Listen(ctx, func(event any) {
		if request, ok := event.(*network.EventRequestWillBeSent); ok {
			requests = append(requests, request.Request.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, entries := range []int{10, 100, 1_000} {
		r := example(entries)
		address := write(t, r)
		for _, width := range []int64{1280, 400} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%d/%d/%s", entries, width, scheme), func(t *testing.T) {
					requests = nil
					err := chromedp.Do(ctx, command(network.Enable, network.EnableParams{}), media("", scheme),
						chromedp.EmulateViewport(width, 900), chromedp.Navigate(address))
					if err != nil {
						t.Fatal(err)
					}
					got, err := chromedp.Run(ctx, chromedp.Evaluate[look](looking))
					if err != nil {
						t.Fatal(err)
					}
					if len(requests) != 1 || requests[0] != address {
						t.Errorf("the page asks for %q, want nothing but itself", requests)
					}
					compare(t, r, got)
					if got.Dark != (scheme == "dark") {
						t.Errorf("dark: %t with the scheme %s", got.Dark, scheme)
					}
					if limit := map[int64]int{1280: 80, 400: 260}[width]; got.Overflow > 0 || got.Highest > limit {
						t.Errorf("the page is %d pixels wider than the window, and its highest row has %d, want at most %d",
							got.Overflow, got.Highest, limit)
					}
				})
			}
		}
	}
}

// compare compares what does not depend on the window.
func compare(t *testing.T, r *report.Report, got look) {
	t.Helper()
	if got.Heading != r.Title || got.Rows != len(r.Check.Entries) || got.Findings != len(r.Check.Findings) {
		t.Errorf("the page has the heading %q, %d rows and %d findings, want %d and %d",
			got.Heading, got.Rows, got.Findings, len(r.Check.Entries), len(r.Check.Findings))
	}
	var hosts []string
	for _, e := range r.Discover.Endpoints {
		hosts = append(hosts, e.Host)
	}
	if got.Mapped != r.Discover.Progress.String() || got.Share != r.ReferencePercent() || !slices.Equal(got.Calls, hosts) || len(hosts) < 2 {
		t.Errorf("the page says %q with a bar of %d %% and the hosts %q, want %q, %d %% and %q",
			got.Mapped, got.Share, got.Calls, r.Discover.Progress, r.ReferencePercent(), hosts)
	}
	var shares []string
	for i, s := range r.States() {
		shares = append(shares, fmt.Sprintf("%s %d %%", s.Backend, s.Percent))
		if s.Percent != got.Widths[i] {
			t.Errorf("the bar has %d %% for %s, want %d", got.Widths[i], s.Backend, s.Percent)
		}
	}
	if want := strings.Join(shares, ", "); got.Shares != want {
		t.Errorf("the bar says %q, want %q", got.Shares, want)
	}
	if first := r.Rows()[0]; got.First[0] != first.Key.String() || got.First[6] != "error" {
		t.Errorf("the first row is %q, want %s with its error", got.First, first.Key)
	}
	if got.Contrast < 4.5 { // https://www.w3.org/TR/WCAG22/#contrast-minimum
		t.Errorf("a text has the contrast %.1f, want at least 4.5", got.Contrast)
	}
}

// Printed, the page is on a few sheets, light also on a dark screen.
func TestPrint(t *testing.T) {
	ctx := browser(t)
	for _, entries := range []int{10, 100, 1_000} {
		if err := chromedp.Do(ctx, chromedp.Navigate(write(t, example(entries))), media("print", "dark")); err != nil {
			t.Fatal(err)
		}
		background, err := chromedp.Run(ctx, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))
		if err != nil {
			t.Fatal(err)
		}
		document, err := chromedp.Run(ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground()))
		if err != nil {
			t.Fatal(err)
		}
		sheets := bytes.Count(document, []byte("/Type /Page\n"))
		t.Logf("%d entries are printed on %d sheets, %d KB", entries, sheets, len(document)/1024)
		if most := 2 + entries/10; sheets < 1 || sheets > most {
			t.Errorf("%d entries are printed on %d sheets, want 1 to %d", entries, sheets, most)
		}
		if background != "rgb(255, 255, 255)" {
			t.Errorf("the paper is %s", background)
		}
	}
}

// TestScreenshot writes the picture of the guide.
func TestScreenshot(t *testing.T) {
	ctx := browser(t)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1100, 820), chromedp.Navigate(write(t, example(12)))); err != nil {
		t.Fatal(err)
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(picture, []byte("\x89PNG")) {
		t.Errorf("the screenshot is no picture: %.20q", picture)
	}
	if *screenshot != "" {
		if err := os.WriteFile(*screenshot, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// write writes the page, and returns its address.
func write(t *testing.T, r *report.Report) string {
	t.Helper()
	var text bytes.Buffer
	if err := r.WriteHTML(&text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
