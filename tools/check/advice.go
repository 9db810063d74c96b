package check

import (
	"fmt"

	"external-services/tools/helm"
	"external-services/tools/service"
)

// applierOf is the program that applies the mappings, by the marks on the first object that has some: on those of the
// release, or for values on those of the cluster.
func applierOf(desired []*service.Mapping, live *service.Live, release *helm.Deployed) (found helm.Applier) {
	for _, m := range desired {
		if release != nil {
			if applier := helm.ApplierOf(m.Service); applier.Program == helm.Flux {
				return applier
			}
			continue
		}
		if existing := live.Services[m.Key]; existing != nil && helm.IsOfChart(existing) {
			switch applier := helm.ApplierOf(existing); applier.Program {
			case helm.Flux, helm.ArgoCD:
				return applier
			case helm.PerhapsArgoCD:
				found = applier
			}
		}
	}
	return found
}

// apply says how to create a missing object.
func (r *Report) apply() string {
	switch command := r.applier.Command(); {
	case r.applier.Program == helm.PerhapsArgoCD:
		return fmt.Sprintf("Apply the values again, with Argo CD by %s.", command)
	case command != "":
		return fmt.Sprintf("Run %s, which creates what is missing.", command)
	case r.Release == nil:
		return "Apply the values again."
	}
	return fmt.Sprintf("Run helm upgrade %s -n %s with the same values, which creates what is missing.", r.Release.Name, r.Release.Namespace)
}

// restore says how to undo a change.
func (r *Report) restore() string {
	switch command := r.applier.Command(); {
	case r.applier.Program == helm.PerhapsArgoCD, r.Release == nil && command == "":
		return r.apply()
	case command != "":
		return fmt.Sprintf("Undo the change, or run %s.", command)
	}
	return fmt.Sprintf("Undo the change, or run helm upgrade %s -n %s with the same values, with Helm 4 and --force-conflicts.",
		r.Release.Name, r.Release.Namespace)
}

// prune says how to remove what is no longer in the values.
func (r *Report) prune() string {
	switch r.applier.Program {
	case helm.ArgoCD, helm.PerhapsArgoCD:
		return fmt.Sprintf("With Argo CD: %s --prune. To have it done by itself, set syncPolicy.automated.prune: true.", r.applier.Command())
	}
	return ""
}
