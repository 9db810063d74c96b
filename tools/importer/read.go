package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// Paths reads files, folders and, for the path -, standard input. Of a folder it reads
// what kubectl reads: the files *.yaml, *.yml and *.json, and with recursive those of
// the folders in it.
func (o *Objects) Paths(paths []string, recursive bool, stdin io.Reader) error {
	for _, path := range paths {
		if path == "-" {
			text, err := io.ReadAll(stdin)
			if err != nil {
				return fmt.Errorf("read standard input: %w", err)
			}
			if err := o.Text("<stdin>", text); err != nil {
				return err
			}
			continue
		}
		files, err := filesOf(path, recursive)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := o.Text(file, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// filesOf lists the files at a path in the order of their names.
func filesOf(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != path && !recursive:
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		hint := "; -R also reads the folders in it"
		if recursive {
			hint = ""
		}
		return nil, fmt.Errorf("%s has no files *.yaml, *.yml or *.json%s", path, hint)
	}
	return files, nil
}

// Text reads the documents of a manifest, YAML or JSON, and of the Lists in it. Kinds
// that are not imported are counted. Errors have the name of the text and the line at
// which the document begins.
func (o *Objects) Text(name string, text []byte) error {
	o.sources[name] = true
	documents, err := split(name, text)
	if err != nil {
		return err
	}
	for _, document := range documents {
		if err := o.document(document.from, document.json); err != nil {
			return err
		}
	}
	return nil
}

// document is one document as JSON.
type document struct {
	from string // such as mysql.yaml:12
	json []byte
}

// split cuts a text into its documents.
func split(name string, text []byte) ([]document, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		if documents, err := splitJSON(name, text); err == nil {
			return documents, nil
		} // or else it is YAML in its flow style
	}
	var documents []document
	for _, part := range splitYAML(string(text)) {
		from := fmt.Sprintf("%s:%d", name, part.line)
		converted, err := yaml.YAMLToJSONStrict([]byte(part.text))
		if err != nil {
			// once more with the lines before it, so that the error counts those of the file
			if _, again := yaml.YAMLToJSONStrict([]byte(strings.Repeat("\n", part.begin-1) + part.text)); again != nil {
				err = again
			}
			hint := "write YAML or JSON as kubectl apply takes it"
			if strings.Contains(part.text, "{{") {
				hint = "it looks like a template: render it with helm template first"
			}
			return nil, fmt.Errorf("%s: the document that begins here is no YAML: %s: %s", from, strings.TrimPrefix(strings.TrimPrefix(oneLine(err.Error()), "yaml: "), "unmarshal errors: "), hint)
		}
		if string(converted) != "null" {
			documents = append(documents, document{from, converted})
		}
	}
	return documents, nil
}

// splitJSON reads a stream of JSON objects.
func splitJSON(name string, text []byte) ([]document, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var documents []document
	for {
		begin := int(decoder.InputOffset())
		var raw json.RawMessage
		switch err := decoder.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, err
		}
		begin += len(text[begin:]) - len(bytes.TrimLeft(text[begin:], " \t\r\n"))
		documents = append(documents, document{fmt.Sprintf("%s:%d", name, 1+bytes.Count(text[:begin], []byte("\n"))), raw})
	}
}

// part is the text of a YAML document.
type part struct {
	begin int // the line at which its text begins
	line  int // that of its first line that is no comment
	text  string
}

// splitYAML cuts at the lines that begin or end a document. No other line of YAML begins
// with their three characters.
func splitYAML(text string) []part {
	var parts []part
	current := part{begin: 1, line: 1}
	content := false
	flush := func(next int) {
		if content {
			parts = append(parts, current)
		}
		current, content = part{begin: next, line: next}, false
	}
	for i, line := range strings.SplitAfter(text, "\n") {
		bare := strings.TrimRight(line, " \t\r\n")
		marker := bare == "---" || bare == "..." || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "---\t")
		if marker {
			flush(i + 1)
			line = "   " + line[3:]
			bare = strings.TrimSpace(line)
		} else if strings.HasPrefix(line, "%") && !content {
			line = "\n" // a directive, such as the version of YAML
			bare = ""
		}
		if trimmed := strings.TrimSpace(bare); trimmed != "" && !strings.HasPrefix(trimmed, "#") && !content {
			current.line, content = i+1, true
		}
		current.text += line
	}
	flush(0)
	return parts
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the scheme of the linked API types: never at run time
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()

// document reads one object, or those of a List.
func (o *Objects) document(from string, text []byte) error {
	var head struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   metav1.ObjectMeta `json:"metadata"`
		Items      []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		var values struct {
			Services []any `json:"services"`
		}
		if json.Unmarshal(text, &values) == nil && len(values.Services) > 0 {
			return noKind(from, text)
		}
		return fmt.Errorf("%s: the document that begins here is no object of Kubernetes: %s: write a manifest as kubectl apply takes it", from, oneLine(err.Error()))
	}
	if head.Kind == "" || head.APIVersion == "" {
		return noKind(from, text)
	}
	if strings.HasSuffix(head.Kind, "List") && head.Items != nil {
		for i, raw := range head.Items {
			item, err := completed(raw, head.APIVersion, strings.TrimSuffix(head.Kind, "List"))
			if err != nil {
				return fmt.Errorf("%s: items[%d]: %w", from, i, err)
			}
			if err := o.document(fmt.Sprintf("%s: items[%d]", from, i), item); err != nil {
				return err
			}
		}
		return nil
	}
	switch head.APIVersion + " " + head.Kind {
	case "v1 Service", "v1 Endpoints", "discovery.k8s.io/v1 EndpointSlice":
		return o.decode(from, text)
	case "discovery.k8s.io/v1beta1 EndpointSlice", "discovery.k8s.io/v1alpha1 EndpointSlice":
		key := keyOf(&head.Metadata)
		o.left = append(o.left, leftOut{"EndpointSlice " + name(key), head.APIVersion + " is gone since Kubernetes 1.25: write apiVersion: discovery.k8s.io/v1, and zone in place of topology", true})
		return nil
	}
	o.others[head.Kind]++
	return nil
}

func noKind(from string, text []byte) error {
	var values struct {
		Services []any `json:"services"`
	}
	if json.Unmarshal(text, &values) == nil && values.Services != nil {
		return fmt.Errorf("%s: this is a values file: it needs no import", from)
	}
	return fmt.Errorf("%s: the document that begins here has no apiVersion and kind: write a manifest as kubectl apply takes it", from)
}

// completed gives an item of a typed list, such as a ServiceList, the kind that it does
// without there.
func completed(raw json.RawMessage, apiVersion, kind string) ([]byte, error) {
	var item map[string]json.RawMessage
	if err := json.Unmarshal(raw, &item); err != nil || item == nil {
		return nil, errors.New("is no object")
	}
	if kind == "" { // a List has objects of any kind
		return raw, nil
	}
	if _, ok := item["kind"]; ok {
		return raw, nil
	}
	for key, value := range map[string]string{"kind": kind, "apiVersion": apiVersion} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		item[key] = text
	}
	return json.Marshal(item)
}

// decode reads an object of a kind that is imported. A field that the API does not have
// is noted, as newer clusters have fields that this program does not know.
func (o *Objects) decode(from string, text []byte) error {
	object, _, err := decoder.Decode(text, nil, nil)
	var unknown []string
	if strict, ok := runtime.AsStrictDecodingError(err); ok && object != nil {
		for _, fault := range strict.Errors() {
			field, isUnknown := strings.CutPrefix(fault.Error(), "unknown field ")
			if !isUnknown {
				return fmt.Errorf("%s: %w", from, fault)
			}
			unknown = append(unknown, strings.Trim(field, `"`))
		}
	} else if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	read, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("%s: %T is no object to import", from, object)
	}
	if err := o.add(read, from); err != nil {
		return err
	}
	key, of := keyOf(read), ""
	switch read := read.(type) {
	case *discoveryv1.EndpointSlice:
		key, of = serviceOf(read), " of the EndpointSlice "+read.Name
	case *legacyEndpoints:
		of = " of the Endpoints"
	}
	for _, field := range unknown {
		o.note(key, field+of)
	}
	return nil
}

func (o *Objects) note(key types.NamespacedName, field string) {
	if !slices.Contains(o.unknown[key], field) {
		o.unknown[key] = append(o.unknown[key], field)
	}
}
