// Package charts holds the chart, for the tools that work without a checkout.
package charts

import "embed"

// Dir is the folder of the chart in FS, and its name.
const Dir = "external-services"

// FS holds the files of the chart.
//
//go:embed all:external-services
var FS embed.FS
