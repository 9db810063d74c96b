package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"gotest.tools/gotestsum/testjson"
)

// silence is how long nothing may be printed before the printer says what goes on.
const silence = 30 * time.Second

// printer prints a line for each package that has ended, all of a test that failed, and a
// line now and then while nothing ends.
type printer struct {
	out     io.Writer
	verbose bool
	ended   chan struct{}

	mu      sync.Mutex
	last    time.Time
	start   time.Time
	running testjson.TestEvent
	passed  int

	// compiler is what the compiler says, which go test prints as events of its own.
	compiler []string
}

// actionCompiler is the action of an event with a line of the compiler.
const actionCompiler = "build-output"

func newPrinter(out io.Writer, verbose bool) *printer {
	p := &printer{out: out, verbose: verbose, ended: make(chan struct{}), last: time.Now(), start: time.Now()}
	go p.tick()
	return p
}

func (p *printer) stop() { close(p.ended) }

func (p *printer) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case now := <-ticker.C:
			p.mu.Lock()
			if now.Sub(p.last) >= silence {
				p.print(p.progress(now))
			}
			p.mu.Unlock()
		}
	}
}

// progress is such as "tests/cluster: TestMigration is the latest, 34 tests passed, 120 s".
func (p *printer) progress(now time.Time) string {
	took := now.Sub(p.start).Round(time.Second)
	if p.running.Test == "" {
		return fmt.Sprintf("... compiling, %s\n", took)
	}
	return fmt.Sprintf("... %s: at %s, %d tests passed, %s\n", packageName(p.running.Package), p.running.Test, p.passed, took)
}

func (p *printer) print(text string) {
	fmt.Fprint(p.out, text)
	p.last = time.Now()
}

// Event takes an event of go test -json.
func (p *printer) Event(event testjson.TestEvent, execution *testjson.Execution) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := packageName(event.Package)
	switch {
	case event.Action == actionCompiler:
		p.compiler = append(p.compiler, event.Output)
		p.print(event.Output)
	case event.Action == testjson.ActionRun:
		p.running = event
	case event.Action == testjson.ActionPass && !event.PackageEvent():
		p.passed++
	case event.Action == testjson.ActionFail && !event.PackageEvent():
		for _, line := range execution.OutputLines(execution.Package(event.Package).LastFailedByName(event.Test)) {
			p.print(line)
		}
	case event.Action == testjson.ActionPass && event.PackageEvent():
		p.print(fmt.Sprintf("ok    %s  %.1f s\n", name, event.Elapsed))
	case event.Action == testjson.ActionFail:
		if execution.Package(event.Package).TestMainFailed() {
			for _, line := range execution.OutputLines(testjson.TestCase{Package: event.Package}) {
				p.print(line)
			}
		}
		p.print(fmt.Sprintf("FAIL  %s  %.1f s\n", name, event.Elapsed))
	case event.Action == testjson.ActionOutput && p.verbose && !isFrame(event.Output):
		p.print(event.Output)
	}
	return nil
}

// Err takes a line that go test prints beside the events, such as those of the compiler.
func (p *printer) Err(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(text + "\n")
	return nil
}
