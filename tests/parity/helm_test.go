package parity

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

// The real programs say what the rendering in process says that TestParity goes by:
// Helm 3 and Helm 4 accept and refuse the same values with the same words, and render the
// same objects, in whichever order a values file has its keys. One value of each class is
// looked at, and a fourth as many valid ones.
func TestHelm(t *testing.T) {
	charts, err := loadCharts()
	if err != nil {
		t.Fatal(err)
	}
	list := slices.Clone(classes)
	for range len(classes) / 4 {
		list = append(list, class{name: plain})
	}
	var (
		wg      sync.WaitGroup
		running = make(chan struct{}, 4)
	)
	for i, c := range list {
		d := draw(c).Example(*seed + i)
		documents, refused := documents(charts.chart, d)
		values := shuffled(rand.New(rand.NewPCG(uint64(*seed), uint64(i))), d.Values)
		for _, helm := range []string{"helm", "helm4"} {
			running <- struct{}{}
			wg.Go(func() {
				defer func() { <-running }()
				if problem := differs(t.Context(), helm, d.Release, values, documents, refused); problem != "" {
					t.Errorf("class %q, seed %d, %s: %s\nvalues: %.2000s", c.name, *seed+i, helm, problem, values)
				}
			})
		}
	}
	wg.Wait()
}

// differs renders values with a program, and says how that differs from what is wanted:
// documents, or an error.
func differs(ctx context.Context, helm string, release helm.Release, values string, documents []string, refused error) string {
	program, err := testenv.Binary(helm)
	if err != nil {
		return err.Error()
	}
	cmd := exec.CommandContext(ctx, program, "template", release.Name, testenv.Chart(), "--namespace", release.Namespace, "-f", "-")
	cmd.Args = append(cmd.Args, testenv.GatewayAPI()...)
	cmd.Stdin = strings.NewReader(values)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	switch {
	case err != nil && refused == nil:
		return fmt.Sprintf("refuses what is accepted in process: %v: %s", err, stderr.String())
	case err == nil && refused != nil:
		return fmt.Sprintf("accepts what is refused in process: %v", refused)
	case err != nil:
		// The lines about one value come in any order.
		isMissing := func(line string) bool { return !strings.Contains(stderr.String(), line) }
		if want := read(refused); !want.unclear && slices.ContainsFunc(strings.Split(want.messages[0], "\n"), isMissing) {
			return fmt.Sprintf("refuses with other words:\n%s\nin process: %v", stderr.String(), refused)
		}
		return ""
	}
	got, err := sorted(strings.Split("\n"+stdout.String(), "\n---\n"))
	if err != nil {
		return err.Error()
	}
	want, err := sorted(documents)
	if err != nil {
		return err.Error()
	}
	if !maps.Equal(got, want) {
		return fmt.Sprintf("renders other objects:\n%v\nin process:\n%v", got, want)
	}
	return ""
}

// sorted are the objects of YAML documents as JSON, by what they are called.
func sorted(documents []string) (map[string]string, error) {
	list, err := objects(slices.DeleteFunc(documents, func(text string) bool { return strings.TrimSpace(text) == "" }))
	if err != nil {
		return nil, err
	}
	result := map[string]string{}
	for _, o := range list {
		result[o.kind+" "+o.namespace+"/"+o.name] = string(o.body)
	}
	if len(result) != len(list) {
		return nil, fmt.Errorf("an object stands twice among %d", len(list))
	}
	return result, nil
}

// shuffled writes values as YAML with the keys of each map in a random order.
func shuffled(random *rand.Rand, value any) string {
	switch v := value.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		var pairs []string
		for _, key := range keys {
			pairs = append(pairs, "? "+strconv.QuoteToASCII(key)+" : "+shuffled(random, v[key]))
		}
		return "{" + strings.Join(pairs, ", ") + "}"
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, shuffled(random, item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		return strconv.QuoteToASCII(v)
	case nil:
		return "null"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
