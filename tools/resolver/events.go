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

// announcer writes Events, each reason about one object at most once an hour, or once a minute if it did not last.
type announcer struct {
	recorder events.EventRecorder

	mu      sync.Mutex
	written map[string]announcement
	count   int
}

// announcement is an Event that was written.
type announcement struct {
	at        time.Time
	withdrawn bool // it is no longer true
}

// holdsBack says whether it is too early to write the same again.
func (a announcement) holdsBack() bool {
	every := time.Hour
	if a.withdrawn {
		every = time.Minute
	}
	return time.Since(a.at) < every
}

// maxNote is the longest message of an Event, in bytes (pkg/apis/events/validation).
const maxNote = 1024

func cut(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }

// announce writes an Event about an object. Detail is by what it differs from others of its reason, such as the
// reason of a failure.
func (a *announcer) announce(about client.Object, reason, detail, message string) {
	key := eventKey(about, reason, detail)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.prune()
	if a.written[key].holdsBack() {
		return
	}
	a.written[key] = announcement{at: time.Now()}
	a.write(about, reason, detail, message)
}

// withdraw says that what was announced for a reason, with details that begin like that, is no longer true. If there
// was any, an Event of another reason says so.
func (a *announcer) withdraw(about client.Object, reason, detail, instead, message string) {
	prefix, found := eventKey(about, reason, detail), false
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, announced := range a.written {
		if strings.HasPrefix(key, prefix) && !announced.withdrawn {
			announced.withdrawn, found = true, true
			a.written[key] = announced
		}
	}
	if found {
		a.write(about, instead, detail, message)
	}
}

// write writes an Event, with the detail in its action. Each action has a number: client-go takes Events that agree in
// it for one series, drops the messages of all but the first, and writes none from the third until the series is over,
// which takes six minutes (k8s.io/client-go/tools/events, recordToSink).
func (a *announcer) write(about client.Object, reason, detail, message string) {
	a.count++
	kind := corev1.EventTypeWarning
	if reason == SliceRestored || reason == values.NameResolved {
		kind = corev1.EventTypeNormal
	}
	number := fmt.Sprintf(" #%d", a.count)
	action := cut(cmp.Or(detail, "Restore"), values.MaxEventAction-len(number)) + number
	a.recorder.Eventf(about, nil, kind, reason, action, "%s", cut(message, maxNote))
}

func eventKey(about client.Object, reason, detail string) string {
	return fmt.Sprint(about.GetNamespace(), "/", about.GetName(), " ", about.GetUID(), " ", reason, " ", detail)
}

// prune forgets Events that may be written again, once there are many.
func (a *announcer) prune() {
	if len(a.written) < 1000 {
		return
	}
	maps.DeleteFunc(a.written, func(_ string, announced announcement) bool { return !announced.holdsBack() })
}
