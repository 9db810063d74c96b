package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/importer"
	"external-services/tools/service"
)

// importCommand is extsvc import.
type importCommand struct {
	cluster       helm.ClusterOptions
	allNamespaces bool
	files         []string
	recursive     bool
	selectors     bool
	strict        bool
	options       importer.Options
	output        output
	file          file
	quiet         bool
}

func newImportCommand() *cobra.Command {
	c := &importCommand{}
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Write values from Services that exist",
		Long: `Write a values file from Services that exist, with their Endpoints or EndpointSlices: from
the objects of a namespace, or with -f from manifests, YAML or JSON. Nothing changes in the
cluster: import lists services, endpoints and endpointslices.

Import mends mistakes whose meaning is clear, such as an IP address as externalName, and a comment
above the entry says so; --strict mends nothing. A comment above the entry also names the settings
that the chart cannot have, such as a nodePort, with the reason.
An entry that the chart refuses, or that would behave differently, is commented out. Entries
that differ only in the namespace become one with namespaces. Endpoints stay Endpoints
(endpointsKind) until you change that.

Objects that Kubernetes creates from others, the Service kubernetes, Services of releases of
this chart and, without --selectors, Services that select pods are left out.`,
		Example: `  extsvc import -n shop --write values.yaml
  extsvc import -A --context staging --write values.yaml
  extsvc import -f mysql.yaml
  extsvc import -R -f manifests/ --release-namespace shop --write values.yaml --force
  helm template legacy/ | extsvc import -f -
  extsvc import -n shop | extsvc lint -f -
  extsvc import -n shop -o json | jq -r '.findings[] | .entry + ": " + .message'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&c.files, "filename", "f", nil, "file or folder of manifests, or - for standard input, instead of a cluster")
	flags.BoolVarP(&c.recursive, "recursive", "R", false, "also read the folders in a folder of -f")
	addClusterFlags(cmd, &c.cluster)
	flags.Lookup("namespace").Usage = "namespace (default: that of the context; with -f, that of objects without one)"
	flags.BoolVarP(&c.allNamespaces, "all-namespaces", "A", false, "read all namespaces")
	flags.BoolVar(&c.selectors, "selectors", false, "also import Services that select pods, with the backend cluster")
	flags.BoolVar(&c.strict, "strict", false, "mend nothing, and end at a document that cannot be read")
	flags.StringVar(&c.options.ReleaseNamespace, "release-namespace", "", "namespace of the release: its entries are written without a namespace")
	completeNamespace(cmd, "release-namespace", func() helm.ClusterOptions { return c.cluster })
	addChartFlag(cmd, &c.options.Chart)
	c.output.add(cmd, "values", "json")
	c.output.addExits(cmd, exits{
		ok:     "everything is carried over",
		notice: "something is mended, not carried over or not read; the findings say what and why",
	})
	c.file.add(cmd)
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "print neither progress nor a summary")
	cmd.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
	for _, name := range []string{"kubeconfig", "context", "all-namespaces"} {
		cmd.MarkFlagsMutuallyExclusive("filename", name)
	}
	return cmd
}

func (c *importCommand) run(cmd *cobra.Command) error {
	if err := errors.Join(c.output.validate(), c.file.validate()); err != nil {
		return err
	}
	messages := cmd.ErrOrStderr()
	if c.quiet {
		messages = io.Discard
	}
	progress := newProgress(messages)
	defer progress.end()
	c.options.Progress = func(what string, count int) { progress.say(fmt.Sprintf("%d %s", count, what)) }
	objects, err := c.read(cmd)
	if err != nil {
		return err
	}
	result, err := importer.Import(objects, c.options)
	if err != nil {
		return err
	}
	out := bytes.NewBuffer(result.Values)
	if c.output.format == "json" {
		out.Reset()
		err = writeJSON(out, result)
	}
	if err := errors.Join(err, c.file.write(cmd.OutOrStdout(), out.Bytes())); err != nil {
		return err
	}
	progress.end()
	fmt.Fprintln(messages, result.Summary())
	return c.output.exit(cmd, findings.ExitCode(result.Findings))
}

// read reads manifests or a cluster.
func (c *importCommand) read(cmd *cobra.Command) (*importer.Objects, error) {
	objects := importer.NewObjects()
	objects.Selectors, objects.Strict = c.selectors, c.strict
	if len(c.files) > 0 {
		objects.DefaultNamespace = c.cluster.Namespace
		return objects, service.ReadFiles(c.files, c.recursive, cmd.InOrStdin(), objects.ReadManifests)
	}
	if c.recursive {
		return nil, errors.New("-R reads the folders of -f: add -f FOLDER")
	}
	cluster, err := helm.Connect(c.cluster)
	if err != nil {
		return nil, err
	}
	if c.allNamespaces {
		cluster.Namespace = ""
	}
	return objects, objects.ReadCluster(cmd.Context(), cluster.Client, cluster.Namespace, c.options.Progress)
}
