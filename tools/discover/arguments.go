package discover

import (
	"regexp"
	"slices"
	"strings"

	"external-services/tools/discover/syntax"
)

// isArguments says whether a list is a command line.
func isArguments(path []string) bool {
	return len(path) > 0 && slices.Contains([]string{"args", "command", "entrypoint", "arguments", "extraArgs"}, path[len(path)-1])
}

// isOptions says whether a key has a command line in one text, such as JAVA_OPTS.
func isOptions(key string) bool {
	words := wordsOf(key)
	return len(words) > 0 && slices.Contains([]string{"opts", "options", "args", "arguments", "flags", "command"}, words[len(words)-1])
}

var (
	name         = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	flag         = regexp.MustCompile(`^-{1,2}(?:D)?([A-Za-z][A-Za-z0-9_.-]*)$`)
	flagAndValue = regexp.MustCompile(`^(?:-{1,2}D?)?([A-Za-z_][A-Za-z0-9_.-]*)=(.+)$`)
)

// isName says whether a text is the name of a variable.
func isName(text string) bool { return name.MatchString(text) }

// arguments collects the settings of a command line: --key=value, --key value, -Dkey=value and KEY=value. A word
// without a key has the key "args".
func (c *collector) arguments(list *syntax.Node) {
	g := c.newGroup()
	items := list.Items
	if list.Kind == syntax.Scalar {
		items = []*syntax.Node{list}
	}
	pending := ""
	for _, item := range items {
		for _, word := range wordsOfLine(item) {
			match := flagAndValue.FindStringSubmatch(word.Text)
			flagName := flag.FindStringSubmatch(word.Text)
			switch {
			case flagName != nil:
				pending = flagName[1]
				continue
			case match != nil && !strings.Contains(match[1], "://"):
				g.add([]string{match[1]}, &syntax.Node{Line: word.Line, Text: unquote(match[2])}, false)
			default:
				key := pending
				if key == "" {
					key = "args"
				}
				g.add([]string{key}, word, false)
			}
			pending = ""
		}
	}
}

// wordsOfLine splits an argument that is a script into its words.
func wordsOfLine(n *syntax.Node) (words []*syntax.Node) {
	if n.Kind != syntax.Scalar {
		return nil
	}
	for i, line := range strings.Split(n.Text, "\n") {
		number := n.Line
		if n.Block {
			number += i + 1
		}
		fields := strings.Fields(line)
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue // a comment of a script
		}
		for _, field := range fields {
			words = append(words, &syntax.Node{Line: number, Text: unquote(field)})
		}
	}
	return words
}

func unquote(text string) string { return strings.Trim(text, "\"'`;") }
