package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"external-services/tools/helm"
	"external-services/tools/importer"
)

func newImportCommand() *cobra.Command {
	var (
		cluster          helm.ClusterOptions
		options          importer.Options
		files            []string
		recursive, all   bool
		output           string
		force, exitZero  bool
		selectors, quiet bool
	)
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Write values from Services that are there already",
		Long: `Write a values file from Services that are there already, with their Endpoints or
EndpointSlices: from the live objects of a namespace, or with -f from manifests, YAML or
JSON. Nothing is changed in the cluster, which is asked for lists of services, endpoints
and endpointslices alone.

What the chart has no place for, such as a nodePort, stands in a comment above its entry,
with the reason. An entry that the chart refuses, or that would mean something else than
the objects, is a comment altogether. Entries that differ in nothing but the namespace
become one with namespaces. Endpoints stay Endpoints (endpointsKind), until you say so.

Left out are what controllers make, the Service kubernetes, Services of releases of this
chart, and, unless --selectors is given, Services that select pods.

Exit codes:
  0  everything is carried over
  1  an error
  2  something is not carried over; comments in the values say what and why
With --exit-zero, 2 is 0.`,
		Example: `  extsvc import -n shop -o values.yaml
  extsvc import -A --context staging -o values.yaml
  extsvc import -f mysql.yaml
  extsvc import -R -f manifests/ --release-namespace shop -o values.yaml --force
  helm template legacy/ | extsvc import -f -
  extsvc import -n shop | extsvc lint -f -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && !force {
				if _, err := os.Stat(output); !errors.Is(err, fs.ErrNotExist) {
					if err != nil {
						return err
					}
					return fmt.Errorf("%s exists: write --force to overwrite it, or another file", output)
				}
			}
			objects := importer.NewObjects()
			objects.Selectors = selectors
			said := cmd.ErrOrStderr()
			if quiet {
				said = io.Discard
			}
			progress := newProgress(said)
			defer progress.end()
			options.Progress = func(what string, count int) { progress.say(fmt.Sprintf("%d %s", count, what)) }
			if len(files) > 0 {
				for _, name := range []string{"kubeconfig", "context", "all-namespaces"} {
					if cmd.Flags().Changed(name) {
						return fmt.Errorf("--%s is for the objects of a cluster, and -f reads manifests: leave one of the two out", name)
					}
				}
				objects.DefaultNamespace = cluster.Namespace
				if err := objects.Paths(files, recursive, cmd.InOrStdin()); err != nil {
					return err
				}
			} else {
				if recursive {
					return errors.New("-R reads the folders of -f: write -f FOLDER")
				}
				if err := importLive(cmd.Context(), objects, cluster, all, options.Progress); err != nil {
					return err
				}
			}
			result, err := importer.Import(objects, options)
			if err != nil {
				return err
			}
			if err := writeOutput(cmd.OutOrStdout(), output, result.Values, force); err != nil {
				return err
			}
			progress.end()
			fmt.Fprintln(said, result.Summary(objects))
			if result.Losses > 0 && !exitZero {
				cmd.SilenceErrors = true
				return exitCode(2)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&files, "filename", "f", nil, "file or folder of manifests, or - for standard input, in place of a cluster")
	flags.BoolVarP(&recursive, "recursive", "R", false, "also read the folders in a folder of -f")
	addClusterFlags(cmd, &cluster)
	flags.Lookup("namespace").Usage = "namespace to import (default: that of the context); with -f, that of objects that name none"
	flags.BoolVarP(&all, "all-namespaces", "A", false, "import all namespaces")
	flags.BoolVar(&selectors, "selectors", false, "also import Services that select pods, with the backend cluster")
	flags.StringVar(&options.ReleaseNamespace, "release-namespace", "", "namespace of the release: its entries are written without a namespace")
	flags.StringVar(&options.Chart, "chart", "", "folder or archive of the chart (default: the one built into extsvc)")
	flags.StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	flags.BoolVar(&force, "force", false, "overwrite the file of -o")
	flags.BoolVarP(&quiet, "quiet", "q", false, "print neither progress nor a summary")
	flags.BoolVar(&exitZero, "exit-zero", false, "exit with 0 also where something is not carried over")
	cmd.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
	return cmd
}

// importLive reads the objects of a cluster.
func importLive(ctx context.Context, objects *importer.Objects, options helm.ClusterOptions, all bool, progress func(string, int)) error {
	cluster, err := helm.Connect(options)
	if err != nil {
		return err
	}
	client, err := cluster.Client()
	if err != nil {
		return err
	}
	namespace := cluster.Namespace
	if all {
		namespace = ""
	}
	return objects.Live(ctx, client, namespace, progress)
}

// writeOutput writes to a file, which is there as a whole or not at all, or to standard
// output where none is named.
func writeOutput(stdout io.Writer, path string, text []byte, force bool) (err error) {
	if path == "" {
		_, err := stdout.Write(text)
		return err
	}
	if !force {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = file.Write(text)
		return errors.Join(err, file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
