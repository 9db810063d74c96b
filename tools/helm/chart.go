// Package helm loads, validates and renders the chart as Helm does, reads releases from Helm's storage, and
// decodes what comes out to the types of the Kubernetes API. It is the only package of the tools that imports
// Helm.
package helm

import (
	"fmt"
	"io/fs"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"external-services/charts"
)

// Chart is a loaded chart.
type Chart = chart.Chart

// Embedded loads the chart that is built into the program.
func Embedded() (*Chart, error) {
	var files []*loader.BufferedFile
	err := fs.WalkDir(charts.FS, charts.Dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := charts.FS.ReadFile(name)
		files = append(files, &loader.BufferedFile{Name: strings.TrimPrefix(name, charts.Dir+"/"), Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded chart: %w", err)
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load the embedded chart: %w", err)
	}
	return c, nil
}

// Load loads the chart at a path, a folder or an archive.
func Load(path string) (*Chart, error) {
	c, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("load the chart %q: %w", path, err)
	}
	return c, nil
}

// Open loads the chart at a path, or the embedded one if the path is empty.
func Open(path string) (*Chart, error) {
	if path == "" {
		return Embedded()
	}
	return Load(path)
}

// OpenWith opens a chart as Open does, and merges the values for it.
func OpenWith(path string, v Values) (*Chart, map[string]any, error) {
	vals, err := Merge(v)
	if err != nil {
		return nil, nil, err
	}
	chart, err := Open(path)
	return chart, vals, err
}
