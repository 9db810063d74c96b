package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"external-services/tools/resolver/lookup"
	"external-services/tools/values"
)

// following runs a follower in a bubble of time, in which DNS answers by a function.
type following struct {
	*follower
	mu       sync.Mutex
	answered *sync.Cond
	asked    map[string][]time.Duration // by name, since the start
	outcomes []string
}

func startFollowing(t *testing.T, dns func(host string, n int) (lookup.Answer, error)) *following {
	t.Helper()
	filter, err := lookup.NewFilter(values.Following{DeniedCIDRs: []string{"10.9.0.0/16"}}, func(netip.Addr) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	f := &following{follower: newFollower(4, newMetrics(prometheus.NewRegistry(), "test")), asked: map[string][]time.Duration{}}
	f.answered = sync.NewCond(&f.mu)
	f.settings = func() *settings { return &settings{filter: filter, min: 5 * time.Second, max: 60 * time.Second} }
	start := time.Now()
	f.lookup = func(ctx context.Context, _ *settings, q question) (lookup.Answer, error) {
		f.mu.Lock()
		f.asked[q.host] = append(f.asked[q.host], time.Since(start).Round(time.Second))
		n := len(f.asked[q.host])
		f.mu.Unlock()
		if q.host == "silent.example" {
			select {
			case <-time.After(questionTimeout):
			case <-ctx.Done():
			}
		}
		return dns(q.host, n)
	}
	f.notify = func(entry types.NamespacedName, o outcome) {
		f.mu.Lock()
		defer f.mu.Unlock()
		text := fmt.Sprint(entry.Name, " ", o.answer.addresses)
		if o.failure != nil {
			text += " " + o.failure.reason
		}
		if o.changed {
			text += " changed"
		}
		for ip, reason := range o.refused {
			text += fmt.Sprint(" ", ip, " ", reason)
		}
		f.outcomes = append(f.outcomes, text)
		f.answered.Broadcast()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.Start(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// until waits for answers, by which a condition holds.
func (f *following) until(condition func() bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !condition() {
		f.answered.Wait()
	}
}

func (f *following) times(host string) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked[host])
}

func ask(hosts ...string) (list []question) {
	for _, host := range hosts {
		list = append(list, question{host, corev1.IPv4Protocol})
	}
	return list
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

func ipsOf(ttl time.Duration, ips ...string) (lookup.Answer, error) {
	return lookup.Answer{TTL: ttl, Addresses: parse(ips, netip.Addr.IsValid)}, nil
}

// TestIntervals: a name is asked again when its TTL is over, in the limits of the settings, and the part of
// a second later.
func TestIntervals(t *testing.T) {
	for _, c := range []struct{ ttl, want time.Duration }{{0, 5}, {5, 5}, {30, 30}, {3600, 60}} {
		synctest.Test(t, func(t *testing.T) {
			f := startFollowing(t, func(string, int) (lookup.Answer, error) { return ipsOf(c.ttl*time.Second, "10.0.0.1") })
			f.follow(named("db"), ask("db.example"))
			time.Sleep(10 * time.Minute)
			times := f.times("db.example")
			least, most := int(600/(c.want+1)), int(600/c.want)+1
			if n := len(times); n < least || n > most {
				t.Errorf("TTL %d s: asked %d times in 10 minutes, want %d to %d", c.ttl, n, least, most)
			}
		})
	}
}

// TestRetries: after a failure a name is asked again soon, and at least every 30 s; the last answer stays.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFollowing(t, func(_ string, n int) (lookup.Answer, error) {
			if n == 1 || n == 10 || n > 12 {
				return ipsOf(5*time.Second, "10.0.0.1")
			}
			return lookup.Answer{}, &lookup.Error{Reason: lookup.ServFail, Err: errors.New("no")}
		})
		f.follow(named("db"), ask("db.example"))
		f.until(func() bool { return len(f.outcomes) > 12 })
		times := f.times("db.example")
		var gaps []time.Duration
		for _, n := range []int{2, 3, 4, 5, 6, 7, 8, 9, 11, 12} { // each after a failure
			gaps = append(gaps, (times[n]-times[n-1])/time.Second)
		}
		if want := []time.Duration{1, 2, 4, 8, 16, 30, 30, 30, 1, 2}; !slices.Equal(gaps, want) {
			t.Fatalf("gaps of retries %v, want %v seconds", gaps, want)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.outcomes[0] != "db [10.0.0.1] changed" || f.outcomes[1] != "db [10.0.0.1] servfail" || f.outcomes[9] != "db [10.0.0.1]" {
			t.Errorf("outcomes %q", f.outcomes)
		}
	})
}

// TestFilteredAnswers: refused addresses are left out, and an answer of nothing else is a failure.
func TestFilteredAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFollowing(t, func(_ string, n int) (lookup.Answer, error) {
			return [](func() (lookup.Answer, error)){
				func() (lookup.Answer, error) { return ipsOf(5*time.Second, "10.0.0.1", "127.0.0.1") },
				func() (lookup.Answer, error) { return ipsOf(5*time.Second, "10.9.0.1") },
			}[min(n, 2)-1]()
		})
		f.follow(named("db"), ask("db.example"))
		time.Sleep(7 * time.Second)
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		want := []string{"db [10.0.0.1] changed 127.0.0.1 loopback", "db [10.0.0.1] filtered 10.9.0.1 denied"}
		if !slices.Equal(f.outcomes[:2], want) {
			t.Errorf("outcomes %q, want %q", f.outcomes, want)
		}
	})
}

// TestSilentNameDelaysNoOther: a question without an answer takes one worker.
func TestSilentNameDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFollowing(t, func(host string, _ int) (lookup.Answer, error) {
			if host == "silent.example" {
				return lookup.Answer{}, &lookup.Error{Reason: lookup.Timeout, Err: errors.New("no answer")}
			}
			return ipsOf(5*time.Second, "10.0.0.1")
		})
		f.follow(named("silent"), ask("silent.example"))
		for i := range 100 {
			f.follow(named(fmt.Sprint("db-", i)), ask(fmt.Sprintf("db-%d.example", i)))
		}
		time.Sleep(10 * time.Minute)
		for i := range 100 {
			times := f.times(fmt.Sprintf("db-%d.example", i))
			for n := 1; n < len(times); n++ {
				if gap := times[n] - times[n-1]; gap > 6*time.Second {
					t.Fatalf("db-%d was asked after %v", i, gap)
				}
			}
		}
	})
}

// TestNameOfTwoEntries: one question for both, until none needs it.
func TestNameOfTwoEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFollowing(t, func(string, int) (lookup.Answer, error) { return ipsOf(5*time.Second, "10.0.0.1") })
		f.follow(named("a"), ask("db.example"))
		f.follow(named("b"), ask("db.example"))
		time.Sleep(time.Second)
		if times := f.times("db.example"); len(times) != 1 {
			t.Errorf("asked at %v, want once", times)
		}
		f.follow(named("a"), nil)
		time.Sleep(time.Minute)
		synctest.Wait() // for the question of this moment
		before := len(f.times("db.example"))
		if before < 9 {
			t.Errorf("asked %d times, though b needs it", before)
		}
		f.follow(named("b"), ask("other.example"))
		time.Sleep(time.Minute)
		if after := len(f.times("db.example")); after > before {
			t.Errorf("asked %d times after nobody needs it", after-before)
		}
		if len(f.times("other.example")) < 9 {
			t.Errorf("other.example was asked at %v", f.times("other.example"))
		}
	})
}

// TestRenewed: the first answer to a question that was asked after renew counts as a change, also if it is
// the same.
func TestRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFollowing(t, func(_ string, n int) (lookup.Answer, error) {
			if n == 2 {
				time.Sleep(2 * time.Second)
			}
			return ipsOf(5*time.Second, "10.0.0.1")
		})
		f.follow(named("db"), ask("db.example"))
		time.Sleep(7 * time.Second) // the second question is under way
		f.renew()
		f.until(func() bool { return len(f.outcomes) >= 4 })
		f.mu.Lock()
		defer f.mu.Unlock()
		if want := []string{"db [10.0.0.1] changed", "db [10.0.0.1]", "db [10.0.0.1] changed", "db [10.0.0.1]"}; !slices.Equal(f.outcomes[:4], want) {
			t.Errorf("outcomes %q, want %q", f.outcomes, want)
		}
	})
}

// TestOldest: an entry is as old as its name that is longest without an answer, and a name is unknown that was asked for
// and never had one.
func TestOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, looked := time.Now(), make(chan struct{})
		f := startFollowing(t, func(host string, n int) (lookup.Answer, error) {
			<-looked
			if host == "never.example" || host == "late.example" && n > 1 {
				return lookup.Answer{}, &lookup.Error{Reason: lookup.NXDomain, Err: errors.New("no")}
			}
			return ipsOf(time.Minute, "10.0.0.1")
		})
		if f.follow(named("db"), ask("never.example", "silent.example", "db.example", "late.example")); f.isUnknown("never.example") {
			t.Error("a name is unknown before there was an answer")
		}
		close(looked)
		f.until(func() bool {
			for _, host := range []string{"never.example", "silent.example", "db.example", "late.example"} {
				if len(f.asked[host]) < 3 {
					return false
				}
			}
			return true
		})
		if age := f.oldest(named("db"), corev1.IPv4Protocol).Sub(start); age != 0 {
			t.Errorf("the oldest answer is of %v, want 0s, when late.example had its last", age)
		}
		for host, want := range map[string]bool{"never.example": true, "late.example": false, "db.example": false} {
			if got := f.isUnknown(host); got != want {
				t.Errorf("%s is unknown: %v", host, got)
			}
		}
	})
}

// TestStuck: the work loop is alive unless a task does not end.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFollowing(t, func(_ string, n int) (lookup.Answer, error) {
			if n == 2 {
				time.Sleep(stuckAfter + 2*time.Second)
			}
			return ipsOf(time.Minute, "10.0.0.1")
		})
		f.follow(named("db"), ask("db.example"))
		time.Sleep(62 * time.Second)
		if err := f.stuck(); err != nil {
			t.Error(err)
		}
		time.Sleep(stuckAfter)
		if err := f.stuck(); err == nil {
			t.Error("a task that does not end is not seen")
		}
		time.Sleep(10 * time.Second)
		if err := f.stuck(); err != nil {
			t.Error(err)
		}
	})
}
