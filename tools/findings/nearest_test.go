package findings_test

import (
	"strings"
	"testing"

	"external-services/tools/findings"
)

func TestNearest(t *testing.T) {
	keys := []string{"name", "port", "ports", "addresses", "targetPort", "externalName"}
	for word, want := range map[string]string{
		"adresses": "addresses", "ExternalName": "externalName", "prot": "port", "targetprot": "targetPort", "nmae": "name",
		"x": "", "something": "", "": "", strings.Repeat("a", 1000): "",
	} {
		if got := findings.Nearest(word, keys); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
