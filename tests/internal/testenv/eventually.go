package testenv

import (
	"testing"
	"time"
)

// Eventually waits until a condition holds, and fails with what it last said. Controllers
// take seconds on an idle machine; they get two minutes.
func Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	const within = 2 * time.Minute
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, not within %s: %v", what, within, err)
		}
	}
}
