package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/testenv"
)

// Runner measures.
type Runner struct {
	// Rounds is how often each thing is measured; 0 is as often as the part says.
	Rounds int

	// Largest leaves out what has more entries, for a look at the benchmarks themselves;
	// nothing is written then.
	Largest int

	// Out is where progress goes.
	Out io.Writer

	dir   string // for files of the run
	part  string // what is being measured
	start time.Time
}

// part is a part of the benchmarks: what is measured, and how often.
type part struct {
	name   string
	rounds int
	run    func(r *Runner, ctx context.Context, rounds int) ([]Row, error)
	apart  bool // takes long, and runs only if it is named
}

// parts are in the order of the page.
var parts = []part{
	{name: "template", rounds: 15, run: (*Runner).template},
	{name: "lint", rounds: 3, run: (*Runner).lint},
	{name: "secret", rounds: 1, run: (*Runner).secret},
	{name: "release", rounds: 3, run: (*Runner).release},
	{name: "tools", rounds: 3, run: (*Runner).tools},
	{name: "traffic", rounds: 5, run: (*Runner).traffic},
	{name: "resolver", rounds: 1, run: (*Runner).resolver, apart: true},
	{name: "start", rounds: 3, run: (*Runner).starts},
}

// Names are the names of the parts, and of those that run if none is named.
func Names() (all, usual []string) {
	for _, p := range parts {
		all = append(all, p.name)
		if !p.apart {
			usual = append(usual, p.name)
		}
	}
	return all, usual
}

// Run measures the named parts, and writes the results after each, so that an interrupt
// takes away one part only.
func (r *Runner) Run(ctx context.Context, results Results, names []string) (err error) {
	machine, err := thisMachine()
	if err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp("", "external-services-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	for _, name := range names {
		for _, p := range parts {
			if p.name != name {
				continue
			}
			r.part, r.start = name, time.Now()
			rounds := p.rounds
			if r.Rounds > 0 {
				rounds = r.Rounds
			}
			rows, err := p.run(r, ctx, rounds)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			results[name] = &Part{Date: time.Now().UTC().Format(time.DateOnly), Machine: machine, Rows: rows}
			if r.Largest == 0 {
				if err := results.Write(); err != nil {
					return err
				}
			}
			r.progress("done")
		}
	}
	return nil
}

func (r *Runner) progress(format string, args ...any) {
	fmt.Fprintf(r.Out, "%s, %3.0f s: %s\n", r.part, time.Since(r.start).Seconds(), fmt.Sprintf(format, args...))
}

// sizes are those from one to another that are not left out.
func (r *Runner) sizes(from, to int) []int {
	var sizes []int
	for _, size := range Sizes {
		if size >= from && size <= to && (r.Largest == 0 || size <= r.Largest) {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// file writes a file for the run.
func (r *Runner) file(name, text string) (string, error) {
	path := filepath.Join(r.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// cluster is a cluster that serves nobody else.
type cluster struct {
	*testenv.Embedded
	client kubernetes.Interface
}

// withCluster starts a cluster that has the namespaces of Entries, and stops it.
func (r *Runner) withCluster(ctx context.Context, do func(c cluster) error, options ...testenv.Option) (err error) {
	var log bytes.Buffer
	started, err := testenv.Start(ctx, "bench", &log, options...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log.String())
	}
	defer func() { err = errors.Join(err, started.Stop(context.WithoutCancel(ctx))) }()
	client, err := started.Client()
	if err != nil {
		return err
	}
	for i := range Namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace(i, Namespaces)}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return do(cluster{started, client})
}
