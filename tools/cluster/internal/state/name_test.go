package state

import (
	"strings"
	"testing"
)

func TestValidateName(t *testing.T) {
	for _, name := range []string{"default", "a", "ci-1", "podman", "nodes", strings.Repeat("a", 20)} {
		if err := ValidateName(name); err != nil {
			t.Errorf("ValidateName(%q) = %v, want no error", name, err)
		}
	}
	for name, want := range map[string]string{
		"":                      "use lower-case letters",
		"A":                     "use lower-case letters",
		"1a":                    "a letter first",
		"-a":                    "use lower-case letters",
		"a-":                    "use lower-case letters",
		"a_b":                   "use lower-case letters",
		"a/../b":                "use lower-case letters",
		"a.b":                   "use lower-case letters",
		"a\n":                   "use lower-case letters",
		strings.Repeat("a", 21): "at most 20 characters",
		"a-pod":                 `the word "pod" is taken`,
		"a-out-b":               `the word "out" is taken`,
		"node":                  `the word "node" is taken`,
	} {
		if err := ValidateName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ValidateName(%q) = %v, want an error with %q", name, err, want)
		}
	}
}

func TestValidateLabel(t *testing.T) {
	for _, label := range []string{"a", "1", "a-b", strings.Repeat("a", 63)} {
		if err := ValidateLabel("name", label); err != nil {
			t.Errorf("ValidateLabel(%q) = %v, want no error", label, err)
		}
	}
	for _, label := range []string{"", "A", "a.b", "a-", "-a", "a/b", strings.Repeat("a", 64)} {
		err := ValidateLabel("pod name", label)
		if err == nil || !strings.Contains(err.Error(), "pod name") {
			t.Errorf("ValidateLabel(%q) = %v, want an error that says what is wrong", label, err)
		}
	}
}
