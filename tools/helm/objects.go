package helm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"external-services/charts"
	"external-services/tools/values"
)

// Result is what a chart renders.
type Result struct {
	// Manifests are the YAML documents, in the order in which Helm installs them.
	Manifests []string

	// The objects of the manifests.
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	//lint:ignore SA1019 deprecated since Kubernetes 1.33 and rendered on request
	Endpoints []*corev1.Endpoints

	// Routes are what is in front of the Services: Ingresses, and *unstructured.Unstructured of the Gateway API.
	Routes []Object

	// Resolvers are those of the release, one for each part of it that needs one.
	Resolvers []Resolver

	// OfResolvers are the objects of the resolvers: of the Kubernetes API, or *unstructured.Unstructured of the
	// Prometheus operator.
	OfResolvers []runtime.Object

	// Pods are what helm test starts.
	Pods []*corev1.Pod

	// Notes is what Helm prints after an installation.
	Notes string
}

// Object is an object of a cluster.
type Object interface {
	runtime.Object
	metav1.Object
}

// OfEntries are the objects of the entries.
func (r *Result) OfEntries() []Object {
	objects := slices.Clone(r.Routes)
	for _, o := range r.Services {
		objects = append(objects, o)
	}
	for _, o := range r.EndpointSlices {
		objects = append(objects, o)
	}
	for _, o := range r.Endpoints {
		objects = append(objects, o)
	}
	return objects
}

// Resolver is a resolver of a release.
type Resolver struct {
	// Namespace and Name are those of its objects, such as the ConfigMap and the Lease.
	Namespace, Name string

	Config *values.ResolverConfig
}

// YAML returns the documents as helm template prints them, without its comments.
func (r *Result) YAML() string {
	var out strings.Builder
	for _, manifest := range r.Manifests {
		fmt.Fprintf(&out, "---\n%s\n", strings.TrimSpace(manifest))
	}
	return out.String()
}

// Decode reads the YAML documents that helm template or helm get manifest prints. It is strict: a field that
// the API does not have, a key that is there twice, or a kind that the chart does not render is an error.
func Decode(documents string) (*Result, error) { return decodeText(documents, allObjects) }

// DecodeMappings is Decode for a release that may hold other charts too: it reads only the objects that this
// chart made for its entries, which it knows by their labels.
func DecodeMappings(documents string) (*Result, error) { return decodeText(documents, mappingsOnly) }

// scope says which documents are decoded.
type scope bool

const (
	allObjects   scope = true
	mappingsOnly scope = false
)

func decodeText(documents string, what scope) (*Result, error) {
	result := &Result{}
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(documents)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if err := result.add(string(document), what); err != nil {
			return nil, err
		}
	}
}

// add decodes a document. A document that is not YAML belongs to another chart if only mappings are read:
// Helm judges it.
func (r *Result) add(document string, what scope) error {
	text, err := sigsyaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		lenient, failed := sigsyaml.YAMLToJSON([]byte(document))
		if what == mappingsOnly && (failed != nil || !isMapping(lenient)) {
			return nil
		}
		return undecodable(document, err)
	}
	if what == mappingsOnly && !isMapping(text) {
		return nil
	}
	object, kind, err := decoder.Decode(text, nil, nil) // JSON: YAML takes several times as long
	if runtime.IsNotRegisteredError(err) && (kind.Group == prometheusOperator || kind.Group == GatewayGroup) {
		object, kind, err = unstructured.UnstructuredJSONScheme.Decode(text, nil, nil)
	}
	if err != nil {
		return undecodable(document, err)
	}
	r.Manifests = append(r.Manifests, document)
	switch o := object.(type) {
	case *corev1.Service:
		r.Services = append(r.Services, o)
	case *corev1.ConfigMap:
		config, err := values.ParseResolverConfig(o.Data[values.ResolverConfigKey])
		if err != nil {
			return undecodable(document, err)
		}
		r.Resolvers = append(r.Resolvers, Resolver{o.Namespace, o.Name, config})
		r.OfResolvers = append(r.OfResolvers, object)
	case *discoveryv1.EndpointSlice:
		r.EndpointSlices = append(r.EndpointSlices, o)
	case *corev1.Endpoints: //lint:ignore SA1019 see Result
		r.Endpoints = append(r.Endpoints, o)
	case *networkingv1.Ingress:
		r.Routes = append(r.Routes, o)
	case *corev1.Pod:
		r.Pods = append(r.Pods, o)
	case *corev1.ServiceAccount, *appsv1.Deployment, *policyv1.PodDisruptionBudget, *rbacv1.Role, *rbacv1.RoleBinding,
		*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding:
		r.OfResolvers = append(r.OfResolvers, object)
	case *unstructured.Unstructured:
		if kind.Group == GatewayGroup {
			r.Routes = append(r.Routes, o)
		} else {
			r.OfResolvers = append(r.OfResolvers, o)
		}
	default:
		return fmt.Errorf("the chart renders no %s", kind)
	}
	return nil
}

// The API groups of objects whose types this program does not have.
const (
	prometheusOperator = "monitoring.coreos.com"
	GatewayGroup       = "gateway.networking.k8s.io"
)

// GatewayAPI are the kinds of the Gateway API that the chart renders, as Helm's --api-versions names them.
var GatewayAPI = []string{
	GatewayGroup + "/v1/HTTPRoute", GatewayGroup + "/v1/TLSRoute", GatewayGroup + "/v1/TCPRoute", GatewayGroup + "/v1/BackendTLSPolicy",
}

var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, admissionv1.AddToScheme,
		networkingv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err) // the scheme of the linked API types: never at run time
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()

// undecodable names a document by its first lines.
func undecodable(document string, err error) error {
	lines := strings.SplitN(document, "\n", 6)
	return fmt.Errorf("decode %q: %w", strings.Join(lines[:min(5, len(lines))], "\n"), err)
}

// nameLabel has the name of the chart on each of its objects.
const nameLabel = "app.kubernetes.io/name"

// IsOfChart says whether an object is of this chart.
func IsOfChart(o metav1.Object) bool { return o.GetLabels()[nameLabel] == charts.Dir }

// isMapping says whether a document, as JSON, is an object that the chart makes for an entry, or the configuration of
// the resolver.
func isMapping(text []byte) bool {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Labels map[string]any `json:"labels"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return false
	}
	switch object.APIVersion + " " + object.Kind {
	case "v1 Service", "v1 Endpoints", "discovery.k8s.io/v1 EndpointSlice", "v1 ConfigMap", "networking.k8s.io/v1 Ingress":
	default:
		if !slices.Contains(GatewayAPI, object.APIVersion+"/"+object.Kind) {
			return false
		}
	}
	return object.Metadata.Labels[nameLabel] == charts.Dir
}
