package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/yaml"
)

// Manifest is an object of a manifest.
type Manifest struct {
	metav1.TypeMeta

	// From is where the object begins, such as mysql.yaml:12, or mysql.yaml:12: items[3] in a List.
	From string

	// Object is a *corev1.Service, *Endpoints or *discoveryv1.EndpointSlice. Of an object of another kind or
	// version, it has only the metadata.
	Object metav1.Object

	// UnknownFields are fields that the Kubernetes API of this program does not have.
	UnknownFields []string
}

// FromManifests reads the objects of a text, YAML or JSON as kubectl apply reads it, and those of the Lists in
// it. Errors name the text and the line at which the object begins.
func FromManifests(name string, text []byte) ([]Manifest, error) {
	documents, err := splitDocuments(name, text)
	if err != nil {
		return nil, err
	}
	var r manifestReader
	for _, document := range documents {
		if err := r.read(document.from, document.json, metav1.TypeMeta{}); err != nil {
			return nil, err
		}
	}
	return r.objects, nil
}

// document is a document of a text, as JSON.
type document struct {
	from string // such as mysql.yaml:12
	json []byte
}

func splitDocuments(name string, text []byte) ([]document, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		if documents, err := splitJSON(name, text); err == nil {
			return documents, nil
		} // or it is YAML in flow style
	}
	return splitYAML(name, string(text))
}

// splitJSON splits a stream of JSON objects.
func splitJSON(name string, text []byte) ([]document, error) {
	var documents []document
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
		documents = append(documents, document{fmt.Sprintf("%s:%d", name, line), object})
	}
}

var (
	// marker begins or ends a YAML document: no other line begins with its characters.
	marker = regexp.MustCompile(`(?m)^(---|\.\.\.)([ \t\r]|$)`)
	// content is the first character of a document that is not of a comment or a directive.
	content = regexp.MustCompile(`(?m)^[ \t]*[^ \t\r\n#%]`)
)

// splitYAML splits a stream of YAML documents, without the empty ones.
func splitYAML(name, text string) ([]document, error) {
	var documents []document
	line, begin := 1, 0
	for _, end := range append(marker.FindAllStringIndex(text, -1), []int{len(text)}) {
		part := text[begin:end[0]]
		if begin > 0 || marker.MatchString(part) {
			part = "   " + part[3:]
		}
		if first := content.FindStringIndex(part); first != nil {
			from := fmt.Sprintf("%s:%d", name, line+strings.Count(part[:first[0]], "\n"))
			object, err := yaml.YAMLToJSONStrict([]byte(part))
			if err != nil {
				// Again below the lines before it, so that the error has the line in the file.
				_, err = yaml.YAMLToJSONStrict([]byte(strings.Repeat("\n", line-1) + part))
				return nil, notYAML(from, part, err)
			}
			if string(object) != "null" {
				documents = append(documents, document{from, object})
			}
		}
		line += strings.Count(part, "\n")
		begin = end[0]
	}
	return documents, nil
}

func notYAML(from, text string, err error) error {
	fix := "write a manifest as kubectl apply reads it"
	if strings.Contains(text, "{{") {
		fix = "if it is a template of a chart, render it with helm template first"
	}
	return fmt.Errorf("%s: %s: %s", from, oneLine(err), fix)
}

// object is what all objects and Lists have, and what shows a values file.
type object struct {
	metav1.TypeMeta
	Metadata metav1.ObjectMeta `json:"metadata"`
	Items    []json.RawMessage `json:"items"`
	Services any               `json:"services"`
}

// manifestReader collects the objects of documents.
type manifestReader struct{ objects []Manifest }

// read reads an object, or those of a List. In a typed list, such as a ServiceList, they may have no type.
func (r *manifestReader) read(from string, text []byte, typ metav1.TypeMeta) error {
	head := object{TypeMeta: typ}
	err := json.Unmarshal(text, &head)
	kind, isList := strings.CutSuffix(head.Kind, "List")
	switch {
	case err != nil:
		return fmt.Errorf("%s: not a Kubernetes object: %s: write a manifest as kubectl apply reads it", from, oneLine(err))
	case head.Services != nil && head.Kind == "":
		return fmt.Errorf("%s: this is a values file, not a manifest", from)
	case head.Kind == "" || head.APIVersion == "":
		return fmt.Errorf("%s: apiVersion or kind is missing: write a manifest as kubectl apply reads it", from)
	case !isList || head.Items == nil:
		return r.decode(Manifest{TypeMeta: head.TypeMeta, From: from, Object: &head.Metadata}, text)
	}
	if typ = (metav1.TypeMeta{}); kind != "" {
		typ = metav1.TypeMeta{APIVersion: head.APIVersion, Kind: kind}
	}
	for i, item := range head.Items {
		if err := r.read(fmt.Sprintf("%s: items[%d]", from, i), item, typ); err != nil {
			return err
		}
	}
	return nil
}

var manifestDecoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Service{}, &Endpoints{})
	scheme.AddKnownTypes(discoveryv1.SchemeGroupVersion, &discoveryv1.EndpointSlice{})
	strict := kubejson.SerializerOptions{Strict: true}
	return kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, scheme, scheme, strict)
}()

// decode reads an object completely if it is of a kind that the model has.
func (r *manifestReader) decode(m Manifest, text []byte) error {
	gvk := m.GroupVersionKind()
	decoded, _, err := manifestDecoder.Decode(text, &gvk, nil)
	strict, isStrict := runtime.AsStrictDecodingError(err)
	switch {
	case runtime.IsNotRegisteredError(err):
		r.objects = append(r.objects, m)
		return nil
	case err != nil && !isStrict:
		return fmt.Errorf("%s: %s", m.From, oneLine(err))
	case isStrict:
		for _, fault := range strict.Errors() {
			// The error has its field as data, but not that it is about an unknown one.
			field, isUnknown := strings.CutPrefix(fault.Error(), "unknown field ")
			if !isUnknown {
				return fmt.Errorf("%s: %w", m.From, fault)
			}
			m.UnknownFields = append(m.UnknownFields, strings.Trim(field, `"`))
		}
	}
	m.Object = decoded.(metav1.Object)
	r.objects = append(r.objects, m)
	return nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
