package syntax

import (
	"regexp"
	"strings"
)

// The formats of one setting a line: .env files, Java properties and ini files. No library for them says on which
// line a setting is.

var (
	assignment = regexp.MustCompile(`^(?:export\s+)?([A-Za-z_][^=:\s]*(?: [^=:\s]+)*)\s*[=:]\s*(.*)$`)
	section    = regexp.MustCompile(`^\[+([^\]]+)\]+\s*([;#].*)?$`)
	// comment is one behind a value. A ";" without a space before it belongs to a connection string.
	comment = regexp.MustCompile(`\s+[;#].*$`)
)

// readLines reads a file of lines: a map of settings, with a map for each section of an ini file.
func readLines(text string, format Format) *Node {
	root := &Node{Kind: Mapping, Line: 1}
	current := root
	var last *Node // the setting that an indented line continues
	for _, line := range logicalLines(text, format) {
		content := strings.TrimSpace(line.text)
		isIndented := strings.TrimLeft(line.text, " \t") != line.text
		match := assignment.FindStringSubmatch(content)
		switch {
		case content == "" || strings.ContainsAny(content[:1], "#;!"):
		case format == Ini && section.MatchString(content):
			current = root.child(section.FindStringSubmatch(content)[1], Mapping)
			last = nil
		case format == Ini && isIndented && last != nil && match == nil:
			last.Items = append(last.Items, &Node{Line: line.number, Text: content})
		case match != nil:
			last = &Node{Kind: Sequence, Items: []*Node{{Line: line.number, Text: valueOf(match[2], format)}}}
			current.Fields = append(current.Fields, Field{match[1], last})
		}
	}
	return root
}

type numberedLine struct {
	number int
	text   string
}

// logicalLines joins the lines of properties that end with a backslash.
func logicalLines(text string, format Format) (lines []numberedLine) {
	continues := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if continues {
			lines[len(lines)-1].text += strings.TrimSpace(line)
		} else {
			lines = append(lines, numberedLine{i + 1, line})
		}
		last := &lines[len(lines)-1].text
		continues = format == Properties && strings.HasSuffix(*last, `\`) && !strings.HasSuffix(*last, `\\`)
		if continues {
			*last = strings.TrimSuffix(*last, `\`)
		}
	}
	return lines
}

// valueOf is a value without its quotes, escapes and comment.
func valueOf(text string, format Format) string {
	text = strings.TrimSpace(text)
	if format == Properties {
		return strings.NewReplacer(`\:`, ":", `\=`, "=", `\#`, "#", `\!`, "!", `\\`, `\`).Replace(text)
	}
	if text != "" && strings.ContainsAny(text[:1], `"'`) {
		if end := strings.LastIndex(text, text[:1]); end > 0 {
			return text[1:end]
		}
		return "" // it goes on in the next lines: a text, such as a certificate
	}
	return comment.ReplaceAllString(text, "")
}
