package docs

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"external-services/tests/internal/testenv"
)

// document is what the tests read of a Markdown file. Comments of the form
//
//	<!-- test: WHAT -->
//
// say what a reader need not see. They stand above the block that they are about:
//
//	file NAME        the block is a file that the commands after it use
//	exit N           the exit code of the last command
//	varies NAME...   which parts of the output differ from run to run: see varying
//	not run, WHY     the block is not run
//	setup COMMANDS   these are run, with what the reader has already
type document struct {
	path     string
	text     string
	blocks   []block
	headings []string // with their number signs
	links    []string
}

// block is a fenced block, or the commands of a setup comment.
type block struct {
	line     int
	language string
	text     string
	comment  comment
}

type comment struct {
	file, notRun string
	exit         int
	varies       []string
}

const setup = "setup"

var (
	fence   = regexp.MustCompile("^( *)```([a-z]*)$")
	heading = regexp.MustCompile(`^#+ .*`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
)

func readDocument(path string) (document, error) {
	text, err := os.ReadFile(testenv.Path(path))
	if err != nil {
		return document{}, err
	}
	return parse(path, string(text))
}

func parse(path, text string) (document, error) {
	d := document{path: path, text: text}
	var next comment
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line, number := lines[i], i+1
		if match := fence.FindStringSubmatch(line); match != nil {
			var inside []string
			for i++; strings.TrimSpace(lines[i]) != "```"; i++ {
				if i == len(lines)-1 {
					return d, fmt.Errorf("%s:%d: the block does not end", path, number)
				}
				inside = append(inside, strings.TrimPrefix(lines[i], match[1]))
			}
			d.blocks = append(d.blocks, block{number, match[2], strings.Join(inside, "\n"), next})
			next = comment{}
			continue
		}
		if what, found := strings.CutPrefix(strings.TrimSpace(line), "<!-- test: "); found {
			for !strings.HasSuffix(what, "-->") {
				if i++; i == len(lines) {
					return d, fmt.Errorf("%s:%d: the comment does not end", path, number)
				}
				what += "\n" + lines[i]
			}
			what = strings.TrimSpace(strings.TrimSuffix(what, "-->"))
			if commands, found := strings.CutPrefix(what, setup); found {
				d.blocks = append(d.blocks, block{line: number, language: setup, text: strings.TrimSpace(commands)})
				continue
			}
			if err := next.add(what); err != nil {
				return d, fmt.Errorf("%s:%d: %w", path, number, err)
			}
			continue
		}
		if heading.MatchString(line) {
			d.headings = append(d.headings, line)
		}
		for _, match := range link.FindAllStringSubmatch(line, -1) {
			d.links = append(d.links, match[1]+match[2])
		}
	}
	return d, nil
}

func (c *comment) add(what string) (err error) {
	word, rest, _ := strings.Cut(what, " ")
	switch word {
	case "file":
		c.file = rest
	case "exit":
		c.exit, err = strconv.Atoi(rest)
	case "varies":
		for _, name := range strings.Fields(rest) {
			if varying[name] == nil {
				return fmt.Errorf("nothing that varies is named %q", name)
			}
			c.varies = append(c.varies, name)
		}
	case "not":
		reason, found := strings.CutPrefix(rest, "run, ")
		if !found {
			return fmt.Errorf("%q has no reason", what)
		}
		c.notRun = reason
	default:
		return fmt.Errorf("there is no %q: write file, exit, varies, not run or setup", word)
	}
	return err
}

// commands are those of a block: one a line, or of several lines where bash wants more.
func (b block) commands() []string {
	var commands []string
	open := false
	for line := range strings.SplitSeq(b.text, "\n") {
		if trimmed := strings.TrimSpace(line); !open && (trimmed == "" || strings.HasPrefix(trimmed, "#")) {
			continue
		}
		if open {
			commands[len(commands)-1] += "\n" + line
		} else {
			commands = append(commands, line)
		}
		command := commands[len(commands)-1]
		open = strings.HasSuffix(command, "\\") || exec.Command("bash", "-n", "-c", command).Run() != nil
	}
	return commands
}

func (b block) isCommands() bool { return slices.Contains([]string{"sh", "console"}, b.language) }

// anchor is what GitHub makes of a heading.
func anchor(heading string) string {
	text := strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#")))
	text = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(text, "$1")
	text = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, " ", "-")
}
