package resolver

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"external-services/tools/values"
)

// Reasons of Events, besides those that other programs read (package values).
const (
	SliceRestored = "SliceRestored" // somebody else changed or deleted a slice
	WriteFailed   = "WriteFailed"   // the API server refused a slice
	ConfigInvalid = "ConfigInvalid" // the ConfigMap cannot be read, and the one before is in use

	NamespaceNotRead = "NamespaceNotRead" // Services or slices of a namespace cannot be listed or watched
)

// announcer writes Events, each reason about one object at most once an hour.
type announcer struct {
	recorder events.EventRecorder

	mu   sync.Mutex
	last map[string]time.Time
}

const announceEvery = time.Hour

// maxNote is the longest message of an Event, in bytes (pkg/apis/events/validation).
const maxNote = 1024

func cut(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }

// announce writes an Event about an object. Detail is by what it differs from others of its reason, such as the
// reason of a failure. It becomes the action of the Event: client-go takes those that agree in it for one series,
// and drops the messages of all but the first.
func (a *announcer) announce(about client.Object, reason, detail, message string) {
	key := eventKey(about, reason, detail)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.prune()
	if last, ok := a.last[key]; ok && time.Since(last) < announceEvery {
		return
	}
	a.last[key] = time.Now()
	kind := corev1.EventTypeWarning
	if reason == SliceRestored || reason == values.NameResolved {
		kind = corev1.EventTypeNormal
	}
	a.recorder.Eventf(about, nil, kind, reason, cut(cmp.Or(detail, "Restore"), values.MaxEventAction), "%s", cut(message, maxNote))
}

// withdraw lets the Events of a reason, whose details begin like that, be written again within the hour. It says
// whether there were any.
func (a *announcer) withdraw(about client.Object, reason, detail string) bool {
	prefix := eventKey(about, reason, detail)
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.last)
	maps.DeleteFunc(a.last, func(key string, _ time.Time) bool { return strings.HasPrefix(key, prefix) })
	return len(a.last) < before
}

func eventKey(about client.Object, reason, detail string) string {
	return fmt.Sprint(about.GetNamespace(), "/", about.GetName(), " ", about.GetUID(), " ", reason, " ", detail)
}

// prune forgets Events of over an hour ago, once there are many.
func (a *announcer) prune() {
	if len(a.last) < 1000 {
		return
	}
	for key, last := range a.last {
		if time.Since(last) >= announceEvery {
			delete(a.last, key)
		}
	}
}
