package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The plot has a panel for each of these, cost by the number of entries, both axes
// logarithmic: what is linear in the entries runs along the thin lines.
var panels = []panel{
	{"helm template", "seconds", "s", []line{
		{"template", "helm template, chart", "chart"}, {"template", "helm template, floor", "floor"}, {"template", "helm template, empty", "empty"}}},
	{"lint", "seconds", "s", []line{
		{"lint", "helm lint, chart", "helm lint, chart"}, {"lint", "helm lint, floor", "helm lint, floor"}, {"lint", "extsvc lint", "extsvc lint"}}},
	{"extsvc", "seconds", "s", []line{
		{"tools", "extsvc plan, of two files", "plan, of two files"}, {"tools", "extsvc plan, of a release", "plan, of a release"},
		{"tools", "extsvc import, of manifests", "import, of manifests"}, {"tools", "extsvc import, of a cluster", "import, of a cluster"},
		{"tools", "extsvc check", "check"}}},
	{"peak memory", "peakMiB", "MiB", []line{
		{"template", "helm template, chart", "helm template, chart"}, {"template", "helm template, floor", "helm template, floor"},
		{"lint", "helm lint, chart", "helm lint, chart"}, {"lint", "extsvc lint", "extsvc lint"}, {"tools", "extsvc check", "extsvc check"}}},
}

type panel struct {
	title, value, unit string
	lines              []line
}

type line struct{ part, series, label string }

// The measures of the plot, in pixels.
const (
	panelWidth, panelHeight = 430, 330
	left, right             = 56, 150
	top, bottom             = 40, 44
)

// colours are distinct also for those who see no red or green (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00"}

// plot draws the results as SVG.
func (r Results) plot() string {
	columns := 2
	rows := (len(panels) + columns - 1) / columns
	var out strings.Builder
	width, height := columns*panelWidth, rows*panelHeight
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(&out, `<title>Cost by the number of entries</title>`+"\n"+`<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for i, p := range panels {
		fmt.Fprintf(&out, `<g transform="translate(%d %d)">`+"\n", i%columns*panelWidth, i/columns*panelHeight)
		r.draw(&out, p)
		out.WriteString("</g>\n")
	}
	out.WriteString("</svg>\n")
	return out.String()
}

type point struct{ x, y float64 }

// draw draws a panel.
func (r Results) draw(out *strings.Builder, p panel) {
	lines := make([][]point, len(p.lines))
	low, high := math.Inf(1), math.Inf(-1)
	for i, l := range p.lines {
		for _, size := range Sizes {
			if row, found := r[l.part].row(l.series, size); found {
				lines[i] = append(lines[i], point{math.Log10(float64(size)), math.Log10(row.Values[p.value])})
				low, high = min(low, lines[i][len(lines[i])-1].y), max(high, lines[i][len(lines[i])-1].y)
			}
		}
	}
	fmt.Fprintf(out, `<text x="%d" y="20" font-weight="bold">%s, %s</text>`+"\n", left, p.title, p.unit)
	if low > high {
		return // nothing of it is measured
	}
	low, high = math.Floor(low), math.Ceil(max(high, math.Floor(low)+1))
	first, last := math.Log10(float64(Sizes[0])), math.Log10(float64(Sizes[len(Sizes)-1]))
	at := func(q point) (float64, float64) {
		return left + (q.x-first)/(last-first)*(panelWidth-left-right), top + (high-q.y)/(high-low)*(panelHeight-top-bottom)
	}
	x0, y0 := at(point{first, high})
	x1, y1 := at(point{last, low})
	fmt.Fprintf(out, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="#999"/>`+"\n", x0, y0, x1-x0, y1-y0)
	for y := low; y <= high; y++ {
		_, py := at(point{first, y})
		fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%g</text>`+"\n", x0, py, x1, py, x0-6, py+4, math.Pow(10, y))
	}
	for _, size := range Sizes {
		px, _ := at(point{math.Log10(float64(size)), low})
		fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", px, y1+16, thousands(size))
	}
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="middle">entries</text>`+"\n", (x0+x1)/2, y1+34)
	// the thin lines, where they are inside
	for y := low - (last - first); y < high; y++ {
		from, to := point{first, y}, point{last, y + last - first}
		if from.y < low {
			from = point{first + low - y, low}
		}
		if to.y > high {
			to = point{first + high - y, high}
		}
		ax, ay := at(from)
		bx, by := at(to)
		fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd" stroke-dasharray="2 3"/>`+"\n", ax, ay, bx, by)
	}
	// the labels stand at the ends of their lines, and none over another
	order := []int{}
	for i := range lines {
		if len(lines[i]) > 0 {
			order = append(order, i)
		}
	}
	end := func(i int) float64 {
		_, y := at(lines[i][len(lines[i])-1])
		return y
	}
	slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, end(a)-end(b))) })
	const lineHeight = 15
	labels := make([]float64, len(order))
	for n, i := range order {
		labels[n] = end(i)
		if n > 0 {
			labels[n] = max(labels[n], labels[n-1]+lineHeight)
		}
	}
	if over := len(order) - 1; labels[over] > y1 {
		labels[over] = y1
		for n := over - 1; n >= 0; n-- {
			labels[n] = min(labels[n], labels[n+1]-lineHeight)
		}
	}
	for n, i := range order {
		colour := colours[i]
		var path []string
		for _, q := range lines[i] {
			px, py := at(q)
			path = append(path, fmt.Sprintf("%.1f,%.1f", px, py))
			fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", px, py, colour)
		}
		fmt.Fprintf(out, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8"/>`+"\n", strings.Join(path, " "), colour)
		px, py := at(lines[i][len(lines[i])-1])
		fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="0.6"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", px+4, py, x1+12, labels[n], colour, x1+14, labels[n]+4, colour, p.lines[i].label)
	}
}

// thousands is a number with a comma before its thousands.
func thousands(n int) string {
	text := fmt.Sprint(n)
	if len(text) > 3 {
		return text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}
