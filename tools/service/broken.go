package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// BrokenError says why a Service, Endpoints or EndpointSlice cannot be read.
type BrokenError struct {
	Kind    string
	Service Key // to which the object belongs
	text    string
}

func (e *BrokenError) Error() string { return e.text }

// dashKey is a key that was meant as an item of a list: -port: 80.
var dashKey = regexp.MustCompile(`"-([A-Za-z]+)":`)

// patchOfKustomize begins a JSON patch, which is a list of operations.
var patchOfKustomize = regexp.MustCompile(`^\[\s*\{[^{}]*"op":\s*"(add|remove|replace|move|copy|test)"`)

// failToRead reports an object that cannot be read, for the Service to which it belongs.
func (r *manifestReader) failToRead(m Manifest, format string, args ...any) {
	key := KeyOf(m.Object)
	if m.Kind == "EndpointSlice" {
		key.Name = m.Object.GetLabels()[discoveryv1.LabelServiceName]
	}
	r.broken = append(r.broken, &BrokenError{Kind: m.Kind, Service: key, text: fmt.Sprintf(format, args...)})
}

// notObject says what a text is that is not an object with a type.
func notObject(text []byte, err error) string {
	const fix = "write a manifest as kubectl apply reads it"
	var line string
	switch {
	case json.Unmarshal(text, &line) == nil:
		if words := []rune(strings.Join(strings.Fields(line), " ")); len(words) > maxQuoted {
			line = string(words[:maxQuoted]) + "..."
		}
		return fmt.Sprintf("not a Kubernetes object: %q is text: remove it, or write # before it", line)
	case strings.HasPrefix(string(text), "["):
		return "not a Kubernetes object: a list is not one by itself: " + fix
	}
	return "not a Kubernetes object: " + wrongType(err) + ": " + fix
}

// maxQuoted is how many characters of a text a message quotes.
const maxQuoted = 60

// wrongType says in the words of YAML what was read and what was expected.
func wrongType(err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return strings.TrimPrefix(oneLine(err), "json: ")
	}
	read := map[string]string{"object": "a mapping", "array": "a list", "bool": "true or false"}[wrong.Value]
	switch {
	case strings.HasPrefix(wrong.Value, "number "): // and its digits
		read = "the " + wrong.Value
	case read == "":
		read = "a " + wrong.Value
	}
	expected := "a mapping"
	for typ := wrong.Type; typ != nil; {
		switch typ.Kind() {
		case reflect.Pointer:
			typ = typ.Elem()
			continue
		case reflect.Slice, reflect.Array:
			expected = "a list"
		case reflect.String:
			expected = "a string"
			if wrong.Value == "number" || wrong.Value == "bool" {
				expected += " in quotes"
			}
		case reflect.Bool:
			expected = "true or false"
		case reflect.Int, reflect.Int32, reflect.Int64:
			expected = "a whole number"
			if wrong.Value == "string" {
				expected += " without quotes"
			}
		}
		break
	}
	if wrong.Field == "" {
		return fmt.Sprintf("%s was read, and %s is expected", read, expected)
	}
	return fmt.Sprintf("%s is %s, and %s is expected", strings.TrimPrefix(wrong.Field, "TypeMeta."), read, expected)
}
