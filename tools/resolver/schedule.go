package resolver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// schedule runs a task for each of its keys, again and again, each time when it is due. A bounded number
// of tasks runs at a time, and a slow one delays no other while a worker is free.
type schedule[K comparable] struct {
	queue   workqueue.TypedDelayingInterface[K] // a heap of due times
	workers int

	// run does the task of a key and returns when it is due again. A key that is no longer needed
	// returns false.
	run func(ctx context.Context, key K) (time.Duration, bool)

	mu      sync.Mutex
	running map[K]time.Time // since when
}

func newSchedule[K comparable](workers int, run func(context.Context, K) (time.Duration, bool)) *schedule[K] {
	return &schedule[K]{queue: workqueue.NewTypedDelayingQueue[K](), workers: workers, run: run, running: map[K]time.Time{}}
}

// add makes a key due now.
func (s *schedule[K]) add(key K) { s.queue.Add(key) }

// Start runs the tasks until the context ends. It implements manager.Runnable.
func (s *schedule[K]) Start(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.queue.ShutDown)
	defer stop()
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for s.next(ctx) {
			}
		})
	}
	workers.Wait()
	return nil
}

func (s *schedule[K]) next(ctx context.Context) bool {
	key, shutdown := s.queue.Get()
	if shutdown {
		return false
	}
	defer s.queue.Done(key)
	s.note(key, true)
	defer s.note(key, false)
	if after, again := s.run(ctx, key); again {
		s.queue.AddAfter(key, untilTick(after, time.Now()))
	}
	return true
}

// tick is what due times are rounded up to. The process wakes once for all tasks of a tick, where waking for
// each of them would cost about as much as asking DNS does.
const tick = 100 * time.Millisecond

// untilTick returns the time until the first tick that is not before a due time.
func untilTick(after time.Duration, now time.Time) time.Duration {
	due := now.Add(after)
	if rounded := due.Truncate(tick); rounded.Before(due) {
		due = rounded.Add(tick)
	}
	return due.Sub(now)
}

func (s *schedule[K]) note(key K, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if running {
		s.running[key] = time.Now()
	} else {
		delete(s.running, key)
	}
}

// stuckAfter is longer than any task may take.
const stuckAfter = 2 * time.Minute

// stuck is an error if a task has not ended in time.
func (s *schedule[K]) stuck() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, since := range s.running {
		if time.Since(since) > stuckAfter {
			return fmt.Errorf("the work on %v has not ended since %s", key, since.Format(time.RFC3339))
		}
	}
	return nil
}

// NeedLeaderElection is false: every replica follows the names, so that one that takes over knows them.
func (s *schedule[K]) NeedLeaderElection() bool { return false }
