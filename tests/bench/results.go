package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"external-services/tests/internal/testenv"
)

// Results are what was measured, by part.
type Results map[string]*Part

// Part is what one part of the benchmarks measured.
type Part struct {
	Date    string  `json:"date"`
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
}

// Row is what a series came to at a size, which is a number of entries.
type Row struct {
	Series string             `json:"series"`
	Size   int                `json:"size"`
	Rounds int                `json:"rounds"`
	Values map[string]float64 `json:"values"`
}

// Machine is the class of a machine, and the versions on it.
type Machine struct {
	Processors int    `json:"processors"`
	Model      string `json:"model"`
	MemoryGiB  int    `json:"memoryGiB"`
	System     string `json:"system"`
	Go         string `json:"go"`
	Helm       string `json:"helm"`
	Kubernetes string `json:"kubernetes"`
}

func (m Machine) String() string {
	return fmt.Sprintf("%d processors (%s), %d GiB, %s, Go %s, Helm %s, Kubernetes %s", m.Processors, m.Model, m.MemoryGiB, m.System, m.Go, m.Helm, m.Kubernetes)
}

// row finds the row of a series and a size.
func (p *Part) row(series string, size int) (Row, bool) {
	if p != nil {
		for _, row := range p.Rows {
			if row.Series == series && row.Size == size {
				return row, true
			}
		}
	}
	return Row{}, false
}

// The files that the benchmarks write: what was measured, and what is made from it.
var (
	resultsFile = testenv.Path("tests", "bench", "results.json")
	pageFile    = testenv.Path("charts", "external-services", "docs", "benchmarks.md")
	plotFile    = testenv.Path("charts", "external-services", "docs", "benchmarks.svg")
)

// ReadResults reads what was measured before, which may be nothing.
func ReadResults() (Results, error) {
	results := Results{}
	text, err := os.ReadFile(resultsFile)
	if errors.Is(err, os.ErrNotExist) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	return results, json.Unmarshal(text, &results)
}

// Write writes the results, and the page and the plot that are made from them.
func (r Results) Write() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(resultsFile, append(text, '\n'), 0o644),
		os.WriteFile(pageFile, []byte(r.page()), 0o644),
		os.WriteFile(plotFile, []byte(r.plot()), 0o644),
	)
}

// thisMachine describes the machine without its name.
func thisMachine() (Machine, error) {
	versions, err := testenv.Versions()
	if err != nil {
		return Machine{}, err
	}
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return Machine{}, err
	}
	model, err := setting("/proc/cpuinfo", "model name")
	if err != nil {
		return Machine{}, err
	}
	system, err := setting("/etc/os-release", "PRETTY_NAME")
	if err != nil {
		return Machine{}, err
	}
	return Machine{
		Processors: runtime.NumCPU(),
		Model:      model,
		MemoryGiB:  int(info.Totalram * uint64(info.Unit) >> 30),
		System:     system,
		Go:         strings.TrimPrefix(runtime.Version(), "go"),
		Helm:       strings.TrimPrefix(versions["HELM_VERSION"], "v"),
		Kubernetes: strings.TrimPrefix(versions["KUBERNETES_VERSION"], "v"),
	}, nil
}

// setting reads the first line of a file that has a key, and = or : after it.
func setting(path, key string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), key); found {
			return strings.Trim(strings.TrimLeft(rest, " \t=:"), `"`), nil
		}
	}
	return "unknown", lines.Err()
}
