package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Scenario is a way to use the chart that the repository ships: values files in the
// order in which helm layers them.
type Scenario struct {
	Name  string
	Files []string
}

// Scenarios lists every scenario: each file of values-examples, each environment and
// each step of the migration over its base, and each file that chart-testing uses.
func Scenarios() ([]Scenario, error) {
	var scenarios []Scenario
	for _, pattern := range []string{"values-examples/*.yaml", "values-examples/environments/*.yaml", "values-examples/migration/*.yaml", "charts/external-services/ci/*-values.yaml"} {
		files, err := filepath.Glob(Path(pattern))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no files at %s: %v", pattern, err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			folder := filepath.Dir(file)
			base := filepath.Join(folder, "base.yaml")
			if _, err := os.Stat(base); err == nil {
				if file != base {
					scenarios = append(scenarios, Scenario{filepath.Base(folder) + "-" + name, []string{base, file}})
				}
				continue
			}
			scenarios = append(scenarios, Scenario{name, []string{file}})
		}
	}
	return scenarios, nil
}

// Application copies values-examples/application and the chart into a folder, fetches
// the dependencies there as the first lines of its Chart.yaml say, and returns the path
// of the application's chart. It is a copy as helm writes beside Chart.yaml.
func Application(dir string) (string, error) {
	for _, folder := range []string{"values-examples/application", "charts/external-services"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(Path(folder))); err != nil {
			return "", err
		}
	}
	helm, err := Binary("helm")
	if err != nil {
		return "", err
	}
	parent := filepath.Join(dir, "values-examples", "application")
	if out, err := exec.Command(helm, "dependency", "update", parent).CombinedOutput(); err != nil {
		return "", fmt.Errorf("helm dependency update: %w\n%s", err, out)
	}
	return parent, nil
}
