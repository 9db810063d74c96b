package importer

import (
	"maps"
	"slices"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/values"
)

// labels are how the comments of findings begin, in their order above an entry.
var labels = []struct {
	code  findings.Code
	label string
}{
	{findings.NotRead, "not read: "}, {findings.NotImported, "not imported: "}, {findings.Mended, "mended: "},
	{findings.NotCarriedOver, "not carried over: "}, {findings.ImportNote, "note: "},
}

// valuesFile writes the values file.
func valuesFile(sources string, result *Result, unmatched []findings.Finding, entries []*entry) []byte {
	var out strings.Builder
	isLegacy := func(e *entry) bool { return e.EndpointsKind == values.EndpointsLegacy }
	writeHead(&out, sources, result, unmatched, slices.ContainsFunc(entries, isLegacy))
	if len(entries) == 0 {
		out.WriteString("services: []\n")
		return []byte(out.String())
	}
	if hasHosts(entries) {
		out.WriteString(withResolver)
	}
	out.WriteString("services:\n")
	for i, e := range entries {
		if i > 0 {
			out.WriteString("\n")
		}
		writeFindings(&out, "  ", e.findings)
		indent := "  "
		if e.refused {
			indent = "  # "
		}
		for line := range strings.Lines(string(e.Item())) {
			out.WriteString(indent + line)
		}
	}
	return []byte(out.String())
}

// writeHead writes what was read, how to go on, and what is left out.
func writeHead(out *strings.Builder, sources string, result *Result, unmatched []findings.Finding, hasEndpoints bool) {
	out.WriteString(values.Comment("", "", "Values for the chart external-services, imported from "+sources+": "+result.Read.String()+"."))
	if findings.ExitCode(result.Findings) != findings.ExitOK {
		out.WriteString("#\n")
		out.WriteString(values.Comment("", "", "The comments above an entry say what is not carried over, and why. An entry that is "+
			"\"not imported\" is commented out: correct it and remove the #."))
	}
	if hasEndpoints {
		out.WriteString("#\n")
		out.WriteString(values.Comment("", "", "endpointsKind: Endpoints keeps the kind of the objects that were read. Remove these "+
			"lines, one by one or all at once, and upgrade to move the addresses to EndpointSlices. No connection fails in between."))
	}
	if len(unmatched) > 0 {
		out.WriteString("#\n")
		writeFindings(out, "", unmatched)
	}
	byReason := map[string][]string{}
	for _, l := range result.LeftOut {
		byReason[l.Reason] = append(byReason[l.Reason], l.String())
	}
	if len(byReason) > 0 {
		out.WriteString("#\n# Left out:\n")
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		out.WriteString(values.Comment("", "- ", strings.Join(byReason[reason], ", ")+": "+reason))
	}
}

func writeFindings(out *strings.Builder, indent string, list []findings.Finding) {
	for _, l := range labels {
		for _, f := range list {
			if f.Code == l.code {
				out.WriteString(values.Comment(indent, l.label, strings.Join(append([]string{f.Message}, f.Fix...), ": ")))
			}
		}
	}
}
