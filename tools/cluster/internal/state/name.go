package state

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxName keeps the names of network namespaces and folders readable in listings.
const maxName = 20

var clusterName = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// reservedWords are the words that come after a cluster's name in the names of its network namespaces. A cluster
// named "a-pod" would claim the namespaces of the pods of the cluster "a".
var reservedWords = []string{"node", "pod", "out"}

// ValidateName says whether name may name a cluster.
func ValidateName(name string) error {
	if len(name) > maxName || !clusterName.MatchString(name) {
		return fmt.Errorf("cluster name %q: use lower-case letters, digits and dashes, a letter first, at most %d characters",
			name, maxName)
	}
	for word := range strings.SplitSeq(name, "-") {
		if slices.Contains(reservedWords, word) {
			return fmt.Errorf("cluster name %q: the word %q is taken by the names of its network namespaces, use another one",
				name, word)
		}
	}
	return nil
}

// dnsLabel is what Kubernetes accepts as a namespace, and what fits every other name in one label of a DNS name.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// ValidateLabel says whether value, which is described by what, is a DNS label.
func ValidateLabel(what, value string) error {
	if len(value) > 63 || !dnsLabel.MatchString(value) {
		return fmt.Errorf("%s %q: use lower-case letters, digits and dashes, a letter or digit at both ends, at most 63 characters",
			what, value)
	}
	return nil
}
