// Package findings is the catalogue of what the commands report. Each finding has a code, a
// severity, a message and a fix in findings.yaml, from which the tables of the guides are
// generated too. The same condition has the same code in every command.
package findings

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Code identifies a condition. Codes stay the same from version to version.
type Code string

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	// Error: values are refused, an upgrade fails, or connections fail or go to the wrong place.
	Error Severity = "error"
	// Warning: connections may be affected, or something could not be checked.
	Warning Severity = "warning"
	// Hint: it works, and may surprise.
	Hint Severity = "hint"
)

// Effect is what an upgrade does about a finding of extsvc plan.
type Effect string

// The effects.
const (
	// Refused: helm upgrade fails, because Helm or the API server refuses.
	Refused Effect = "refused"
	// Kept: the upgrade succeeds, and the cluster keeps what it has.
	Kept Effect = "kept"
	// Altered: the upgrade succeeds, and stores something other than the values.
	Altered Effect = "altered"
	// Stale: connections keep going to old pods.
	Stale Effect = "stale"
	// Interrupted: connections fail for some seconds.
	Interrupted Effect = "interrupted"
	// Lost: connections fail from then on.
	Lost Effect = "lost"
)

// Position is where a value was set last: in a values file, or by a flag.
type Position struct {
	// File, Line and Column are those of a values file. Lines and columns start at 1.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`

	// Flag is the flag that set the value, such as --set 2 for the second one, and Key the
	// key that it set.
	Flag string `json:"flag,omitempty"`
	Key  string `json:"key,omitempty"`
}

// String is the position as file:line:column, or as the flag and what it sets.
func (p Position) String() string {
	switch {
	case p.Flag != "" && p.Key != "":
		return p.Flag + ": " + p.Key
	case p.Flag != "":
		return p.Flag
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Finding is what a command reports.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`

	// Effect is set by extsvc plan.
	Effect Effect `json:"effect,omitempty"`

	// Namespace and Entry name the mapping. A finding about a whole namespace has no entry, one
	// about the release or the values has neither, and one about an entry of values has no
	// namespace.
	Namespace string `json:"namespace,omitempty"`
	Entry     string `json:"entry,omitempty"`

	// Position and Field are set by extsvc lint: where the value is, and the field of the
	// entry, or of the values without an entry. extsvc discover sets the file and the line.
	Position
	Field string `json:"field,omitempty"`

	// Message says what is wrong, in one sentence. Cause is the likely cause, unless the
	// message says it. Fix says what to do, one step per item.
	Message string   `json:"message"`
	Cause   string   `json:"cause,omitempty"`
	Fix     []string `json:"fix,omitempty"`
}

// Subject names what the finding is about.
func (f Finding) Subject() string {
	switch {
	case f.Namespace == "" && f.Entry == "" && f.File != "":
		return f.File
	case f.Namespace == "" && f.Entry == "":
		return "release"
	case f.Entry == "":
		return "namespace " + f.Namespace
	}
	return strings.TrimPrefix(f.Namespace+"/"+f.Entry, "/")
}

// String is the finding on one line, for errors and tests.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s (%s): %s", f.Subject(), f.kind(), f.Code, f.Message)
}

// kind says how bad it is: by its effect, if it has one.
func (f Finding) kind() string { return cmp.Or(string(f.Effect), string(f.Severity)) }

// Exit codes of all commands. Failed is a command that could not do its work.
const (
	ExitOK     = 0
	ExitNotice = 1 // something to look at: a change, a warning, a part that was not carried over
	ExitFailed = 2
	ExitErrors = 3
)

// ExitCode is the exit code for findings; hints do not count.
func ExitCode(list []Finding) int {
	code := ExitOK
	for _, f := range list {
		switch f.Severity {
		case Error:
			return ExitErrors
		case Warning:
			code = ExitNotice
		}
	}
	return code
}

// Has says whether a list has a finding of a code for an entry. A code without a variant
// stands for all of its variants.
func Has(list []Finding, code Code, namespace, entry string) bool {
	return slices.ContainsFunc(list, func(f Finding) bool {
		return f.Code == code.base() && f.Namespace == namespace && f.Entry == entry
	})
}

// Sort sorts findings by namespace and entry: those of the release come first.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Entry, b.Entry))
	})
}

// Row is a row of the catalogue.
type Row struct {
	// Code may end in a variant after a slash, such as no-pods/both: the same condition in
	// another situation, with other words.
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Effect   Effect   `json:"effect"`

	// Commands are those that report it.
	Commands []string `json:"commands"`

	// Summary is its line in the guides. Variants have none where that of the code fits.
	Summary string `json:"summary"`

	// Message, Cause and Fix are those of the finding, with ${name} for what New is given.
	Message string   `json:"message"`
	Cause   string   `json:"cause"`
	Fix     []string `json:"fix"`
}

//go:embed findings.yaml
var text []byte

// Catalogue returns all rows, in the order of findings.yaml.
var Catalogue = sync.OnceValue(func() []Row {
	var rows []Row
	if err := yaml.UnmarshalStrict(text, &rows); err != nil {
		panic(err) // an embedded file: a test reads it
	}
	return rows
})

func (c Code) row() Row {
	rows := Catalogue()
	i := slices.IndexFunc(rows, func(row Row) bool { return row.Code == c })
	if i < 0 {
		panic(fmt.Sprintf("findings: no code %q in the catalogue", c))
	}
	return rows[i]
}

// Severity is that of the code's findings.
func (c Code) Severity() Severity { return c.row().Severity }

func (c Code) base() Code {
	base, _, _ := strings.Cut(string(c), "/")
	return Code(base)
}

// Args are what the sentences of a finding name, by the names that they have in the catalogue.
type Args map[string]string

// New makes the finding of a code for an entry. The sentences may name ${namespace}, ${name}
// and ${entry}, which is namespace/name, besides the arguments. It panics on a code or a name
// that is not there, as both are the program's own.
func New(code Code, namespace, name string, args Args) Finding {
	row := code.row()
	known := Args{"namespace": namespace, "name": name, "entry": namespace + "/" + name}
	maps.Copy(known, args)
	expand := func(text string) string {
		return os.Expand(text, func(key string) string {
			value, ok := known[key]
			if !ok {
				panic(fmt.Sprintf("findings: %s names ${%s}, which it is not given", code, key))
			}
			return value
		})
	}
	f := Finding{Code: code.base(), Severity: row.Severity, Effect: row.Effect, Namespace: namespace, Entry: name,
		Message: expand(row.Message), Cause: expand(row.Cause)}
	for _, step := range row.Fix {
		if step = expand(step); step != "" {
			f.Fix = append(f.Fix, step)
		}
	}
	return f
}
