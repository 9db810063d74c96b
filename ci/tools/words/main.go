// Command words lists the words in documents, the chart and messages that this repository no longer uses,
// and says what to write instead.
//
//	words FILE...
//
// Of Go files it reads the strings, which are messages and help texts; of Markdown everything but
// code in the text; of other files everything. Exit code 1: there is such a word, or an exception that
// no file needs.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hit is a word in a file.
type hit struct {
	file string
	line int
	word string
	// instead is what to write.
	instead string
}

// piece is a text of a file and the line that it begins in.
type piece struct {
	text string
	line int
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: words FILE...")
		os.Exit(2)
	}
	found, unused, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	for _, h := range found {
		fmt.Printf("%s:%d: %q: write %s\n", h.file, h.line, h.word, h.instead)
	}
	for _, phrase := range unused {
		fmt.Printf("ci/tools/words/list.go: no file has %q: delete the exception\n", phrase)
	}
	if len(found)+len(unused) > 0 {
		os.Exit(1)
	}
}

// run returns the words in files, and the exceptions that none of them needs.
func run(files []string) (found []hit, unused []string, err error) {
	used := map[string]bool{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		pieces, err := read(file, content)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range pieces {
			hits := search(p, used)
			slices.SortStableFunc(hits, func(a, b hit) int { return a.line - b.line })
			for _, h := range hits {
				h.file = file
				found = append(found, h)
			}
		}
	}
	for _, e := range exceptions {
		if !used[e.phrase] {
			unused = append(unused, e.phrase)
		}
	}
	return found, unused, nil
}

// notProse are the parts of Markdown that nobody reads as text: code in a line, and comments.
var notProse = regexp.MustCompile("(?s)`[^`\n]+`|<!--.*?-->")

// read returns the texts of a file that people read.
func read(file string, content []byte) ([]piece, error) {
	switch filepath.Ext(file) {
	case ".go":
		return stringsOf(file, content)
	case ".md":
		content = notProse.ReplaceAllFunc(content, func(part []byte) []byte {
			return append([]byte{'`', '`'}, bytes.Repeat([]byte{'\n'}, bytes.Count(part, []byte{'\n'}))...)
		})
	}
	return []piece{{string(content), 1}}, nil
}

// stringsOf returns the strings of a Go file, without those of its imports and tags.
func stringsOf(file string, content []byte) (pieces []piece, err error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, content, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if node.Kind != token.STRING {
				return true
			}
			text, unquoteErr := strconv.Unquote(node.Value)
			if unquoteErr != nil {
				err = unquoteErr
				return false
			}
			pieces = append(pieces, piece{text, set.Position(node.Pos()).Line})
		}
		return true
	})
	return pieces, err
}

// search returns the words in a text. It notes the exceptions that it met.
func search(p piece, used map[string]bool) (found []hit) {
	var allowed [][]int
	for _, e := range exceptions {
		for _, at := range e.pattern().FindAllStringIndex(p.text, -1) {
			allowed = append(allowed, at)
			used[e.phrase] = true
		}
	}
	for _, w := range words {
		for _, at := range w.pattern().FindAllStringIndex(p.text, -1) {
			if within(at, allowed) {
				continue
			}
			found = append(found, hit{line: lineOf(p, at[0]), word: oneLine(p.text[at[0]:at[1]]), instead: w.instead})
		}
	}
	for _, at := range opening.FindAllStringSubmatchIndex(p.text, -1) {
		at = at[2:4]
		if word := p.text[at[0]:at[1]]; states(p.text, at) && !within(at, allowed) {
			found = append(found, hit{line: lineOf(p, at[0]), word: word + " ...", instead: "the subject first, such as \"Invalid values are refused\""})
		}
	}
	return found
}

func within(at []int, ranges [][]int) bool {
	for _, r := range ranges {
		if r[0] <= at[0] && at[1] <= r[1] {
			return true
		}
	}
	return false
}

func lineOf(p piece, offset int) int { return p.line + strings.Count(p.text[:offset], "\n") }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// opening are the words that do not begin a statement.
var opening = regexp.MustCompile(`\b(What|Who)\b\s`)

var ending = regexp.MustCompile(`[.!](\s|$)|[?|]|\n\s*\n|$`)

// states reports whether a word begins a statement: not a question, a heading or a cell of a table.
func states(text string, at []int) bool {
	line := text[strings.LastIndex(text[:at[0]], "\n")+1:]
	if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") || headingOf(text, at[0]) {
		return false
	}
	end := ending.FindStringIndex(text[at[1]:])
	switch mark := text[at[1]+end[0] : at[1]+end[1]]; {
	case strings.HasPrefix(mark, "?"), strings.HasPrefix(mark, "|"):
		return false
	}
	return true
}

// headingOf reports whether an offset is in a heading of Markdown: a line that begins with number signs and is
// followed by an empty one. A comment of YAML or of a shell goes on.
func headingOf(text string, offset int) bool {
	begin := strings.LastIndex(text[:offset], "\n") + 1
	line, rest, _ := strings.Cut(text[begin:], "\n")
	next, _, _ := strings.Cut(rest, "\n")
	return strings.HasPrefix(line, "# ") && strings.TrimSpace(next) == "" && !strings.HasSuffix(line, ".")
}
