package resolver

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"external-services/tools/resolver/lookup"
)

// question is what is asked of DNS: A and AAAA are two questions with two fates.
type question struct {
	host   string
	family corev1.IPFamily
}

// answer is the last good answer to a question.
type answer struct {
	addresses []netip.Addr // sorted, those that the filter lets through
	at        time.Time    // when it was asked for
}

// failure is why the newest question had no good answer.
type failure struct {
	reason string
	err    error
}

// outcome is what came of asking a question: the last good answer, which is the newest one if there is no
// failure, and the addresses of the newest one that the filter refused, with the reasons.
type outcome struct {
	question
	answer  answer
	changed bool
	failure *failure
	refused map[netip.Addr]string
}

// Retries after a failure: the second of 1, 2, 4 and so on. The default of the work queue goes up to 1000 s,
// so that a name would come back 16 minutes after its server.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// follower asks DNS for the names of all entries, and keeps the last good answer to each question.
type follower struct {
	*schedule[question]

	// lookup asks DNS. settings and notify may change and be called at any time.
	lookup   func(ctx context.Context, s *settings, q question) (lookup.Answer, error)
	settings func() *settings
	notify   func(entry types.NamespacedName, o outcome)
	metrics  *metrics

	mu        sync.Mutex
	followed  map[question]*followed
	questions map[types.NamespacedName][]question
}

// followed is a question with what is known of it.
type followed struct {
	users    map[types.NamespacedName]bool
	answer   answer
	failures int // in a row
	tried    bool
	renewed  time.Time // the first answer to a question asked since then counts as a change; zero if it came
}

func newFollower(workers int, m *metrics) *follower {
	f := &follower{metrics: m, followed: map[question]*followed{}, questions: map[types.NamespacedName][]question{}}
	f.schedule = newSchedule(workers, f.ask)
	return f
}

// follow sets the questions of an entry: none if it is gone.
func (f *follower) follow(entry types.NamespacedName, questions []question) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.questions[entry] {
		if slices.Contains(questions, q) {
			continue
		}
		delete(f.followed[q].users, entry)
		if len(f.followed[q].users) == 0 {
			delete(f.followed, q)
		}
	}
	for _, q := range questions {
		if f.followed[q] == nil {
			f.followed[q] = &followed{users: map[types.NamespacedName]bool{}}
			f.add(q)
		}
		f.followed[q].users[entry] = true
	}
	f.questions[entry] = questions
	if len(questions) == 0 {
		delete(f.questions, entry)
	}
}

// oldest returns when the name of an entry that is longest without a good answer had its last one, of those
// that ever had one.
func (f *follower) oldest(entry types.NamespacedName, family corev1.IPFamily) (oldest time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.questions[entry] {
		at := f.followed[q].answer.at
		if q.family == family && !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// isUnknown says whether a name was asked for in all families that are followed, and never had an answer.
func (f *follower) isUnknown(host string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, family := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		if known := f.followed[question{host, family}]; known != nil && (!known.tried || !known.answer.at.IsZero()) {
			return false
		}
	}
	return true
}

// renew asks all questions now, and takes each answer for a change: the filter or the name servers are other
// ones, or this replica has become the leader.
func (f *follower) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for q, known := range f.followed {
		known.renewed = time.Now()
		f.add(q)
	}
}

// answerTo returns the last good answer to a question, and whether it was ever asked.
func (f *follower) answerTo(q question) (a answer, tried bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.followed[q]; known != nil {
		return known.answer, known.tried
	}
	return answer{}, false
}

// ask asks a question once, and returns when to ask it again.
func (f *follower) ask(ctx context.Context, q question) (time.Duration, bool) {
	if !f.needed(q) {
		return 0, false
	}
	settings := f.settings()
	start := time.Now()
	found, err := f.lookup(ctx, settings, q)
	if ctx.Err() != nil {
		return 0, false
	}
	addresses, refused := settings.filter.Split(found.Addresses)
	o := outcome{question: q, refused: refused, failure: failureOf(err, len(addresses), refused)}
	took := time.Since(start)

	f.mu.Lock()
	known := f.followed[q]
	if known == nil {
		f.mu.Unlock()
		return 0, false
	}
	o.changed = known.update(answer{addresses: addresses, at: start}, o.failure)
	o.answer = known.answer
	failures, users := known.failures, slices.Collect(maps.Keys(known.users))
	f.mu.Unlock()

	f.metrics.asked(o, took)
	for _, entry := range users {
		f.notify(entry, o)
	}
	if o.failure != nil {
		return retryAfter(failures), true
	}
	return settings.interval(found.TTL), true
}

// update takes in the newest answer or its failure, and says whether the addresses changed.
func (k *followed) update(a answer, f *failure) bool {
	k.tried = true
	if f != nil {
		k.failures++
		return false
	}
	changed := !slices.Equal(a.addresses, k.answer.addresses)
	if !k.renewed.IsZero() && !a.at.Before(k.renewed) {
		changed, k.renewed = true, time.Time{}
	}
	k.failures, k.answer = 0, a
	return changed
}

func (f *follower) needed(q question) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.followed[q] != nil
}

// failureOf is why an answer is not a good one: DNS gave an error, or the filter refuses all of its addresses.
func failureOf(err error, accepted int, refused map[netip.Addr]string) *failure {
	var failed *lookup.Error
	switch {
	case errors.As(err, &failed):
		return &failure{reason: string(failed.Reason), err: err}
	case err != nil:
		return &failure{reason: "other", err: err}
	case accepted == 0:
		return &failure{reason: "filtered", err: errors.New("all addresses of the answer are refused: " + refusedText(refused))}
	}
	return nil
}

func retryAfter(failures int) time.Duration {
	return min(firstRetry<<min(failures-1, 5), lastRetry)
}

// interval is when to ask again after an answer with a TTL. The part of a second that is added spreads the
// questions, and asks a caching server when its copy is out of date, not just before.
func (s *settings) interval(ttl time.Duration) time.Duration {
	return min(max(ttl, s.min), s.max) + rand.N(time.Second)
}
