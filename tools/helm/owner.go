package helm

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Owner is the release that an object belongs to, empty for one that was not made by
// Helm.
type Owner struct {
	Release   string
	Namespace string
}

// releaseName is the annotation by which Helm knows its own.
const releaseName = "meta.helm.sh/release-name"

// OwnerOf reads the owner of an object from the label and annotations by which Helm
// knows its own.
func OwnerOf(o metav1.Object) Owner {
	owner := Owner{o.GetAnnotations()[releaseName], o.GetAnnotations()["meta.helm.sh/release-namespace"]}
	if o.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" {
		return Owner{}
	}
	return owner
}

func (o Owner) String() string {
	if o.Release == "" {
		return "was not created by Helm"
	}
	return fmt.Sprintf("belongs to the release %s in %s", o.Release, o.Namespace)
}

// Whose says whose an object is.
func Whose(o metav1.Object) string {
	owner, applier := OwnerOf(o), ApplierOf(o)
	if owner.Release == "" && applier.Program == ArgoCD {
		return "belongs to " + applier.String()
	}
	return owner.String()
}

// Applier is the program that applies an object again and again, as its marks say: Flux by a HelmRelease, or Argo CD
// by an Application. It is empty for objects that have no such marks.
type Applier struct {
	Program         Program
	Namespace, Name string // of the HelmRelease or the Application; Argo CD names no namespace if it is its own
}

// Program is Flux or Argo CD.
type Program string

// The programs. PerhapsArgoCD is for objects that Argo CD marks by a label which Helm charts set too.
const (
	Flux          Program = "Flux"
	ArgoCD        Program = "Argo CD"
	PerhapsArgoCD Program = "perhaps Argo CD"
)

// ApplierOf reads the marks of Flux's helm-controller and of Argo CD.
func ApplierOf(o metav1.Object) Applier {
	const flux = "helm.toolkit.fluxcd.io/"
	labels := o.GetLabels()
	if name := labels[flux+"name"]; name != "" {
		return Applier{Flux, labels[flux+"namespace"], name}
	}
	// APPLICATION:GROUP/KIND:NAMESPACE/NAME, in which APPLICATION may be NAMESPACE_NAME
	if application, _, found := strings.Cut(o.GetAnnotations()["argocd.argoproj.io/tracking-id"], ":"); found {
		if namespace, name, found := strings.Cut(application, "_"); found {
			return Applier{ArgoCD, namespace, name}
		}
		return Applier{ArgoCD, "", application}
	}
	if name := labels["app.kubernetes.io/instance"]; name != "" && o.GetAnnotations()[releaseName] == "" {
		return Applier{PerhapsArgoCD, "", name}
	}
	return Applier{}
}

// Command makes the program apply the objects again.
func (a Applier) Command() string {
	switch a.Program {
	case Flux:
		return fmt.Sprintf("flux reconcile helmrelease %s -n %s --force", a.Name, a.Namespace)
	case ArgoCD, PerhapsArgoCD:
		return "argocd app sync " + a.application()
	}
	return ""
}

// application is the Application as the commands of Argo CD name it.
func (a Applier) application() string { return strings.TrimPrefix(a.Namespace+"/"+a.Name, "/") }

// String names the HelmRelease or the Application.
func (a Applier) String() string {
	if a.Program == Flux {
		return fmt.Sprintf("the HelmRelease %s in %s of Flux", a.Name, a.Namespace)
	}
	return fmt.Sprintf("the Application %s of Argo CD", a.application())
}
