package resolver

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTicks: a task is never run before it is due and at most a tick later, and those of a tick are run together.
func TestTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		due, moments, runs := map[int]time.Time{}, map[time.Time]bool{}, 0
		all := make(chan struct{}) // closed when each task has run again
		s := newSchedule(4, func(_ context.Context, key int) (time.Duration, bool) {
			mu.Lock()
			defer mu.Unlock()
			now, after := time.Now(), 5*time.Second+rand.N(time.Second)
			if at, again := due[key]; again {
				if late := now.Sub(at); late < 0 || late > tick {
					t.Errorf("task %d was run %v after it was due, want 0 to %v", key, late, tick)
				}
				moments[now] = true
				if runs++; runs == 1000 {
					close(all)
				}
			}
			due[key] = now.Add(after)
			return after, true
		})
		ctx, cancel := context.WithCancel(t.Context())
		start, done := time.Now(), make(chan error)
		go func() { done <- s.Start(ctx) }()
		for key := range 1000 {
			s.add(key)
		}
		<-all
		if took := time.Since(start); took > 6*time.Second+tick {
			t.Errorf("%v until each task has run again, want at most 6s and a tick", took)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(moments) > 15 {
			t.Errorf("the tasks were run at %d moments, want at most 15 ticks", len(moments))
		}
	})
}
