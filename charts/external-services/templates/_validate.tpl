{{/*
Every refusal of the chart that needs two values, or a sentence to explain it,
stands in this file; what one value may be by its type, range or list of choices
stands in values.schema.json. A message names the entry, the field, what is wrong
and what to write instead. The rules follow the validation of the Kubernetes API
server (pkg/apis/core/validation, pkg/apis/discovery/validation), so that nothing
is refused halfway through an installation; where one is stricter, it says why.

A run collects its faults, one a field, and external-services.report prints them all
at its end. So validation goes on after a fault, and does not report what follows
from one.
*/}}

{{/*
external-services.plain prints the expression for the lines of external-services.draft
that no rule of this file has anything against, whatever else the entry says. It takes
less than the rules do, and so it is no rule itself: IPv4 addresses, IPv6 addresses with
"::" and no group that is 0, and of DNS names those with labels of up to 31 characters
and a last one of two to eight letters, which "localhost" has not.
*/}}
{{- define "external-services.plain" -}}
{{- $label := "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?" -}}
{{- $short := "[a-z0-9]([-a-z0-9]{0,29}[a-z0-9])?" -}}
{{- /* Written so that each character leaves one way to go on, which is faster. */}}
{{- $first := "(1([013-57-9][0-9]?|2[0-68-9]?|6[0-8]?)?|2([01][0-9]?|2[0-3]?|[3-9])?|[3-9][0-9]?)" -}}
{{- $octet := "(0|1[0-9]{0,2}|2([0-4][0-9]?|5[0-5]?|[6-9])?|[3-9][0-9]?)" -}}
{{- $ipv4 := printf "%s([.]%s){3}" $first $octet -}}
{{- $group := "[1-9a-f][0-9a-f]{0,3}" -}}
{{- $ipv6 := printf "[23][0-9a-f]{3}(:%s){0,2}::%s(:%s){0,2}" $group $group $group -}}
{{- $ip := printf "\"(%s|%s)\"" $ipv4 $ipv6 -}}
{{- printf "(?m)^\\[\"%s/[a-z]([-a-z0-9]{0,61}[a-z0-9])?\",(null|\"(%s[.]){1,6}[a-z]{2,8}[.]?\"),(null|\\[%s(,%s)*\\])\\]$" $label $short $ip $ip -}}
{{- end -}}

{{/*
external-services.where prints which entry a mapping is of.
*/}}
{{- define "external-services.where" -}}
{{- printf "services[%d] %q%s" (int .index) .name (.with | default "") -}}
{{- end -}}

{{/*
external-services.refuse notes a fault. It takes a list: what is refused, the field,
what is wrong, what to write instead, and where the fault is one of a map's keys, the
key. What is refused is a mapping, or a map that has no index where it is the release;
either has faults, the map that every fault of a run is put into, and a release may have
the place at which its fault is named:
  found    the faults in the order of their keys, which is that of the entries; each has
           a text, what that is made of, and the place of the entry and the namespace
           it is for
  known    which faults of which entry there are, as its namespaces share most of them
Beside them it has the kinds, see external-services.kinds.
*/}}
{{- define "external-services.refuse" -}}
{{- $of := index . 0 -}}
{{- $field := index . 1 -}}
{{- $what := index . 2 -}}
{{- $write := index . 3 -}}
{{- $fault := dict "field" $field "what" $what "write" $write -}}
{{- $id := $field -}}
{{- $text := printf "%s %s: %s" $field $what $write -}}
{{- if gt (len .) 4 -}}
{{- $_ := set $fault "key" (index . 4) -}}
{{- $id = printf "%s/%s" $field (index . 4) -}}
{{- $text = printf "%s: %s: %s" $field $what $write -}}
{{- end -}}
{{- $place := get $of "place" -}}
{{- if hasKey $of "index" -}}
{{- $place = add1 $of.index -}}
{{- $text = printf "%s: %s" (include "external-services.where" $of) $text -}}
{{- $_ := set $fault "index" $of.index -}}
{{- $_ := set $fault "name" $of.name -}}
{{- $_ := set $fault "namespace" $of.namespace -}}
{{- end -}}
{{- $_ := set $fault "text" $text -}}
{{- $refused := get $of "refused" | default dict -}}
{{- $known := printf "%v/%s/%s" (get $of "index") $id $what -}}
{{- if not (or (hasKey $refused $id) (hasKey $of.faults.known $known)) -}}
{{- $_ := set $of.faults.known $known true -}}
{{- $_ := set $of.faults.found (printf "%09d/%09d" (int $place) (len $of.faults.found)) $fault -}}
{{- end -}}
{{- $_ := set $refused $id true -}}
{{- $_ := set $of "refused" $refused -}}
{{- end -}}

{{/*
external-services.report ends the rendering where there are faults. It takes the
faults of a run.
*/}}
{{- define "external-services.report" -}}
{{- $total := len .found -}}
{{- $shown := 50 -}}
{{- if $total -}}
{{- $texts := list -}}
{{- range .found -}}
{{- if lt (len $texts) $shown -}}
{{- $texts = append $texts .text -}}
{{- end -}}
{{- end -}}
{{- if eq $total 1 -}}
{{- fail (first $texts) -}}
{{- end -}}
{{- if gt $total $shown -}}
{{- $texts = append $texts (printf "and %d more" (sub $total $shown)) -}}
{{- end -}}
{{- fail (printf "%d faults:\n  - %s" $total (join "\n  - " $texts)) -}}
{{- end -}}
{{- end -}}

{{/*
external-services.kinds puts the kinds of the fields of an entry, a port and an address
into the faults of a run. They repeat what values.schema.json says: a run can be without
it (--skip-schema-validation), and a key that no template reads, or a "false" that is a
string, would render another object than the one that is meant. What the API server
refuses is left to it.
*/}}
{{- define "external-services.kinds" -}}
{{- $_ := set . "kinds" (dict
      "entry" (dict "name" "string" "enabled" "bool" "namespace" "string" "namespaces" "slice" "externalName" "string" "addresses" "slice" "ports" "slice" "backend" "string" "selector" "map" "headless" "bool" "endpointsKind" "string" "sessionAffinity" "string" "sessionAffinityTimeoutSeconds" "float64" "trafficDistribution" "string" "publishNotReadyAddresses" "bool" "labels" "map" "annotations" "map")
      "port" (dict "name" "string" "port" "float64" "targetPort" "float64" "podPort" "either" "protocol" "string" "appProtocol" "string")
      "address" (dict "ip" "string" "hostname" "string" "zone" "string" "ready" "bool")
      "values" (dict "enabled" "bool" "global" "map" "services" "slice" "overrides" "map" "namespaceOverrides" "map" "endpoints" "map" "commonLabels" "map" "commonAnnotations" "map" "tests" "map")
      "endpoints" (dict "kind" "string" "maxPerSlice" "float64")
      "tests" (dict "enabled" "bool" "image" "map" "imagePullSecrets" "slice" "timeoutSeconds" "float64" "resources" "map")
      "tests.image" (dict "repository" "string" "tag" "string" "digest" "string" "pullPolicy" "string")
) -}}
{{- end -}}

{{/*
external-services.validate.kind checks the kind of one value. It takes a list: what is
refused, the path before the key, the key, the value and the kind. It prints something
where it refuses. Null is as good as nothing there.
*/}}
{{- define "external-services.validate.kind" -}}
{{- $field := printf "%s%s" (index . 1) (index . 2) -}}
{{- $value := index . 3 -}}
{{- $kind := index . 4 -}}
{{- $is := kindOf $value -}}
{{- $number := and (has $is (list "float64" "int64" "int")) (eq (toString $value) (toString (int64 $value))) (gt (int64 $value) 0) -}}
{{- $write := "" -}}
{{- if not $kind -}}
{{- include "external-services.refuse" (list (index . 0) $field "is not a key that the chart has" "correct it or leave it out") -}}
{{- else if eq $is "invalid" -}}
{{- else if eq $kind "either" -}}
{{- $write = ternary "" "write a whole number over 0, or a name" (or $number (eq $is "string")) -}}
{{- else if eq $kind "float64" -}}
{{- $write = ternary "" "write a whole number over 0" $number -}}
{{- else if ne $is $kind -}}
{{- $write = printf "write %s" (get (dict "string" "a string, in quotes" "bool" "true or false" "slice" "a list" "map" "a map") $kind) -}}
{{- end -}}
{{- if $write -}}
{{- include "external-services.refuse" (list (index . 0) $field (printf "is %s" (toJson $value | trunc 60)) $write) -}}
{{- end -}}
{{- if or $write (not $kind) -}}
yes
{{- end -}}
{{- end -}}

{{/*
external-services.validate.valuesShape checks the kinds of what is given once a release.
It takes the root context.
*/}}
{{- define "external-services.validate.valuesShape" -}}
{{- include "external-services.kinds" .faults -}}
{{- $release := dict "faults" .faults -}}
{{- $maps := dict "values" .Values "endpoints" .Values.endpoints "tests" .Values.tests -}}
{{- if kindIs "map" .Values.tests -}}
{{- $_ := set $maps "tests.image" .Values.tests.image -}}
{{- end -}}
{{- range $path, $map := $maps -}}
{{- if kindIs "map" $map -}}
{{- range $key, $value := $map -}}
{{- $_ := include "external-services.validate.kind" (list $release (ternary "" (printf "%s." $path) (eq $path "values")) $key $value (get (get $release.faults.kinds $path) $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not .faults.found -}}
{{- range $name, $patch := .Values.overrides -}}
{{- include "external-services.validate.patch" (list $release (printf "overrides.%s" $name) $patch (list "name")) -}}
{{- end -}}
{{- range $namespace, $patches := .Values.namespaceOverrides -}}
{{- if kindIs "map" $patches -}}
{{- range $name, $patch := $patches -}}
{{- include "external-services.validate.patch" (list $release (printf "namespaceOverrides.%s.%s" $namespace $name) $patch (list "name" "namespace" "namespaces")) -}}
{{- end -}}
{{- else -}}
{{- include "external-services.validate.patch" (list $release (printf "namespaceOverrides.%s" $namespace) $patches (list)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.patch refuses a partial entry that is no map, or that has a
field of an entry which cannot be changed there. It takes a list: the release, where the
partial entry stands, the partial entry, and those fields.
*/}}
{{- define "external-services.validate.patch" -}}
{{- $release := index . 0 -}}
{{- $field := index . 1 -}}
{{- with index . 2 -}}
{{- if not (kindIs "map" .) -}}
{{- include "external-services.refuse" (list $release $field (printf "is %s" (toJson . | trunc 60)) "write a map with fields of the entry") -}}
{{- else -}}
{{- range $key := index $ 3 -}}
{{- if hasKey (index $ 2) $key -}}
{{- include "external-services.refuse" (list $release (printf "%s.%s" $field $key) "cannot be changed here" "change the entry itself, or leave it out") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.refuse.unnamed refuses an entry that is no map or has no name. It takes
a list: the root context, the place of the entry, and the entry.
*/}}
{{- define "external-services.refuse.unnamed" -}}
{{- $release := dict "faults" (index . 0).faults "place" (add1 (index . 1)) -}}
{{- $field := printf "services[%d]" (int (index . 1)) -}}
{{- if not (kindIs "map" (index . 2)) -}}
{{- include "external-services.refuse" (list $release $field (printf "is %s" (toJson (index . 2) | trunc 60)) "write a map with a name") -}}
{{- else if kindIs "invalid" (index . 2).name -}}
{{- include "external-services.refuse" (list $release (printf "%s.name" $field) "is missing" "write the name of the Service") -}}
{{- else -}}
{{- include "external-services.refuse" (list $release (printf "%s.name" $field) (printf "is %s" (toJson (index . 2).name | trunc 60)) "write a string, in quotes") -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.fields checks the kinds of the fields of an entry and prints
something where it refuses one. It takes a list: the faults, the place of the entry, its
name, the overrides that were laid over it, and the entry.
*/}}
{{- define "external-services.validate.fields" -}}
{{- $of := dict "faults" (index . 0) "index" (index . 1) "name" (index . 2) "with" (index . 3) -}}
{{- range $key, $value := index . 4 -}}
{{- $kind := get $of.faults.kinds.entry $key -}}
{{- if ne $kind (kindOf $value) -}}
{{- include "external-services.validate.kind" (list $of "" $key $value $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.release checks what is given once a release. It takes
the root context.
*/}}
{{- define "external-services.validate.release" -}}
{{- $release := dict "faults" .faults -}}
{{- include "external-services.validate.labels" (list $release "commonLabels" .Values.commonLabels) -}}
{{- include "external-services.validate.tests" (list $release (.Values.tests | default dict)) -}}
{{- if or .Values.overrides .Values.namespaceOverrides -}}
{{- $names := dict -}}
{{- range .Values.services -}}
{{- if kindIs "map" . -}}
{{- $_ := set $names (toString .name) true -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.overrides -}}
{{- include "external-services.validate.overridden" (list $release "overrides" $name $names) -}}
{{- end -}}
{{- range $namespace, $patches := .Values.namespaceOverrides -}}
{{- if not (include "external-services.isLabel" $namespace) -}}
{{- include "external-services.refuse" (list $release "namespaceOverrides" (printf "%q is not a namespace" $namespace) "write at most 63 lower-case letters, digits and \"-\", with no \"-\" first or last" $namespace) -}}
{{- end -}}
{{- range $name, $_ := $patches -}}
{{- include "external-services.validate.overridden" (list $release (printf "namespaceOverrides.%s" $namespace) $name $names) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.overridden refuses overrides of an entry that does not
exist, and says which one may be meant: the one that shares the most pairs of
neighbouring characters. It takes a list: the release, where the overrides stand, the
name, and a map with the names of the entries as its keys.
*/}}
{{- define "external-services.validate.overridden" -}}
{{- $name := index . 2 -}}
{{- $names := index . 3 -}}
{{- if not (hasKey $names $name) -}}
{{- $nearest := "" -}}
{{- $most := 0 -}}
{{- $padded := printf "^%s$" $name -}}
{{- range $candidate, $_ := $names -}}
{{- $shared := sub 0 (max (sub (len $candidate) (len $name)) (sub (len $name) (len $candidate))) -}}
{{- range $i := until (int (sub (len $padded) 1)) -}}
{{- if contains (substr $i (int (add $i 2)) $padded) (printf "^%s$" $candidate) -}}
{{- $shared = add $shared 2 -}}
{{- end -}}
{{- end -}}
{{- if gt $shared $most -}}
{{- $nearest = $candidate -}}
{{- $most = $shared -}}
{{- end -}}
{{- end -}}
{{- include "external-services.refuse" (list (index . 0) (index . 1) (printf "%q is the name of no entry" $name) (printf "write a name that services has%s" (ternary "" (printf ", such as %q" $nearest) (eq $nearest ""))) $name) -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.placement checks the namespaces of an entry. It takes a map
with faults, index, name, with and entry.
*/}}
{{- define "external-services.validate.placement" -}}
{{- if hasKey .entry "namespaces" -}}
{{- if hasKey .entry "namespace" -}}
{{- include "external-services.refuse" (list . "namespace" "stands beside namespaces" "keep one of the two") -}}
{{- end -}}
{{- if not .entry.namespaces -}}
{{- include "external-services.refuse" (list . "namespaces" "is empty" "write at least one namespace, or leave it out for the release namespace") -}}
{{- end -}}
{{- if ne (len .entry.namespaces) (len (uniq .entry.namespaces)) -}}
{{- include "external-services.refuse" (list . "namespaces" "has a namespace twice" "write each namespace once") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.taken takes a list: the mapping, and the one that was made
before with its name and namespace.
*/}}
{{- define "external-services.validate.taken" -}}
{{- with index . 1 -}}
{{- if ne .index (index $ 0).index -}}
{{- include "external-services.refuse" (list (index $ 0) "name" (printf "is taken by services[%d] in the namespace %q" (int .index) .namespace) "one Service has one entry: put both into one, or give this one another name or namespace") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.mapping takes a list: the mapping, and whether to check what
external-services.draft prints of it.
*/}}
{{- define "external-services.validate.mapping" -}}
{{- $mapping := index . 0 -}}
{{- $outside := $mapping.shape.outside -}}
{{- if index . 1 -}}
{{- if or (gt (len $mapping.name) 63) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $mapping.name)) -}}
{{- include "external-services.refuse" (list $mapping "name" "is not a Service name" "write at most 63 lower-case letters, digits and \"-\", with a letter first and no \"-\" last") -}}
{{- end -}}
{{- if not (include "external-services.isLabel" (toString $mapping.namespace)) -}}
{{- include "external-services.refuse" (list $mapping "namespace" (printf "%q is not a namespace" $mapping.namespace) "write at most 63 lower-case letters, digits and \"-\", with no \"-\" first or last") -}}
{{- end -}}
{{- end -}}
{{- if and (eq $outside "ExternalName") $mapping.settings.addresses -}}
{{- include "external-services.refuse" (list $mapping "externalName" "stands beside addresses" "a Service is an alias of a DNS name or forwards to addresses, so keep one of the two") -}}
{{- else if eq $outside "ExternalName" -}}
{{- if index . 1 -}}
{{- include "external-services.validate.externalName" $mapping -}}
{{- end -}}
{{- else if not (has $outside (list "EndpointSlice" "Endpoints")) -}}
{{- include "external-services.refuse" (list $mapping "endpointsKind" (printf "%q is no kind of object that holds addresses" $outside) "write EndpointSlice or Endpoints, here or as endpoints.kind") -}}
{{- else if $mapping.settings.addresses -}}
{{- if index . 1 -}}
{{- include "external-services.validate.addresses" $mapping -}}
{{- end -}}
{{- else if ne $mapping.shape.backend "cluster" -}}
{{- include "external-services.refuse" (list $mapping "addresses" "or externalName is missing" "write the IP addresses outside under addresses, or the DNS name outside as externalName") -}}
{{- end -}}
{{- include "external-services.validate.backend" $mapping -}}
{{- include "external-services.validate.ports" $mapping -}}
{{- with $mapping.settings -}}
{{- if not .sessionAffinityTimeoutSeconds -}}
{{- if hasKey . "sessionAffinityTimeoutSeconds" -}}
{{- $_ := include "external-services.validate.kind" (list $mapping "" "sessionAffinityTimeoutSeconds" .sessionAffinityTimeoutSeconds "float64") -}}
{{- end -}}
{{- else if ne (.sessionAffinity | default "None") "ClientIP" -}}
{{- include "external-services.refuse" (list $mapping "sessionAffinityTimeoutSeconds" "stands without the session affinity it is for" "write sessionAffinity: ClientIP beside it") -}}
{{- end -}}
{{- with .labels -}}
{{- include "external-services.validate.labels" (list $mapping "labels" .) -}}
{{- end -}}
{{- end -}}
{{- include "external-services.validate.annotations" (list $mapping "annotations" $mapping.shape.annotationPairs) -}}
{{- include "external-services.validate.annotationsSize" $mapping -}}
{{- end -}}

{{/*
external-services.validate.externalName takes a mapping. The API server also
accepts IP addresses and numbers, which no DNS server resolves, and labels of
over 63 characters, which DNS does not have (RFC 1035, section 2.3.4).
*/}}
{{- define "external-services.validate.externalName" -}}
{{- $name := .settings.externalName -}}
{{- $host := trimSuffix "." $name -}}
{{- if contains "://" $name -}}
{{- include "external-services.refuse" (list . "externalName" (printf "%q is a URL" $name) "write the host name alone, without scheme, port and path") -}}
{{- end -}}
{{- if regexMatch "^([.]*[0-9][0-9.]*|\\[?[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%.*|\\].*)?)$" $name -}}
{{- include "external-services.refuse" (list . "externalName" (printf "%q is an IP address or a number, and DNS resolves neither" $name) "write IP addresses under addresses, with their ports") -}}
{{- end -}}
{{- if contains ":" $name -}}
{{- include "external-services.refuse" (list . "externalName" (printf "%q carries a port" $name) "write the host name alone: a DNS alias cannot change the port, the client calls it") -}}
{{- end -}}
{{- if or (gt (len $host) 253) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $host)) (and (gt (len $host) 63) (regexMatch "[^.]{64}" $host)) -}}
{{- include "external-services.refuse" (list . "externalName" (printf "%q is not a DNS name" $name) "write at most 253 lower-case letters, digits, \"-\" and \".\", each label at most 63 characters with a letter or digit first and last") -}}
{{- end -}}
{{- if regexMatch "(^|[.])localhost$" $host -}}
{{- include "external-services.refuse" (list . "externalName" (printf "%q is the calling pod itself" $name) "write the name that the outside host has in DNS") -}}
{{- end -}}
{{- if or (eq $host .name) (eq $host (printf "%s.%s" .name .namespace)) (hasPrefix (printf "%s.%s.svc." .name .namespace) (printf "%s." $host)) -}}
{{- include "external-services.refuse" (list . "externalName" (printf "%q is this Service itself" $name) "write the name that the outside host has in DNS") -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.addresses takes a mapping.
The API server also accepts multicast outside of 224.0.0.0/24 and ff02::/16, the
reserved 240.0.0.0/4, and an address twice: no connection reaches the first two,
and the last is a slip of the pen that shifts traffic.
*/}}
{{- define "external-services.validate.addresses" -}}
{{- $mapping := . -}}
{{- $seen := dict -}}
{{- range $index, $address := .settings.addresses -}}
{{- $ip := $address -}}
{{- if kindIs "map" $address -}}
{{- $ip = $address.ip -}}
{{- include "external-services.validate.longAddress" (list $mapping $index $address) -}}
{{- end -}}
{{- if not (kindIs "string" $ip) -}}
{{- include "external-services.refuse" (list $mapping (printf "addresses[%d]" $index) (ternary "has no ip" (printf "is %s" (toJson $ip | trunc 60)) (kindIs "invalid" $ip)) "write an IP address, in quotes") -}}
{{- else if regexMatch "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$" $ip -}}
{{- if regexMatch "^(0[.]0[.]0[.]0$|127[.]|169[.]254[.]|2(2[4-9]|[345][0-9])[.])" $ip -}}
{{- include "external-services.refuse.unroutable" (list $mapping $index $ip) -}}
{{- end -}}
{{- else if contains ":" $ip -}}
{{- include "external-services.validate.ipv6" (list $mapping $index $ip) -}}
{{- else -}}
{{- include "external-services.refuse.notAnAddress" (list $mapping $index $ip) -}}
{{- end -}}
{{- $ip = toString $ip -}}
{{- if hasKey $seen $ip -}}
{{- include "external-services.refuse" (list $mapping (printf "addresses[%d]" $index) (printf "%q is addresses[%d] already" $ip (get $seen $ip)) "write each address once, since traffic is divided evenly among them") -}}
{{- end -}}
{{- $_ := set $seen $ip $index -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.longAddress checks what only the long form of an address
has. It takes a list: the mapping, the index of the address, and the address. The API
server takes any zone; one that no node can have in its label would match none.
*/}}
{{- define "external-services.validate.longAddress" -}}
{{- $mapping := index . 0 -}}
{{- $field := printf "addresses[%d]" (index . 1) -}}
{{- range $key, $value := index . 2 -}}
{{- $kind := get $mapping.faults.kinds.address $key -}}
{{- if ne $kind (kindOf $value) -}}
{{- $_ := include "external-services.validate.kind" (list $mapping (printf "%s." $field) $key $value $kind) -}}
{{- end -}}
{{- end -}}
{{- with (index . 2).hostname -}}
{{- if not (include "external-services.isLabel" (toString .)) -}}
{{- include "external-services.refuse" (list $mapping (printf "%s.hostname" $field) (printf "%q is not a host name of one label" .) "write at most 63 lower-case letters, digits and \"-\", with no \"-\" first or last") -}}
{{- end -}}
{{- end -}}
{{- with (index . 2).zone -}}
{{- if eq $mapping.shape.outside "Endpoints" -}}
{{- include "external-services.refuse" (list $mapping (printf "%s.zone" $field) "has no place in an Endpoints object" "leave it out, or write endpointsKind: EndpointSlice") -}}
{{- end -}}
{{- if or (gt (len (toString .)) 63) (not (regexMatch "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$" (toString .))) -}}
{{- include "external-services.refuse" (list $mapping (printf "%s.zone" $field) (printf "%q is not a zone" .) "write what the nodes of the zone have as the label topology.kubernetes.io/zone") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.ipv6 takes a list: the mapping, the index of the
address, and the address. The API server takes an IPv6 address in an
EndpointSlice only in its canonical form, RFC 5952: lower case, no leading zeros,
and the first of the longest runs of two or more zeros written as "::".
*/}}
{{- define "external-services.validate.ipv6" -}}
{{- $ip := index . 2 -}}
{{- $group := "(0|[1-9a-f][0-9a-f]{0,3})" -}}
{{- $canonical := false -}}
{{- if contains "::" $ip -}}
{{- if regexMatch (printf "^(%s(:%s){0,5})?::(%s(:%s){0,5})?$" $group $group $group $group) $ip -}}
{{- $sides := splitList "::" $ip -}}
{{- $left := printf ":%s:" (index $sides 0) -}}
{{- $right := printf ":%s:" (index $sides 1) -}}
{{- /* the groups that "::" stands for */}}
{{- $elided := int (sub 8 (len (regexFindAll $group $ip -1))) -}}
{{- if ge $elided 2 -}}
{{- $canonical = not (or
      (hasSuffix ":0:" $left)
      (hasPrefix ":0:" $right)
      (contains (printf ":%s" (repeat $elided "0:")) $left)
      (contains (printf ":0:%s" (repeat $elided "0:")) $right)) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $canonical = and (regexMatch (printf "^%s(:%s){7}$" $group $group) $ip) (not (regexMatch "(^|:)0:0(:|$)" $ip)) -}}
{{- end -}}
{{- if not $canonical -}}
{{- include "external-services.refuse.notAnAddress" . -}}
{{- end -}}
{{- if regexMatch "^(::1?|fe[89ab][0-9a-f]:.*|ff[0-9a-f]{2}:.*)$" $ip -}}
{{- include "external-services.refuse.unroutable" . -}}
{{- end -}}
{{- if regexMatch "^::ffff:[0-9a-f]+:[0-9a-f]+$" $ip -}}
{{- include "external-services.refuse" (list (index . 0) (printf "addresses[%d]" (index . 1)) (printf "%q is an IPv4 address mapped into IPv6" $ip) "write the IPv4 address itself") -}}
{{- end -}}
{{- end -}}

{{/*
external-services.refuse.unroutable says what kind of address cannot be an
endpoint. It takes a list: the mapping, the index of the address, and the
address.
*/}}
{{- define "external-services.refuse.unroutable" -}}
{{- $ip := index . 2 -}}
{{- $kind := "a multicast address" -}}
{{- if has $ip (list "0.0.0.0" "::") -}}
{{- $kind = "the unspecified address" -}}
{{- else if regexMatch "^(127[.]|::1$)" $ip -}}
{{- $kind = "a loopback address, and on every node that is the node itself" -}}
{{- else if regexMatch "^(169[.]254[.]|fe)" $ip -}}
{{- $kind = "a link-local address, and no router forwards those" -}}
{{- else if regexMatch "^2[45]" $ip -}}
{{- $kind = "an address of the reserved network 240.0.0.0/4" -}}
{{- end -}}
{{- include "external-services.refuse" (list (index . 0) (printf "addresses[%d]" (index . 1)) (printf "%q is %s" $ip $kind) "write the address at which every node reaches the outside host") -}}
{{- end -}}

{{/*
external-services.refuse.notAnAddress says what somebody may have meant with a
string that is no IP address. It takes a list: the mapping, the index of the
address, and the address.
*/}}
{{- define "external-services.refuse.notAnAddress" -}}
{{- $ip := index . 2 -}}
{{- $what := "is not an IP address" -}}
{{- $write := "write an IPv4 address such as 10.0.4.11, or an IPv6 address such as 2001:db8::11" -}}
{{- if contains "://" $ip -}}
{{- $what = "is a URL" -}}
{{- $write = "write the IP address alone, and the port under ports" -}}
{{- else if contains "/" $ip -}}
{{- $what = "is a network or carries a prefix length" -}}
{{- $write = "write each address by itself, without \"/\"" -}}
{{- else if contains "%" $ip -}}
{{- $what = "carries a zone, and the addresses that need one are link-local" -}}
{{- $write = "write the address at which every node reaches the outside host" -}}
{{- else if regexMatch "^\\[.*\\]" $ip -}}
{{- $what = "stands in brackets" -}}
{{- $write = "write the IPv6 address alone, and the port under ports" -}}
{{- else if regexMatch "^::ffff:[0-9.]+$" (lower $ip) -}}
{{- $what = "is an IPv4 address mapped into IPv6" -}}
{{- $write = "write the IPv4 address itself" -}}
{{- else if regexMatch "^[^:]*:[0-9]+$" $ip -}}
{{- $what = "carries a port" -}}
{{- $write = "write the IP address alone, and the port under ports" -}}
{{- else if regexMatch "[, ]" $ip -}}
{{- $what = "is not one IP address" -}}
{{- $write = "write each address as a list item of its own, without spaces" -}}
{{- else if contains ":" $ip -}}
{{- $what = "is not an IPv6 address in its canonical form" -}}
{{- $write = "write eight groups in lower case without leading zeros, with the first of the longest runs of zeros as \"::\", such as 2001:db8::11" -}}
{{- else if regexMatch "^[0-9.]+$" $ip -}}
{{- $what = "is not an IPv4 address" -}}
{{- $write = "write four decimal numbers from 0 to 255 without leading zeros, such as 10.0.4.11" -}}
{{- else if regexMatch "[A-Za-z]" $ip -}}
{{- $what = "is a name and not an IP address" -}}
{{- $write = "write a DNS name as externalName, in an entry of its own" -}}
{{- end -}}
{{- include "external-services.refuse" (list (index . 0) (printf "addresses[%d]" (index . 1)) (printf "%q %s" $ip $what) $write) -}}
{{- end -}}

{{/*
external-services.validate.backend takes a mapping. The API server knows nothing of
backends: what is refused here would be a Service that loses connections.
*/}}
{{- define "external-services.validate.backend" -}}
{{- $mapping := . -}}
{{- $addresses := .settings.addresses | default list -}}
{{- with .shape -}}
{{- if not (has .backend (list "external" "both" "cluster")) -}}
{{- include "external-services.refuse" (list $mapping "backend" (printf "%q is no backend" .backend) "write external, both or cluster") -}}
{{- end -}}
{{- if and (ne .backend "external") (not .selector) -}}
{{- include "external-services.refuse" (list $mapping "selector" (printf "is missing, and the backend %s sends connections to pods" .backend) "write the labels of those pods, such as selector: {app: orders}") -}}
{{- end -}}
{{- if and (eq .backend "both") (eq .outside "ExternalName") (not $addresses) -}}
{{- include "external-services.refuse" (list $mapping "backend" "is both, and an alias of a DNS name has no addresses that pods could stand beside" "write the IP addresses outside under addresses instead of externalName, or go from external to cluster in one step") -}}
{{- end -}}
{{- range $key, $value := .selector -}}
{{- include "external-services.validate.label" (list $mapping "selector" $key $value) -}}
{{- if eq $key "external-services/parked" -}}
{{- include "external-services.refuse" (list $mapping "selector" (printf "has %q, by which the chart keeps pods out" $key) "write the labels of the pods that take over") -}}
{{- end -}}
{{- end -}}
{{- /* The endpoints controller writes the Endpoints object of every Service that has a
       selector: it would empty ours, and keep its name from the release afterwards. */}}
{{- if and .selector $addresses (eq .outside "Endpoints") -}}
{{- include "external-services.refuse" (list $mapping "selector" "stands with addresses in an Endpoints object, which Kubernetes overwrites for every Service with a selector" "write endpointsKind: EndpointSlice, or leave selector out until the entry moves into the cluster") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.ports takes a mapping.
*/}}
{{- define "external-services.validate.ports" -}}
{{- $mapping := . -}}
{{- $addresses := .settings.addresses | default list -}}
{{- $outside := .shape.outside -}}
{{- if and (not .shape.ports) (or (ne .shape.backend "external") (and $addresses (ne $outside "ExternalName"))) -}}
{{- include "external-services.refuse" (list $mapping "ports" "is missing" "write the ports that clients call, such as ports: [{port: 3306}]") -}}
{{- end -}}
{{- $numbers := dict -}}
{{- $names := dict -}}
{{- $unnamed := -1 -}}
{{- $kinds := .faults.kinds.port -}}
{{- range $index, $port := .shape.ports -}}
{{- $wrong := not (kindIs "map" $port) -}}
{{- if $wrong -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d]" $index) (printf "is %s" (toJson $port | trunc 60)) "write a map with the key port") -}}
{{- else -}}
{{- range $key, $value := $port -}}
{{- if ne (get $kinds $key) (kindOf $value) -}}
{{- if include "external-services.validate.kind" (list $mapping (printf "ports[%d]." $index) $key $value (get $kinds $key)) -}}
{{- $wrong = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $wrong -}}
{{- $number := printf "%v/%s" .port (.protocol | default "TCP") -}}
{{- if hasKey $numbers $number -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d]" $index) (printf "has the port %s of ports[%d]" $number (get $numbers $number)) "write each port and protocol once") -}}
{{- else -}}
{{- $_ := set $numbers $number $index -}}
{{- end -}}
{{- if .name -}}
{{- if not (include "external-services.isLabel" .name) -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d].name" $index) (printf "%q is not a port name" .name) "write at most 63 lower-case letters, digits and \"-\", with no \"-\" first or last") -}}
{{- end -}}
{{- if hasKey $names .name -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d].name" $index) (printf "%q is the name of ports[%d] already" .name (get $names .name)) "give each port a name of its own") -}}
{{- end -}}
{{- $_ := set $names .name $index -}}
{{- else if lt $unnamed 0 -}}
{{- $unnamed = $index -}}
{{- end -}}
{{- if not .targetPort -}}
{{- if hasKey . "targetPort" -}}
{{- $_ := include "external-services.validate.kind" (list $mapping (printf "ports[%d]." $index) "targetPort" .targetPort "float64") -}}
{{- end -}}
{{- else if ne (int .targetPort) (int .port) -}}
{{- if and (eq $outside "ExternalName") (not $addresses) -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d].targetPort" $index) (printf "is %v and port is %v, and a DNS alias cannot change the port" .targetPort .port) "leave targetPort out, or write the IP addresses outside under addresses instead of externalName") -}}
{{- else if $mapping.settings.headless -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d].targetPort" $index) (printf "is %v and port is %v, and a headless Service cannot change the port" .targetPort .port) "leave targetPort out, or leave headless out") -}}
{{- end -}}
{{- end -}}
{{- if hasKey . "podPort" -}}
{{- include "external-services.validate.podPort" (list $mapping $index $port) -}}
{{- end -}}
{{- if .appProtocol -}}
{{- if not (include "external-services.isQualifiedName" .appProtocol) -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d].appProtocol" $index) (printf "%q is not a protocol name" .appProtocol) "write a standard name such as http, or a name with a domain such as kubernetes.io/h2c") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (ge $unnamed 0) (gt (len $numbers) 1) -}}
{{- include "external-services.refuse" (list $mapping (printf "ports[%d].name" $unnamed) "is missing" "give every port a name where an entry has several") -}}
{{- end -}}
{{- /* kube-proxy reads the EndpointSlices that the mirroring controller makes of
       an Endpoints object, and it mirrors 1000 addresses of a subset and drops
       the rest (--mirroring-max-endpoints-per-subset). */}}
{{- if and (eq $outside "Endpoints") (gt (len $addresses) 1000) -}}
{{- include "external-services.refuse" (list $mapping "addresses" (printf "has %d addresses, and a cluster uses 1000 of an Endpoints object" (len $addresses)) "write endpointsKind: EndpointSlice") -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.podPort takes a list: the mapping, the index of the port, and
the port. A name follows the rule of the API server for port names of containers.
*/}}
{{- define "external-services.validate.podPort" -}}
{{- $mapping := index . 0 -}}
{{- $field := printf "ports[%d].podPort" (index . 1) -}}
{{- $podPort := (index . 2).podPort -}}
{{- if not (or $mapping.shape.selector (hasKey (get $mapping "refused" | default dict) "selector")) -}}
{{- include "external-services.refuse" (list $mapping $field "stands without the pods it is for" "write the labels of the pods that take over as selector, or leave podPort out") -}}
{{- end -}}
{{- if kindIs "string" $podPort -}}
{{- if regexMatch "^[0-9]+$" $podPort -}}
{{- include "external-services.refuse" (list $mapping $field (printf "%q is a string, and a name has a letter" $podPort) "write the number without quotes") -}}
{{- end -}}
{{- if or (gt (len $podPort) 15) (contains "--" $podPort) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $podPort)) (not (regexMatch "[a-z]" $podPort)) -}}
{{- include "external-services.refuse" (list $mapping $field (printf "%q is not the name of a container port" $podPort) "write at most 15 lower-case letters, digits and \"-\", with a letter, no \"-\" first or last and no two together") -}}
{{- end -}}
{{- else if and $mapping.settings.headless (ne (int $podPort) (int (index . 2).port)) -}}
{{- include "external-services.refuse" (list $mapping $field (printf "is %v and port is %v, and a headless Service cannot change the port" $podPort (index . 2).port) "leave podPort out, or leave headless out") -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.labels takes a list: the mapping or the release, the field
that holds the labels, and the labels. Keys that the chart sets itself are refused, for
one of the two would be lost.
*/}}
{{- define "external-services.validate.labels" -}}
{{- $of := index . 0 -}}
{{- $field := index . 1 -}}
{{- $own := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/managed-by" "external-services/backend" "kubernetes.io/service-name" "endpointslice.kubernetes.io/managed-by" -}}
{{- range $key, $value := index . 2 -}}
{{- if not (kindIs "invalid" $value) -}}
{{- include "external-services.validate.label" (list $of $field $key $value) -}}
{{- if has $key (list "endpointslice.kubernetes.io/skip-mirror" "service.kubernetes.io/headless") -}}
{{- include "external-services.refuse" (list $of $field (printf "%q makes Kubernetes ignore the endpoints" $key) "leave it out" $key) -}}
{{- end -}}
{{- if has $key $own -}}
{{- include "external-services.refuse" (list $of $field (printf "%q is a label that the chart sets itself" $key) "write another key" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.label takes a list: the mapping or the release, the field
that holds the label, its key and its value.
*/}}
{{- define "external-services.validate.label" -}}
{{- $key := index . 2 -}}
{{- $value := index . 3 -}}
{{- include "external-services.validate.key" (list (index . 0) (index . 1) $key $key) -}}
{{- if not (kindIs "string" $value) -}}
{{- include "external-services.refuse" (list (index . 0) (index . 1) (printf "%q is %s" $key (toJson $value | trunc 60)) "write a string, in quotes" $key) -}}
{{- else if or (gt (len $value) 63) (not (regexMatch "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$" $value)) -}}
{{- include "external-services.refuse" (list (index . 0) (index . 1) (printf "%q has the value %q, which is not a label value" $key $value) "write at most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last" $key) -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.annotations takes a list: the mapping or the release, the
field that holds the annotations, and the annotations with their templates expanded.
*/}}
{{- define "external-services.validate.annotations" -}}
{{- $of := index . 0 -}}
{{- $field := index . 1 -}}
{{- range $key, $value := index . 2 -}}
{{- if not (kindIs "invalid" $value) -}}
{{- if not (kindIs "string" $value) -}}
{{- include "external-services.refuse" (list $of $field (printf "%q is %s" $key (toJson $value | trunc 60)) "write a string, in quotes" $key) -}}
{{- end -}}
{{- /* unlike a label's key, an annotation's may have upper case in its domain */}}
{{- include "external-services.validate.key" (list $of $field $key (lower $key)) -}}
{{- if hasPrefix "helm.sh/hook" $key -}}
{{- include "external-services.refuse" (list $of $field (printf "%q takes the objects out of the release, and nothing would remove them" $key) "leave it out" $key) -}}
{{- end -}}
{{- if eq $key "service.beta.kubernetes.io/load-balancer-source-ranges" -}}
{{- include "external-services.refuse" (list $of $field (printf "%q is for Services of the type LoadBalancer" $key) "leave it out" $key) -}}
{{- end -}}
{{- /* The API server refuses the two beside each other with different values. */}}
{{- if eq $key "service.kubernetes.io/topology-aware-hints" -}}
{{- include "external-services.refuse" (list $of $field (printf "%q is the old name of service.kubernetes.io/topology-mode" $key) "write trafficDistribution, or that annotation" $key) -}}
{{- end -}}
{{- /* The test Pod has the common ones, and the API server reads these of a Pod. */}}
{{- if regexMatch "^(kubernetes[.]io/config[.]mirror|scheduler[.]alpha[.]kubernetes[.]io/tolerations|controller[.]kubernetes[.]io/pod-deletion-cost|seccomp[.]security[.]alpha[.]kubernetes[.]io/pod|container[.](seccomp[.]security[.]alpha|apparmor[.]security[.]beta)[.]kubernetes[.]io/.*)$" $key -}}
{{- include "external-services.refuse" (list $of $field (printf "%q is for pods" $key) "leave it out" $key) -}}
{{- end -}}
{{- /* Helm 4 applies on the server, which reads JSON as YAML and takes only what YAML
       calls printable. Helm 3 would get them in. */}}
{{- with regexFind "[\\x7f\\x{80}-\\x{84}\\x{86}-\\x{9f}\\x{fffe}\\x{ffff}]" (toString $value) -}}
{{- include "external-services.refuse" (list $of $field (printf "%q has the character %+q, which the API server cannot read from Helm 4" $key .) "leave the character out" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.key takes a list: the mapping or the release, the field that
holds the key, the key as the user wrote it, and the key as it is checked.
*/}}
{{- define "external-services.validate.key" -}}
{{- if not (include "external-services.isQualifiedName" (index . 3)) -}}
{{- include "external-services.refuse" (list (index . 0) (index . 1) (printf "%q is not a key" (index . 2)) "write at most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last, after a domain and \"/\" if it has one" (index . 2)) -}}
{{- end -}}
{{- end -}}

{{/*
external-services.isQualifiedName prints something for a name of at most 63
characters, after a DNS name of at most 253 and "/" if it has one, which is what the
API server takes as a key and as an application protocol. It takes the name.
*/}}
{{- define "external-services.isQualifiedName" -}}
{{- $parts := splitList "/" . -}}
{{- if and (le (len (first $parts)) 253) (le (len (last $parts)) 63) (regexMatch "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$" .) -}}
yes
{{- end -}}
{{- end -}}

{{/*
external-services.validate.annotationsSize takes a mapping. The API server counts the
keys and values of all annotations of an object; 256 bytes of the 256 KiB are left to
Helm, which adds its release. What is printed is longer than what counts.
*/}}
{{- define "external-services.validate.annotationsSize" -}}
{{- if gt (len .shape.annotations) 261888 -}}
{{- $size := 0 -}}
{{- range $key, $value := fromYaml .shape.annotations -}}
{{- $size = add $size (len $key) (len $value) -}}
{{- end -}}
{{- if gt $size 261888 -}}
{{- include "external-services.refuse" (list . "annotations" (printf "take %d bytes together with the common ones, and an object has room for 261888" $size) "shorten them") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.validate.tests checks what the test Pod is made of. It takes a list:
the release, and .Values.tests. The rules are those of references to images and of the
API server for resources of a container.
*/}}
{{- define "external-services.validate.tests" -}}
{{- $release := index . 0 -}}
{{- $tests := index . 1 -}}
{{- if ne (toString $tests.enabled) "false" -}}
{{- with $tests.image -}}
{{- $part := "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*" -}}
{{- if and .repository (not (regexMatch (printf "^(([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:]+\\])(:[0-9]+)?/)?%s(/%s)*$" $part $part) .repository)) -}}
{{- include "external-services.refuse" (list $release "tests.image.repository" (printf "%q is not the name of an image" .repository) "write it without tag and digest, such as registry.example/busybox") -}}
{{- end -}}
{{- if and .tag (not (regexMatch "^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$" .tag)) -}}
{{- include "external-services.refuse" (list $release "tests.image.tag" (printf "%q is not a tag" .tag) "write at most 128 letters, digits, \"_\", \"-\" and \".\", with no \"-\" or \".\" first") -}}
{{- end -}}
{{- if and .digest (not (regexMatch "^[a-z0-9]+:[0-9a-f]{32,}$" .digest)) -}}
{{- include "external-services.refuse" (list $release "tests.image.digest" (printf "%q is not a digest" .digest) "write it as the registry shows it, such as sha256: and 64 hexadecimal digits") -}}
{{- end -}}
{{- end -}}
{{- range $index, $secret := $tests.imagePullSecrets -}}
{{- if or (gt (len $secret.name) 253) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $secret.name)) -}}
{{- include "external-services.refuse" (list $release (printf "tests.imagePullSecrets[%d].name" $index) (printf "%q is not the name of a Secret" $secret.name) "write at most 253 lower-case letters, digits, \"-\" and \".\", with a letter or digit first and last") -}}
{{- end -}}
{{- end -}}
{{- $resources := $tests.resources | default dict -}}
{{- range $kind := list "limits" "requests" -}}
{{- range $name, $quantity := get $resources $kind | default dict -}}
{{- $field := printf "tests.resources.%s" $kind -}}
{{- if not (has $name (list "cpu" "memory" "ephemeral-storage")) -}}
{{- include "external-services.refuse" (list $release $field (printf "%q is no resource that the test Pod uses" $name) "write cpu, memory or ephemeral-storage" $name) -}}
{{- else -}}
{{- $field = printf "%s.%s" $field $name -}}
{{- $amount := include "external-services.nano" $quantity -}}
{{- $limit := get ($resources.limits | default dict) $name -}}
{{- if not $amount -}}
{{- include "external-services.refuse" (list $release $field (printf "%q is not a quantity" $quantity) "write a number, with a unit if it needs one, such as 10m or 16Mi") -}}
{{- else if and (eq $kind "requests") $limit -}}
{{- with include "external-services.nano" $limit -}}
{{- if gt (float64 $amount) (float64 .) -}}
{{- include "external-services.refuse" (list $release $field (printf "is %s, over the limit of %s" $quantity $limit) "write no more than the limit, or a higher limit") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.nano prints how many thousand millionths a quantity of a resource is,
rounded up and at most 2^63-1 whole ones, as the API server has it, or nothing for what
is no quantity. It takes the quantity. An exponent has at most two digits here.
*/}}
{{- define "external-services.nano" -}}
{{- $units := dict "" 1 "n" 0.000000001 "u" 0.000001 "m" 0.001 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "P" 1000000000000000 "E" 1000000000000000000
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- $number := regexFind "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)" . -}}
{{- $unit := trimPrefix $number . -}}
{{- $amount := float64 $number -}}
{{- if regexMatch "^[eE][+-]?[0-9]{1,2}$" $unit -}}
{{- $amount = float64 . -}}
{{- $unit = "" -}}
{{- end -}}
{{- if and $number (hasKey $units $unit) -}}
{{- printf "%.0f" (minf (ceil (mulf $amount (get $units $unit) 1000000000)) 9223372036854775807000000000.0) -}}
{{- end -}}
{{- end -}}

{{/*
external-services.isLabel prints something for a DNS label of RFC 1123, which is what
the API server takes as a namespace, a port name and a host name. It takes the string.
*/}}
{{- define "external-services.isLabel" -}}
{{- if and (le (len .) 63) (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" .) -}}
yes
{{- end -}}
{{- end -}}
