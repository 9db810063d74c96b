package helm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// ErrNoRelease is the error of Cluster.Deployed for a release that Helm would install and not upgrade.
var ErrNoRelease = errors.New("release not found")

// ClusterOptions says which cluster and namespace, as the flags of helm do. What is
// empty comes from the environment as helm reads it: KUBECONFIG, HELM_KUBECONTEXT,
// HELM_NAMESPACE and so on, and then from the kubeconfig.
type ClusterOptions struct {
	Kubeconfig string
	Context    string
	Namespace  string
}

// Cluster is where releases are read.
type Cluster struct {
	// Namespace is the namespace of the releases.
	Namespace string

	// Client is a client of its API server.
	Client kubernetes.Interface

	// Dynamic is a client for kinds that Client does not have, such as those of the Gateway API.
	Dynamic dynamic.Interface

	config   action.Configuration
	settings *cli.EnvSettings
}

// quiet is Helm's log of debugging, which nobody reads.
func quiet(string, ...any) {}

// Connect prepares reading from a cluster. HELM_DRIVER is where its releases are
// stored, as helm has it.
func Connect(options ClusterOptions) (*Cluster, error) {
	settings := cli.New()
	if options.Kubeconfig != "" {
		settings.KubeConfig = options.Kubeconfig
	}
	if options.Context != "" {
		settings.KubeContext = options.Context
	}
	if options.Namespace != "" {
		settings.SetNamespace(options.Namespace)
	}
	cluster := &Cluster{Namespace: settings.Namespace(), settings: settings}
	if err := cluster.config.Init(settings.RESTClientGetter(), cluster.Namespace, os.Getenv("HELM_DRIVER"), quiet); err != nil {
		return nil, fmt.Errorf("HELM_DRIVER=%s: %w", os.Getenv("HELM_DRIVER"), err)
	}
	config, err := settings.RESTClientGetter().ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.WarningHandler = rest.NoWarnings{} // without those about deprecated Endpoints
	if cluster.Client, err = kubernetes.NewForConfig(config); err == nil {
		cluster.Dynamic, err = dynamic.NewForConfig(config)
	}
	return cluster, err
}

// Releases lists the names of the releases of the namespace.
func (c *Cluster) Releases() ([]string, error) {
	releases, err := c.config.Releases.ListReleases()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, r := range releases {
		names[r.Name] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Deployed is a release as helm upgrade finds it.
type Deployed struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`

	// Revision is the last one, and Status its status: deployed, failed, pending-upgrade and so on. They are 0
	// and empty for a release that is not installed.
	Revision int    `json:"revision"`
	Status   string `json:"status"`

	// Blocked says that helm upgrade refuses, because another operation is running or was interrupted.
	Blocked bool `json:"-"`

	current *release.Release
}

// String describes the release in one sentence.
func (d *Deployed) String() string {
	if d.Revision == 0 {
		return fmt.Sprintf("Release %s in namespace %s is not installed. To find a release in other namespaces, run helm list -A.", d.Name, d.Namespace)
	}
	return fmt.Sprintf("Release %s in namespace %s: revision %d, %s.", d.Name, d.Namespace, d.Revision, d.Status)
}

// Deployed reads a release from Helm's storage: one that is stored in the namespace, or else one that is installed
// there and stored elsewhere, as Flux does, if the user may list that. The error is ErrNoRelease if no release has the name, or only
// an uninstalled one whose history was kept: then helm upgrade --install installs it.
func (c *Cluster) Deployed(name string) (*Deployed, error) {
	if err := chartutil.ValidateReleaseName(name); err != nil {
		return nil, fmt.Errorf("release name %q: %w", name, err)
	}
	deployed, err := c.deployed(name)
	switch {
	case errors.Is(err, ErrNoRelease):
		return nil, fmt.Errorf("%w: %q in namespace %s; to find it, run helm list -A, or with Flux use the namespace of the "+
			"HelmRelease. Argo CD and kubectl make no releases: use the values, extsvc check -f FILE or extsvc plan --from FILE",
			ErrNoRelease, name, c.Namespace)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("read release %q: %w; ask for permission to list what Helm stores releases in, "+
			"or use its values: extsvc check -f FILE, extsvc plan --from FILE", name, err)
	case err != nil:
		return nil, fmt.Errorf("read release %q: %w", name, err)
	}
	return deployed, nil
}

func (c *Cluster) deployed(name string) (*Deployed, error) {
	history, err := c.history(name)
	if err != nil {
		return nil, err
	}
	last := history[0]
	deployed := &Deployed{
		Name:      name,
		Namespace: last.Namespace,
		Revision:  last.Version,
		Status:    last.Info.Status.String(),
		Blocked:   last.Info.Status.IsPending() || last.Info.Status == release.StatusUninstalling,
		current:   last,
	}
	// As in Helm's action.Upgrade, the new objects are compared with the deployed revision, or with a failed one
	// if none is deployed. A pending one is compared too, so that plan shows more than that it must be rolled back.
	i := slices.IndexFunc(history, func(r *release.Release) bool { return r.Info.Status == release.StatusDeployed })
	switch {
	case i >= 0:
		deployed.current = history[i]
	case last.Info.Status == release.StatusUninstalled:
		return nil, ErrNoRelease
	}
	return deployed, nil
}

// history lists the revisions of a release, the newest first: those that are stored in the namespace, or else those of
// a release of the namespace that is stored in another one.
func (c *Cluster) history(name string) ([]*release.Release, error) {
	revisions, err := c.config.Releases.History(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		var everywhere action.Configuration
		if err := everywhere.Init(c.settings.RESTClientGetter(), metav1.NamespaceAll, os.Getenv("HELM_DRIVER"), quiet); err != nil {
			return nil, err
		}
		revisions, err = everywhere.Releases.History(name)
		if apierrors.IsForbidden(err) {
			return nil, ErrNoRelease // in what the user may read
		}
		revisions = slices.DeleteFunc(revisions, func(r *release.Release) bool { return r.Namespace != c.Namespace })
	}
	switch {
	case errors.Is(err, driver.ErrReleaseNotFound), err == nil && len(revisions) == 0:
		return nil, ErrNoRelease
	case err != nil:
		return nil, err
	}
	slices.SortFunc(revisions, func(a, b *release.Release) int { return cmp.Compare(b.Version, a.Version) })
	return revisions, nil
}

// Owns says whether an object is the release's.
func (d *Deployed) Owns(o metav1.Object) bool { return OwnerOf(o) == Owner{d.Name, d.Namespace} }

// Mappings returns the objects of this chart that helm upgrade compares the new ones with.
func (d *Deployed) Mappings() (*Result, error) {
	result, err := DecodeMappings(d.current.Manifest)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of release %q: %w", d.Name, err)
	}
	return result, nil
}

// Reuse says what helm upgrade does with the values of the release, as its flags do.
// Without any of them, the values of the release count where no new ones are given.
type Reuse struct {
	Reset          bool // --reset-values
	Reuse          bool // --reuse-values
	ResetThenReuse bool // --reset-then-reuse-values
}

// Upgrade renders what helm upgrade would make of a release, or, where deployed is nil,
// what helm install would make, and returns the objects of this chart in it. The errors
// are Helm's own.
func (c *Cluster) Upgrade(chart *Chart, name string, deployed *Deployed, vals map[string]any, reuse Reuse) (*Result, error) {
	options := chartutil.ReleaseOptions{Name: name, Namespace: c.Namespace, Revision: 1, IsInstall: true}
	if deployed != nil {
		var err error
		if vals, err = deployed.values(chart, vals, reuse); err != nil {
			return nil, err
		}
		options = chartutil.ReleaseOptions{Name: name, Namespace: deployed.Namespace, Revision: deployed.Revision + 1, IsUpgrade: true}
	}
	capabilities, err := c.capabilities()
	if err != nil {
		return nil, err
	}
	if want := chart.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, capabilities.KubeVersion.Version) {
		return nil, fmt.Errorf("the chart %s requires Kubernetes %s, and the cluster has %s", chart.Name(), want, capabilities.KubeVersion.Version)
	}
	run, err := prepare(chart, options, capabilities, vals)
	if err != nil {
		return nil, err
	}
	documents, _, err := run.manifests()
	if err != nil {
		return nil, err
	}
	return decode(documents, mappingsOnly)
}

// values are those that helm upgrade renders, as Helm's action.Upgrade makes them of
// the new ones and of the release's. With Reuse it changes the defaults of the chart.
func (d *Deployed) values(chart *Chart, vals map[string]any, reuse Reuse) (map[string]any, error) {
	switch {
	case reuse.Reset:
		return vals, nil
	case reuse.Reuse:
		defaults, err := chartutil.CoalesceValues(d.current.Chart, d.current.Config)
		if err != nil {
			return nil, fmt.Errorf("rebuild the values of the release: %w", err)
		}
		chart.Values = defaults
		return chartutil.CoalesceTables(vals, d.current.Config), nil
	case reuse.ResetThenReuse:
		return chartutil.CoalesceTables(vals, d.current.Config), nil
	case len(vals) == 0:
		return d.current.Config, nil
	}
	return vals, nil
}

// SetsKey says whether the values of the release have a key anywhere, such as that of a label.
func (d *Deployed) SetsKey(key string) bool {
	return hasKey(d.current.Config, key) || hasKey(d.current.Chart.Values, key)
}

func hasKey(value any, key string) bool {
	switch value := value.(type) {
	case map[string]any:
		for k, v := range value {
			if k == key || hasKey(v, key) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, func(v any) bool { return hasKey(v, key) })
	}
	return false
}

// Chart returns the name of the release's chart.
func (d *Deployed) Chart() string { return d.current.Chart.Name() }

// capabilities are what the cluster shows to templates.
func (c *Cluster) capabilities() (*chartutil.Capabilities, error) {
	client, err := c.settings.RESTClientGetter().ToDiscoveryClient()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	version, err := client.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the API server for its version: %w", err)
	}
	versions, err := action.GetVersionSet(client)
	if err != nil {
		return nil, fmt.Errorf("ask the API server for its API versions: %w", err)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.APIVersions = versions
	capabilities.KubeVersion = chartutil.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor}
	return capabilities, nil
}
