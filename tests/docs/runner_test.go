package docs

import (
	"strings"
	"testing"
)

// What the comparison of output takes and what it finds, and what is wrong in a document.
func TestDiffers(t *testing.T) {
	const output = "NAME  IP           AGE\na     10.96.1.2    9s\nb     10.96.33.44  12s\n"
	for _, c := range []struct{ shown, varies, want string }{
		{"NAME  IP           AGE\na     10.96.1.2    9s\nb     10.96.33.44  12s", "", ""},
		{"NAME  IP  AGE\na  10.96.9.9  1s\nb  10.96.9.9  2s", "age clusterip", ""},
		{"NAME  IP  AGE\na  10.96.9.9  1s\nb  10.96.9.9  2s", "age", `"a  10.96.1.2  <age>"`},
		{"...\nb  10.96.9.9  2s", "age clusterip", ""},
		{"...\nc  10.96.9.9  2s", "age clusterip", `"c  <clusterip>  <age>"`},
		{"...\na     10.96.1.2    9s", "", `"b     10.96.33.44  12s"`},
		{"NAME  IP           AGE\n...", "", ""},
		{"NAME  IP           AGE", "", "left over"},
		{"NAME  IP           AGE\n...\nb     10.96.33.44  12s\nc", "", "document has"},
		{"...\na     10.96.1.2    9s\n...", "", ""},
		{"...\nz\n...", "", `"z"`},
	} {
		got := differs(c.shown, output, strings.Fields(c.varies))
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%q, where %q varies: %q, want %q", c.shown, c.varies, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	d, err := parse("a.md", "# A\n\n- b:\n\n  <!-- test: exit 3 -->\n  ```sh\n  c \\\n    d\n  # e\n  for f in g; do\n    $f\n  done\n  ```\n<!-- test: setup\ng\n-->\n[h](i.md#j)\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.blocks) != 2 || strings.Join(d.blocks[0].commands(), "|") != "c \\\n  d|for f in g; do\n  $f\ndone" || d.blocks[0].comment.exit != 3 || d.blocks[1].text != "g" ||
		len(d.headings) != 1 || d.links[0] != "i.md#j" {
		t.Errorf("it is read as %+v", d)
	}
	for text, want := range map[string]string{
		"```sh\na\n":                   "a.md:1: the block does not end",
		"\n<!-- test: setup\na\n":      "a.md:2: the comment does not end",
		"<!-- test: varies shape -->":  `nothing that varies is named "shape"`,
		"<!-- test: not run -->":       "has no reason",
		"<!-- test: exit three -->":    "invalid syntax",
		"<!-- test: skip this one -->": `there is no "skip"`,
	} {
		if _, err := parse("a.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
