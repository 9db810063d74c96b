package progress

import (
	"os"
	"strings"
	"testing"
	"time"
)

func newPrinter(out *strings.Builder, terminal bool) (*Printer, *time.Time) {
	now := time.Unix(0, 0)
	return &Printer{out: out, terminal: terminal, width: 20, now: func() time.Time { return now }, last: now}, &now
}

func TestTerminal(t *testing.T) {
	var out strings.Builder
	p, _ := newPrinter(&out, true)
	p.Status("one")
	p.Status("a status that is too long for a line")
	p.Line("line %d", 1)
	p.Line("line %d", 2)
	p.Status("last")
	p.Clear()
	p.Clear()
	const clear = "\r\x1b[K"
	want := clear + "one" + clear + "a status that is to" + clear + "line 1\n" + "line 2\n" + clear + "last" + clear
	if out.String() != want {
		t.Errorf("the terminal got\n%q, want\n%q", out.String(), want)
	}
}

func TestLog(t *testing.T) {
	var out strings.Builder
	p, now := newPrinter(&out, false)
	for range 40 {
		p.Status("working at " + Elapsed(now.Sub(time.Unix(0, 0))))
		*now = now.Add(time.Second)
	}
	p.Clear()
	p.Line("done")
	if want := "working at 15s\nworking at 30s\ndone\n"; out.String() != want {
		t.Errorf("the log got\n%s, want\n%s", out.String(), want)
	}
}

func TestNilPrinterPrintsNothing(t *testing.T) {
	var p *Printer
	p.Line("a line")
	p.Status("a status")
	p.Clear()
}

func TestNewKnowsThatAFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	New(f).Line("text")
	data, err := os.ReadFile(f.Name())
	if err != nil || string(data) != "text\n" {
		t.Errorf("the file got %q, %v", data, err)
	}
	if New(f).terminal {
		t.Error("a file is taken for a terminal")
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                         "0.0s",
		4230 * time.Millisecond:   "4.2s",
		75 * time.Second:          "75s",
		304 * time.Second:         "5m04s",
		3 * time.Hour:             "180m00s",
		179900 * time.Millisecond: "3m00s",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("Elapsed(%v) = %q, want %q", d, got, want)
		}
	}
}
