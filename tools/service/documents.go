package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// document is a document of a text, as it was written and as JSON.
type document struct {
	name, text string
	line       int // of the text
	json       []byte
}

// from is where the content of the document begins, such as mysql.yaml:12.
func (d *document) from() string {
	before := 0
	if first := content.FindStringIndex(d.text); first != nil {
		before = strings.Count(d.text[:first[0]], "\n")
	}
	return fmt.Sprintf("%s:%d", d.name, d.line+before)
}

// lineOf is the first line that has a text as a word of its own, outside of comments.
func (d *document) lineOf(text string) (place string, found bool) {
	if text == "" || !strings.Contains(d.text, text) {
		return "", false
	}
	const other = `[^0-9A-Za-z_.:$-]` // around a name or an address
	word := regexp.MustCompile(`(^|` + other + `)` + regexp.QuoteMeta(text) + `(` + other + `|$)`)
	line := d.line
	for text := range strings.Lines(d.text) {
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "#") && word.MatchString(text) {
			return fmt.Sprintf("%s:%d", d.name, line), true
		}
		line++
	}
	return "", false
}

func splitDocuments(name string, text []byte) (documents []*document, broken []error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, []error{fmt.Errorf("%s:1: the file is in UTF-16, which kubectl apply does not read: write it in UTF-8, in PowerShell with -Encoding utf8", name)}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		if documents, err := splitJSON(name, text); err == nil {
			return documents, nil
		} // or it is YAML in flow style
	}
	return splitYAML(name, string(text))
}

// splitJSON splits a stream of JSON objects.
func splitJSON(name string, text []byte) ([]*document, error) {
	var documents []*document
	line, counted := 1, 0
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		begin := len(text) - len(bytes.TrimLeft(text[decoder.InputOffset():], " \t\r\n"))
		line += bytes.Count(text[counted:begin], []byte("\n"))
		counted = begin
		var object json.RawMessage
		switch err := decoder.Decode(&object); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, err
		}
		documents = append(documents, &document{name, string(object), line, object})
	}
}

var (
	// marker begins or ends a YAML document: no other line begins with its characters.
	marker = regexp.MustCompile(`(?m)^(---|\.\.\.)([ \t\r]|$)`)
	// content is the first character of a document that is not of a comment or a directive.
	content = regexp.MustCompile(`(?m)^[ \t]*[^ \t\r\n#%]`)
)

// splitYAML splits a stream of YAML documents, without the empty ones.
func splitYAML(name, text string) (documents []*document, broken []error) {
	line, begin := 1, 0
	for _, end := range append(marker.FindAllStringIndex(text, -1), []int{len(text)}) {
		part := text[begin:end[0]]
		if begin > 0 || marker.MatchString(part) {
			part = "   " + part[3:]
		}
		if content.MatchString(part) {
			d := &document{name: name, text: part, line: line}
			object, err := toJSON(part)
			switch {
			case err != nil:
				broken = append(broken, d.notYAML())
			case string(object) != "null":
				d.json = object
				documents = append(documents, d)
			}
		}
		line += strings.Count(part, "\n")
		begin = end[0]
	}
	return documents, broken
}

// toJSON converts a YAML document. A key that is there twice is only an error in a kind that is read completely.
func toJSON(text string) ([]byte, error) {
	object, err := yaml.YAMLToJSONStrict([]byte(text))
	if err == nil {
		return object, nil
	}
	lenient, lenientErr := yaml.YAMLToJSON([]byte(text))
	var head metav1.TypeMeta
	if lenientErr != nil || json.Unmarshal(lenient, &head) != nil || head.Kind == "" || isRead(head) {
		return nil, err
	}
	return lenient, nil
}

var (
	indentedByTab = regexp.MustCompile(`(?m)^ *\t`)
	// templated is a line or a value of a template that is not quoted.
	templated = regexp.MustCompile(`(?m)^[ \t]*(- *)?([\w./-]+: *)?(\{\{.*\}\})`)
	// shellLine is a line of a shell, as tutorials have it around a manifest.
	shellLine = regexp.MustCompile(`(?m)^(\$ |(sudo )?(cat|echo|helm|kubectl|oc) ).*$|^EOF\r?$`)
	// bareVariable is a variable in a mapping or a list on one line, without quotes.
	bareVariable = regexp.MustCompile(`(^|[^$])[{[][^"'\n]*\$\{`)
	// parserLine is the line in an error of the YAML parser.
	parserLine = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:unmarshal errors: )?(?:line ([0-9]+): )?`)
)

// notYAML says why the document is not YAML, at the line that the parser has, and what to write.
func (d *document) notYAML() error {
	// Again below the lines before it, so that the error has the line in the file.
	_, err := yaml.YAMLToJSONStrict([]byte(strings.Repeat("\n", d.line-1) + d.text))
	at := func(index int) string {
		return fmt.Sprintf("%s:%d", d.name, d.line+strings.Count(d.text[:index], "\n"))
	}
	if found := templated.FindStringSubmatchIndex(d.text); found != nil {
		return fmt.Errorf("%s: %q is not YAML: if it is a template of a chart, render it with helm template first",
			at(found[6]), d.text[found[6]:found[7]])
	}
	if found := shellLine.FindStringIndex(d.text); found != nil {
		return fmt.Errorf("%s: %q is not YAML: remove the lines of the shell, or write # before them",
			at(found[0]), strings.TrimSpace(d.text[found[0]:found[1]]))
	}
	text, from := oneLine(err), d.from()
	if m := parserLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if _, err := strconv.Atoi(m[1]); err == nil {
			from = d.name + ":" + m[1]
		}
	}
	fix := "write a manifest as kubectl apply reads it"
	switch {
	case indentedByTab.MatchString(d.text):
		fix = "indent with spaces, not with tabs"
	case bareVariable.MatchString(d.text):
		fix = "write the value with the variable in quotes"
	}
	return fmt.Errorf("%s: %s: %s", from, text, fix)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
