package main

import (
	"bytes"
	"cmp"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"external-services/tools/check"
	"external-services/tools/discover"
	"external-services/tools/helm"
	"external-services/tools/report"
)

// reportCommand is extsvc report.
type reportCommand struct {
	options   check.Options
	noResolve bool
	title     string
	discover  struct {
		paths, namespaces []string
	}
	output output
	file   file
}

func newReportCommand() *cobra.Command {
	c := &reportCommand{}
	cmd := &cobra.Command{
		Use:   "report [RELEASE]",
		Short: "Show how far a migration is, on one HTML page",
		Long: `Write a page with the state of every entry of a release (external, both or cluster, and
the share of the pods), what the cluster routes its connections to, and the findings of
extsvc check. With --discover or --discover-namespace it also shows how many references of
your applications use the name of an entry, and which settings still have a host outside, as in
extsvc discover --mapped. The page is one file without scripts, to mail, keep and print. With -f,
--set or --chart, report reads the entries from values, as extsvc check does.

report changes nothing, and needs the permissions of extsvc check, and for
--discover-namespace those of extsvc discover.`,
		Example: `  extsvc report outside -n shop --write report.html
  extsvc report -n shop -f values.yaml --title "Shop: services outside" --write report.html --force
  extsvc report outside -n shop --discover apps/ --write report.html
  extsvc report outside -n shop -o json | jq '.check.entries[] | select(.desired.backend == "external") | .name'`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.run,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	addClusterFlags(cmd, &c.options.Cluster)
	addValueFlags(cmd, &c.options.Values)
	addChartFlag(cmd, &c.options.Chart)
	addResolveFlag(cmd, &c.noResolve)
	flags.StringArrayVar(&c.discover.paths, "discover", nil, "file or folder with the configuration of applications (repeatable)")
	flags.StringArrayVar(&c.discover.namespaces, "discover-namespace", nil, "namespace with applications (repeatable)")
	completeNamespace(cmd, "discover-namespace", func() helm.ClusterOptions { return c.options.Cluster })
	flags.StringVar(&c.title, "title", "", "heading of the page (default: the release)")
	c.output.add(cmd, "html", "json")
	c.file.add(cmd)
	c.output.addExits(cmd, exits{
		ok:     "nothing is wrong",
		notice: "there are warnings",
		errors: "values are refused, or connections fail or go to the wrong place",
	})
	completeRelease(cmd, func() helm.ClusterOptions { return c.options.Cluster })
	return cmd
}

func (c *reportCommand) run(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		c.options.Release = args[0]
	}
	c.options.FromValues = anyChanged(cmd, "values", "set", "set-string", "set-json", "chart")
	if c.options.Release == "" && !c.options.FromValues {
		return errors.New("name the release to report on, or set the values to report on: -f FILE")
	}
	if err := errors.Join(c.output.validate(), c.file.validate()); err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr())
	c.options.Progress, c.options.Probe.Resolve = progress.say, !c.noResolve
	defer progress.end()
	result, err := check.Run(cmd.Context(), c.options)
	if err != nil {
		return err
	}
	calls, err := c.references(cmd, result, progress)
	if err != nil {
		return err
	}
	progress.end()
	title := "External services"
	if result.Release != nil {
		title += " of the release " + result.Release.Name
	}
	r := report.Report{Title: cmp.Or(c.title, title), Time: time.Now().Truncate(time.Second), Check: result, Discover: calls}
	var out bytes.Buffer
	if c.output.format == "json" {
		err = writeJSON(&out, r)
	} else {
		err = r.WriteHTML(&out)
	}
	if err := errors.Join(err, c.file.write(cmd.OutOrStdout(), out.Bytes())); err != nil {
		return err
	}
	return c.output.exit(cmd, r.ExitCode())
}

// references are what the configuration of applications refers to, and nil unless it was asked for.
func (c *reportCommand) references(cmd *cobra.Command, result *check.Report, progress *progress) (*discover.Report, error) {
	if len(c.discover.paths)+len(c.discover.namespaces) == 0 {
		return nil, nil
	}
	cluster, err := helm.Connect(c.options.Cluster)
	if err != nil {
		return nil, err
	}
	scan := discover.NewScan()
	scan.Namespace, scan.Progress = cluster.Namespace, progress.say
	if err := scan.ReadPaths(c.discover.paths); err != nil {
		return nil, err
	}
	for _, namespace := range c.discover.namespaces {
		if err := scan.ReadCluster(cmd.Context(), cluster.Client, namespace); err != nil {
			return nil, err
		}
	}
	return scan.Report(discover.ReportOptions{Names: report.Names(result), ReleaseNamespace: cluster.Namespace}), nil
}
