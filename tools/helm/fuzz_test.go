package helm

import (
	"testing"
)

// FuzzParse reads texts as values files and layers them: whatever they are, there is an
// error or a map, and the one file alone gives what Parse gives.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "a: b\n", "a: &a [1, *a]\n", "a: {b: null}\n", "- a\n", "a: !!binary x\n", "<<: {a: b}\n", "a: \"\\x00\"\n", "\xff\xfe", "a: 0x7fffffffffffffff1\n", "{a: b"} {
		f.Add([]byte(text), []byte("a: {c: d}\n"))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first) > 1<<16 || len(second) > 1<<16 {
			t.Skip("too long: lint has limits of its own")
		}
		vals, err := Parse(first)
		merged, mergeErr := MergeTexts(Values{}, first)
		if (err == nil) != (mergeErr == nil) || err == nil && len(vals) != len(merged) {
			t.Errorf("Parse: %v, %d keys; MergeTexts: %v, %d keys", err, len(vals), mergeErr, len(merged))
		}
		both, err := MergeTexts(Values{}, first, second)
		if err == nil && both == nil {
			t.Error("no map and no error")
		}
	})
}

// FuzzDecode reads what helm prints.
func FuzzDecode(f *testing.F) {
	f.Add("---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n")
	f.Add("kind: Pod\napiVersion: v1\n---\n---\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, documents string) {
		if len(documents) > 1<<16 {
			t.Skip("too long")
		}
		result, err := Decode(documents)
		if (result == nil) == (err == nil) {
			t.Errorf("%v, %v", result, err)
		}
	})
}
