package discover_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tools/discover"
	"external-services/tools/helm"
)

// found are the references of some files to hosts outside, as KEY HOST:PORT, and those that are doubtful with a "?".
func found(files map[string]string) string {
	scan := discover.NewScan()
	for name, text := range files {
		scan.ReadFile(name, []byte(text))
	}
	report := scan.Report(discover.ReportOptions{})
	var list []string
	for _, e := range report.Endpoints {
		for _, r := range e.References {
			list = append(list, fmt.Sprintf("%s %s:%d", r.Key, r.Host, r.Port))
		}
	}
	for _, r := range report.Doubtful {
		list = append(list, fmt.Sprintf("%s %s:%d?", r.Key, r.Host, r.Port))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// A line of a .env file is a reference, a doubtful one, or none. The corpus has many more.
func TestLines(t *testing.T) {
	for line, want := range map[string]string{
		"DB_HOST=db.corp.example":                       "DB_HOST db.corp.example:0",
		"DB_HOST=DB01.CORP.EXAMPLE.":                    "DB_HOST db01.corp.example:0",
		"DB_HOST=db":                                    "DB_HOST db:0?",
		"DB_HOST=${HOST}":                               "",
		"DB_HOST=${HOST:-db.corp.example}":              "DB_HOST db.corp.example:0",
		"DB_HOST={{ .Values.host }}":                    "",
		"API=https://api.example.com/x":                 "API api.example.com:443",
		"API=http://user@api.example.com:81":            "API api.example.com:81",
		"API=https://registry.example/@scope/a":         "API registry.example:443",
		"PAIR=a.example:1,b.example:2":                  "PAIR a.example:1?, PAIR b.example:2?",
		"SERVERS=a.example:1,b.example:2":               "SERVERS a.example:1, SERVERS b.example:2",
		"URL=mongodb://[2001:db8::1]:27017/x":           "URL 2001:db8::1:27017",
		"URL=amqp://u:a/b@mq.example:1/x":               "URL mq.example:1",
		"URL=https://u:a/b@api.example/x":               "",
		"URL=foo://a.example:1":                         "URL a.example:1?",
		"URL=file:///data/a.example":                    "",
		"URL=sqlite:///a.db":                            "",
		"BIND_ADDR=10.0.0.1:80":                         "",
		"ADDR=127.0.0.1:80":                             "",
		"ADDR=0.0.0.0:80":                               "",
		"ADDR=localhost:80":                             "",
		"ADDR=169.254.169.254":                          "",
		"ADDR=10.0.0.0/8":                               "",
		"ADDR=255.255.255.0":                            "",
		"VALUE=10.0.0.1":                                "VALUE 10.0.0.1:0?",
		"VERSION=10.0.0.1":                              "",
		"AT=12:30":                                      "",
		"IMAGE=registry.example:5000/a/b:1":             "",
		"CLASS=com.example.App":                         "",
		"SERVER_CLASS=com.example.App":                  "",
		"HOST_FILE=hosts.yaml":                          "",
		"CONTACT=a@b.example":                           "",
		"MASTER=true":                                   "",
		"DB_PASSWORD=a.example:80":                      "",
		"DB_PASSWORD=https://a.example/x":               "DB_PASSWORD a.example:443",
		"REPO=https://git.example.com/a.git":            "",
		"SCHEMA=http://a.example/s.xsd":                 "",
		"NOTE=see https://a.example/help":               "NOTE a.example:443?",
		"A_URL=https://github.com/a/b":                  "",
		"NO_PROXY=a.example,10.0.0.1":                   "",
		"PUBLIC_URL=https://a.example":                  "PUBLIC_URL a.example:443?",
		"X_URL=http://a.shop.svc/x":                     "",
		"X_URL=http://a.shop.svc.cluster.local":         "",
		"X_HOST=worker-0.worker":                        "X_HOST worker-0.worker:0?",
		"OPTS=--db-host=a.example --db-port=5":          "db-host a.example:5",
		"JDBC=jdbc:sqlserver://;serverName=a.example;x": "",
	} {
		if got := found(map[string]string{"app.env": line + "\n"}); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// Each format knows the line of a value, also in a file within a file.
func TestLinesOfFormats(t *testing.T) {
	const host = "a.corp.example"
	for name, text := range map[string]string{
		"a.env": "A=b\n# c\nDB_HOST=" + host, "a.properties": "a=b\\\n  c\ndb.host=" + host, "a.ini": "[a]\n\nhost = " + host,
		"a.toml": "hosts = [\n  \"x\",\n  \"" + host + ":1\",\n]", "a.json": "{\n\"a\": 1,\n\"host\": \"" + host + "\"}",
		"a.yaml": "a:\n  b: {c: d,\n    host: " + host + "}", "a.xml": "<a>\n<b c='d'\n host='" + host + "'/></a>",
		"b.yaml":       "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\nhost: " + host,
		"map.yaml":     "apiVersion: v1\nkind: ConfigMap\ndata: {config.json: '{\"host\": \"" + host + "\"}'}",
		"block.yaml":   "data: {}\na.properties: |\n  db.host=" + host,
		"template.yml": "{{- if\n .x }}\nhost: " + host + "\n{{- end }}",
	} {
		scan := discover.NewScan()
		scan.ReadFile(name, []byte(text+"\n"))
		report := scan.Report(discover.ReportOptions{})
		if len(report.Endpoints) != 1 || report.Endpoints[0].Host != host || report.Endpoints[0].References[0].Line != 3 {
			t.Errorf("%s: %+v %v, want %s in line 3", name, report.Endpoints, report.Findings, host)
		}
	}
}

// A name is in the cluster if its Service was read, in whatever order, or it is a service of the same Compose file.
func TestNamesOfTheCluster(t *testing.T) {
	const (
		service = "apiVersion: v1\nkind: Service\nmetadata: {name: stock, namespace: shop}\n"
		compose = "services:\n  web: {image: a, environment: {DB_HOST: db, MQ_HOST: mq}}\n  db: {image: b}\n"
	)
	config := func(namespace, host string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: " + namespace + "}\ndata: {X_HOST: " + host + "}\n"
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"same namespace":         {map[string]string{"a.yaml": service, "b.yaml": config("shop", "stock")}, ""},
		"read later":             {map[string]string{"a.yaml": config("shop", "stock") + "---\n" + service}, ""},
		"other namespace":        {map[string]string{"a.yaml": service, "b.yaml": config("web", "stock")}, "X_HOST stock:0?"},
		"with a namespace":       {map[string]string{"a.yaml": service, "b.yaml": config("web", "stock.shop")}, ""},
		"a pod of it":            {map[string]string{"a.yaml": service, "b.yaml": config("web", "stock-0.stock.shop")}, ""},
		"unknown in a namespace": {map[string]string{"a.yaml": service, "b.yaml": config("web", "users.shop")}, "X_HOST users.shop:0?"},
		"a top-level domain":     {map[string]string{"b.yaml": config("web", "users.shop")}, "X_HOST users.shop:0"},
		"compose":                {map[string]string{"compose.yaml": compose}, "web.environment.MQ_HOST mq:0?"},
		"not of another file":    {map[string]string{"compose.yaml": compose, "a.env": "DB_HOST=db\n"}, "DB_HOST db:0?, web.environment.MQ_HOST mq:0?"},
	} {
		if got := found(c.files); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzFile reads any text as any format: it ends, and what it writes are values.
func FuzzFile(f *testing.F) {
	if err := filepath.WalkDir(corpus, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		f.Add(entry.Name(), text)
		return err
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		scan := discover.NewScan()
		scan.ReadFile(name, text)
		values := scan.Report(discover.ReportOptions{All: true}).Values()
		if _, err := helm.Parse(values); err != nil {
			t.Errorf("%v in\n%s", err, values)
		}
	})
}
