package main

import (
	"bytes"
	"strings"
	"testing"

	"external-services/tools/schema"
	"external-services/tools/values"
)

func TestInsertTables(t *testing.T) {
	got, err := insertTables([]byte("before\n"+beginTables+"\nold\n"+endTables+"\nafter\n"), "new")
	if want := "before\n" + beginTables + "\n\nnew\n" + endTables + "\nafter\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, text := range []string{"nothing", "only " + beginTables, "only " + endTables, endTables + beginTables} {
		if _, err := insertTables([]byte(text), ""); err == nil || !strings.Contains(err.Error(), beginTables) || !strings.Contains(err.Error(), endTables) {
			t.Errorf("%q gives the error %v", text, err)
		}
	}
}

// FuzzInsert puts tables into any README: the text before them stays, and a second time changes nothing.
func FuzzInsert(f *testing.F) {
	f.Add([]byte("# a\n" + beginTables + "\nold\n" + endTables + "\nb\n"))
	f.Add([]byte(endTables + beginTables))
	f.Add([]byte(beginTables + beginTables + endTables + endTables))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, readme []byte) {
		once, err := insertTables(readme, "tables")
		if err != nil {
			return
		}
		twice, err := insertTables(once, "tables")
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%v: %q becomes %q", err, once, twice)
		}
		before, _, _ := bytes.Cut(readme, []byte(beginTables))
		if !bytes.HasPrefix(once, before) || !bytes.Contains(once, []byte("tables")) {
			t.Errorf("%q lost the text before the tables: %q", readme, once)
		}
	})
}

func TestCellAndTypes(t *testing.T) {
	if got := cell("a | b"); got != `a \| b` {
		t.Errorf("cell: %q", got)
	}
	for _, p := range schema.Properties(values.Default()) {
		if typeName(p.Schema) == "" && !p.Group() {
			t.Errorf("%s has no type", p.Key)
		}
	}
}
