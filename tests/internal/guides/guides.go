// Package guides reads the guides of the chart's folder docs, for the tests of what they
// say.
package guides

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

// Read returns a file of the folder.
func Read(t testing.TB, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(path(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func path(elements ...string) string {
	return filepath.Join(append([]string{testenv.Chart(), "docs"}, elements...)...)
}

// Quotes fails unless a guide has a text, such as the message of a program.
func Quotes(t testing.TB, guide, text string) {
	t.Helper()
	if !strings.Contains(Read(t, guide), text) {
		t.Errorf("%s does not have %q", guide, text)
	}
}

// Block returns the only block of a guide in a language that contains a text.
func Block(t testing.TB, guide, language, text string) string {
	t.Helper()
	var found []string
	for _, block := range blocks(t, guide, language) {
		if strings.Contains(block, text) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s with %q, want 1", guide, len(found), language, text)
	}
	return found[0]
}

func blocks(t testing.TB, guide, language string) (found []string) {
	t.Helper()
	for _, part := range strings.Split("\n"+Read(t, guide), "\n```"+language+"\n")[1:] {
		content, _, _ := strings.Cut(part, "\n```")
		found = append(found, content+"\n")
	}
	return found
}
