package main

import (
	"bytes"
	"cmp"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"external-services/tools/check"
	"external-services/tools/helm"
	"external-services/tools/report"
)

// reportCommand is extsvc report.
type reportCommand struct {
	options   check.Options
	noResolve bool
	title     string
	output    output
	file      file
}

func newReportCommand() *cobra.Command {
	c := &reportCommand{}
	cmd := &cobra.Command{
		Use:   "report [RELEASE]",
		Short: "Show how far a migration is, on one HTML page",
		Long: `Write a page with the state of every entry of a release (external, both or cluster, and
the share of the pods), what the cluster routes its connections to, and the findings of
extsvc check. The page is one file without scripts: it can be mailed, kept and printed.
With -f, --set or --chart, the values say which entries there are, as in extsvc check.

report changes nothing, and needs the permissions of extsvc check.`,
		Example: `  extsvc report outside -n shop --write report.html
  extsvc report -n shop -f values.yaml --title "Shop: services outside" --write report.html --force
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
	result, err := check.Run(cmd.Context(), c.options)
	progress.end()
	if err != nil {
		return err
	}
	title := "External services"
	if result.Release != nil {
		title += " of the release " + result.Release.Name
	}
	r := report.Report{Title: cmp.Or(c.title, title), Time: time.Now().Truncate(time.Second), Check: result}
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
