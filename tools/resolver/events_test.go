package resolver

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"

	"external-services/tools/values"
)

// sink keeps the Events that client-go sends to the API server.
type sink struct {
	mu   sync.Mutex
	sent []*eventsv1.Event
}

func (s *sink) Create(_ context.Context, e *eventsv1.Event) (*eventsv1.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, e)
	return e, nil
}

func (s *sink) Update(context.Context, *eventsv1.Event) (*eventsv1.Event, error) {
	return nil, errors.New("an Event is updated")
}

// Patch is how a series goes on: its message stays that of its first Event.
func (s *sink) Patch(_ context.Context, e *eventsv1.Event, _ []byte) (*eventsv1.Event, error) {
	return e, nil
}

// reasons of the Events about a name, as check finds them.
func (s *sink) reasons(t *testing.T, host string) (reasons []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	actions := map[string]bool{}
	for _, e := range s.sent {
		if len(e.Action) > values.MaxEventAction || actions[e.Action] {
			t.Errorf("the action %q is too long or has been there", e.Action)
		}
		actions[e.Action] = true
		if strings.HasPrefix(e.Action, values.EventAction(host, corev1.IPv4Protocol)) {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// TestEventsOfAnUnsteadyName: the newest Event about a name says what is true, also when it fails and comes back again
// and again, and there are at most two a minute.
func TestEventsOfAnUnsteadyName(t *testing.T) {
	for name, host := range map[string]string{"short": "db.example", "the longest": strings.Repeat(strings.Repeat("a", 62)+".", 4) + "b"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent sink
				broadcaster := events.NewBroadcaster(&sent)
				if err := broadcaster.StartRecordingToSinkWithContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer broadcaster.Shutdown()
				r := &Resolver{announcer: &announcer{
					recorder: broadcaster.NewRecorder(scheme.Scheme, values.ResolverManager), written: map[string]announcement{},
				}}
				good := outcome{question: question{host: host, family: corev1.IPv4Protocol}, answer: answer{at: time.Now()}}
				failed := good
				failed.failure = &failure{reason: "NXDOMAIN", err: errors.New("no such name")}
				say := func(o outcome, times int) {
					for range times {
						r.announceOutcome(types.NamespacedName{Namespace: "default", Name: "db"}, o)
						synctest.Wait()
						time.Sleep(5 * time.Second)
					}
				}

				var want []string
				for range 5 { // a series would end with the second
					say(failed, 7)
					say(good, 7)
					want = append(want, values.NameNotResolved, values.NameResolved)
					if got := sent.reasons(t, host); strings.Join(got, " ") != strings.Join(want, " ") {
						t.Fatalf("Events %q, want %q", got, want)
					}
				}
				before := time.Now()
				for range 100 {
					say(failed, 1)
					say(good, 1)
				}
				if n, most := len(sent.reasons(t, host))-len(want), int(2*time.Since(before).Minutes())+2; n > most {
					t.Errorf("%d Events of a name that comes and goes, want at most %d", n, most)
				}
				say(failed, 12)
				if got := sent.reasons(t, host); got[len(got)-1] != values.NameNotResolved {
					t.Errorf("a minute after the name failed for good, the last Event is %s", got[len(got)-1])
				}
			})
		})
	}
}
