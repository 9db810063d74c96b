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
	// version, it has only the metadata, and JSON is the object.
	Object metav1.Object
	JSON   []byte

	// IsEncrypted says that SOPS encrypted the object. Then Object has only the metadata.
	IsEncrypted bool

	// UnknownFields are fields that the Kubernetes API of this program does not have.
	UnknownFields []string
}

// FromManifests reads the objects of a text, YAML or JSON as kubectl apply reads it, and those of the Lists in
// it. A document that cannot be read stops no other one: broken has an error for each, of one line, with the text
// and the line at which the object begins. An object of another kind is read whatever it holds.
func FromManifests(name string, text []byte) (objects []Manifest, broken []error) {
	documents, broken := splitDocuments(name, text)
	r := manifestReader{broken: broken}
	for _, document := range documents {
		r.read(document.from, document.json, metav1.TypeMeta{})
	}
	return r.objects, r.broken
}

// document is a document of a text, as JSON.
type document struct {
	from string // such as mysql.yaml:12
	json []byte
}

func splitDocuments(name string, text []byte) (documents []document, broken []error) {
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
func splitYAML(name, text string) (documents []document, broken []error) {
	line, begin := 1, 0
	for _, end := range append(marker.FindAllStringIndex(text, -1), []int{len(text)}) {
		part := text[begin:end[0]]
		if begin > 0 || marker.MatchString(part) {
			part = "   " + part[3:]
		}
		if first := content.FindStringIndex(part); first != nil {
			from := fmt.Sprintf("%s:%d", name, line+strings.Count(part[:first[0]], "\n"))
			switch object, err := toJSON(part); {
			case err != nil:
				// Again below the lines before it, so that the error has the line in the file.
				_, err = yaml.YAMLToJSONStrict([]byte(strings.Repeat("\n", line-1) + part))
				broken = append(broken, notYAML(from, part, err))
			case string(object) != "null":
				documents = append(documents, document{from, object})
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

func notYAML(from, text string, err error) error {
	fix := "write a manifest as kubectl apply reads it"
	switch {
	case strings.Contains(text, "{{"):
		fix = "if it is a template of a chart, render it with helm template first"
	case indentedByTab.MatchString(text):
		fix = "indent with spaces, not with tabs"
	}
	return fmt.Errorf("%s: %s: %s", from, oneLine(err), fix)
}

var (
	indentedByTab = regexp.MustCompile(`(?m)^ *\t`)
	// dashKey is a key that was meant as an item of a list: -port: 80.
	dashKey = regexp.MustCompile(`"-([A-Za-z]+)":`)
)

// object is what all objects and Lists have, and what shows a values file or one that SOPS encrypted.
type object struct {
	metav1.TypeMeta
	Metadata json.RawMessage `json:"metadata"`
	Items    json.RawMessage `json:"items"`
	Services any             `json:"services"`
	SOPS     any             `json:"sops"`
}

// isEncrypted says whether SOPS encrypted the object: it adds the key sops, with a mac.
func (o object) isEncrypted() bool {
	sops, _ := o.SOPS.(map[string]any)
	return sops["mac"] != nil
}

// metadata reads the metadata, of another kind than Services and their endpoints as far as it can be read.
func (o object) metadata() *metav1.ObjectMeta {
	var meta metav1.ObjectMeta
	if len(o.Metadata) == 0 || json.Unmarshal(o.Metadata, &meta) == nil {
		return &meta
	}
	var fields map[string]any
	if json.Unmarshal(o.Metadata, &fields) != nil {
		return &metav1.ObjectMeta{}
	}
	name, _ := fields["name"].(string)
	namespace, _ := fields["namespace"].(string)
	return &metav1.ObjectMeta{Name: name, Namespace: namespace}
}

// manifestReader collects the objects of documents.
type manifestReader struct {
	objects []Manifest
	broken  []error
}

func (r *manifestReader) fail(format string, args ...any) {
	r.broken = append(r.broken, fmt.Errorf(format, args...))
}

// read reads an object, or those of a List. In a typed list, such as a ServiceList, they may have no type.
func (r *manifestReader) read(from string, text []byte, typ metav1.TypeMeta) {
	head := object{TypeMeta: typ}
	err := json.Unmarshal(text, &head)
	kind, isList := strings.CutSuffix(head.Kind, "List")
	m := Manifest{TypeMeta: head.TypeMeta, From: from, Object: head.metadata(), JSON: text, IsEncrypted: head.isEncrypted()}
	var items []json.RawMessage
	switch {
	case err != nil:
		r.fail("%s: not a Kubernetes object: %s: write a manifest as kubectl apply reads it", from, oneLine(err))
	case m.IsEncrypted && head.Kind == "":
		r.fail("%s: encrypted with SOPS: decrypt it with sops --decrypt", from)
	case m.IsEncrypted:
		r.objects = append(r.objects, m)
	case head.Services != nil && head.Kind == "":
		r.fail("%s: this is a values file, not a manifest", from)
	case head.Kind == "" || head.APIVersion == "":
		r.fail("%s: apiVersion or kind is missing: write a manifest as kubectl apply reads it", from)
	case !isList || head.Items == nil || json.Unmarshal(head.Items, &items) != nil:
		r.decode(m)
	default:
		if typ = (metav1.TypeMeta{}); kind != "" {
			typ = metav1.TypeMeta{APIVersion: head.APIVersion, Kind: kind}
		}
		for i, item := range items {
			r.read(fmt.Sprintf("%s: items[%d]", from, i), item, typ)
		}
	}
}

// isRead says whether objects of a type are read completely, or may hold some that are.
func isRead(typ metav1.TypeMeta) bool {
	return strings.HasSuffix(typ.Kind, "List") || manifestScheme.Recognizes(typ.GroupVersionKind())
}

var manifestScheme = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Service{}, &Endpoints{})
	scheme.AddKnownTypes(discoveryv1.SchemeGroupVersion, &discoveryv1.EndpointSlice{})
	return scheme
}()

var manifestDecoder = kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, manifestScheme, manifestScheme,
	kubejson.SerializerOptions{Strict: true})

// decode reads an object completely if it is of a kind that the model has.
func (r *manifestReader) decode(m Manifest) {
	gvk := m.GroupVersionKind()
	if !manifestScheme.Recognizes(gvk) {
		r.objects = append(r.objects, m)
		return
	}
	decoded, _, err := manifestDecoder.Decode(m.JSON, &gvk, nil)
	strict, isStrict := runtime.AsStrictDecodingError(err)
	switch {
	case err != nil && !isStrict:
		fix := ""
		if key := dashKey.FindSubmatch(m.JSON); key != nil {
			fix = fmt.Sprintf(": write \"- %s\", with a space after the dash", key[1])
		}
		r.fail("%s: %s %s: %s%s", m.From, m.Kind, m.Object.GetName(), oneLine(err), fix)
		return
	case isStrict:
		for _, fault := range strict.Errors() {
			// The error has its field as data, but not that it is about an unknown one.
			field, isUnknown := strings.CutPrefix(fault.Error(), "unknown field ")
			if !isUnknown {
				r.fail("%s: %w", m.From, fault)
				return
			}
			m.UnknownFields = append(m.UnknownFields, strings.Trim(field, `"`))
		}
	}
	m.Object, m.JSON = decoded.(metav1.Object), nil
	r.objects = append(r.objects, m)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
