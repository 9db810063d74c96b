package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/strvals"
)

// MergeTexts layers values as Merge does, with the texts of the files in place of what
// is on disk.
func MergeTexts(v Values, texts map[string][]byte) (map[string]any, error) {
	return v.MergeValues(getter.Providers{{
		Schemes: []string{""},
		New:     func(...getter.Option) (getter.Getter, error) { return texted(texts), nil },
	}})
}

// texted gets files from memory, by their names.
type texted map[string][]byte

func (t texted) Get(name string, _ ...getter.Option) (*bytes.Buffer, error) {
	text, ok := t[name]
	if !ok {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return bytes.NewBuffer(text), nil
}

// Setting is one of the flags that set values.
type Setting struct {
	Flag   string // as it is written: --set 2 is the second one
	Values map[string]any
}

// Settings parses each flag that sets values by itself, in the order in which Helm lays
// them over the files. What a flag leaves out of a list is nil in it.
func Settings(v Values) ([]Setting, error) {
	var settings []Setting
	var faults []error
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
			if err := kind.parse(text, setting.Values); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", setting.Flag, err))
			}
			settings = append(settings, setting)
		}
	}
	return settings, errors.Join(faults...)
}
