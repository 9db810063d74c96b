package findings_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"external-services/tools/findings"
)

// Every constant of a code has a row in findings.yaml, and the other way round, in one order.
func TestCodesAreTheCatalogue(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var constants, rows []string
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			code, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			constants = append(constants, code)
		}
		return true
	})
	for _, row := range findings.Catalogue() {
		rows = append(rows, string(row.Code))
	}
	if !slices.Equal(constants, rows) {
		t.Errorf("codes.go has %q\nfindings.yaml has %q", constants, rows)
	}
}

// Every row is complete: each code has a summary, each row a severity and a message.
func TestRowsAreComplete(t *testing.T) {
	seen := map[findings.Code]bool{}
	for _, row := range findings.Catalogue() {
		if seen[row.Code] {
			t.Errorf("%s: twice", row.Code)
		}
		seen[row.Code] = true
		base, _, variant := strings.Cut(string(row.Code), "/")
		if variant && !seen[findings.Code(base)] {
			t.Errorf("%s: a variant follows its code", row.Code)
		}
		if !variant && row.Summary == "" || row.Message == "" || len(row.Commands) == 0 ||
			!slices.Contains([]findings.Severity{findings.Error, findings.Warning, findings.Hint}, row.Severity) {
			t.Errorf("%s: incomplete: %+v", row.Code, row)
		}
		if slices.Contains(row.Commands, "plan") != (row.Effect != "") && !strings.HasPrefix(string(row.Code), string(findings.NotChecked)) {
			t.Errorf("%s: what plan reports has an effect", row.Code)
		}
	}
}

func TestNew(t *testing.T) {
	f := findings.New(findings.NoPodsBoth, "shop", "orders", findings.Args{"count": "2", "selector": "app=orders"})
	if f.Code != findings.NoPods || f.Severity != findings.Warning || f.Effect != findings.Kept || f.Subject() != "shop/orders" ||
		f.Message != "No pod of shop/orders is ready (2 found), so every connection goes outside until one is." ||
		len(f.Fix) != 1 || !strings.HasSuffix(f.Fix[0], "kubectl get pods -n shop -l app=orders") {
		t.Errorf("%+v", f)
	}
	defer func() {
		if recover() == nil {
			t.Error("a missing argument does not panic")
		}
	}()
	findings.New(findings.NoPods, "shop", "orders", nil)
}

func TestExitCode(t *testing.T) {
	of := func(severities ...findings.Severity) (list []findings.Finding) {
		for _, severity := range severities {
			list = append(list, findings.Finding{Severity: severity})
		}
		return list
	}
	for want, list := range map[int][]findings.Finding{
		findings.ExitOK:     of(findings.Hint),
		findings.ExitNotice: of(findings.Hint, findings.Warning),
		findings.ExitErrors: of(findings.Warning, findings.Error, findings.Warning),
	} {
		if got := findings.ExitCode(list); got != want {
			t.Errorf("%v: exit code %d, want %d", list, got, want)
		}
	}
}

func TestWriteText(t *testing.T) {
	list := []findings.Finding{
		findings.New(findings.NoReadyAddress, "shop", "orders", nil),
		findings.New(findings.NamespaceMissing, "web", "", nil),
		findings.New(findings.ReleasePending, "", "", findings.Args{"release": "outside", "releaseNamespace": "shop", "status": "pending-upgrade"}),
	}
	findings.Sort(list)
	var out bytes.Buffer
	findings.WriteText(&out, list, func(text string, _ findings.Severity) string { return text })
	const want = `
FINDINGS

release: refused (release-pending)
  Problem  The release outside is pending-upgrade. Another Helm operation is running or was interrupted, and helm upgrade is refused until it ends.
  Fix      Wait for the operation, if one is running.
           If it was interrupted, run helm rollback outside -n shop, then upgrade.

shop/orders: lost (no-ready-address)
  Problem  No address of shop/orders is ready, so every connection fails.
  Fix      Remove ready: false from at least one address of orders.

namespace web: refused (namespace-missing)
  Problem  The namespace web does not exist, and the chart does not create namespaces.
  Fix      Run kubectl create namespace web, then upgrade.
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}
