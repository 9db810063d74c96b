// Package resolver follows DNS names and writes their IP addresses to EndpointSlices of a Service.
//
// A follower asks DNS (follow.go) and a checker connects to addresses (health.go), each by a schedule. What
// they find changes the endpoints of an entry (endpoints.go), which are laid out in slices (slices.go) and
// written by the leader (reconcile.go). Traffic does not depend on it: while it is away, the last slices stay.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"external-services/tools/resolver/lookup"
	"external-services/tools/values"
)

// Options are what the program is started with.
type Options struct {
	Config     types.NamespacedName // the ConfigMap
	Lease      string               // in the namespace of the ConfigMap
	Namespaces []string             // of the entries

	MetricsAddress string // such as ":8080"; "0" for none
	ProbeAddress   string // of /healthz and /readyz
	ResolvConf     string // of the name servers that are asked if the configuration has none

	Version string
	Log     logr.Logger
}

// How many questions and health checks may be under way at a time.
const (
	questionsAtOnce = 64
	checksAtOnce    = 64
)

// The leader renews its lease every 2 s. If it ends without giving it up, another takes over after 10 s.
const (
	leaseDuration = 10 * time.Second
	renewDeadline = 8 * time.Second
	retryPeriod   = 2 * time.Second
)

// Resolver writes the EndpointSlices of the entries whose addresses are DNS names.
type Resolver struct {
	options  Options
	client   client.Client          // writes
	caches   map[string]cache.Cache // by namespace
	settings atomic.Pointer[settings]

	leadsSince atomic.Pointer[time.Time] // nil on a replica that does not lead
	follower   *follower
	health     *checker
	metrics    *metrics
	*announcer

	mu         sync.Mutex
	clusterIPs map[string]bool
	services   map[types.NamespacedName]*service
	entries    map[types.NamespacedName]*written
	changed    map[types.NamespacedName]time.Time                            // the first change that is not written yet
	queues     map[string]workqueue.TypedRateLimitingInterface[ctrl.Request] // by namespace, on the leader
	started    time.Time
	wasReady   bool
	notReady   string // why
}

// service is what is known of a Service of the namespaces.
type service struct {
	uid      types.UID
	families []corev1.IPFamily
	ips      []string // ClusterIPs
}

// Run follows the names until the context ends. It returns an error if it cannot start, or loses its lease.
func Run(ctx context.Context, config *rest.Config, o Options) error {
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Logger: o.Log,
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {
			Namespaces: map[string]cache.Config{o.Config.Namespace: {
				FieldSelector: fields.OneTermEqualSelector("metadata.name", o.Config.Name),
			}},
		}}},
		Metrics:                       server.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress:        o.ProbeAddress,
		LeaderElection:                true,
		LeaderElectionID:              o.Lease,
		LeaderElectionNamespace:       o.Config.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(leaseDuration),
		RenewDeadline:                 ptr.To(renewDeadline),
		RetryPeriod:                   ptr.To(retryPeriod),
	})
	if err != nil {
		return err
	}
	r, err := newResolver(manager, o)
	if err != nil {
		return err
	}
	if err := r.watchConfig(ctx, manager); err != nil {
		return err
	}
	for _, namespace := range o.Namespaces {
		if err := r.watchNamespace(ctx, manager, namespace); err != nil {
			return fmt.Errorf("watch the namespace %s: %w", namespace, err)
		}
	}
	return manager.Start(ctx)
}

func newResolver(manager ctrl.Manager, o Options) (*Resolver, error) {
	servers, err := lookup.Servers(o.ResolvConf)
	if err != nil {
		return nil, err
	}
	r := &Resolver{
		started:   time.Now(),
		options:   o,
		client:    manager.GetClient(),
		caches:    map[string]cache.Cache{},
		metrics:   newMetrics(ctrlmetrics.Registry, o.Version),
		announcer: &announcer{recorder: manager.GetEventRecorder(values.ResolverManager), written: map[string]announcement{}},
		services:  map[types.NamespacedName]*service{}, clusterIPs: map[string]bool{},
		entries: map[types.NamespacedName]*written{},
		changed: map[types.NamespacedName]time.Time{},
		queues:  map[string]workqueue.TypedRateLimitingInterface[ctrl.Request]{},
	}
	r.follower = newFollower(questionsAtOnce, r.metrics)
	r.follower.settings = r.settings.Load
	r.follower.notify = r.noteOutcome
	r.follower.lookup = func(ctx context.Context, s *settings, q question) (lookup.Answer, error) {
		return s.client(servers).Lookup(ctx, q.host, q.family)
	}
	r.health = newChecker(checksAtOnce, r.metrics, r.enqueue)
	return r, errors.Join(
		manager.Add(r.follower), manager.Add(r.health), manager.Add(whenLeading(r.lead)),
		manager.AddHealthzCheck("work-loop", func(*http.Request) error { return errors.Join(r.follower.stuck(), r.health.stuck()) }),
		manager.AddReadyzCheck("names", r.checkReady),
	)
}

// lead begins to write. The answers of before are no news: the last leader may have had newer ones.
func (r *Resolver) lead() {
	r.metrics.leader.Set(1)
	r.leadsSince.Store(ptr.To(time.Now()))
	r.follower.renew()
}

// whenLeading is called when this replica becomes the leader.
type whenLeading func()

func (f whenLeading) Start(context.Context) error { f(); return nil }

// everywhere runs on each replica, whether it leads or not.
type everywhere func(context.Context) error

func (f everywhere) Start(ctx context.Context) error { return f(ctx) }
func (f everywhere) NeedLeaderElection() bool        { return false }

// watchConfig reads the ConfigMap whenever it changes.
func (r *Resolver) watchConfig(ctx context.Context, manager ctrl.Manager) error {
	informer, err := manager.GetCache().GetInformer(ctx, &corev1.ConfigMap{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { r.readConfig(object.(*corev1.ConfigMap)) },
		UpdateFunc: func(_, object any) { r.readConfig(object.(*corev1.ConfigMap)) },
	})
	return err
}

// watchNamespace starts a cache and a controller of one namespace. Each namespace has its own, so that one
// whose Role is missing stops no other.
func (r *Resolver) watchNamespace(ctx context.Context, manager ctrl.Manager, namespace string) error {
	ofNamespace, err := cache.New(manager.GetConfig(), cache.Options{
		HTTPClient: manager.GetHTTPClient(), Scheme: manager.GetScheme(), Mapper: manager.GetRESTMapper(),
		DefaultNamespaces: map[string]cache.Config{namespace: {}}, DefaultTransform: cache.TransformStripManagedFields(),
		DefaultWatchErrorHandler: func(ctx context.Context, reflector *toolscache.Reflector, err error) {
			r.noteWatchError(namespace, err)
			toolscache.DefaultWatchErrorHandler(ctx, reflector, err)
		},
	})
	if err != nil {
		return err
	}
	r.caches[namespace] = ofNamespace
	if err := manager.Add(everywhere(ofNamespace.Start)); err != nil {
		return err
	}
	if err := ofNamespace.IndexField(ctx, &discoveryv1.EndpointSlice{}, byService, func(object client.Object) []string {
		return []string{serviceOf(object.(*discoveryv1.EndpointSlice))}
	}); err != nil {
		return err
	}
	services, err := ofNamespace.GetInformer(ctx, &corev1.Service{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	if _, err := services.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { r.noteService(object.(*corev1.Service)) },
		UpdateFunc: func(_, object any) { r.noteService(object.(*corev1.Service)) },
		DeleteFunc: func(object any) {
			if key, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
				r.forgetService(key.AsNamespacedName())
			}
		},
	}); err != nil {
		return err
	}
	c, err := controller.New("resolver/"+namespace, manager, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: 4,
		CacheSyncTimeout: math.MaxInt64, // a namespace whose Role is missing is tried again and again
		RateLimiter:      workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](firstWriteRetry, lastRetry),
	})
	if err != nil {
		return err
	}
	for _, s := range []source.Source{
		source.Kind(ofNamespace, &corev1.Service{}, &handler.TypedEnqueueRequestForObject[*corev1.Service]{}),
		source.Kind(ofNamespace, &discoveryv1.EndpointSlice{}, handler.TypedEnqueueRequestsFromMapFunc(requestsOf)),
		source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.queues[namespace] = queue
			return nil
		}),
	} {
		if err := c.Watch(s); err != nil {
			return err
		}
	}
	return nil
}

// firstWriteRetry is when a refused write is tried again first.
const firstWriteRetry = 50 * time.Millisecond

// byService is the index of slices by the name of their Service.
const byService = "service"

func requestsOf(_ context.Context, slice *discoveryv1.EndpointSlice) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: serviceOf(slice)}}}
}

// enqueue lets the leader look at a Service.
func (r *Resolver) enqueue(key types.NamespacedName) {
	r.mu.Lock()
	queue := r.queues[key.Namespace]
	r.mu.Unlock()
	if queue != nil {
		queue.Add(ctrl.Request{NamespacedName: key})
	}
}
