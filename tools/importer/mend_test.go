package importer_test

import (
	"slices"
	"strings"
	"testing"

	"external-services/tests/importertest"
	"external-services/tools/findings"
	"external-services/tools/importer"
)

// mendedBy imports one Service with what follows it, and returns its entry and the messages of a code.
func mendedBy(t *testing.T, spec, after string, code findings.Code) (*importer.Result, []string) {
	t.Helper()
	text := "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: " + spec + "\n" + after
	result := importInto(t, importer.NewObjects(), importer.Options{}, map[string]string{"in.yaml": text})
	var messages []string
	for _, f := range result.Findings {
		if f.Code == code {
			messages = append(messages, strings.Join(append([]string{f.Message}, f.Fix...), ": "))
		}
	}
	return result, messages
}

func endpointsOf(addresses, ports string) string {
	return "---\n{apiVersion: v1, kind: Endpoints, metadata: {name: db}, subsets: [{addresses: [" + addresses + "], ports: [" + ports + "]}]}\n"
}

// An entry has an IP address in the one form that the chart takes, whatever form the manifest has, as an address of
// endpoints and as externalName.
func TestAddressForms(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.4.11":            "10.0.4.11",
		" 10.0.4.11 ":          "10.0.4.11",
		"2001:DB8::B":          "2001:db8::b",
		"2001:db8:0:0:0:0:0:b": "2001:db8::b",
		"::ffff:10.0.4.11":     "10.0.4.11",
		"::ffff:a00:40b":       "10.0.4.11",
	} {
		for in, c := range map[string]struct{ spec, after string }{
			"endpoints":    {"{ports: [{port: 80}]}", endpointsOf("{ip: '"+text+"'}", "{port: 80}")},
			"externalName": {"{type: ExternalName, externalName: '" + text + "', ports: [{port: 80}]}", ""},
		} {
			result, mended := mendedBy(t, c.spec, c.after, findings.Mended)
			if len(result.Entries) != 1 || len(result.Entries[0].Addresses) != 1 || result.Entries[0].Addresses[0].IP != want {
				t.Errorf("%q in %s: want the address %s\n%s", text, in, want, result.Values)
			}
			if isSaid := len(mended) > 0; isSaid != (in == "externalName" || text != want) {
				t.Errorf("%q in %s: mended %q", text, in, mended)
			}
			if len(after(t, result.Values)) != 1 {
				t.Errorf("%q in %s is not rendered\n%s", text, in, result.Values)
			}
		}
	}
}

// The note on a variable in externalName says what to write if it holds an IP address, and that works.
func TestVariableWithAddress(t *testing.T) {
	result, notes := mendedBy(t, "{type: ExternalName, externalName: '${NAS}', ports: [{port: 5000}]}", "", findings.ImportNote)
	const want = `. If it holds an IP address, write addresses: ["${NAS}"] in place of externalName`
	if len(notes) != 1 || !strings.HasSuffix(notes[0], want) {
		t.Fatalf("notes %q, want one that ends with %q", notes, want)
	}
	corrected := strings.Replace(string(result.Values), `externalName: "${NAS}"`, `addresses: ["${NAS}"]`, 1)
	corrected = strings.ReplaceAll(corrected, "${NAS}", "10.0.20.5")
	if got := after(t, []byte(corrected))["default/db"].Traffic; !slices.Equal(got, []string{"5000/TCP -> 10.0.20.5:5000"}) {
		t.Errorf("corrected as the note says, connections go to %q\n%s", got, corrected)
	}
	for name, note := range map[string]string{
		"'${NAS}'":              want + ", and the ports",
		"'nas.${DOMAIN}'":       "lint and helm refuse it until then",
		"'${NAS:-nas.example}'": want[:len(want)-len(`${NAS}"] in place of externalName`)] + `${NAS:-nas.example}"] in place of externalName, and the ports`,
	} {
		if _, notes := mendedBy(t, "{type: ExternalName, externalName: "+name+"}", "", findings.ImportNote); len(notes) != 1 || !strings.HasSuffix(notes[0], note) {
			t.Errorf("%s: notes %q, want one that ends with %q", name, notes, note)
		}
	}
}

// An address that one list has twice is mended. That two lists have one is usual, and a hint.
func TestAddressTwice(t *testing.T) {
	const spec = "{ports: [{port: 80}]}"
	result, mended := mendedBy(t, spec, endpointsOf("{ip: 10.0.4.11}, {ip: 10.0.4.11}, {ip: 10.0.4.12}", "{port: 80}"), findings.Mended)
	if !slices.Equal(mended, []string{"address 10.0.4.11: it is listed twice, and the entry has it once"}) || len(result.Entries[0].Addresses) != 2 {
		t.Errorf("one list: %q\n%s", mended, result.Values)
	}
	slice := func(name string) string {
		return "---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.0.4.11]}], " +
			"metadata: {name: db-ipv4-" + name + ", labels: {kubernetes.io/service-name: db}}}\n"
	}
	result, notes := mendedBy(t, spec, slice("0")+slice("1"), findings.ImportNote)
	if !slices.Equal(notes, []string{"address 10.0.4.11: two lists have it, and the entry has it once"}) || len(result.Entries[0].Addresses) != 1 {
		t.Errorf("two lists: %q\n%s", notes, result.Values)
	}
}

// What stands for an address that is still to be written is no entry, and its message says what to write. Names that
// only look alike are entries.
func TestIncomplete(t *testing.T) {
	const decimal = `has leading zeros, and programs read such numbers as octal or not at all: write 10.0.0.1, if it is decimal`
	for text, want := range map[string]string{
		"<YOUR-SVC-IP>":       "is a placeholder: write the address outside in its place",
		"http://<host>/":      "is a placeholder: write the address outside in its place",
		"192.168.X.X":         "is not a whole IP address: write its four numbers",
		"192.168.1.xxx":       "is not a whole IP address: write its four numbers",
		"10.*.*.*":            "is not a whole IP address: write its four numbers",
		"x.x.x.x":             "is not a whole IP address: write its four numbers",
		"010.0.0.1":           decimal,
		"10.00.000.01.":       decimal,
		"{{ .Values.host }}":  "is a template of a chart: render it with helm template first",
		"x.example.com":       "",
		"x.x.x.x.example.com": "",
		"192-168-x-x.example": "",
	} {
		result, refused := mendedBy(t, "{type: ExternalName, externalName: '"+text+"', ports: [{port: 80}]}", "", findings.NotImported)
		switch {
		case want == "" && len(result.Entries) != 1:
			t.Errorf("%q is no entry: %q", text, refused)
		case want != "" && (len(result.Entries) != 0 || !slices.Equal(refused, []string{"in.yaml:4: \"" + text + "\" " + want})):
			t.Errorf("%q: %q, want one message that ends with %q", text, refused, want)
		}
	}
}

// A message names the line that has the text, not one that only begins like it.
func TestPlaces(t *testing.T) {
	const after = `---
# 10.0.4.1 is in this comment, and in the name below
apiVersion: v1
kind: Endpoints
metadata: {name: db, annotations: {old: a10.0.4.1}}
subsets:
- addresses:
  - ip: 10.0.4.12
  - ip: 10.0.4.1
  ports: [{port: 80}]
- addresses:
  - ip: 10.0.4.1
  ports: [{port: 81}]
`
	_, refused := mendedBy(t, "{ports: [{port: 80}]}", after, findings.NotImported)
	if len(refused) == 0 || !strings.HasPrefix(refused[0], "in.yaml:13: the address 10.0.4.1 has two numbers") {
		t.Errorf("%q, want line 13", refused)
	}
}

// Endpoints that cannot be read are the reason why their Service is no entry, and no other message.
func TestBrokenEndpoints(t *testing.T) {
	for name, c := range map[string]struct{ after, want string }{
		"wrong type": {"---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets: {addresses: []}\n",
			"in.yaml:6: Endpoints db: subsets is a mapping, and a list is expected"},
		"differ": {endpointsOf("{ip: 10.0.4.11}", "{port: 80}") + endpointsOf("{ip: 10.0.4.12}", "{port: 80}"),
			"in.yaml:6 and in.yaml:8 both have the Endpoints db, and differ: leave out one of them"},
		"commented out": {"#---\n# kind: Endpoints\n# metadata:\n#   name: db\n",
			"in.yaml:5: the Endpoints object for the Service is commented out: remove the # from its lines"},
		"another one commented out": {"# kind: Endpoints\n# metadata: {name: db-2}\n",
			"in.yaml:1: the Service has no selector, and no Endpoints or EndpointSlice with an address for it was read"},
	} {
		result, refused := mendedBy(t, "{ports: [{port: 80}]}", c.after, findings.NotImported)
		if !slices.Equal(refused, []string{c.want}) || len(result.Findings) != 1 {
			t.Errorf("%s: %v, want only %q", name, result.Findings, c.want)
		}
	}
	// Without the Service, the message is about the document.
	o := importer.NewObjects()
	result := importInto(t, o, importer.Options{}, map[string]string{"in.yaml": "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets: 1\n"})
	if len(result.Findings) != 1 || result.Findings[0].Code != findings.NotRead {
		t.Errorf("without the Service: %v", result.Findings)
	}
}

// A file of kustomize needs no kind, and is left out like other kinds.
func TestKustomization(t *testing.T) {
	o := importer.NewObjects()
	o.Strict = true
	result := importInto(t, o, importer.Options{}, map[string]string{
		"apps/kustomization.yaml": "resources: [db.yaml]\n",
		"apps/db.yaml":            "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {type: ExternalName, externalName: db.example}}",
	})
	if len(result.Entries) != 1 || len(result.Findings) != 0 || len(result.LeftOut) != 1 || result.LeftOut[0].Kind != "Kustomization" {
		t.Errorf("%s, left out %v, findings %v", result.Summary(), result.LeftOut, result.Findings)
	}
}

// The oracle keeps the names that match, and gives the others only where one reading is left.
func TestOraclePortNames(t *testing.T) {
	const both = "{ports: [{name: a, port: 80}, {name: b, port: 81}]}"
	for name, c := range map[string]struct {
		spec, ports string
		want        []string
	}{
		"match":            {both, "{name: a, port: 8080}, {name: b, port: 8081}", []string{"80/TCP -> 10.0.4.11:8080", "81/TCP -> 10.0.4.11:8081"}},
		"by number":        {both, "{name: x, port: 81}, {name: z, port: 80}", []string{"80/TCP -> 10.0.4.11:80", "81/TCP -> 10.0.4.11:81"}},
		"the last one":     {both, "{name: a, port: 80}, {name: z, port: 9}", []string{"80/TCP -> 10.0.4.11:80", "81/TCP -> 10.0.4.11:9"}},
		"other numbers":    {both, "{name: x, port: 8}, {name: z, port: 9}", nil},
		"one is too few":   {both, "{name: x, port: 80}", nil},
		"other protocol":   {"{ports: [{name: a, port: 80, protocol: UDP}]}", "{name: a, port: 80}", nil},
		"target port":      {"{ports: [{name: a, port: 80, targetPort: 8}, {name: b, port: 81, targetPort: 9}]}", "{name: x, port: 8}, {name: z, port: 9}", []string{"80/TCP -> 10.0.4.11:8", "81/TCP -> 10.0.4.11:9"}},
		"two of a number":  {"{ports: [{name: a, port: 80, targetPort: 8}, {name: b, port: 81, targetPort: 8}]}", "{name: x, port: 8}, {name: z, port: 8}", nil},
		"named, unnamed":   {"{ports: [{name: a, port: 80}]}", "{port: 9}", []string{"80/TCP -> 10.0.4.11:9"}},
		"one too many now": {"{ports: [{name: a, port: 80}]}", "{name: a, port: 8}, {name: z, port: 9}", []string{"80/TCP -> 10.0.4.11:8"}},
	} {
		text := "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: " + c.spec + "\n" + endpointsOf("{ip: 10.0.4.11}", c.ports)
		if got := importertest.Meant(objectsOf(t, text))["default/db"].Traffic; !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
