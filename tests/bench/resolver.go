package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"external-services/tests/internal/testenv"
)

// Figure begins the lines by which tests/resolver says what it measured: a Row follows, as JSON.
const Figure = "FIGURE "

// FlipTTLs are the TTLs, in seconds, of the records that change.
var FlipTTLs = []int{5, 30, 60}

// ResolverSizes are the numbers of names that are followed.
var ResolverSizes = []int{1_000, 10_000}

// ResolverTrials are what the resolver is put to under load.
var ResolverTrials = []struct {
	Series, What string
	Open         bool // with open connections beside the new ones
}{
	{"changes", "the address changes in DNS, 50 times", true},
	{"rotation", "each answer has another 8 of 64 addresses", false},
	{"failures", "DNS fails in nine ways, one an entry", false},
	{"kills", "the leader is killed 30 times, and then there is no replica for half of the time", false},
	{"API server", "the API server is away for a minute", false},
}

// resolver runs the tests of the resolver, as long as they are meant to be, and keeps what they measure.
func (r *Runner) resolver(ctx context.Context, _ int) (rows []Row, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-C", testenv.Root(), "-count=1", "-v", "-timeout", "2h", "-parallel", "8", "./tests/resolver", "-soak")
	cmd.Stderr = r.Out
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, isFigure := strings.CutPrefix(lines.Text(), Figure)
		if !isFigure {
			fmt.Fprintln(r.Out, lines.Text())
			continue
		}
		var row Row
		if unread := json.Unmarshal([]byte(text), &row); unread != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", lines.Text(), unread))
		}
		rows = append(rows, row)
		r.progress("%s", text)
	}
	return rows, errors.Join(err, lines.Err(), cmd.Wait())
}
