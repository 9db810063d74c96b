package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/endpoint"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/endpointslicemirroring"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// The settings of the controllers that kube-controller-manager has by default.
const (
	resync            = 12 * time.Hour
	endpointWorkers   = 5
	maxPerSlice       = 100
	maxMirrored       = 1000
	namespaceResync   = 5 * time.Minute
	namespaceWorkers  = 10
	garbageWorkers    = 20
	garbageResync     = 30 * time.Second
	aggregatorWorkers = 5
)

// newControllers is the part of kube-controller-manager that a cluster of ours runs: the controllers that Services,
// Endpoints and EndpointSlices need, those without which a namespace is not usable or does not go away, and the one that
// gives the roles admin, edit and view their rules.
//
// The controllers are Kubernetes' own, each made by its own package and with the rights of its own service account. The
// program itself would compile some thirty more, and with them the volumes, the scheduler and the kubelet.
func newControllers() *cobra.Command {
	var kubeconfig, rootCA string
	cmd := &cobra.Command{
		Use:   "kube-controller-manager",
		Short: "Run the controllers of kube-controller-manager that an embedded cluster needs",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			ca, err := os.ReadFile(rootCA)
			if err != nil {
				return err
			}
			return runControllers(genericapiserver.SetupSignalContext(), config, ca)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "path of a kubeconfig for the API server")
	cmd.Flags().StringVar(&rootCA, "root-ca-file", "", "path of the certificate that pods verify the API server by")
	return cmd
}

// runControllers runs the controllers until ctx is done.
func runControllers(ctx context.Context, config *rest.Config, ca []byte) error {
	// Nobody else needs the API server's time: changes are to be seen soon.
	config.QPS, config.Burst = 200, 400
	root := clientbuilder.SimpleControllerClientBuilder{ClientConfig: config}
	client, err := root.Client("shared-informers")
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	c := &controllers{
		builder:         clientbuilder.NewDynamicClientBuilder(rest.AnonymousClientConfig(config), client.CoreV1(), metav1.NamespaceSystem),
		informers:       informers.NewSharedInformerFactory(client, resync),
		metadata:        metadatainformer.NewSharedInformerFactory(metadataClient, resync),
		informerStarted: make(chan struct{}),
		ca:              ca,
	}
	for name, start := range map[string]func(context.Context, string) error{
		"clusterrole-aggregation-controller": c.aggregatedRoles,
		"endpoint-controller":                c.endpoints,
		"endpointslice-controller":           c.endpointSlices,
		"endpointslicemirroring-controller":  c.mirroredSlices,
		"generic-garbage-collector":          c.garbage,
		"namespace-controller":               c.namespaces,
		"root-ca-cert-publisher":             c.rootCA,
		"service-account-controller":         c.serviceAccounts,
	} {
		if err := start(klog.NewContext(ctx, klog.FromContext(ctx).WithValues("controller", name)), name); err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
	}
	c.informers.Start(ctx.Done())
	c.metadata.Start(ctx.Done())
	close(c.informerStarted)
	<-ctx.Done()
	return nil
}

// controllers is what the controllers share. Each method starts one of them, whose name is that of its service account.
type controllers struct {
	builder         clientbuilder.ControllerClientBuilder
	informers       informers.SharedInformerFactory
	metadata        metadatainformer.SharedInformerFactory
	informerStarted chan struct{}
	ca              []byte
}

func (c *controllers) aggregatedRoles(ctx context.Context, name string) error {
	client, err := c.builder.Client(name)
	if err != nil {
		return err
	}
	go clusterroleaggregation.NewClusterRoleAggregation(c.informers.Rbac().V1().ClusterRoles(), client.RbacV1()).Run(ctx, aggregatorWorkers)
	return nil
}

func (c *controllers) endpoints(ctx context.Context, name string) error {
	client, err := c.builder.Client(name)
	if err != nil {
		return err
	}
	core := c.informers.Core().V1()
	go endpoint.NewEndpointController(ctx, core.Pods(), core.Services(), core.Endpoints(), client, 0).Run(ctx, endpointWorkers)
	return nil
}

func (c *controllers) endpointSlices(ctx context.Context, name string) error {
	client, err := c.builder.Client(name)
	if err != nil {
		return err
	}
	core, slices := c.informers.Core().V1(), c.informers.Discovery().V1().EndpointSlices()
	go endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), slices, maxPerSlice, client, 0).Run(ctx, endpointWorkers)
	return nil
}

func (c *controllers) mirroredSlices(ctx context.Context, name string) error {
	client, err := c.builder.Client(name)
	if err != nil {
		return err
	}
	core, slices := c.informers.Core().V1(), c.informers.Discovery().V1().EndpointSlices()
	go endpointslicemirroring.NewController(ctx, core.Endpoints(), slices, core.Services(), maxMirrored, client, 0).Run(ctx, endpointWorkers)
	return nil
}

func (c *controllers) garbage(ctx context.Context, name string) error {
	client, metadataClient, err := c.clients(name)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	go wait.Until(mapper.Reset, garbageResync, ctx.Done())
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, metadataClient, mapper, garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(c.informers, c.metadata), c.informerStarted)
	collector, err := garbagecollector.NewComposedGarbageCollector(ctx, client, metadataClient, mapper, graph)
	if err != nil {
		return err
	}
	go collector.Run(ctx, garbageWorkers, garbageResync)
	go collector.Sync(ctx, client.Discovery(), garbageResync)
	return nil
}

func (c *controllers) namespaces(ctx context.Context, name string) error {
	client, metadataClient, err := c.clients(name)
	if err != nil {
		return err
	}
	go namespace.NewNamespaceController(ctx, client, metadataClient, client.Discovery().ServerPreferredNamespacedResources,
		c.informers.Core().V1().Namespaces(), namespaceResync, corev1.FinalizerKubernetes).Run(ctx, namespaceWorkers)
	return nil
}

func (c *controllers) rootCA(ctx context.Context, name string) error {
	client, err := c.builder.Client(name)
	if err != nil {
		return err
	}
	core := c.informers.Core().V1()
	publisher, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, c.ca)
	if err != nil {
		return err
	}
	go publisher.Run(ctx, 1)
	return nil
}

func (c *controllers) serviceAccounts(ctx context.Context, name string) error {
	client, err := c.builder.Client(name)
	if err != nil {
		return err
	}
	accounts, namespaces := c.informers.Core().V1().ServiceAccounts(), c.informers.Core().V1().Namespaces()
	options := serviceaccount.DefaultServiceAccountsControllerOptions()
	var controller *serviceaccount.ServiceAccountsController
	switch construct := any(serviceaccount.NewServiceAccountsController).(type) {
	case func(klog.Logger, coreinformers.ServiceAccountInformer, coreinformers.NamespaceInformer, kubernetes.Interface,
		serviceaccount.ServiceAccountsControllerOptions) (*serviceaccount.ServiceAccountsController, error):
		controller, err = construct(klog.FromContext(ctx), accounts, namespaces, client, options)
	case func(coreinformers.ServiceAccountInformer, coreinformers.NamespaceInformer, kubernetes.Interface,
		serviceaccount.ServiceAccountsControllerOptions) (*serviceaccount.ServiceAccountsController, error): // Kubernetes 1.34
		controller, err = construct(accounts, namespaces, client, options)
	default:
		err = fmt.Errorf("its constructor has an unknown signature: %T", construct)
	}
	if err != nil {
		return err
	}
	go controller.Run(ctx, 1)
	return nil
}

// clients returns those of a controller that deletes objects of every kind.
func (c *controllers) clients(name string) (kubernetes.Interface, metadata.Interface, error) {
	config, err := c.builder.Config(name)
	if err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	return client, metadataClient, err
}
