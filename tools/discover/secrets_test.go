package discover_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"external-services/tools/discover"
	"external-services/tools/findings"
	"external-services/tools/service"
)

// planted is what every secret of the corpus has in it, or the part of one behind a character that ends passwords in
// a URL, also a number that could be taken for a port.
var planted = regexp.MustCompile(`(?i)planted|secret-[0-9]|64999`)

// outputs are all that the command prints about a scan.
func outputs(t *testing.T, scan *discover.Scan, entries *discover.Names) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, options := range map[string]discover.ReportOptions{
		"plain":  {},
		"all":    {All: true, ReleaseNamespace: "shop"},
		"mapped": {All: true, Names: entries},
	} {
		report := scan.Report(options)
		var text bytes.Buffer
		if err := report.WriteText(&text, findings.Plain); err != nil {
			t.Fatal(err)
		}
		document, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		all[name+" text"], all[name+" json"], all[name+" values"] = text.String(), string(document), string(report.Values())
	}
	return all
}

// No output has a secret of the corpus, or a part of one, also if Secrets are read.
func TestNoSecretInAnyOutput(t *testing.T) {
	secrets := map[string]bool{}
	if err := filepath.WalkDir(corpus, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, secret := range regexp.MustCompile(`secret-[0-9]+`).FindAllString(string(text), -1) {
			secrets[secret] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(secrets) < 50 {
		t.Errorf("the corpus has %d secrets, want at least 50", len(secrets))
	}
	for _, withSecrets := range []bool{false, true} {
		for name, output := range outputs(t, scanCorpus(t, withSecrets), names(t, entries)) {
			if leaked := planted.FindAllString(output, 3); leaked != nil {
				t.Errorf("%s, secrets %t: %q is in it", name, withSecrets, leaked)
			}
			if hasSecret := strings.Contains(output, "secret-mq.corp.example"); hasSecret != withSecrets {
				t.Errorf("%s, secrets %t: a host of a Secret is there: %t", name, withSecrets, hasSecret)
			}
		}
	}
}

// awkward are passwords that a URL should have in another form, and that people write as they are.
var awkward = []string{
	"planted", "pl@nted", "planted/x", "planted:x", "planted?x", "planted#x", "planted@10.0.0.1", "planted.example", "planted.example:99",
	"12/planted", "12@planted.example/x", "a?b=planted.example", "a;Server=planted.example", "64999/x", "64999?x", "64999", "planted,planted.example:99",
	"planted example.org", "x@planted.example:1/y@z", "p'planted", `p"planted`, "99;planted=1", "x://planted.example", "p@ss/w?rd@planted.example",
}

// A password is never taken for a host, wherever it is and whatever is in it.
func TestAwkwardPasswords(t *testing.T) {
	forms := []string{
		"DATABASE_URL=postgres://app:%s@db.corp.example:5432/app", "MONGO=mongodb://app:%s@a.corp.example:27017,b.corp.example:27017/x?replicaSet=r",
		"AMQP_URL=amqp://app:%s@mq.corp.example/", "REDIS_URL=redis://:%s@cache.corp.example:6379/0", "API_URL=https://app:%s@api.corp.example/v1",
		"DSN=app:%s@tcp(db.corp.example:3306)/app", "SQL=Server=tcp:db.corp.example,1433;User=app;Password='%s';Encrypt=true",
		"JDBC=jdbc:mysql://app:%s@db.corp.example:3306/app", "ORA=jdbc:oracle:thin:app/%s@db.corp.example:1521:x", "ORA2=app/%s@db.corp.example:1521/X",
		"PG=host=db.corp.example port=5432 password='%s' user=app", "REDIS=cache.corp.example:6379,password=%s", "DB_PASSWORD=%s", "API_TOKEN=%s",
		"JAVA_OPTS=-Ddb.password=%s -Xmx1g", "SMTP_PASS=%s", "client_secret: %s", "AUTH=app:%s", "KEY=%s:8080", "SECRET_HOST_KEY=%s",
	}
	existing := names(t, entries)
	for _, form := range forms {
		for _, password := range awkward {
			scan := discover.NewScan()
			scan.ReadFile("app.env", []byte(strings.ReplaceAll(form, "%s", password)+"\n"))
			for name, output := range outputs(t, scan, existing) {
				if leaked := planted.FindString(output); leaked != "" {
					t.Errorf("%s: %s of %s with %s:\n%s", leaked, name, form, password, output)
					break
				}
			}
		}
	}
}

// The errors about files that cannot be parsed have their line, and nothing of their text.
func TestErrorsHaveNoText(t *testing.T) {
	existing := names(t, entries)
	for name, text := range map[string]string{
		"alias.yaml": "password: *planted\n", "open.yaml": "a: [planted\n", "tab.yaml": "a:\n\tplanted: 1\n", "a.json": `{"a": planted}`,
		"b.json": `{"planted": `, "a.toml": "planted = planted\n", "b.toml": "[planted\n", "a.xml": "<a><planted></a>", "b.xml": "<a b=planted>",
	} {
		scan := discover.NewScan()
		scan.ReadFile(name, []byte(text))
		report := scan.Report(discover.ReportOptions{})
		if len(report.Findings) != 1 || report.ExitCode() != findings.ExitNotice {
			t.Errorf("%s: exit code %d, %v", name, report.ExitCode(), report.Findings)
			continue
		}
		if message := report.Findings[0].Message; !strings.Contains(message, name) || !strings.Contains(message, "it is not valid ") {
			t.Errorf("%s: %s", name, message)
		}
		for kind, output := range outputs(t, scan, existing) {
			if planted.MatchString(output) {
				t.Errorf("%s: %s has %s", name, kind, output)
			}
		}
	}
}

// names are the entries of values in the namespace shop.
func names(t *testing.T, values string) *discover.Names {
	t.Helper()
	return discover.NewNames(service.FromRendered(render(t, values)))
}
