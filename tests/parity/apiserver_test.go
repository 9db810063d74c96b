package parity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
)

// apiServer is one that is asked what it takes, and keeps nothing.
type apiServer struct {
	version string // of Kubernetes, as in 1.37
	rest    rest.Interface

	known sync.Map // the namespaces that it takes, by name: nil, or why not
}

// startAPIServer starts the API server of an embedded cluster, with the namespaces of
// the documents.
func startAPIServer(ctx context.Context, name string, progress io.Writer, options ...testenv.Option) (*testenv.Embedded, *apiServer, error) {
	c, err := testenv.Start(ctx, name, progress, append(options, testenv.WithoutDataPlane())...)
	if err != nil {
		return nil, nil, err
	}
	server, err := connect(ctx, c)
	if err != nil {
		return nil, nil, errors.Join(err, c.Stop(ctx))
	}
	return c, server, nil
}

func connect(ctx context.Context, c *testenv.Embedded) (*apiServer, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	if err := testenv.InstallGatewayAPI(ctx, c.Kubeconfig); err != nil {
		return nil, err
	}
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		return nil, err
	}
	server := &apiServer{version: info.Major + "." + info.Minor, rest: client.Discovery().RESTClient()}
	for _, namespace := range namespaces {
		_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
		// Pods are refused until the namespace has the account that they run as.
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			_, err := client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
			if err == nil {
				break
			}
			if !apierrors.IsNotFound(err) || time.Now().After(deadline) {
				return nil, err
			}
		}
	}
	return server, nil
}

// object is what is to be sent.
type object struct {
	kind, name, namespace string
	body                  []byte // JSON, as Helm sends it
}

// resources are the paths of the kinds that the chart renders.
var resources = map[string][2]string{
	"Service":             {"/api/v1", "services"},
	"Endpoints":           {"/api/v1", "endpoints"},
	"Pod":                 {"/api/v1", "pods"},
	"EndpointSlice":       {"/apis/discovery.k8s.io/v1", "endpointslices"},
	"ConfigMap":           {"/api/v1", "configmaps"},
	"ServiceAccount":      {"/api/v1", "serviceaccounts"},
	"Deployment":          {"/apis/apps/v1", "deployments"},
	"PodDisruptionBudget": {"/apis/policy/v1", "poddisruptionbudgets"},
	"Role":                {"/apis/rbac.authorization.k8s.io/v1", "roles"},
	"RoleBinding":         {"/apis/rbac.authorization.k8s.io/v1", "rolebindings"},
	"Ingress":             {"/apis/networking.k8s.io/v1", "ingresses"},
	"HTTPRoute":           {"/apis/gateway.networking.k8s.io/v1", "httproutes"},
	"TLSRoute":            {"/apis/gateway.networking.k8s.io/v1", "tlsroutes"},
	"TCPRoute":            {"/apis/gateway.networking.k8s.io/v1", "tcproutes"},
	"BackendTLSPolicy":    {"/apis/gateway.networking.k8s.io/v1", "backendtlspolicies"},

	"ValidatingAdmissionPolicy":        {"/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies"},
	"ValidatingAdmissionPolicyBinding": {"/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings"},
}

// ofCluster are the kinds that are in no namespace.
var ofCluster = []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

// objects reads what a chart renders as Helm does. Keys that stand twice are an error.
func objects(documents []string) ([]object, error) {
	var result []object
	for _, document := range documents {
		var content map[string]any
		if err := yaml.UnmarshalStrict([]byte(document), &content); err != nil {
			return nil, err
		}
		kind, _ := content["kind"].(string)
		if _, ok := resources[kind]; !ok {
			return nil, fmt.Errorf("the chart renders no kind %q", kind)
		}
		metadata, ok := content["metadata"].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s without metadata", kind)
		}
		o := object{kind: kind}
		o.name, _ = metadata["name"].(string)
		o.namespace, _ = metadata["namespace"].(string)
		body, err := json.Marshal(content)
		if err != nil {
			return nil, err
		}
		o.body = body
		result = append(result, o)
	}
	return result, nil
}

// sending is how an object gets to the API server.
type sending int

const (
	creating sending = iota // as Helm 3 does
	applying                // server-side apply, as Helm 4 does
)

// take asks the API server to take an object. It returns why it does not, or nothing.
// The error is that there is no answer. A namespace that the cluster does not have is
// sent by itself, and the object into one that it has.
func (s *apiServer) take(ctx context.Context, o object, how sending) (refusal string, err error) {
	body, namespace := o.body, o.namespace
	path := resources[o.kind]
	if slices.Contains(ofCluster, o.kind) {
		return s.send(ctx, path[0]+"/"+path[1], o.name, body, how)
	}
	if !slices.Contains(namespaces, namespace) {
		refusal, err := s.takeNamespace(ctx, namespace)
		if refusal != "" || err != nil {
			return refusal, err
		}
		var content map[string]any
		if err := json.Unmarshal(body, &content); err != nil {
			return "", err
		}
		namespace = namespaces[0]
		content["metadata"].(map[string]any)["namespace"] = namespace
		if body, err = json.Marshal(content); err != nil {
			return "", err
		}
	}
	return s.send(ctx, path[0]+"/namespaces/"+namespace+"/"+path[1], o.name, body, how)
}

func (s *apiServer) takeNamespace(ctx context.Context, name string) (string, error) {
	if known, ok := s.known.Load(name); ok {
		return known.(string), nil
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}})
	if err != nil {
		return "", err
	}
	refusal, err := s.send(ctx, "/api/v1/namespaces", name, body, creating)
	if err == nil {
		s.known.Store(name, refusal)
	}
	return refusal, err
}

func (s *apiServer) send(ctx context.Context, path, name string, body []byte, how sending) (string, error) {
	var request *rest.Request
	switch how {
	case creating:
		request = s.rest.Post().AbsPath(path).SetHeader("Content-Type", "application/json")
	case applying:
		request = s.rest.Patch(types.ApplyPatchType).AbsPath(path+"/"+url.PathEscape(name)).Param("fieldManager", "helm")
	}
	err := request.Param("dryRun", "All").Param("fieldValidation", "Strict").Body(body).Do(ctx).Error()
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &status):
		return "", err
	}
	switch status.Status().Code {
	case http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return err.Error(), nil
	case http.StatusForbidden:
		// the admission plugin ServiceAccount says so of the annotation kubernetes.io/config.mirror
		if strings.Contains(err.Error(), "a mirror pod may not") {
			return err.Error(), nil
		}
	case http.StatusInternalServerError:
		// server-side apply says so of a body that it cannot read
		if strings.Contains(err.Error(), "error decoding patch") || strings.Contains(err.Error(), "failed to create typed patch") {
			return err.Error(), nil
		}
	}
	return "", fmt.Errorf("Kubernetes %s: %w", s.version, err)
}
