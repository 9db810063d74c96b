package importer

import (
	"regexp"
	"strings"
)

// What stands for an address in examples, and what programs read in two ways.
var (
	placeholder = regexp.MustCompile(`<.*>`)
	unknownByte = regexp.MustCompile(`^([0-9]{1,3}|[xX*?]{1,3})(\.([0-9]{1,3}|[xX*?]{1,3})){3}\.?$`)
	zerosFirst  = regexp.MustCompile(`(^|\.)0+([0-9])`)
	onlyNumbers = regexp.MustCompile(`^[0-9]+(\.[0-9]+){3}\.?$`)
)

// incomplete says why no connection can go to an address or a name, or nothing.
func incomplete(text string) (why, fix string) {
	switch {
	case placeholder.MatchString(text):
		return "is a placeholder", "write the address outside in its place"
	case strings.Contains(text, "{{"):
		return "is a template of a chart", "render it with helm template first"
	case onlyNumbers.MatchString(text):
		if decimal := zerosFirst.ReplaceAllString(text, "$1$2"); decimal != text {
			return "has leading zeros, and programs read such numbers as octal or not at all", "write " + strings.TrimSuffix(decimal, ".") + ", if it is decimal"
		}
	case unknownByte.MatchString(text):
		return "is not a whole IP address", "write its four numbers"
	}
	return "", ""
}

// refuseIncomplete refuses an entry of which an address stands for one that is to be written.
func (e *entry) refuseIncomplete() {
	texts := []string{e.service.Spec.ExternalName}
	for _, a := range e.Addresses {
		texts = append(texts, a.IP)
	}
	for _, text := range texts {
		if why, fix := incomplete(text); why != "" {
			e.refuseAt(text, fix, "%q %s", text, why)
		}
	}
}
