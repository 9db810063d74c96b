package discover

import (
	"cmp"
	"strconv"
	"strings"

	"external-services/tools/discover/syntax"
	"external-services/tools/findings"
	"external-services/tools/service"
)

// Scan reads files and objects one after the other, and keeps the references in them and the names of Services.
type Scan struct {
	// Secrets reads Secrets too. No value of them is kept: only hosts.
	Secrets bool

	// Namespace is that of objects in files that have none.
	Namespace string

	// Progress, if it is set, is called with what is being read.
	Progress func(what string)

	references []Reference
	services   map[service.Key]string // to their ClusterIPs
	namespaces map[string]bool
	sources    []string
	read       Counts
	findings   []findings.Finding
}

// NewScan is a scan that has read nothing.
func NewScan() *Scan {
	return &Scan{services: map[service.Key]string{}, namespaces: map[string]bool{}, Progress: func(string) {}}
}

// ReadFile reads a file, unless its name and its content say that it is not configuration.
func (s *Scan) ReadFile(name string, text []byte) {
	format := syntax.FormatOf(name, string(text))
	if format == "" {
		return
	}
	s.read.Files++
	documents, err := syntax.Parse(string(text), format)
	if err != nil {
		s.notRead(name, syntax.LineOf(err), "it is not valid "+strings.ToUpper(string(format)), "Correct it, and run the command again.")
	}
	for _, document := range documents {
		s.readDocument(Place{File: name}, document)
	}
}

// readDocument finds the references of a document, and notes the Services that it has.
func (s *Scan) readDocument(place Place, document *syntax.Node) {
	s.noteServices(document)
	c := &collector{place: place, namespace: s.Namespace, withSecrets: s.Secrets}
	c.document(document)
	for _, group := range c.groups {
		s.references = append(s.references, group.recognise()...)
	}
}

// noteServices keeps the names of the Services of a document, and the namespaces of its objects.
func (s *Scan) noteServices(n *syntax.Node) {
	for _, item := range n.Get("items").List() {
		s.noteServices(item)
	}
	if !isObject(n) {
		return
	}
	namespace := cmp.Or(n.At("metadata", "namespace").ScalarText(), s.Namespace)
	if namespace != "" {
		s.namespaces[namespace] = true
	}
	if n.Get("kind").ScalarText() == "Service" {
		s.services[service.Key{Namespace: namespace, Name: n.At("metadata", "name").ScalarText()}] = ""
	}
}

// notRead adds a finding about a file that was not read. It must not have any of the text.
func (s *Scan) notRead(file string, line int, why, fix string) {
	what := file
	if line > 0 {
		what += ":" + strconv.Itoa(line)
	}
	f := findings.New(findings.NotCheckedFile, "", "", findings.Args{"what": what, "why": why, "fix": fix})
	f.Position = findings.Position{File: file, Line: line}
	s.findings = append(s.findings, f)
}
