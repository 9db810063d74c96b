package schema

import (
	"flag"
	"math/rand/v2"
	"regexp"
	"testing"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

var malformed = flag.Int("malformed", 1_000, "how many random malformed values TestMalformed renders")

// ownWords are what a refusal says: the schema's, the chart's, or Helm's of a template in the values.
var ownWords = regexp.MustCompile(`^values don't meet the specifications of the schema|^execution error at \(external-services/templates/[a-z/]+\.(yaml|txt):\d+:\d+\): |error calling tpl`)

// Malformed values never end in a template's own error, such as a nil pointer or a wrong type.
func TestMalformed(t *testing.T) {
	texts := corpus(t)
	random := rand.New(rand.NewPCG(7, 7))
	chart, err := helm.Load(testenv.Chart())
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range *malformed {
		values := mutated(t, random, texts)
		vals, err := helm.Parse([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		copied := *chart
		if _, err := helm.Render(&copied, helm.Release{}, vals); err != nil {
			refused++
			if !ownWords.MatchString(err.Error()) {
				t.Errorf("values %d: %v\nof\n%s", i, err, values)
			}
		}
	}
	t.Logf("%d of %d refused", refused, *malformed)
	if refused < *malformed/10 {
		t.Errorf("%d of %d refused: too few", refused, *malformed)
	}
}
