package lint

import (
	"regexp"
	"strconv"
	"strings"
)

// What Helm writes around the reason of an error.
var (
	// A template calls fail.
	failedAt = regexp.MustCompile(`^execution error at \([^)]*\): `)

	// The function tpl gets a text that is not a template, or cannot execute it.
	failedTpl = regexp.MustCompile(`(?s)(?:cannot parse template|error during tpl function execution for) (".*)`)
	insideTpl = regexp.MustCompile(`(?s)^.*template: [^ ]*:[0-9]+(:[0-9]+)?: (executing "[^"]*" at )?`)
)

// readHelmError reads an error of Helm: the text of the template in the values that failed, if it
// is one, and the reason on one line.
func readHelmError(err error) (template, reason string) {
	text := err.Error()
	if match := failedTpl.FindStringSubmatch(text); match != nil {
		quoted, _ := strconv.QuotedPrefix(match[1])
		if template, err := strconv.Unquote(quoted); err == nil {
			reason := strings.TrimPrefix(match[1][len(quoted):], ": ")
			return template, oneLine(insideTpl.ReplaceAllString(reason, ""))
		}
	}
	return "", failedAt.ReplaceAllString(oneLine(text), "")
}

// oneLine prints a text of several lines on one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
