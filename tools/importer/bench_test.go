package importer_test

import (
	"fmt"
	"strings"
	"testing"

	"external-services/tools/importer"
)

// BenchmarkImport makes values of 5,000 Services with Endpoints, without a cluster.
func BenchmarkImport(b *testing.B) {
	const count = 5000
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata: {name: db-%d, namespace: shop}\nspec: {ports: [{port: 3306}]}\n", i)
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: db-%d, namespace: shop}\nsubsets: [{addresses: [{ip: 10.1.%d.%d}], ports: [{port: 3306}]}]\n", i, i/250, i%250)
	}
	for b.Loop() {
		o := importer.NewObjects()
		if err := o.ReadManifests("in.yaml", []byte(text.String())); err != nil {
			b.Fatal(err)
		}
		result, err := importer.Import(o, importer.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if len(result.Entries) != count || len(result.Findings) != 0 {
			b.Fatal(result.Summary())
		}
	}
}
