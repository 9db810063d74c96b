package syntax

import (
	"errors"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Format is how a file is written.
type Format string

// The formats. Helm values, Compose files, Kubernetes manifests and kustomizations are YAML, and told apart by what
// they hold.
const (
	YAML       Format = "yaml"
	JSON       Format = "json"
	TOML       Format = "toml"
	XML        Format = "xml"
	Properties Format = "properties"
	Env        Format = "env"
	Ini        Format = "ini"
)

// byExtension are the formats of file names. An extension that several formats use is not in it: see FormatOf.
var byExtension = map[string]Format{
	".yaml": YAML, ".yml": YAML, ".tpl": YAML, ".json": JSON, ".toml": TOML, ".xml": XML, ".config": XML,
	".properties": Properties, ".env": Env, ".ini": Ini, ".cfg": Ini,
}

// HasExtension says whether the name of a file has the extension of a format.
func HasExtension(name string) bool { return byExtension[path.Ext(name)] != "" }

// byContent are extensions that say only that a file is configuration.
var byContent = map[string]bool{".conf": true, ".cnf": true}

var (
	envName = regexp.MustCompile(`^env$|\.env(\.[a-z0-9_-]+)*$`)

	// notSettings are files that say how something is built, or what it is made of.
	notSettings = regexp.MustCompile(`^(package|composer|tsconfig.*|jsconfig.*|renovate|angular|lerna|nx|deno|bower|manifest|` +
		`[a-z0-9._-]*[.-]?lock|npm-shrinkwrap|.*\.schema|values\.schema|openapi.*|swagger.*|components)\.json$|` +
		`^(pom|build|ivy|packages|nuget|logback-test)\.xml$|^(cargo|pyproject|pipfile|poetry|netlify|wrangler)\.toml$|` +
		`^(chart|requirements|openapi.*|swagger.*|mkdocs|hugo|_config|security-insights|pnpm-lock|pnpm-workspace|\.?codecov|\.gitlab-ci|\.pre-commit-config|` +
		`\.travis|\.golangci|\.goreleaser|dependabot|skaffold|lefthook|[a-z0-9._-]*[.-]lock)\.ya?ml$|` +
		`^(setup|tox|pytest|mypy|\.flake8)\.(cfg|ini)$|^(gradle|gradle-wrapper|build|sonar-project|messages.*)\.properties$|` +
		`\.lock$|\.csproj$`)
)

// FormatOf is the format of a file by its name, and by its content where the name does not say. It is empty for a
// file that is not configuration.
func FormatOf(name, text string) Format {
	base := strings.ToLower(path.Base(name))
	extension := path.Ext(base)
	switch {
	case notSettings.MatchString(base):
		return ""
	case envName.MatchString(base):
		return Env
	case byExtension[extension] != "":
		return byExtension[extension]
	case byContent[extension]:
		return Sniff(text)
	}
	return ""
}

// MayBeSettings says whether the name of a file is that of configuration.
func MayBeSettings(file string) bool {
	base := strings.ToLower(path.Base(file))
	return byContent[path.Ext(base)] || FormatOf(file, "") != ""
}

var (
	tomlLine = regexp.MustCompile(`(?m)^\s*\[\[[^\]\n]+\]\]\s*$`)
	iniLine  = regexp.MustCompile(`(?m)^\[[^\]\n]+\]\s*$`)
	pairLine = regexp.MustCompile(`(?m)^[A-Za-z_][\w.-]*\s*=`)
	yamlLine = regexp.MustCompile(`(?m)^(- )?[A-Za-z_"][\w."/-]*:(\s|$)`)
)

// Sniff is the format of a text by its content, and empty for one that is not of a known format.
func Sniff(text string) Format {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(trimmed, "<?xml"), strings.HasPrefix(trimmed, "<configuration"):
		return XML
	case strings.HasPrefix(trimmed, "{") && strings.HasSuffix(trimmed, "}") && strings.Contains(trimmed, `"`):
		return JSON
	case tomlLine.MatchString(text):
		return TOML
	case iniLine.MatchString(text):
		return Ini
	}
	pairs, keys := len(pairLine.FindAllString(text, -1)), len(yamlLine.FindAllString(text, -1))
	switch {
	case pairs > 0 && pairs >= keys:
		return Properties
	case keys > 0:
		return YAML
	}
	return ""
}

// Parse reads a text of a format as nodes, one for each document of YAML.
func Parse(text string, format Format) ([]*Node, error) {
	var root *Node
	var err error
	switch format {
	case YAML:
		return readYAML(text)
	case JSON:
		root, err = readJSON(text)
	case TOML:
		root, err = readTOML(text)
	case XML:
		root, err = readXML(text)
	default:
		root = readLines(text, format)
	}
	if root == nil {
		return nil, err
	}
	return []*Node{root}, err
}

var lineOfError = regexp.MustCompile(`line ([0-9]+)`)

// LineOf is the line that an error of Parse names, or 0. Its other words may quote the text.
func LineOf(err error) int {
	var position interface{ Position() (line, column int) }
	if errors.As(err, &position) {
		line, _ := position.Position()
		return line
	}
	line := 0
	if match := lineOfError.FindStringSubmatch(err.Error()); match != nil {
		line, _ = strconv.Atoi(match[1]) // 0 if it is too large for a line
	}
	return line
}
