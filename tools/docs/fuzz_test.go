package docs

import (
	"bytes"
	"testing"
)

// FuzzInsert puts tables into texts that users write: what is around them stays, and a
// second time changes nothing.
func FuzzInsert(f *testing.F) {
	f.Add([]byte("# a\n" + Begin + "\nold\n" + End + "\nb\n"))
	f.Add([]byte(End + Begin))
	f.Add([]byte(Begin + Begin + End + End))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, readme []byte) {
		once, err := Insert(readme, "tables")
		if err != nil {
			return
		}
		twice, err := Insert(once, "tables")
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%v: %q becomes %q", err, once, twice)
		}
		before, _, _ := bytes.Cut(readme, []byte(Begin))
		if !bytes.HasPrefix(once, before) || !bytes.Contains(once, []byte("tables")) {
			t.Errorf("%q lost what stands before the tables: %q", readme, once)
		}
	})
}
