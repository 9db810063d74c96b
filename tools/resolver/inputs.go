package resolver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"external-services/tools/values"
)

// What the resolver hears: of its configuration, of Services, and of DNS.

// readConfig takes in the ConfigMap. One that cannot be read changes nothing.
func (r *Resolver) readConfig(object *corev1.ConfigMap) {
	settings, err := r.parse(object)
	if err != nil {
		r.metrics.configValid.Set(0)
		r.options.Log.Error(err, "the configuration is invalid, the one before stays in use")
		r.announce(object, ConfigInvalid, err.Error(), fmt.Sprintf("The configuration is invalid, and the one before stays in use: %v.", err))
		return
	}
	before := r.settings.Swap(settings)
	r.metrics.configValid.Set(1)
	r.metrics.configEntries.Set(float64(len(settings.entries)))
	keys := maps.Clone(settings.entries)
	if before != nil {
		maps.Copy(keys, before.entries)
	}
	for key := range keys {
		if settings.entries[key] == nil {
			r.metrics.forget(key)
		}
		r.follow(key)
		r.enqueue(key)
	}
	if before != nil && !reflect.DeepEqual(before.config.Following, settings.config.Following) {
		r.follower.renew()
	}
}

func (r *Resolver) parse(object *corev1.ConfigMap) (*settings, error) {
	config, err := values.ParseResolverConfig(object.Data[values.ResolverConfigKey])
	if err != nil {
		return nil, err
	}
	return newSettings(config, r.isOfCluster)
}

// noteService takes in the IP families of a Service, which are asked for, and its ClusterIPs, which are
// never written.
func (r *Resolver) noteService(s *corev1.Service) {
	key := client.ObjectKeyFromObject(s)
	r.setService(key, &service{uid: s.UID, families: s.Spec.IPFamilies, ips: s.Spec.ClusterIPs})
	r.follow(key)
}

func (r *Resolver) forgetService(key types.NamespacedName) {
	r.setService(key, nil)
	r.follow(key)
	r.metrics.forget(key)
}

func (r *Resolver) setService(key types.NamespacedName, s *service) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.services[key]; before != nil {
		for _, ip := range before.ips {
			delete(r.clusterIPs, ip)
		}
	}
	delete(r.services, key)
	if s == nil {
		return
	}
	r.services[key] = s
	for _, ip := range s.ips {
		r.clusterIPs[ip] = true
	}
}

// follow lets the follower ask for the names of an entry, in the families of its Service.
func (r *Resolver) follow(key types.NamespacedName) {
	if settings := r.settings.Load(); settings != nil {
		r.follower.follow(key, r.questions(key, settings.entries[key]))
	}
}

func (r *Resolver) questions(key types.NamespacedName, entry *values.Entry) (list []question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry == nil || r.services[key] == nil {
		return nil
	}
	for _, a := range entry.Addresses {
		for _, family := range r.services[key].families {
			if q := (question{a.Host, family}); a.Host != "" && !slices.Contains(list, q) {
				list = append(list, q)
			}
		}
	}
	return list
}

// isOfCluster says whether an address is the ClusterIP of a Service, of those that the resolver sees. The
// permission to see the cluster's Service networks would be one for the whole cluster.
func (r *Resolver) isOfCluster(ip netip.Addr) bool {
	if ip.String() == os.Getenv("KUBERNETES_SERVICE_HOST") {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clusterIPs[ip.String()]
}

// noteOutcome takes in what came of a question of an entry.
func (r *Resolver) noteOutcome(key types.NamespacedName, o outcome) {
	settings := r.settings.Load()
	entry := settings.entries[key]
	if entry == nil {
		return
	}
	if oldest := r.follower.oldest(key, o.family); !oldest.IsZero() {
		r.metrics.lastSuccess.WithLabelValues(key.Namespace, key.Name, string(o.family)).Set(float64(oldest.Unix()))
	}
	if r.leadsSince.Load() != nil {
		r.announceOutcome(key, o)
	}
	keeps := entry.Resolve != nil && entry.Resolve.KeepSeconds > 0
	if o.failure == nil && (o.changed || keeps) {
		r.noteChange(key)
		r.enqueue(key)
	}
}

// noteChange keeps the time of the first change that is not written yet.
func (r *Resolver) noteChange(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.changed[key]; !ok {
		r.changed[key] = time.Now()
	}
}

// announceOutcome writes Events: when a question fails, for each reason, and when it has a good answer again.
func (r *Resolver) announceOutcome(key types.NamespacedName, o outcome) {
	about, asked := r.reference(key), values.EventAction(o.host, o.family)
	if len(o.refused) > 0 {
		reasons := slices.Compact(slices.Sorted(maps.Values(o.refused)))
		r.announce(about, values.AddressRefused, asked+": "+strings.Join(reasons, ", "), fmt.Sprintf(
			"The answer for %s has addresses that are never written: %s.", o.host, refusedText(o.refused)))
	}
	switch {
	case o.failure == nil:
		r.withdraw(about, values.NameNotResolved, asked, values.NameResolved, fmt.Sprintf("%s (%s) is resolved again.", o.host, o.family))
	case !o.answer.at.IsZero():
		r.announce(about, values.NameNotResolved, asked+": "+o.failure.reason, fmt.Sprintf(
			"%s (%s) was not resolved: %v. Its last addresses stay in use.", o.host, o.family, o.failure.err))
	case r.follower.isUnknown(o.host):
		r.announce(about, values.NameNotResolved, asked+": "+o.failure.reason+", never resolved", fmt.Sprintf(
			"%s (%s) was never resolved: %v. It has no addresses until it is.", o.host, o.family, o.failure.err))
	}
}

// refusedText lists addresses with the reasons: "127.0.0.1 (loopback), 10.96.0.1 (cluster)".
func refusedText(refused map[netip.Addr]string) string {
	var texts []string
	for _, ip := range slices.SortedFunc(maps.Keys(refused), netip.Addr.Compare) {
		texts = append(texts, fmt.Sprintf("%s (%s)", ip, refused[ip]))
	}
	return strings.Join(texts, ", ")
}

// reference is a Service to write Events about.
func (r *Resolver) reference(key types.NamespacedName) *metav1.PartialObjectMetadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
	}
	if s := r.services[key]; s != nil {
		out.UID = s.uid
	}
	return out
}

// noteWatchError tells that a namespace cannot be read, such as for lack of its Role.
func (r *Resolver) noteWatchError(namespace string, err error) {
	r.metrics.watchErrors.WithLabelValues(namespace).Inc()
	r.announce(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: r.options.Config.Namespace, Name: r.options.Config.Name},
	}, NamespaceNotRead, namespace+": "+err.Error(), fmt.Sprintf("The namespace %s cannot be read: %v.", namespace, err))
}

// checkReady is an error until every name was asked for once, and those that have addresses have slices:
// helm --wait returns then. It stays ready after that, since traffic does not depend on it.
func (r *Resolver) checkReady(request *http.Request) error {
	r.mu.Lock()
	wasReady := r.wasReady
	r.mu.Unlock()
	if wasReady {
		return nil
	}
	settings := r.settings.Load()
	if settings == nil {
		return errors.New("the configuration was not read yet")
	}
	var not error
	for key, entry := range settings.entries {
		if not = r.checkEntry(request.Context(), key, entry); not != nil {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wasReady = not == nil
	if not != nil && not.Error() != r.notReady { // the answer to the probe has no reason
		r.notReady = not.Error()
		r.options.Log.Info("not ready", "why", r.notReady)
	}
	return not
}

// slicesWithin is how long a replica that does not lead waits for the leader to write. The leader of a release before
// does not know a new namespace, and ends only once this replica is ready.
const slicesWithin = 15 * time.Second

func (r *Resolver) checkEntry(ctx context.Context, key types.NamespacedName, entry *values.Entry) error {
	if r.caches[key.Namespace] == nil {
		return fmt.Errorf("the namespace %s is not in --namespaces: restart the resolver with it", key.Namespace)
	}
	questions := r.questions(key, entry)
	answered := false
	for _, q := range questions {
		answer, tried := r.follower.answerTo(q)
		if !tried {
			return fmt.Errorf("%s: %s (%s) was not asked for yet", key, q.host, q.family)
		}
		answered = answered || !answer.at.IsZero()
	}
	if len(questions) == 0 && !r.hasService(key) {
		return fmt.Errorf("the Service %s does not exist yet", key)
	}
	if !answered || entry.Backend == values.Cluster || r.leadsSince.Load() == nil && time.Since(r.started) > slicesWithin {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var list discoveryv1.EndpointSliceList
	if err := r.listSlices(ctx, key, &list); err != nil {
		return err
	}
	if !slices.ContainsFunc(list.Items, func(s discoveryv1.EndpointSlice) bool { return r.isOwn(&s) }) {
		return fmt.Errorf("%s: no EndpointSlice was written yet", key)
	}
	return nil
}

func (r *Resolver) hasService(key types.NamespacedName) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.services[key] != nil
}

// listSlices lists all slices of a Service.
func (r *Resolver) listSlices(ctx context.Context, key types.NamespacedName, list *discoveryv1.EndpointSliceList) error {
	if err := r.caches[key.Namespace].List(ctx, list, client.InNamespace(key.Namespace), client.MatchingFields{byService: key.Name}); err != nil {
		return fmt.Errorf("list the EndpointSlices of %s: %w", key, err)
	}
	return nil
}
