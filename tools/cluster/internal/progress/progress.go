// Package progress tells a person, or the log of a CI job, what a long run is doing.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// interval is how often a log gets a line about something that takes long. A terminal is updated at once.
const interval = 15 * time.Second

// Printer prints lines that stay, and a status that the next one replaces. On a terminal the status is one line that
// is written over; in a log it is a line every interval. A nil *Printer prints nothing.
type Printer struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	width    int
	now      func() time.Time
	last     time.Time
	dirty    bool // a status is on the terminal's current line
}

// New makes a printer that writes to f.
func New(f *os.File) *Printer {
	p := &Printer{out: f, now: time.Now}
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		// A terminal that does not know its size says zero.
		p.terminal, p.width = true, int(size.Col)
	}
	p.last = p.now()
	return p
}

// Line prints a line that stays.
func (p *Printer) Line(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(p.clear() + fmt.Sprintf(format, args...) + "\n")
	p.last = p.now()
}

// Status replaces the status.
func (p *Printer) Status(text string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		p.print("\r\x1b[K" + fit(text, p.width))
		p.dirty = true
		return
	}
	if now := p.now(); now.Sub(p.last) >= interval {
		p.print(text + "\n")
		p.last = now
	}
}

// Clear takes the status off the terminal.
func (p *Printer) Clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(p.clear())
}

func (p *Printer) clear() string {
	if !p.dirty {
		return ""
	}
	p.dirty = false
	return "\r\x1b[K"
}

// print cannot report a failure to anybody: what it writes is the report. A run whose terminal went away goes on.
func (p *Printer) print(text string) {
	if text != "" {
		_, _ = io.WriteString(p.out, text)
	}
}

// fit cuts text to one line of a terminal, which would otherwise break it and could not write over it again.
func fit(text string, width int) string {
	text, _, _ = strings.Cut(text, "\n")
	if width > 0 && len(text) >= width {
		return text[:max(0, width-1)]
	}
	return text
}

// Elapsed writes a time taken as people say it: 4.2s, 75s, 5m04s.
func Elapsed(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
