package values

// Format is a format of a string. The schema has its pattern and, for editors, a title and a sentence:
// patternErrorMessage or errorMessage of the YAML language server, which validators ignore.
type Format struct {
	Title     string // what the string is, after "not a valid"
	Pattern   string
	Write     string // what to write instead
	MaxLength int    // if the pattern does not limit the length
}

// Parts of patterns. Go and ECMAScript read them alike.
const (
	label     = `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`
	ipv4      = `(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([.](25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}`
	ipv6      = `[0-9a-f]*:[0-9a-f:]*` // the chart checks the rest
	domain    = `[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
	qualified = `[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`

	// In front of the cluster: no top-level domain begins with a digit, which keeps IP addresses out.
	frontHost = `(` + label + `[.])*[a-z]([-a-z0-9]{0,61}[a-z0-9])?`

	// A segment of a path is neither "." nor "..", and has no encoded slash.
	pathChar = `([-A-Za-z0-9_~!$&'()*+,;=:@]|%([013-9a-fA-F][0-9a-fA-F]|2[0-9a-eA-E]))`
	segment  = `([.]{0,2}` + pathChar + `|[.]{3})(` + pathChar + `|[.])*`

	imagePart = `[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*`

	writeLabel     = `at most 63 lower-case letters, digits and "-", with no "-" first or last`
	writeQualified = `at most 63 letters, digits, "-", "_" and ".", with a letter or digit first and last`
	writeKey       = writeQualified + `, after a domain and "/" if it has one`
)

// KeyFormats are the Formats of the keys of maps.
var KeyFormats = []string{"namespace", "labelKey", "annotationKey", "resource"}

// Formats are the formats of the Kubernetes API (k8s.io/apimachinery/pkg/util/validation) that struct
// tags name: "format" for a string or the values of a map, "keys" for the keys of a map. An optional
// string may also be empty.
var Formats = map[string]Format{
	"serviceName": {
		Title:   "Service name",
		Pattern: `^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`,
		Write:   `at most 63 lower-case letters, digits and "-", with a letter first and no "-" last`,
	},
	"namespace": {Title: "namespace", Pattern: `^` + label + `$`, Write: writeLabel},
	"portName":  {Title: "port name", Pattern: `^` + label + `$`, Write: writeLabel},
	"hostLabel": {Title: "host name", Pattern: `^` + label + `$`, Write: writeLabel},
	// The pattern accepts templates, URLs, IP addresses and names with a port: the chart checks the
	// expanded name and explains more.
	"hostName": {
		Title:   "DNS name",
		Pattern: `[{:/]|^[.0-9]*$|^(` + label + `[.])*` + label + `[.]?$`,
		Write:   `lower-case letters, digits, "-" and ".", such as www.corp.example`,
	},
	"namePattern": {
		Title:   "pattern of DNS names",
		Pattern: `^([*][.])?(` + label + `[.])*` + label + `[.]?$`, MaxLength: 253,
		Write: `a DNS name in lower case such as db.corp.example, or *.corp.example for all names below`,
	},
	"routeHost": {
		Title:   "host name",
		Pattern: `^([*][.])?` + frontHost + `$`, MaxLength: 253,
		Write: `a host name in lower case such as proxmox.home.example, or *.home.example for all names below`,
	},
	"tlsHost": {
		Title:   "host name",
		Pattern: `^` + frontHost + `$`, MaxLength: 253,
		Write: `a host name in lower case such as proxmox.home.example`,
	},
	"path": {
		Title:   "path",
		Pattern: `^/(` + segment + `/)*(` + segment + `)?$`, MaxLength: 1024,
		Write: `a path such as / or /api, without "//", "." and ".." as segments, "#" and encoded slashes`,
	},
	"nameserver": {
		Title:   "address of a name server",
		Pattern: `^(` + ipv4 + `(:[0-9]{1,5})?|` + ipv6 + `|\[` + ipv6 + `\]:[0-9]{1,5})$`,
		Write:   `an IP address, with a port if it is not 53, such as 10.0.0.53 or [2001:db8::53]:5353`,
	},
	"cidr": {
		Title:   "network",
		Pattern: `^(` + ipv4 + `/([12]?[0-9]|3[0-2])|` + ipv6 + `/([1-9]?[0-9]|1[01][0-9]|12[0-8]))$`,
		Write:   `an IP network such as 10.0.0.0/8 or 2001:db8::/32`,
	},
	"labelKey":   {Title: "label key", Pattern: `^(` + domain + `/)?` + qualified + `$`, Write: writeKey},
	"labelValue": {Title: "label value", Pattern: `^(` + qualified + `)?$`, Write: writeQualified},
	"annotationKey": {
		Title:   "annotation key",
		Pattern: `^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?` + qualified + `$`,
		Write:   writeKey,
	},
	"zone": {
		Title:   "zone",
		Pattern: `^` + qualified + `$`,
		Write:   `the value of the label topology.kubernetes.io/zone of the nodes in that zone`,
	},
	"protocolName": {
		Title:   "protocol name",
		Pattern: `^(` + domain + `/)?` + qualified + `$`,
		Write:   `a standard name such as http, or a name with a domain such as kubernetes.io/h2c`,
	},
	"port": {Title: "port", Write: `a number from 1 to 65535, without quotes`},
	"containerPort": {
		Title:   "container port name",
		Pattern: `^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$`, MaxLength: 15,
		Write: `a number without quotes, or at most 15 lower-case letters, digits and "-", with a letter, no "-" first or last and no two together`,
	},
	"image": {
		Title:   "image name",
		Pattern: `^(([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]+)?/)?` + imagePart + `(/` + imagePart + `)*$`,
		Write:   `it without tag and digest, such as registry.example/busybox`,
	},
	"tag": {
		Title:   "image tag",
		Pattern: `^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$`,
		Write:   `at most 128 letters, digits, "_", "-" and ".", with no "-" or "." first`,
	},
	"digest": {
		Title:   "image digest",
		Pattern: `^$|^[a-z0-9]+:[0-9a-f]{32,}$`, // also where a release sets one
		Write:   `it as the registry shows it, such as sha256: and 64 hexadecimal digits`,
	},
	"objectName": {
		Title:   "object name",
		Pattern: `^` + domain + `$`, MaxLength: 253,
		Write: `at most 253 lower-case letters, digits, "-" and ".", with a letter or digit first and last`,
	},
	"resource": {
		Title:   "resource of a container",
		Pattern: `^(cpu|memory|ephemeral-storage)$`,
		Write:   `cpu, memory or ephemeral-storage`,
	},
	"quantity": {
		Title:   "quantity",
		Pattern: `^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$`,
		Write:   `a number, with a unit if it needs one, such as 10m or 16Mi`,
	},
}
