package importer

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// variable is what envsubst and the postBuild of Flux replace: ${NAME}, or with a default ${NAME:=text} and
// ${NAME:-text}.
var variable = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(:?[-=]([^{}]*))?\}`)

func hasVariable(text string) bool { return variable.MatchString(text) }

// withDefault replaces variables by their defaults, or by "variable".
func withDefault(text string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		if value := variable.FindStringSubmatch(found)[2]; value != "" {
			return value
		}
		return "variable"
	})
}

// noteVariables notes the variables of the name and the addresses.
func (e *entry) noteVariables() {
	if e.strict {
		return
	}
	texts := []string{e.Name, e.ExternalName}
	for _, a := range e.Addresses {
		texts = append(texts, a.IP)
	}
	for _, text := range texts {
		if !hasVariable(text) {
			continue
		}
		ifAddress := ""
		if text == e.ExternalName && variable.FindString(text) == text {
			ifAddress = ". If it holds an IP address, write addresses: [\"" + text + "\"] in place of externalName"
			if len(e.Ports) == 0 {
				ifAddress += ", and the ports"
			}
		}
		e.note(text, "the variable passes through as it is: replace it in the values with envsubst, or with postBuild of the "+
			"Flux Kustomization that has them; lint and helm refuse it until then%s", ifAddress)
	}
}

// withStandIns is the entry as an item of the values, with texts that the chart accepts in place of variables.
func (e *entry) withStandIns() []byte {
	if e.strict || !hasVariable(string(e.Item())) {
		return e.Item()
	}
	copied := e.Entry
	copied.Addresses = nil
	for i, a := range e.Addresses {
		if hasVariable(a.IP) {
			if a.IP = withDefault(a.IP); !isIP(a.IP) {
				a.IP = fmt.Sprintf("192.0.2.%d", i%250+1)
			}
		}
		copied.Addresses = append(copied.Addresses, a)
	}
	if hasVariable(copied.ExternalName) {
		if copied.ExternalName = strings.ToLower(withDefault(copied.ExternalName)); isIP(copied.ExternalName) {
			copied.ExternalName = "variable"
		}
	}
	return []byte(withDefault(string(copied.Item())))
}

func isIP(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}
