package plan

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"external-services/tools/service"
)

// Action is what an upgrade does with a mapping.
type Action string

// The actions.
const (
	Add    Action = "add"
	Modify Action = "change"
	Remove Action = "remove"
)

// Change is what an upgrade changes in a mapping.
type Change struct {
	service.Key
	Action Action `json:"action"`

	// Before and After are the mapping before and after the upgrade, null if it does not exist.
	Before *service.Mapping `json:"before"`
	After  *service.Mapping `json:"after"`

	// Changes describes each difference. It is empty for a mapping that is added or removed.
	Changes []string `json:"changes"`
}

// newChange compares two mappings of which one may be nil. It is nil if nothing changes.
func newChange(key service.Key, before, after *service.Mapping) *Change {
	c := &Change{Key: key, Action: Modify, Before: before, After: after, Changes: []string{}}
	switch {
	case before == nil:
		c.Action = Add
	case after == nil:
		c.Action = Remove
	default:
		for _, d := range service.Diff(before, after) {
			c.Changes = append(c.Changes, d.Change())
		}
		if len(c.Changes) == 0 {
			c.Changes = objectChanges(before.Objects(), after.Objects())
		}
		if len(c.Changes) == 0 {
			return nil
		}
	}
	return c
}

// objectChanges names the objects that differ, for a change that no field of the mapping shows, such as other
// EndpointSlices for the same addresses.
func objectChanges(before, after map[string]any) []string {
	var list []string
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch {
		case before[name] == nil:
			list = append(list, name+": added")
		case after[name] == nil:
			list = append(list, name+": removed")
		case !equality.Semantic.DeepEqual(before[name], after[name]):
			list = append(list, name+": other content")
		}
	}
	return list
}
