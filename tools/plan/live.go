package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/helm"
	"external-services/tools/live"
	"external-services/tools/values"
)

// The hazards that only a look at the cluster shows.
const (
	// ReleasePending: a helm was killed, or is still running.
	ReleasePending Code = "release-pending"
	// NamespaceMissing: a namespace of the values does not exist.
	NamespaceMissing Code = "namespace-missing"
	// NotOwned: an object of the name exists and is not the release's.
	NotOwned Code = "not-owned"
	// StaleEndpoints: endpoints of pods are there that nothing clears away.
	StaleEndpoints Code = "stale-endpoints"
	// NoReadyPods: no pod of the selector is ready.
	NoReadyPods Code = "no-ready-pods"
	// PodPortMissing: no ready pod has a container port of the name.
	PodPortMissing Code = "pod-port-missing"
)

// Options say which release is upgraded to what.
type Options struct {
	Cluster helm.ClusterOptions
	Release string

	// Chart is the folder or archive of the chart to upgrade to, by default the one
	// that is built in.
	Chart string

	Values helm.Values
	Reuse  helm.Reuse
}

// Upgrade plans the upgrade of a live release, or its installation where it is not
// there. It only reads: Helm's storage, and of the namespaces of the entries that change
// the Services, EndpointSlices, Endpoints, pods of their selectors and the namespaces
// themselves. All but the storage may be forbidden; NotChecked then says so.
func Upgrade(ctx context.Context, o Options) (*Plan, error) {
	cluster, err := helm.Connect(o.Cluster)
	if err != nil {
		return nil, err
	}
	client, err := cluster.Client()
	if err != nil {
		return nil, err
	}
	chart, err := helm.Open(o.Chart)
	if err != nil {
		return nil, err
	}
	release := &Release{Name: o.Release, Namespace: cluster.Namespace}
	deployed, err := cluster.Deployed(o.Release)
	now := &helm.Result{}
	switch {
	case errors.Is(err, helm.ErrNoRelease):
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("read the release %q: %w: ask for the permission to list what Helm stores it in, or compare with its values: helm get values, and extsvc plan --from", o.Release, err)
	case err != nil:
		return nil, fmt.Errorf("read the release %q: %w", o.Release, err)
	default:
		release.Revision, release.Status = deployed.Revision, deployed.Status
		if o.Chart == "" && deployed.Chart() != chart.Name() {
			return nil, fmt.Errorf("the release %q is of the chart %s: write the folder or archive of that chart as --chart", o.Release, deployed.Chart())
		}
		if now, err = helm.DecodeMappings(deployed.Manifest()); err != nil {
			return nil, fmt.Errorf("read the manifest of the release %q: %w", o.Release, err)
		}
	}
	vals, err := helm.Merge(o.Values)
	if err != nil {
		return nil, err
	}
	then, err := cluster.Upgrade(chart, o.Release, deployed, vals, o.Reuse)
	if err != nil {
		return nil, err
	}
	p := compare(now, then)
	p.Release = release
	if deployed != nil && deployed.Blocked {
		p.Hazards = append(p.Hazards, pending(release))
	}
	look := &look{ctx: ctx, client: client, plan: p, release: release}
	look.run()
	return p.finish(), nil
}

func pending(r *Release) Hazard {
	h := Hazard{Key{}, ReleasePending, Refused,
		fmt.Sprintf("The release %s is %s: a helm is still running or was killed, and helm upgrade is refused until that is settled.", r.Name, r.Status),
		[]string{
			"Wait for the helm that is running, if there is one.",
			fmt.Sprintf("If it was killed, run helm rollback %s -n %s, and upgrade then.", r.Name, r.Namespace),
		}}
	if r.Status == "pending-install" || r.Status == "uninstalling" {
		h.SafeWay[1] = fmt.Sprintf("If it was killed, run helm uninstall %s -n %s, and install anew.", r.Name, r.Namespace)
	}
	return h
}

// look looks at the cluster for a plan.
type look struct {
	ctx     context.Context
	client  kubernetes.Interface
	plan    *Plan
	release *Release
}

// found is what there is in one namespace. A nil map could not be read.
type found struct {
	services  map[string]*corev1.Service
	endpoints map[string]*corev1.Endpoints //nolint:staticcheck // rendered on request
	slices    map[string]*discoveryv1.EndpointSlice
}

func (l *look) run() {
	byNamespace := map[string][]Change{}
	var namespaces []string
	for _, c := range l.plan.Changes {
		if c.Then == nil {
			continue // Helm deletes what is there of it
		}
		if byNamespace[c.Namespace] == nil {
			namespaces = append(namespaces, c.Namespace)
		}
		byNamespace[c.Namespace] = append(byNamespace[c.Namespace], c)
	}
	for _, namespace := range namespaces {
		if !l.exists(namespace) {
			l.add(Hazard{Key{Namespace: namespace}, NamespaceMissing, Refused,
				fmt.Sprintf("The namespace %s does not exist, and the chart makes none.", namespace),
				[]string{fmt.Sprintf("Run kubectl create namespace %s first.", namespace)}})
			continue
		}
		f := l.read(namespace)
		for _, c := range byNamespace[namespace] {
			l.shape(c, f)
			l.ownership(c, f)
			l.stale(c, f)
			l.pods(c)
		}
	}
}

func (l *look) add(h Hazard) { l.plan.Hazards = append(l.plan.Hazards, h) }

// unread notes what could not be read.
func (l *look) unread(what string, err error) {
	l.plan.NotChecked = append(l.plan.NotChecked, NotChecked{what, err.Error()})
}

// exists says whether a namespace exists; one that cannot be read is taken to.
func (l *look) exists(namespace string) bool {
	_, err := l.client.CoreV1().Namespaces().Get(l.ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false
	}
	if err != nil {
		l.unread("whether the namespace "+namespace+" exists", err)
	}
	return true
}

func (l *look) read(namespace string) found {
	var f found
	f.services = byName(func(each func(*corev1.Service)) error {
		return live.Services(l.ctx, l.client, namespace, each)
	}, func(err error) { l.unread("the Services of "+namespace, err) })
	f.slices = byName(func(each func(*discoveryv1.EndpointSlice)) error {
		return live.EndpointSlices(l.ctx, l.client, namespace, each)
	}, func(err error) { l.unread("the EndpointSlices of "+namespace, err) })
	//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
	f.endpoints = byName(func(each func(*corev1.Endpoints)) error {
		return live.Endpoints(l.ctx, l.client, namespace, each)
	}, func(err error) { l.unread("the Endpoints of "+namespace, err) })
	return f
}

// byName reads objects by their names, or is nil where they cannot be read.
func byName[T any](list func(each func(*T)) error, unread func(error)) map[string]*T {
	found := map[string]*T{}
	err := list(func(object *T) { found[any(object).(metav1.Object).GetName()] = object })
	if err != nil {
		unread(err)
		return nil
	}
	return found
}

// shape replaces what the release says about the ClusterIP of a Service by what the live
// Service says: a change that the API server did not take leaves the two apart.
func (l *look) shape(c Change, f found) {
	if f.services == nil {
		return
	}
	l.plan.Hazards = slices.DeleteFunc(l.plan.Hazards, func(h Hazard) bool {
		return h.Key == c.Key && slices.Contains([]Code{ClusterIPToHeadless, HeadlessToClusterIP, FamilyChange}, h.Code)
	})
	if service := f.services[c.Name]; service != nil {
		l.plan.Hazards = append(l.plan.Hazards, c.shapeHazards(shapeOfService(service))...)
	}
}

// ownership looks for objects that Helm would have to make and that are there.
func (l *look) ownership(c Change, f found) {
	for name := range c.Then.objects {
		if c.Now != nil && c.Now.objects[name] != nil {
			continue
		}
		kind, object, _ := strings.Cut(name, " ")
		var there metav1.Object
		switch kind {
		case "Service":
			if o := f.services[object]; o != nil {
				there = o
			}
		case "EndpointSlice":
			if o := f.slices[object]; o != nil {
				there = o
			}
		case "Endpoints":
			if o := f.endpoints[object]; o != nil {
				there = o
			}
		}
		if there == nil || l.owns(there) || l.plan.Has(EndpointsExist, c.Key) && kind == "Endpoints" {
			continue
		}
		if service := f.services[object]; kind == "Endpoints" && service != nil && l.owns(service) {
			l.add(endpointsExist(c.Key)) // left from when the Service had a selector
			continue
		}
		owner := helm.OwnerOf(there).String()
		l.add(Hazard{c.Key, NotOwned, Refused,
			fmt.Sprintf("The %s %s exists and %s, so that Helm refuses to take it over; nothing is changed.", kind, Key{c.Namespace, object}, owner),
			[]string{
				"Write another name, or delete the object when nobody needs it.",
				"Or upgrade with --take-ownership (Helm 3.17 and later), which makes the object what the values say.",
			}})
	}
}

func (l *look) owns(o metav1.Object) bool {
	return helm.OwnerOf(o) == helm.Owner{Release: l.release.Name, Namespace: l.release.Namespace}
}

// stale looks for endpoints of pods at a Service that has no selector any more: the
// controller leaves them alone.
func (l *look) stale(c Change, f found) {
	service := f.services[c.Name]
	if service == nil || c.Then.isAlias() || c.Then.Parked || c.Then.hasPods() || len(service.Spec.Selector) > 0 && service.Spec.Type != corev1.ServiceTypeExternalName {
		return
	}
	var names []string
	for name, slice := range f.slices {
		if slice.Labels[discoveryv1.LabelServiceName] == c.Name && slice.Labels[discoveryv1.LabelManagedBy] == live.PodEndpoints && len(slice.Endpoints) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	l.add(Hazard{c.Key, StaleEndpoints, Stale,
		fmt.Sprintf("%s once had a selector, and endpoints of its pods are left (EndpointSlice %s): connections also go there.", c.Key, some(names, ", ")),
		[]string{fmt.Sprintf("Write the selector of the pods for %s again: with backend: external it matches no pod, and Kubernetes clears their endpoints away.", c.Name)}})
}

// pods looks for the pods that an entry begins to reach.
func (l *look) pods(c Change) {
	if !c.Then.hasPods() || c.Now != nil && c.Now.Backend == c.Then.Backend && pairs(c.Now.Selector) == pairs(c.Then.Selector) && slices.Equal(podPorts(c.Now), podPorts(c.Then)) {
		return
	}
	selector := labels.SelectorFromSet(c.Then.Selector).String()
	list, err := l.client.CoreV1().Pods(c.Namespace).List(l.ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		l.unread(fmt.Sprintf("the pods %s of %s", selector, c.Namespace), err)
		return
	}
	effect, outcome := Lost, "every connection fails until one is"
	if c.Then.Backend == values.Both {
		effect, outcome = Kept, "every connection keeps going outside until one is"
	}
	var ready []corev1.Pod
	for _, pod := range list.Items {
		if isReady(pod) || c.Then.PublishNotReadyAddresses && pod.Status.PodIP != "" {
			ready = append(ready, pod)
		}
	}
	if len(ready) == 0 {
		l.add(Hazard{c.Key, NoReadyPods, effect,
			fmt.Sprintf("No pod of %s with the labels %s is ready (of %d there), and %s.", c.Namespace, pairs(c.Then.Selector), len(list.Items), outcome),
			[]string{"Upgrade when the pods are ready: kubectl get pods -n " + c.Namespace + " -l " + selector}})
		return
	}
	for _, port := range c.Then.Ports {
		if _, err := strconv.Atoi(port.PodPort); err == nil {
			continue // a number needs no declaration
		}
		if !slices.ContainsFunc(ready, func(pod corev1.Pod) bool { return hasPort(pod, port) }) {
			l.add(Hazard{c.Key, PodPortMissing, effect,
				fmt.Sprintf("No ready pod with the labels %s has a %s container port named %s, and %s.", pairs(c.Then.Selector), port.Protocol, port.PodPort, strings.Replace(outcome, "until one is", "to the port "+port.String(), 1)),
				[]string{"Write the name of a port of the pods' containers, or its number, as podPort."}})
		}
	}
}

func podPorts(s *State) []string {
	var list []string
	for _, p := range s.Ports {
		list = append(list, p.PodPort+"/"+p.Protocol)
	}
	return list
}

func isReady(pod corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func hasPort(pod corev1.Pod, port Port) bool {
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == port.PodPort && string(protocol(p.Protocol)) == port.Protocol {
				return true
			}
		}
	}
	return false
}
