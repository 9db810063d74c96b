package traffic

import (
	"os/exec"
	"strings"
	"testing"
)

// A probe that does not say all that it has to say is no success, also if it ends well.
func TestOutputThatIsCutOff(t *testing.T) {
	const (
		ready = `{"ready": "2025-12-31T23:59:59Z"}`
		event = `{"event": {"kind": "new", "opens": true, "start": "2026-01-01T00:00:00Z", "took": 1000, "server": "one"}}`
		ends  = `{"ending": {"time": "2026-01-01T00:00:01Z", "reason": "done", "events": 1, "leftOut": 0}}`
	)
	for name, c := range map[string]struct {
		lines []string
		then  string
		want  string // in the error, empty for none
	}{
		"all of it":           {[]string{ready, event, ends}, "", ""},
		"no ending":           {[]string{ready, event}, "", "without an ending, after 1 events"},
		"a cut line":          {[]string{ready, event, ends[:20]}, "", "without an ending, after 1 events: unexpected EOF"},
		"a lost event":        {[]string{ready, ends}, "", "it made 1 events, and 0 of them arrived"},
		"an event too many":   {[]string{ready, event, event, ends}, "", "it made 1 events, and 2 of them arrived"},
		"no JSON":             {[]string{ready, "panic"}, "", "invalid character"},
		"an exit with 1":      {[]string{ready, event, ends}, "exit 1", "exit status 1"},
		"never ready":         {[]string{event, ends}, "", "without an ending"},
		"an error at once":    {nil, "echo no such host >&2; exit 125", "no such host"},
		"a signal in the end": {[]string{ready, event, ends}, "kill -9 $$", "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			script := "cat <<'END'\n" + strings.Join(c.lines, "\n") + "\nEND\n" + c.then
			l, err := Start(exec.CommandContext(t.Context(), "sh", "-c", script), Options{Address: "web:80"})
			if err == nil {
				l.options.AtLeast = 1
				_, err = l.Wait()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}
