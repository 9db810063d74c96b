package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/xeipuuv/gojsonschema"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

// Helm 3.18.5 and later, and Helm 4, read the schema with one validator, older ones with another: both take
// and refuse the same values.
func TestValidatorsAgree(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Chart(), "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("values.schema.json", document); err != nil {
		t.Fatal(err)
	}
	newer, err := compiler.Compile("values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	older, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(text))
	if err != nil {
		t.Fatal(err)
	}
	taken, refused := 0, 0
	for _, values := range corpus(t) {
		vals, err := helm.Parse([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		result, err := older.Validate(gojsonschema.NewGoLoader(vals))
		if err != nil {
			t.Fatal(err)
		}
		err = newer.Validate(map[string]any(vals))
		if (err == nil) != result.Valid() {
			t.Errorf("santhosh-tekuri/jsonschema says %v, xeipuuv/gojsonschema %v, of\n%s", err, result.Errors(), values)
		}
		if err == nil {
			taken++
		} else {
			refused++
		}
	}
	if taken < 100 || refused < 100 {
		t.Errorf("%d values taken and %d refused: too few of one side", taken, refused)
	}
}
