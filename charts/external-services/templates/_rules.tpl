{{/* The rules of the chart, in tables: each row is a condition and, if it holds, the field, the
problem and the fix. Formats and ranges of single values are in values.schema.json. The rules
follow the validation of the Kubernetes API server (pkg/apis/core/validation,
pkg/apis/discovery/validation), so that nothing is refused halfway through an installation; a
rule that is stricter says why. */}}

{{/* external-services.refuse stores those rules of a table whose condition holds in .errors of the
root context: the first one of a field, and once if several namespaces have it. A rule is false or
a dict: field, problem, fix and, if the field is a map, the key; or is another field that would do.
Usage: {{ include "external-services.refuse" (dict "root" $ "mapping" $mapping "rules" (list ...)) }}
       without mapping for what is given once a release */}}
{{- define "external-services.refuse" -}}
{{- $root := .root -}}
{{- $mapping := .mapping -}}
{{- range $rule := .rules -}}
  {{- if $rule -}}
    {{- $field := printf "%s %s" $rule.field ($rule.key | default "") -}}
    {{- $once := $field -}}
    {{- $id := printf "release %s %s" $field $rule.problem -}}
    {{- $fields := $rule.field -}}
    {{- with $rule.or }}{{ $fields = printf "%s or %s" $fields . }}{{ end -}}
    {{- $text := printf "%s%s %s: %s" $fields (ternary ":" "" (hasKey $rule "key")) $rule.problem $rule.fix -}}
    {{- with $mapping -}}
      {{- $once = printf "%s %s" .from $field -}}
      {{- $id = printf "services %06d %s %s" .index $field $rule.problem -}}
      {{- $text = printf "%s: %s" .from $text -}}
      {{- range $key := list "index" "name" "namespace" }}{{ $_ := set $rule $key (get $mapping $key) }}{{ end -}}
    {{- end -}}
    {{- if not (or (hasKey $root.refused $once) (hasKey $root.errors $id)) }}{{ $_ := set $root.errors $id (set $rule "text" $text) }}{{ end -}}
    {{- $_ := set $root.refused $once true -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* external-services.fail ends the rendering with all errors in one message, the first one on its first
line: kubectl get helmrelease shows no more.
Usage: {{ include "external-services.fail" . }} */}}
{{- define "external-services.fail" -}}
{{- $texts := list -}}
{{- range .errors -}}
  {{- if lt (len $texts) 50 }}{{ $texts = append $texts .text }}{{ end -}}
{{- end -}}
{{- with len .errors -}}
  {{- if eq . 1 }}{{ fail (first $texts) }}{{ end -}}
  {{- if gt . 50 }}{{ $texts = append $texts (printf "and %d more" (sub . 50)) }}{{ end -}}
  {{- fail (printf "%d errors, the first: %s" . (join "\n  - " $texts)) -}}
{{- end -}}
{{- end -}}

{{/* external-services.usual puts .usual into the root context: the addresses and hosts in the values
that no rule refuses, by one expression over all of them. The rules look at the others one by one;
without .usual they look at each one, and find the same.
Usage: {{ include "external-services.usual" . }} */}}
{{- define "external-services.usual" -}}
{{- $octet := "(?:[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])" -}}
{{- $ipv4 := printf "(?:[1-9][0-9]?|172|192)(?:[.]%s){3}" $octet -}}
{{- $ipv6 := "2001:[1-9a-f][0-9a-f]{0,3}::[1-9a-f][0-9a-f]{0,3}" -}}
{{- $host := "(?:[a-z0-9]+(?:-[a-z0-9]+)*[.])+[a-z]{2,8}" -}}
{{- $all := list .Values.services .Values.overrides .Values.namespaceOverrides | toRawJson -}}
{{- $_ := set . "usual" (dict "addresses" dict "hosts" dict) -}}
{{- range regexFindAll (printf "\"(?:%s|%s)\"" $ipv4 $ipv6) $all -1 }}{{ $_ := set $.usual.addresses (trimAll "\"" .) true }}{{ end -}}
{{- range regexFindAll (printf "\"externalName\":\"%s\"" $host) $all -1 -}}
  {{- $name := trimPrefix "\"externalName\":" . | trimAll "\"" -}}
  {{- if le (len $name) 63 }}{{ $_ := set $.usual.hosts $name true }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* external-services.checkRelease checks what is given once a release.
Usage: {{ include "external-services.checkRelease" . }} */}}
{{- define "external-services.checkRelease" -}}
{{- range $key, $_ := omit .Values "enabled" "global" "services" "overrides" "namespaceOverrides" "endpoints" "commonLabels" "commonAnnotations" "resolver" "tests" -}}
  {{- include "external-services.refuse" (dict "root" $ "rules" (list (dict "field" $key "problem" "is not a key of the values" "fix" "correct it or delete it"))) -}}
{{- end -}}
{{- include "external-services.checkPairs" (dict "root" . "field" "commonLabels" "labels" .Values.commonLabels) -}}
{{- include "external-services.checkPairs" (dict "root" . "field" "commonAnnotations" "annotations" .common.annotations) -}}
{{- include "external-services.refuse" (dict "root" . "rules" (list
      (and (not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" .Release.Namespace)) (dict "field" "--namespace" "problem" (printf "%q is not a valid namespace" .Release.Namespace) "fix" "write at most 63 lower-case letters, digits and \"-\", with no \"-\" first or last"))
)) -}}
{{- include "external-services.checkResolver" . -}}
{{- $names := dict -}}
{{- range .Values.services }}{{ $_ := set $names .name true }}{{ end -}}
{{- $fields := dict "overrides" .Values.overrides -}}
{{- range $namespace, $overrides := .Values.namespaceOverrides }}{{ $_ := set $fields (printf "namespaceOverrides.%s" $namespace) $overrides }}{{ end -}}
{{- range $field, $overrides := $fields -}}
  {{- range $name, $_ := $overrides -}}
    {{- if not (hasKey $names $name) -}}
      {{- $fix := "correct the name or delete it" -}}
      {{- with include "external-services.nearest" (dict "name" $name "names" (keys $names | sortAlpha)) }}{{ $fix = printf "did you mean %q?" . }}{{ end -}}
      {{- include "external-services.refuse" (dict "root" $ "rules" (list (dict "field" $field "key" $name "problem" (printf "no entry is named %q" $name) "fix" $fix))) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* external-services.nearest prints the name that shares the most pairs of neighbouring characters
with a name, if one shares enough.
Usage: {{ include "external-services.nearest" (dict "name" $name "names" $names) }} */}}
{{- define "external-services.nearest" -}}
{{- $name := printf "^%s$" .name -}}
{{- $nearest := "" -}}
{{- $most := 0 -}}
{{- range $candidate := .names -}}
  {{- $longer := max (len $candidate) (sub (len $name) 2) -}}
  {{- $shared := sub 0 (sub $longer (min (len $candidate) (sub (len $name) 2))) -}}
  {{- range $i := until (int (sub (len $name) 1)) -}}
    {{- if contains (substr $i (int (add $i 2)) $name) (printf "^%s$" $candidate) }}{{ $shared = add $shared 2 }}{{ end -}}
  {{- end -}}
  {{- if gt $shared $most }}{{ $nearest = $candidate }}{{ $most = $shared }}{{ end -}}
{{- end -}}
{{- $nearest -}}
{{- end -}}

{{/* external-services.check checks a mapping.
Usage: {{ include "external-services.check" (dict "root" $ "mapping" $mapping) }} */}}
{{- define "external-services.check" -}}
{{- $entry := .mapping.entry -}}
{{- $before := get .root.mappings (printf "%s/%s" .mapping.namespace .mapping.name) -}}
{{- with .mapping -}}
  {{- $alias := eq .outside "ExternalName" -}}
  {{- $pods := ne .backend "external" -}}
  {{- $timeout := $entry.sessionAffinityTimeoutSeconds -}}
  {{- $unknown := keys (omit $entry "name" "enabled" "namespace" "namespaces" "externalName" "addresses" "ports" "backend" "selector" "headless" "endpointsKind" "sessionAffinity" "sessionAffinityTimeoutSeconds" "trafficDistribution" "publishNotReadyAddresses" "resolve" "healthCheck" "ingress" "route" "backendTLS" "labels" "annotations") | sortAlpha -}}
  {{- /* The API server counts the keys and values of annotations: 256 KiB, of which Helm needs 256
         bytes. The printed text is longer. */ -}}
  {{- $size := 0 -}}
  {{- if gt (len .annotations) 261888 -}}
    {{- range $key, $value := (fromYaml .annotations).annotations }}{{ $size = add $size (len $key) (len $value) }}{{ end -}}
  {{- end -}}
  {{- include "external-services.refuse" (dict "root" $.root "mapping" . "rules" (list
        (and $unknown (dict "field" (first $unknown) "problem" "is not a key of an entry" "fix" "correct it or delete it"))
        (and $before (ne .index (get ($before | default dict) "index")) (dict "field" "name" "problem" (printf "is taken by services[%d] in the namespace %q" (int (get ($before | default dict) "index")) .namespace) "fix" "put both into one entry, or give this one another name or namespace"))
        (and (hasKey $entry "namespace") (hasKey $entry "namespaces") (dict "field" "namespace" "problem" "is set, but so is namespaces" "fix" "keep one of the two"))
        (and $alias .addresses (dict "field" "externalName" "problem" "is set, but so is addresses" "fix" "keep one: a Service is an alias of a DNS name or forwards to addresses"))
        (and (not $alias) (not .addresses) (ne .backend "cluster") (dict "field" "addresses" "or" "externalName" "problem" "is missing" "fix" "write the IP addresses outside under addresses, or the DNS name outside as externalName"))
        (and (not $alias) (not (has .outside (list "EndpointSlice" "Endpoints"))) (dict "field" "endpointsKind" "problem" (printf "%q is unknown" .outside) "fix" "write EndpointSlice or Endpoints"))
        (and (not (has .backend (list "external" "both" "cluster"))) (dict "field" "backend" "problem" (printf "%q is unknown" .backend) "fix" "write external, both or cluster"))
        (and (eq .backend "both") $alias (not .addresses) (dict "field" "backend" "problem" "is both, but an alias of a DNS name has no addresses to share connections with pods" "fix" "write the name or its IP addresses under addresses instead of externalName, or go from external to cluster in one step"))
        (and $pods (not .selector) (dict "field" "selector" "problem" (printf "is missing, and the backend %s sends connections to pods" .backend) "fix" "write the labels of those pods, such as selector: {app: orders}"))
        (and (hasKey .selector "external-services/parked") (dict "field" "selector" "key" "external-services/parked" "problem" "\"external-services/parked\" is the label by which the chart keeps pods out" "fix" "write the labels of the pods that take over"))
        (and .selector .addresses (eq .outside "Endpoints") (dict "field" "selector" "problem" "is set, and Kubernetes overwrites the Endpoints object of every Service with a selector" "fix" "write endpointsKind: EndpointSlice, or delete selector until the entry moves into the cluster"))
        (and (not .ports) (or $pods (and .addresses (not $alias))) (dict "field" "ports" "problem" "is missing" "fix" "write the ports that clients call, such as ports: [{port: 3306}]"))
        (and $timeout (ne ($entry.sessionAffinity | default "None") "ClientIP") (dict "field" "sessionAffinityTimeoutSeconds" "problem" "is set, but sessionAffinity is not ClientIP" "fix" "write sessionAffinity: ClientIP, or delete the timeout"))
        (and (eq .outside "Endpoints") (gt (len .addresses) 1000) (dict "field" "addresses" "problem" (printf "has %d addresses, but a cluster uses only 1000 of an Endpoints object" (len .addresses)) "fix" "write endpointsKind: EndpointSlice"))
        (and (gt $size 261888) (dict "field" "annotations" "problem" (printf "take %d bytes together with the common ones, but an object has room for 261888" $size) "fix" "shorten them"))
  )) -}}
  {{- if and $alias (or (hasPrefix .name .externalName) (not (hasKey $.root.usual.hosts .externalName))) -}}
    {{- include "external-services.checkHost" (dict "root" $.root "mapping" . "field" "externalName" "host" .externalName) -}}
  {{- end -}}
  {{- if .addresses -}}
    {{- include "external-services.checkAddresses" $ -}}
    {{- if or $entry.resolve (kindIs "map" $entry.healthCheck) }}{{ include "external-services.checkFollowing" $ }}{{ end -}}
  {{- end -}}
  {{- if .ports }}{{ include "external-services.checkPorts" $ }}{{ end -}}
  {{- if or $entry.labels $entry.annotations -}}
    {{- include "external-services.checkPairs" (dict "root" $.root "mapping" . "field" "labels" "labels" $entry.labels) -}}
    {{- include "external-services.checkPairs" (dict "root" $.root "mapping" . "field" "annotations" "annotations" .ownAnnotations) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* external-services.checkHost checks a DNS name outside: an externalName, or an address. The API server
also accepts IP addresses and numbers as an externalName, which no DNS server resolves, and labels of
over 63 characters, which DNS does not have (RFC 1035, section 2.3.4).
Usage: {{ include "external-services.checkHost" (dict "root" $ "mapping" $mapping "field" "externalName" "host" $name) }} */}}
{{- define "external-services.checkHost" -}}
{{- $name := .host -}}
{{- $host := trimSuffix "." $name -}}
{{- $label := "[a-z0-9]([-a-z0-9]*[a-z0-9])?" -}}
{{- $itself := printf "%s.%s.svc." .mapping.name .mapping.namespace -}}
{{- $alias := eq .field "externalName" -}}
{{- $resolver := .root.Values.resolver | default dict -}}
{{- $allowed := not $resolver.allowedNames -}}
{{- range $resolver.allowedNames -}}
  {{- $pattern := trimSuffix "." . -}}
  {{- if or (eq $host $pattern) (and (hasPrefix "*" $pattern) (hasSuffix (trimPrefix "*" $pattern) $host)) }}{{ $allowed = true }}{{ end -}}
{{- end -}}
{{- include "external-services.refuse" (dict "root" .root "mapping" .mapping "rules" (list
      (and (not $alias) (regexMatch "[, ]" $name) (dict "field" .field "problem" (printf "%q is not one address" $name) "fix" "write each address as its own list item, without spaces"))
      (and (not $alias) (ne (toString $resolver.enabled) "true") (dict "field" .field "problem" (printf "%q is a name, not an IP address" $name) "fix" "write resolver.enabled: true to follow it, or write it as externalName in an entry of its own"))
      (and (not $alias) (eq .mapping.outside "Endpoints") (dict "field" .field "problem" (printf "%q is a name, and the resolver writes no Endpoints objects" $name) "fix" "write endpointsKind: EndpointSlice"))
      (and (contains "://" $name) (dict "field" .field "problem" (printf "%q is a URL" $name) "fix" "write the host name alone, without scheme, port and path"))
      (and (regexMatch "^([.]*[0-9][0-9.]*|\\[?[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%.*|\\].*)?)$" $name) (dict "field" .field "problem" (printf "%q is an IP address or a number, which DNS does not resolve" $name) "fix" (ternary "write IP addresses under addresses, with their ports" "write an IP address as ip" $alias)))
      (and (contains ":" $name) (dict "field" .field "problem" (printf "%q contains a port" $name) "fix" (ternary "write the host name alone: a DNS alias cannot change the port that clients call" "write the host name alone, and the port under ports" $alias)))
      (and (or (gt (len $host) 253) (not (regexMatch (printf "^%s([.]%s)*$" $label $label) $host)) (regexMatch "[^.]{64}" $host)) (dict "field" .field "problem" (printf "%q is not a DNS name" $name) "fix" "write at most 253 lower-case letters, digits, \"-\" and \".\", each label at most 63 characters with a letter or digit first and last"))
      (and (hasSuffix ".localhost" (printf ".%s" $host)) (dict "field" .field "problem" (printf "%q is the calling pod itself" $name) "fix" "write the name of the outside host in DNS"))
      (and (hasPrefix .mapping.name $host) (or (eq $host .mapping.name) (eq (printf "%s.svc." $host) $itself) (hasPrefix $itself (printf "%s." $host))) (dict "field" .field "problem" (printf "%q is this Service itself" $name) "fix" "write the name of the outside host in DNS"))
      (and (not $alias) (not (contains "." $host)) (dict "field" .field "problem" (printf "%q is a single label" $name) "fix" "write the name in full, such as db.corp.example: names are asked without a search list"))
      (and (not $alias) (regexMatch "[.](svc|cluster[.]local)$" $host) (dict "field" .field "problem" (printf "%q is a name of the cluster itself" $name) "fix" "write selector and backend: cluster for pods, or externalName for another Service"))
      (and (not $alias) (not $allowed) (dict "field" .field "problem" (printf "%q is not one of resolver.allowedNames" $name) "fix" "add it there, or write a name that is"))
)) -}}
{{- end -}}

{{/* external-services.checkAddresses checks the addresses outside.
Usage: {{ include "external-services.checkAddresses" (dict "root" $ "mapping" $mapping) }} */}}
{{- define "external-services.checkAddresses" -}}
{{- $seen := dict -}}
{{- range $address := .mapping.addresses -}}
  {{- $field := printf "addresses[%d]" .index -}}
  {{- $isHost := hasKey . "host" -}}
  {{- $text := ternary .host .ip $isHost | toString -}}
  {{- if kindIs "map" .given -}}
    {{- $unknown := keys (omit .given "ip" "host" "hostname" "zone" "ready" "draining") | sortAlpha -}}
    {{- $draining := eq .state "draining" -}}
    {{- $ready := ternary (not (empty $.mapping.answers)) (hasKey $.mapping.answers (toString .family)) $isHost -}}
    {{- include "external-services.refuse" (dict "root" $.root "mapping" $.mapping "rules" (list
          (and (not .given.ip) (not .given.host) (not (hasKey .given "ip")) (dict "field" $field "problem" "has neither ip nor host" "fix" "write one of the two"))
          (and .given.ip .given.host (dict "field" (printf "%s.host" $field) "problem" "is set, but so is ip" "fix" "keep one of the two"))
          (and $unknown (dict "field" (printf "%s.%s" $field (first $unknown)) "problem" "is not a key of an address" "fix" "correct it or delete it"))
          (and .zone (eq $.mapping.outside "Endpoints") (dict "field" (printf "%s.zone" $field) "problem" "is set, but an Endpoints object has no zones" "fix" "delete it, or write endpointsKind: EndpointSlice"))
          (and $draining (eq (toString .given.ready) "true") (dict "field" (printf "%s.ready" $field) "problem" "is true, but so is draining" "fix" "delete one of the two"))
          (and $draining (eq $.mapping.outside "Endpoints") (dict "field" (printf "%s.draining" $field) "problem" "is set, but an Endpoints object cannot drain an address" "fix" "write ready: false, or endpointsKind: EndpointSlice"))
          (and $draining $.mapping.publish (dict "field" (printf "%s.draining" $field) "problem" "is set, but publishNotReadyAddresses sends connections to every address" "fix" "delete one of the two"))
          (and $draining (eq $.mapping.backend "external") (not $ready) (dict "field" (printf "%s.draining" $field) "problem" (printf "is set, but no %saddress is ready, so new connections would still go to this one" (ternary "" (printf "%s " .family) $isHost)) "fix" "keep another address ready, or write ready: false to refuse connections"))
    )) -}}
  {{- end -}}
  {{- if $isHost -}}
    {{- include "external-services.checkHost" (dict "root" $.root "mapping" $.mapping "field" $field "host" $text) -}}
  {{- else if not (hasKey $.root.usual.addresses $text) -}}
    {{- include "external-services.checkAddress" (dict "root" $.root "mapping" $.mapping "field" $field "ip" $text) -}}
  {{- end -}}
  {{- if hasKey $seen $text -}}
    {{- include "external-services.refuse" (dict "root" $.root "mapping" $.mapping "rules" (list (dict "field" $field "problem" (printf "%q is addresses[%d] already" $text (get $seen $text)) "fix" "write each address once, because traffic is divided evenly among them"))) -}}
  {{- end -}}
  {{- $_ := set $seen $text .index -}}
{{- end -}}
{{- end -}}

{{/* external-services.checkAddress checks one IP address. The API server also accepts multicast
addresses outside of 224.0.0.0/24 and ff02::/16, and the reserved network 240.0.0.0/4, which no
connection reaches. The first condition that holds names the problem.
Usage: {{ include "external-services.checkAddress" (dict "root" $ "mapping" $mapping "field" $field "ip" $ip) }} */}}
{{- define "external-services.checkAddress" -}}
{{- $ip := .ip -}}
{{- $valid := include "external-services.canonicalIP" $ip -}}
{{- $outside := "write the address at which every node reaches the outside host" -}}
{{- $alone := "write the IP address alone, and the port under ports" -}}
{{- $v6 := "write eight groups in lower case without leading zeros, with the first of the longest runs of zeros as \"::\", such as 2001:db8::11" -}}
{{- include "external-services.refuse" (dict "root" .root "mapping" .mapping "rules" (list
      (and (has $ip (list "0.0.0.0" "::")) (dict "field" .field "problem" (printf "%q is the unspecified address" $ip) "fix" $outside))
      (and $valid (regexMatch "^(127[.]|::1$)" $ip) (dict "field" .field "problem" (printf "%q is a loopback address, which is the node itself on every node" $ip) "fix" $outside))
      (and $valid (regexMatch "^(169[.]254[.]|fe[89ab][0-9a-f]:)" $ip) (dict "field" .field "problem" (printf "%q is a link-local address, which no router forwards" $ip) "fix" $outside))
      (and $valid (regexMatch "^(22[4-9]|23[0-9])[.]|^ff[0-9a-f]{2}:" $ip) (dict "field" .field "problem" (printf "%q is a multicast address" $ip) "fix" $outside))
      (and $valid (regexMatch "^2[45][0-9][.]" $ip) (dict "field" .field "problem" (printf "%q is an address of the reserved network 240.0.0.0/4" $ip) "fix" $outside))
      (and (regexMatch "^::ffff:([0-9]+[.][0-9.]+|[0-9a-f]+:[0-9a-f]+)$" (lower $ip)) (dict "field" .field "problem" (printf "%q is an IPv4 address mapped into IPv6" $ip) "fix" "write the IPv4 address itself"))
      (and (contains "://" $ip) (dict "field" .field "problem" (printf "%q is a URL" $ip) "fix" $alone))
      (and (contains "/" $ip) (dict "field" .field "problem" (printf "%q is a network or has a prefix length" $ip) "fix" "write each address by itself, without \"/\""))
      (and (contains "%" $ip) (dict "field" .field "problem" (printf "%q has a zone, and the addresses that need one are link-local" $ip) "fix" $outside))
      (and (regexMatch "^\\[.*\\]" $ip) (dict "field" .field "problem" (printf "%q is in brackets" $ip) "fix" "write the IPv6 address alone, and the port under ports"))
      (and (regexMatch "^[^:]*:[0-9]+$" $ip) (dict "field" .field "problem" (printf "%q contains a port" $ip) "fix" $alone))
      (and (regexMatch "[, ]" $ip) (dict "field" .field "problem" (printf "%q is not one IP address" $ip) "fix" "write each address as its own list item, without spaces"))
      (and (not $valid) (contains ":" $ip) (dict "field" .field "problem" (printf "%q is not an IPv6 address in its canonical form" $ip) "fix" $v6))
      (and (not $valid) (regexMatch "^[0-9.]+$" $ip) (dict "field" .field "problem" (printf "%q is not an IPv4 address" $ip) "fix" "write four decimal numbers from 0 to 255 without leading zeros, such as 10.0.4.11"))
      (and (not $valid) (regexMatch "[A-Za-z]" $ip) (dict "field" .field "problem" (printf "%q is a name, not an IP address" $ip) "fix" "write a DNS name as host, with resolver.enabled: true, or as externalName in an entry of its own"))
      (and (not $valid) (dict "field" .field "problem" (printf "%q is not an IP address" $ip) "fix" "write an IPv4 address such as 10.0.4.11, or an IPv6 address such as 2001:db8::11"))
)) -}}
{{- end -}}

{{/* external-services.canonicalIP prints something for an IP address in its canonical form, the only one
that the API server takes in an EndpointSlice: an IPv4 address without leading zeros, or an IPv6
address (RFC 5952) in lower case, without leading zeros, and with the first of the longest runs of
two or more zeros written as "::".
Usage: {{ include "external-services.canonicalIP" $ip }} */}}
{{- define "external-services.canonicalIP" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- $group := "(0|[1-9a-f][0-9a-f]{0,3})" -}}
{{- if not (contains ":" .) -}}
  {{- if regexMatch (printf "^(%s[.]){3}%s$" $octet $octet) . }}yes{{ end -}}
{{- else if not (contains "::" .) -}}
  {{- if and (regexMatch (printf "^%s(:%s){7}$" $group $group) .) (not (regexMatch "(^|:)0:0(:|$)" .)) }}yes{{ end -}}
{{- else if regexMatch (printf "^(%s(:%s){0,5})?::(%s(:%s){0,5})?$" $group $group $group $group) . -}}
  {{- $left := printf ":%s:" (splitList "::" . | first) -}}
  {{- $right := printf ":%s:" (splitList "::" . | last) -}}
  {{- $elided := int (sub 8 (len (regexFindAll $group . -1))) -}}
  {{- $longer := or (hasSuffix ":0:" $left) (hasPrefix ":0:" $right) (contains (printf ":%s" (repeat $elided "0:")) $left) (contains (printf ":0:%s" (repeat $elided "0:")) $right) -}}
  {{- if and (ge $elided 2) (not $longer) }}yes{{ end -}}
{{- end -}}
{{- end -}}

{{/* external-services.checkFollowing checks how the resolver follows and checks the addresses of a mapping.
Usage: {{ include "external-services.checkFollowing" (dict "root" $ "mapping" $mapping) }} */}}
{{- define "external-services.checkFollowing" -}}
{{- $resolve := .mapping.entry.resolve | default dict -}}
{{- $check := .mapping.entry.healthCheck | default dict -}}
{{- $isChecked := kindIs "map" .mapping.entry.healthCheck -}}
{{- $names := list -}}
{{- $checked := dict -}}
{{- range .mapping.ports -}}
  {{- if and .name (eq (.protocol | default "TCP") "TCP") }}{{ $names = append $names .name }}{{ end -}}
  {{- if ternary (eq (toString .name) (toString $check.port)) (eq (len $.mapping.ports) 1) (not (empty $check.port)) }}{{ $checked = . }}{{ end -}}
{{- end -}}
{{- $protocol := $checked.protocol | default "TCP" -}}
{{- range $field, $unknown := dict
      "resolve" (keys (omit $resolve "keepSeconds" "drainSeconds" "maxAddresses") | sortAlpha)
      "healthCheck" (keys (omit $check "port" "intervalSeconds" "timeoutSeconds" "rise" "fall") | sortAlpha) -}}
  {{- if $unknown -}}
    {{- include "external-services.refuse" (dict "root" $.root "mapping" $.mapping "rules" (list (dict "field" (printf "%s.%s" $field (first $unknown)) "problem" (printf "is not a key of %s" $field) "fix" "correct it or delete it"))) -}}
  {{- end -}}
{{- end -}}
{{- include "external-services.refuse" (dict "root" .root "mapping" .mapping "rules" (list
      (and $resolve (not .mapping.hosts) (dict "field" "resolve" "problem" "is set, but no address is a DNS name" "fix" "delete it, or write DNS names under addresses"))
      (and $isChecked (ne (toString (.root.Values.resolver | default dict).enabled) "true") (dict "field" "healthCheck" "problem" "is set, but resolver.enabled is not true" "fix" "write resolver.enabled: true, or delete healthCheck"))
      (and $isChecked (eq .mapping.outside "Endpoints") (dict "field" "healthCheck" "problem" "is set, and the resolver writes no Endpoints objects" "fix" "write endpointsKind: EndpointSlice, or delete healthCheck"))
      (and $isChecked (not $check.port) (gt (len (.mapping.ports | default list)) 1) (dict "field" "healthCheck.port" "problem" "is missing" "fix" (ternary (printf "write the port to connect to: %s" (join ", " $names)) "delete healthCheck, as no port is of TCP" (not (empty $names)))))
      (and $check.port (not $checked) (dict "field" "healthCheck.port" "problem" (printf "%q is not the name of a port of the entry" (toString $check.port)) "fix" (ternary (printf "write %s" (join ", " $names)) "name the port, or delete it" (not (empty $names)))))
      (and $isChecked (ne $protocol "TCP") (dict "field" "healthCheck" "problem" (printf "is for a port of %s, and it connects over TCP" $protocol) "fix" "write the name of a port of TCP as its port, or delete it"))
)) -}}
{{- end -}}

{{/* external-services.checkResolver checks the settings of the resolver that a pattern does not.
Usage: {{ include "external-services.checkResolver" . }} */}}
{{- define "external-services.checkResolver" -}}
{{- $resolver := .Values.resolver | default dict -}}
{{- $metrics := $resolver.metrics | default dict -}}
{{- $rules := list
      (and (gt (int ($resolver.minSeconds | default 5)) (int ($resolver.maxSeconds | default 60))) (dict "field" "resolver.minSeconds" "problem" (printf "is %v, more than maxSeconds" ($resolver.minSeconds | default 5)) "fix" "write a number that is at most maxSeconds"))
      (and $metrics.prometheusRule (not $metrics.podMonitor) (dict "field" "resolver.metrics.prometheusRule" "problem" "is true, but podMonitor is not, and the alerts read what it collects" "fix" "write podMonitor: true, or delete prometheusRule"))
      (and $resolver.admissionPolicy (semverCompare "<1.31.0-0" .Capabilities.KubeVersion.Version) (dict "field" "resolver.admissionPolicy" "problem" (printf "needs Kubernetes 1.31, and this is %s" .Capabilities.KubeVersion.Version) "fix" "delete it"))
-}}
{{- range $index, $server := $resolver.nameservers -}}
  {{- $ip := regexReplaceAll "^(?:\\[(.*)\\]|([^:]*)):([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$" $server "$1$2" -}}
  {{- if not (include "external-services.canonicalIP" $ip) -}}
    {{- $rules = append $rules (dict "field" (printf "resolver.nameservers[%d]" $index) "problem" (printf "%q is not the address of a name server" $server) "fix" "write an IP address, with a port if it is not 53, such as 10.0.0.53 or [2001:db8::53]:5353") -}}
  {{- end -}}
{{- end -}}
{{- range $field := list "allowedCIDRs" "deniedCIDRs" -}}
  {{- range $index, $network := get $resolver $field | default list -}}
    {{- $ip := regexReplaceAll "/[0-9]{1,3}$" $network "" -}}
    {{- if or (eq $ip $network) (hasPrefix "::ffff:" $ip) (not (include "external-services.canonicalIP" $ip)) -}}
      {{- $rules = append $rules (dict "field" (printf "resolver.%s[%d]" $field $index) "problem" (printf "%q is not an IP network in its canonical form" $network) "fix" "write one such as 10.0.0.0/8 or 2001:db8::/32") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- include "external-services.refuse" (dict "root" . "rules" $rules) -}}
{{- include "external-services.checkPairs" (dict "root" . "field" "resolver.podLabels" "labels" $resolver.podLabels
      "own" (list "app.kubernetes.io/component" "external-services/resolver")) -}}
{{- end -}}

{{/* external-services.checkPorts checks the ports of a mapping.
Usage: {{ include "external-services.checkPorts" (dict "root" $ "mapping" $mapping) }} */}}
{{- define "external-services.checkPorts" -}}
{{- $alias := and (eq .mapping.outside "ExternalName") (not .mapping.addresses) -}}
{{- $headless := .mapping.headless -}}
{{- $ports := .mapping.ports -}}
{{- $numbers := dict -}}
{{- $names := dict -}}
{{- $unnamed := false -}}
{{- range $index, $port := $ports -}}
  {{- $field := printf "ports[%d]" $index -}}
  {{- $number := printf "%v/%s" .port (.protocol | default "TCP") -}}
  {{- $moved := and .targetPort (ne (int .targetPort) (int .port)) -}}
  {{- $unknown := keys (omit $port "name" "port" "targetPort" "podPort" "protocol" "appProtocol") | sortAlpha -}}
  {{- $podNumber := and .podPort (not (kindIs "string" .podPort)) -}}
  {{- include "external-services.refuse" (dict "root" $.root "mapping" $.mapping "rules" (list
        (and $unknown (dict "field" (printf "%s.%s" $field (first $unknown)) "problem" "is not a key of a port" "fix" "correct it or delete it"))
        (and (hasKey $numbers $number) (dict "field" $field "problem" (printf "repeats the port %s of ports[%v]" $number (get $numbers $number)) "fix" "write each port and protocol once"))
        (and .name (hasKey $names (toString .name)) (dict "field" (printf "%s.name" $field) "problem" (printf "%q is the name of ports[%v] already" .name (get $names (toString .name))) "fix" "give each port its own name"))
        (and (not .name) (not $unnamed) (gt (len $ports) 1) (dict "field" (printf "%s.name" $field) "problem" "is missing" "fix" "give every port a name if the entry has several"))
        (and .appProtocol (gt (len (splitList "/" .appProtocol | first)) 253) (dict "field" (printf "%s.appProtocol" $field) "problem" "has a domain of over 253 characters" "fix" "shorten it"))
        (and $moved $alias (dict "field" (printf "%s.targetPort" $field) "problem" (printf "is %v and port is %v, but a DNS alias cannot change the port" .targetPort .port) "fix" "delete targetPort, or write the name or its IP addresses under addresses instead of externalName"))
        (and $moved $headless (dict "field" (printf "%s.targetPort" $field) "problem" (printf "is %v and port is %v, but a headless Service cannot change the port" .targetPort .port) "fix" "delete targetPort or headless"))
        (and .podPort (not $.mapping.selector) (dict "field" (printf "%s.podPort" $field) "problem" "is set, but selector is not" "fix" "write the labels of the pods that take over as selector, or delete podPort"))
        (and $podNumber $headless (ne (toString .podPort) (toString .port)) (dict "field" (printf "%s.podPort" $field) "problem" (printf "is %v and port is %v, but a headless Service cannot change the port" .podPort .port) "fix" "delete podPort or headless"))
  )) -}}
  {{- $_ := set $numbers $number $index -}}
  {{- if .name }}{{ $_ := set $names (toString .name) $index }}{{ else }}{{ $unnamed = true }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* external-services.checkPairs checks labels or annotations: of an entry, or of the release if it
gets no mapping. The keys in own, if any, are set by the chart as well.
Usage: {{ include "external-services.checkPairs" (dict "root" $ "mapping" $mapping "field" "labels" "labels" $labels) }}
       {{ include "external-services.checkPairs" (dict "root" $ "field" "commonAnnotations" "annotations" $annotations) }} */}}
{{- define "external-services.checkPairs" -}}
{{- $own := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/managed-by" "external-services/backend" "kubernetes.io/service-name" "endpointslice.kubernetes.io/managed-by" -}}
{{- $own = concat $own (.own | default list) -}}
{{- range $key, $value := .labels -}}
  {{- if not (kindIs "invalid" $value) -}}
    {{- include "external-services.refuse" (dict "root" $.root "mapping" $.mapping "rules" (list
          (and (gt (len (splitList "/" $key | first)) 253) (dict "field" $.field "key" $key "problem" (printf "%q has a domain of over 253 characters" $key) "fix" "shorten it"))
          (and (has $key $own) (dict "field" $.field "key" $key "problem" (printf "%q is a label that the chart sets itself" $key) "fix" "write another key"))
          (and (has $key (list "endpointslice.kubernetes.io/skip-mirror" "service.kubernetes.io/headless")) (dict "field" $.field "key" $key "problem" (printf "%q makes Kubernetes ignore the endpoints" $key) "fix" "delete it"))
    )) -}}
  {{- end -}}
{{- end -}}
{{- /* The test Pod has the common annotations, and the API server reads some of a Pod. Helm 4
       applies on the server, which reads JSON as YAML and takes only what YAML calls printable. */ -}}
{{- $ofPods := "^(kubernetes[.]io/config[.]mirror|scheduler[.]alpha[.]kubernetes[.]io/tolerations|controller[.]kubernetes[.]io/pod-deletion-cost|seccomp[.]security[.]alpha[.]kubernetes[.]io/pod|container[.](seccomp[.]security[.]alpha|apparmor[.]security[.]beta)[.]kubernetes[.]io/.*)$" -}}
{{- range $key, $value := .annotations -}}
  {{- if not (kindIs "invalid" $value) -}}
    {{- $unreadable := regexFind "[\\x7f\\x{80}-\\x{84}\\x{86}-\\x{9f}\\x{fffe}\\x{ffff}]" (toString $value) -}}
    {{- include "external-services.refuse" (dict "root" $.root "mapping" $.mapping "rules" (list
          (and (gt (len (splitList "/" $key | first)) 253) (dict "field" $.field "key" $key "problem" (printf "%q has a domain of over 253 characters" $key) "fix" "shorten it"))
          (and (hasPrefix "helm.sh/hook" $key) (dict "field" $.field "key" $key "problem" (printf "%q takes the objects out of the release, and nothing would remove them" $key) "fix" "delete it"))
          (and (eq $key "service.beta.kubernetes.io/load-balancer-source-ranges") (dict "field" $.field "key" $key "problem" (printf "%q is for Services of the type LoadBalancer" $key) "fix" "delete it"))
          (and (eq $key "service.kubernetes.io/topology-aware-hints") (dict "field" $.field "key" $key "problem" (printf "%q is the old name of service.kubernetes.io/topology-mode" $key) "fix" "write trafficDistribution, or that annotation"))
          (and (regexMatch $ofPods $key) (dict "field" $.field "key" $key "problem" (printf "%q is for pods" $key) "fix" "delete it"))
          (and $unreadable (dict "field" $.field "key" $key "problem" (printf "%q has the character %+q, which the API server cannot read from Helm 4" $key $unreadable) "fix" "delete the character"))
    )) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
