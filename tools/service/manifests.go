package service

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
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

	document *document // nil in a List, of which several objects may have the same text
}

// LineOf is the first line of the object that has a text as a word of its own, such as mysql.yaml:17, or From if none
// is known.
func (m Manifest) LineOf(text string) string {
	if m.document != nil {
		if place, found := m.document.lineOf(text); found {
			return place
		}
	}
	return m.From
}

// FromManifests reads the objects of a text, YAML or JSON as kubectl apply reads it, and those of the Lists in
// it. A document that cannot be read stops no other one: broken has an error for each, of one line, with the text
// and the line at which the object begins. An object of another kind is read whatever it holds.
func FromManifests(name string, text []byte) (objects []Manifest, broken []error) {
	documents, broken := splitDocuments(name, text)
	r := manifestReader{broken: broken}
	for _, document := range documents {
		r.document = document
		r.read(document.from(), document.json, typeOfFile(name))
	}
	return r.objects, r.broken
}

// typeOfFile is the type of the objects of a file that need none: kustomize knows its own file by the name.
func typeOfFile(name string) metav1.TypeMeta {
	switch filepath.Base(name) {
	case "kustomization.yaml", "kustomization.yml":
		return metav1.TypeMeta{APIVersion: "kustomize.config.k8s.io/v1beta1", Kind: "Kustomization"}
	}
	return metav1.TypeMeta{}
}

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
	document *document // that is read
	objects  []Manifest
	broken   []error
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
	if from == r.document.from() {
		m.document = r.document
	}
	var items []json.RawMessage
	switch {
	case patchOfKustomize.Match(text):
		m.Kind = "JSON patch"
		r.objects = append(r.objects, m)
	case err != nil:
		r.fail("%s: %s", from, notObject(text, err))
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
		place, fix := m.From, ""
		if key := dashKey.FindSubmatch(m.JSON); key != nil {
			place = m.LineOf("-" + string(key[1]) + ":")
			fix = fmt.Sprintf(": write \"- %s\", with a space after the dash", key[1])
		}
		r.failToRead(m, "%s: %s %s: %s%s", place, m.Kind, m.Object.GetName(), wrongType(err), fix)
		return
	case isStrict:
		for _, fault := range strict.Errors() {
			// The error has its field as data, but not that it is about an unknown one.
			field, isUnknown := strings.CutPrefix(fault.Error(), "unknown field ")
			if !isUnknown {
				r.failToRead(m, "%s: %s", m.From, fault)
				return
			}
			m.UnknownFields = append(m.UnknownFields, strings.Trim(field, `"`))
		}
	}
	m.Object, m.JSON = decoded.(metav1.Object), nil
	r.objects = append(r.objects, m)
}
