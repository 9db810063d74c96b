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
		due, moments := map[int]time.Time{}, map[time.Time]int{}
		s := newSchedule(4, func(_ context.Context, key int) (time.Duration, bool) {
			mu.Lock()
			defer mu.Unlock()
			now, after := time.Now(), 5*time.Second+rand.N(time.Second)
			if at, again := due[key]; again {
				if late := now.Sub(at); late < 0 || late > tick {
					t.Errorf("task %d was run %v after it was due, want 0 to %v", key, late, tick)
				}
				moments[now]++
			}
			due[key] = now.Add(after)
			return after, true
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Start(ctx) }()
		for key := range 1000 {
			s.add(key)
		}
		time.Sleep(6500 * time.Millisecond)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		runs := 0
		for _, n := range moments {
			runs += n
		}
		if runs < 1000 || len(moments) > 15 {
			t.Errorf("%d runs at %d moments, want all 1000 tasks at the 15 ticks of the time", runs, len(moments))
		}
	})
}
