package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"external-services/tools/values"
)

// Code tells hazards apart. Codes stay as they are from version to version.
type Code string

// Effect is what comes of a hazard.
type Effect string

// The effects.
const (
	// Refused: helm upgrade fails, because Helm or the API server refuses.
	Refused Effect = "refused"
	// Kept: the upgrade succeeds, and the cluster silently keeps what it has.
	Kept Effect = "kept"
	// Altered: the upgrade succeeds, and stores something else than the values say.
	Altered Effect = "altered"
	// Stale: connections go on to where they should not any more.
	Stale Effect = "stale"
	// Interrupted: connections fail for some seconds at most.
	Interrupted Effect = "interrupted"
	// Lost: connections fail from then on.
	Lost Effect = "lost"
)

// The hazards that follow from the values.
const (
	// ClusterIPToHeadless: the API server does not take a ClusterIP away.
	ClusterIPToHeadless Code = "clusterip-to-headless"
	// HeadlessToClusterIP: a headless Service silently stays headless.
	HeadlessToClusterIP Code = "headless-to-clusterip"
	// FamilyChange: the first IP family of a live Service does not change.
	FamilyChange Code = "family-change"
	// EndpointsExist: the Endpoints object that Kubernetes made for a selector is not the
	// release's.
	EndpointsExist Code = "endpoints-exist"
	// EndpointsOverwritten: Kubernetes writes the Endpoints object of a Service that gets
	// a selector.
	EndpointsOverwritten Code = "endpoints-overwritten"
	// WithoutBoth: from outside to pods or back in one upgrade.
	WithoutBoth Code = "without-both"
	// SelectorRemoved: the endpoints of pods stay behind.
	SelectorRemoved Code = "selector-removed"
	// RollbackStale: the upgrade is fine, and its rollback would leave endpoints of pods
	// behind.
	RollbackStale Code = "rollback-stale"
	// DNSAnswers: clients hold the DNS answer of before, between an alias and an address.
	DNSAnswers Code = "dns-answers"
	// PortRenamed: for a moment Service and endpoints have other names for a port.
	PortRenamed Code = "port-renamed"
	// PortsByNumber: a patch on the client's side mixes up ports that have one number.
	PortsByNumber Code = "ports-by-number"
	// PortRemoved: a port that pods may still call is gone.
	PortRemoved Code = "port-removed"
	// EntryRemoved: a name that pods may still call is gone.
	EntryRemoved Code = "entry-removed"
	// EntryRenamed: the same, and another name reaches the same.
	EntryRenamed Code = "entry-renamed"
	// NoReadyAddress: no address outside is ready.
	NoReadyAddress Code = "no-ready-address"
)

// Hazard is something that does not go as the values say, or not without failed
// connections.
type Hazard struct {
	// Key is the entry, empty where it is the whole release.
	Key
	Code   Code   `json:"code"`
	Effect Effect `json:"effect"`

	// What says what will happen, in one sentence.
	What string `json:"what"`

	// SafeWay says what to do instead, one step each.
	SafeWay []string `json:"safeWay"`
}

func (h Hazard) String() string {
	return fmt.Sprintf("%s: %s (%s): %s", h.Key, h.Effect, h.Code, h.What)
}

// partly is what Helm does when the API server refuses an object, measured with Helm
// 3.22 and 4.3.
const partly = "the upgrade fails after it has changed other objects, which helm rollback undoes"

// hazards says what the change of an entry brings, as far as the values tell.
func (c Change) hazards() []Hazard {
	var list []Hazard
	add := func(code Code, effect Effect, what string, safeWay ...string) {
		list = append(list, Hazard{c.Key, code, effect, what, safeWay})
	}
	now, then := c.Now, c.Then
	if then != nil && then.Backend == values.External && !then.isAlias() && then.ready() == 0 && (now == nil || now.ready() > 0 || now.Backend != values.External) {
		add(NoReadyAddress, Lost,
			fmt.Sprintf("No address of %s is ready, so that every connection fails.", c.Key),
			fmt.Sprintf("Leave ready: false out for at least one address of %s.", c.Name))
	}
	if now == nil || then == nil {
		return list
	}
	list = append(list, c.shapeHazards(shapeOf(now))...)
	selectorBefore, selectorAfter := now.Parked || now.hasPods(), then.Parked || then.hasPods()
	if selectorBefore && then.Kind == string(values.EndpointsLegacy) {
		list = append(list, endpointsExist(c.Key))
	}
	if now.Kind == string(values.EndpointsLegacy) && selectorAfter {
		add(EndpointsOverwritten, Interrupted,
			fmt.Sprintf("%s gets a selector while its addresses are in an Endpoints object, which Kubernetes overwrites with the pods of the selector before the EndpointSlices are there, so that connections can fail for some seconds.", c.Key),
			fmt.Sprintf("Upgrade with endpointsKind: EndpointSlice for %s first, without a selector.", c.Name),
			"Then upgrade to the new values.")
	}
	if !now.isAlias() && !then.isAlias() && (now.Backend == values.External && then.Backend == values.Cluster || now.Backend == values.Cluster && then.Backend == values.External) {
		add(WithoutBoth, Interrupted,
			fmt.Sprintf("%s goes from %s to %s in one upgrade, and can have no endpoint for about two seconds: connections fail meanwhile.", c.Key, now.Backend, then.Backend),
			fmt.Sprintf("Upgrade with backend: both for %s first, with its addresses and its selector.", c.Name),
			"Then upgrade to the new values.")
	}
	if now.hasPods() && !selectorAfter {
		add(SelectorRemoved, Stale, selectorRemoved(c), selectorSafeWay(c)...)
	}
	if then.hasPods() && !selectorBefore && !now.isAlias() {
		add(RollbackStale, Stale,
			fmt.Sprintf("%s gets a selector that it had not, so that helm rollback would take it away again and leave the endpoints of the pods behind (kubernetes/kubernetes#103804): connections would go on to the pods.", c.Key),
			fmt.Sprintf("Upgrade with backend: external and the selector for %s first, so that the revision to roll back to has it.", c.Name),
			"Then upgrade to the new values.")
	}
	if now.isAlias() != then.isAlias() {
		add(DNSAnswers, Interrupted, dnsAnswers(c), dnsSafeWay(c)...)
	}
	if names := renamedPorts(now, then); len(names) > 0 && !now.isAlias() && !then.isAlias() && now.hasClusterIP() && then.hasClusterIP() {
		add(PortRenamed, Interrupted,
			fmt.Sprintf("%s gets other port names (%s): Helm changes the Service first and its endpoints after it, and connections can fail for a second in between.", c.Key, some(names, ", ")),
			"Keep the names of the ports, which clients do not see unless they look up SRV records.")
	}
	if effect := patchedPorts(now.service(), then.service()); effect != "" {
		outcome := "the Service keeps or gets other ports than the values say"
		if effect == Refused {
			outcome = "the API server refuses what comes out (\"spec.ports: Required value\")"
		}
		add(PortsByNumber, effect,
			fmt.Sprintf("%s has one port number for several protocols, and Helm 3, as well as Helm 4 in a release that Helm 3 made, tells ports apart by their number: %s.", c.Key, outcome),
			"Upgrade with Helm 4 and --server-side=true.",
			fmt.Sprintf("Or upgrade with enabled: false for %s first and then to the new values; the name does not resolve in between.", c.Name))
	}
	if gone := removedPorts(now, then); len(gone) > 0 && !then.isAlias() {
		add(PortRemoved, Lost,
			fmt.Sprintf("%s loses the port %s, and connections of pods that still call it fail.", c.Key, some(gone, ", ")),
			"Keep the port until no pod calls it.")
	}
	return list
}

// shape is what of a Service does not change while it lives.
type shape struct {
	alias    bool
	headless bool
	families []string // the first is that of the first ClusterIP
}

// shapeOf takes the first family to be IPv4 where the entry does not have one family
// only, as it is where the cluster's first is; a live Service says which it is.
func shapeOf(s *State) shape {
	was := shape{alias: s.isAlias(), headless: s.Headless, families: s.Families}
	if len(was.families) == 0 {
		was.families = []string{"IPv4"}
	}
	return was
}

func shapeOfService(service *corev1.Service) shape {
	was := shape{alias: service.Spec.Type == corev1.ServiceTypeExternalName, headless: service.Spec.ClusterIP == corev1.ClusterIPNone}
	for _, family := range service.Spec.IPFamilies {
		was.families = append(was.families, string(family))
	}
	return was
}

// Unchangeable says in which way a live Service is not as an entry wants it and cannot
// become so: HeadlessToClusterIP, ClusterIPToHeadless, FamilyChange, or "".
func Unchangeable(live *corev1.Service, then *State) Code {
	for _, hazard := range (Change{Then: then}).shapeHazards(shapeOfService(live)) {
		return hazard.Code
	}
	return ""
}

// shapeHazards says what the API server does not change in a Service. A headless one may
// change its family.
func (c Change) shapeHazards(was shape) []Hazard {
	then := c.Then
	switch {
	case was.alias || then.isAlias():
		return nil
	case then.Headless && !was.headless:
		return []Hazard{{c.Key, ClusterIPToHeadless, Refused,
			fmt.Sprintf("%s has a ClusterIP, which the API server does not take away (\"may not change once set\"); %s.", c.Key, partly),
			anew(c.Key, "as headless")}}
	case then.hasClusterIP() && was.headless:
		return []Hazard{{c.Key, HeadlessToClusterIP, Kept,
			fmt.Sprintf("%s is headless and silently stays so: the upgrade succeeds, and the Service gets no ClusterIP.", c.Key),
			anew(c.Key, "with a ClusterIP")}}
	case !was.headless && len(was.families) > 0 && len(then.Families) == 1 && was.families[0] != then.Families[0]:
		return []Hazard{{c.Key, FamilyChange, Refused,
			fmt.Sprintf("%s goes from %s to %s, and the API server keeps the family of the first ClusterIP; %s.", c.Key, strings.Join(was.families, " and "), then.Families[0], partly),
			anew(c.Key, "with the other family")}}
	}
	return nil
}

// anew is the way round what a live Service does not take.
func anew(key Key, how string) []string {
	return []string{
		fmt.Sprintf("Add an entry of another name %s, and point the clients to it.", how),
		fmt.Sprintf("Or upgrade with enabled: false for %s first and then to the new values; the name does not resolve in between.", key.Name),
	}
}

func endpointsExist(key Key) Hazard {
	return Hazard{key, EndpointsExist, Refused,
		fmt.Sprintf("Kubernetes made an Endpoints object for the selector of %s, and Helm refuses to take it over; nothing is changed.", key),
		[]string{
			fmt.Sprintf("Keep endpointsKind: EndpointSlice for %s.", key.Name),
			fmt.Sprintf("Or upgrade with endpointsKind: EndpointSlice, backend: external and the selector first, then without the selector; then delete the Endpoints object %s, and upgrade to the new values.", key),
		}}
}

func selectorRemoved(c Change) string {
	if c.Then.isAlias() {
		return fmt.Sprintf("%s loses its selector, and the endpoints of its pods stay behind (kubernetes/kubernetes#103804): as soon as it has addresses again, connections also go to pods that may be gone.", c.Key)
	}
	return fmt.Sprintf("%s loses its selector, and the endpoints of its pods stay behind (kubernetes/kubernetes#103804): connections go on to the pods, also when these are gone.", c.Key)
}

func selectorSafeWay(c Change) []string {
	if c.Then.isAlias() {
		return []string{
			fmt.Sprintf("Upgrade with addresses, backend: external and the selector for %s first, so that Kubernetes clears the endpoints of the pods away.", c.Name),
			"Then upgrade to the new values.",
		}
	}
	return []string{
		fmt.Sprintf("Keep the selector of %s: with backend: external it is parked, matches no pod, and Kubernetes clears the endpoints of the pods away.", c.Name),
		"If it has to go, take it away in a later upgrade.",
	}
}

func dnsAnswers(c Change) string {
	const hold = "clients hold the DNS answer of before until its TTL is over (5 seconds by default in CoreDNS)"
	switch {
	case c.Then.isAlias() && c.Now.hasClusterIP():
		return fmt.Sprintf("%s becomes an alias and loses its ClusterIP, while %s: their connections fail.", c.Key, hold)
	case c.Then.isAlias():
		return fmt.Sprintf("%s becomes an alias, while %s and go on to the addresses.", c.Key, hold)
	default:
		return fmt.Sprintf("%s is no alias any more, while %s and go on to %s; a client that asks anew can come before the endpoints, and its connection fails.", c.Key, hold, c.Now.ExternalName)
	}
}

func dnsSafeWay(c Change) []string {
	if c.Then.isAlias() {
		return []string{
			fmt.Sprintf("Add an entry of another name with externalName: %s, and point the clients to it; or upgrade when a few seconds of failed connections do no harm.", c.Then.ExternalName),
		}
	}
	return []string{
		fmt.Sprintf("Leave %s up until the DNS answers are forgotten, and upgrade when a second of failed connections does no harm.", c.Now.ExternalName),
	}
}

// renamedPorts lists the ports that keep number and protocol and get another name.
func renamedPorts(now, then *State) []string {
	var names []string
	for _, old := range now.Ports {
		for _, p := range then.Ports {
			if old.Port == p.Port && old.Protocol == p.Protocol && old.Name != p.Name {
				names = append(names, fmt.Sprintf("%s -> %s", orNone(old.Name), orNone(p.Name)))
			}
		}
	}
	return names
}

// patchedPorts says what comes of the ports of a Service that is patched on the client's
// side, as Helm 3 does it: by a strategic merge, for which the number of a port is its
// key (kubernetes/kubernetes#39188). It is empty where they come out right.
func patchedPorts(now, then *corev1.Service) Effect {
	live := now.DeepCopy()
	for i := range live.Spec.Ports {
		live.Spec.Ports[i].Protocol = protocol(live.Spec.Ports[i].Protocol) // as the API server stores it
	}
	patched, err := patch(now, then, live)
	if err != nil {
		panic(err) // three objects of one linked API type: never at run time
	}
	switch {
	case equality.Semantic.DeepEqual(portKeys(patched), portKeys(then)):
		return ""
	case len(patched.Spec.Ports) == 0:
		return Refused
	}
	return Altered
}

// patch changes a live Service as a three-way strategic merge does.
func patch(now, then, live *corev1.Service) (*corev1.Service, error) {
	var documents [3][]byte
	for i, service := range []*corev1.Service{now, then, live} {
		var err error
		if documents[i], err = json.Marshal(service); err != nil {
			return nil, err
		}
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(corev1.Service{})
	if err != nil {
		return nil, err
	}
	change, err := strategicpatch.CreateThreeWayMergePatch(documents[0], documents[1], documents[2], meta, true)
	if err != nil {
		return nil, err
	}
	text, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(documents[2], change, meta)
	if err != nil {
		return nil, err
	}
	patched := &corev1.Service{}
	return patched, json.Unmarshal(text, patched)
}

// portKeys are the names, numbers and protocols of a Service's ports.
func portKeys(service *corev1.Service) map[string]bool {
	keys := map[string]bool{}
	for _, p := range service.Spec.Ports {
		keys[fmt.Sprintf("%s %d/%s", p.Name, p.Port, protocol(p.Protocol))] = true
	}
	return keys
}

// service is the Service of the entry.
func (s *State) service() *corev1.Service {
	for _, object := range s.objects {
		if service, ok := object.(*corev1.Service); ok {
			return service
		}
	}
	panic("an entry without a Service: States makes none")
}

// removedPorts lists the ports that are there no more. An alias that documents no port
// serves all.
func removedPorts(now, then *State) []string {
	var gone []string
	for _, old := range now.Ports {
		if !slices.ContainsFunc(then.Ports, func(p Port) bool { return p.Port == old.Port && p.Protocol == old.Protocol }) {
			gone = append(gone, old.String())
		}
	}
	return gone
}

// removals says which names are gone, and which of them another name stands for.
func removals(changes []Change) []Hazard {
	var list []Hazard
	for _, c := range changes {
		if c.Action != Remove {
			continue
		}
		hazard := Hazard{c.Key, EntryRemoved, Lost,
			fmt.Sprintf("%s is removed, and connections of pods that still call it fail.", c.Key),
			[]string{fmt.Sprintf("Keep the entry until no pod calls %s.", c.Key)}}
		for _, other := range changes {
			if other.Action == Add && sameTarget(c.Now, other.Then) {
				hazard.Code = EntryRenamed
				hazard.What = fmt.Sprintf("%s is renamed to %s, and connections of pods that still call the old name fail.", c.Key, other.Key)
				hazard.SafeWay = []string{
					fmt.Sprintf("Add %s and keep %s in the same values.", other.Key, c.Key),
					"Remove the old entry when no pod calls it.",
				}
				break
			}
		}
		list = append(list, hazard)
	}
	return list
}

// sameTarget says whether two entries reach the same.
func sameTarget(a, b *State) bool {
	return a.ExternalName == b.ExternalName && reflect.DeepEqual(a.Addresses, b.Addresses) && reflect.DeepEqual(a.Selector, b.Selector)
}
