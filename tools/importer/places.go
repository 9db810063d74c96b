package importer

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"external-services/tools/service"
)

// readFrom remembers where an object of the entry was read.
func (e *entry) readFrom(m service.Manifest) { e.manifests = append(e.manifests, m) }

// placeOf is the first line of the objects that has a text, or else the line of the Service, as the beginning of a
// message. It is empty for objects of a cluster.
func (e *entry) placeOf(text string) string {
	place := ""
	for _, m := range e.manifests {
		if m.From == "" {
			return ""
		}
		if line := m.LineOf(text); line != m.From {
			return line + ": "
		}
		place = cmp.Or(place, m.From+": ")
	}
	return place
}

// placeOfObject is where an object of the entry begins, as the end of its name: " (mysql.yaml:12)".
func (e *entry) placeOfObject(kind, name string) string {
	for _, m := range e.manifests {
		if m.Kind == kind && m.Object.GetName() == name && m.From != "" {
			return " (" + m.From + ")"
		}
	}
	return ""
}

// comment is an Endpoints object or an EndpointSlice that is commented out.
type comment struct {
	from, kind, text string
}

// commentedKind is the kind of such an object, and block the lines of a comment.
var (
	commentedKind = regexp.MustCompile(`(?m)^[ \t]*#+[ \t]*kind:[ \t]*["']?(Endpoints|EndpointSlice)["']?[ \t]*\r?$`)
	block         = regexp.MustCompile(`(?m)(^[ \t]*#.*\n?)+`)
)

// readComments finds endpoints that are commented out.
func (o *Objects) readComments(name, text string) {
	if !commentedKind.MatchString(text) {
		return
	}
	for _, at := range block.FindAllStringIndex(text, -1) {
		lines := text[at[0]:at[1]]
		if kind := commentedKind.FindStringSubmatch(lines); kind != nil {
			from := fmt.Sprintf("%s:%d", name, 1+strings.Count(text[:at[0]], "\n"))
			o.commented = append(o.commented, comment{from, kind[1], lines})
		}
	}
}

func objectName(kind string) string {
	if kind == kindEndpoints {
		return "Endpoints object"
	}
	return kind
}

// refuseWithoutAddresses refuses an entry without addresses, and says where they are commented out.
func (e *entry) refuseWithoutAddresses() {
	name := regexp.MustCompile(`[ :{,"']` + regexp.QuoteMeta(e.Name) + `(["',} \t]|$)`)
	for _, c := range e.commented {
		for line := range strings.Lines(c.text) {
			if name.MatchString(strings.TrimRight(line, "\r\n")) {
				e.refuseAs(fmt.Sprintf("%s: the %s for the Service is commented out", c.from, objectName(c.kind)), "remove the # from its lines")
				return
			}
		}
	}
	if name := e.service.Spec.ExternalName; name != "" {
		e.refuseAt(name, "write type: ExternalName", "externalName is %s, and the type is not ExternalName, so Kubernetes ignores the name", name)
		return
	}
	e.refuse("", "the Service has no selector, and no Endpoints or EndpointSlice with an address for it was read")
}
