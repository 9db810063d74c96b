package helm

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/strvals"
)

// Values says where values come from, as the flags of helm do: files and settings, later ones winning.
type Values = values.Options

// Parse reads the text of a values file as Helm does.
func Parse(text []byte) (map[string]any, error) { return chartutil.ReadValues(text) }

// Merge reads values and layers them as Helm does.
func Merge(v Values) (map[string]any, error) { return v.MergeValues(getter.Providers{}) }

// MergeTexts is Merge with the texts of files in place of those on disk.
func MergeTexts(v Values, texts ...[]byte) (map[string]any, error) {
	files := inMemory{}
	v.ValueFiles = nil
	for i, text := range texts {
		name := strconv.Itoa(i)
		files[name] = text
		v.ValueFiles = append(v.ValueFiles, name)
	}
	return v.MergeValues(getter.Providers{{
		Schemes: []string{""},
		New:     func(...getter.Option) (getter.Getter, error) { return files, nil },
	}})
}

// inMemory gets files by their names.
type inMemory map[string][]byte

func (m inMemory) Get(name string, _ ...getter.Option) (*bytes.Buffer, error) {
	text, ok := m[name]
	if !ok {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return bytes.NewBuffer(text), nil
}

// Setting is one of the flags that set values.
type Setting struct {
	Flag   string // its name and number: --set 2 is the second one
	Values map[string]any
	Err    error // if it cannot be parsed
}

// Settings parses each flag that sets values by itself, in the order in which Helm lays them over the files.
// Items of a list that a flag does not set are nil.
func Settings(v Values) []Setting {
	var settings []Setting
	for _, kind := range []struct {
		flag  string
		texts []string
		parse func(string, map[string]any) error
	}{
		{"--set-json", v.JSONValues, strvals.ParseJSON},
		{"--set", v.Values, strvals.ParseInto},
		{"--set-string", v.StringValues, strvals.ParseIntoString},
	} {
		for i, text := range kind.texts {
			setting := Setting{Flag: fmt.Sprintf("%s %d", kind.flag, i+1), Values: map[string]any{}}
			setting.Err = kind.parse(text, setting.Values)
			settings = append(settings, setting)
		}
	}
	return settings
}
