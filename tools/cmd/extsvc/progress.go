package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// progress says on a terminal what is being done, if that takes longer than a second.
type progress struct {
	out   io.Writer // nil if it is no terminal
	start time.Time

	mutex sync.Mutex
	shown bool
	last  time.Time
}

func newProgress(out io.Writer) *progress {
	if !isTerminal(out) {
		out = nil
	}
	return &progress{out: out, start: time.Now()}
}

// eraseLine goes to the start of the line and clears it.
const eraseLine = "\r\x1b[K"

func (p *progress) say(what string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := time.Now()
	if p.out == nil || now.Sub(p.start) < time.Second || now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.shown, p.last = true, now
	fmt.Fprint(p.out, eraseLine+strings.ToUpper(what[:1])+what[1:]+" ...")
}

// end removes what say has printed.
func (p *progress) end() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.shown {
		fmt.Fprint(p.out, eraseLine)
		p.shown = false
	}
}
