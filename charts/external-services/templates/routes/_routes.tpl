{{/* The objects in front of a Service: an Ingress, a route of the Gateway API, and the policy by which
Gateways speak TLS to it. */}}

{{/* external-services.routes puts into a mapping .routes, what is in front of it, by the keys of the
entry. Each part has given, as in the values, and annotations, printed. Defaults are filled in:
  ingress     hosts: host, paths; tls, as in an Ingress
  route       kind, rules
  backendTLS
A path has path, pathType and port; so has a rule.
Usage: {{ include "external-services.routes" (dict "root" $ "mapping" $mapping) }} */}}
{{- define "external-services.routes" -}}
{{- $mapping := .mapping -}}
{{- $common := .root.common.annotations -}}
{{- $routes := dict -}}
{{- $ports := list -}}
{{- range $mapping.ports -}}
  {{- if eq (.protocol | default "TCP") "TCP" }}{{ $ports = append $ports .port }}{{ end -}}
{{- end -}}
{{- $path := dict "path" "/" "pathType" "Prefix" "port" (ternary (first $ports) nil (eq (len $ports) 1)) -}}
{{- range $key := list "ingress" "route" "backendTLS" -}}
  {{- $given := get $mapping.entry $key -}}
  {{- if kindIs "map" $given -}}
    {{- $own := dict -}}
    {{- include "external-services.expand" (dict "root" $.root "pairs" $given.annotations "into" $own) -}}
    {{- $annotations := include "external-services.pairs" (dict "maps" (list $common $own) "under" "annotations") -}}
    {{- $_ := set $routes $key (dict "given" $given "annotations" $annotations "ownAnnotations" $own) -}}
  {{- end -}}
{{- end -}}
{{- with $routes.ingress -}}
  {{- $hosts := list -}}
  {{- $names := list -}}
  {{- range .given.hosts -}}
    {{- $host := ternary . (dict "host" .) (kindIs "map" .) -}}
    {{- $names = append $names $host.host -}}
    {{- $paths := list -}}
    {{- range $host.paths | default (list dict) }}{{ $paths = append $paths (merge dict . $path) }}{{ end -}}
    {{- $hosts = append $hosts (dict "host" $host.host "paths" $paths) -}}
  {{- end -}}
  {{- $tls := list -}}
  {{- range ternary (list .given.tls) .given.tls (kindIs "map" .given.tls) -}}
    {{- $tls = append $tls (merge (dict "hosts" (.hosts | default $names)) .) -}}
  {{- end -}}
  {{- $_ := set (set . "hosts" $hosts) "tls" $tls -}}
{{- end -}}
{{- with $routes.route -}}
  {{- $rules := list -}}
  {{- range .given.rules | default (list dict) }}{{ $rules = append $rules (merge dict . $path) }}{{ end -}}
  {{- $_ := set (set . "rules" $rules) "kind" (.given.kind | default "HTTPRoute") -}}
{{- end -}}
{{- $_ := set $mapping "routes" $routes -}}
{{- include "external-services.checkRoutes" (dict "root" .root "mapping" $mapping "ports" $ports) -}}
{{- end -}}

{{/* external-services.checkRoutes checks what is in front of a mapping. Its kinds are in the cluster, or
Helm was told so with --api-versions: without the Gateway API, the installation would end halfway.
Usage: {{ include "external-services.checkRoutes" (dict "root" $ "mapping" $mapping "ports" $tcpPorts) }} */}}
{{- define "external-services.checkRoutes" -}}
{{- $apis := .root.Capabilities.APIVersions -}}
{{- $routes := .mapping.routes -}}
{{- $isAlias := eq .mapping.kind "ExternalName" -}}
{{- $rules := list -}}
{{- range $key, $kind := dict "route" (dig "kind" "" ($routes.route | default dict)) "backendTLS" (ternary "BackendTLSPolicy" "" (hasKey $routes "backendTLS")) -}}
  {{- $api := printf "gateway.networking.k8s.io/v1/%s" $kind -}}
  {{- $rules = append $rules (and $kind (not ($apis.Has $api)) (dict "field" $key "problem" (printf "makes an object of the kind %s, which the cluster does not have" $kind) "fix" (printf "install the Gateway API in a version that has %s, or if you render without a cluster, add --api-versions %s" $api $api))) -}}
{{- end -}}
{{- $keys := dict
      "ingress" (list "className" "hosts" "tls" "allowAlias" "annotations")
      "route" (list "kind" "parentRefs" "hostnames" "rules" "allowAlias" "annotations")
      "backendTLS" (list "hostname" "caCertificates" "wellKnown" "port") -}}
{{- range $key, $part := $routes -}}
  {{- range $name, $_ := .given -}}
    {{- $rules = append $rules (and (not (has $name (get $keys $key))) (dict "field" (printf "%s.%s" $key $name) "problem" (printf "is not a key of %s" $key) "fix" "correct it or delete it")) -}}
  {{- end -}}
{{- end -}}
{{- range $key, $part := pick $routes "ingress" "route" -}}
  {{- $rules = concat $rules (list
        (and $isAlias (ne (toString .given.allowAlias) "true") (dict "field" $key "problem" "is in front of an alias of a DNS name, which most controllers refuse" "fix" (printf "write the name or its IP addresses under addresses instead of externalName, or %s.allowAlias: true if your controller connects to aliases" $key)))
        (and (not $.ports) (dict "field" $key "problem" "is in front of an entry without a TCP port" "fix" "write the port that it sends requests to under ports"))
  ) -}}
{{- end -}}
{{- $paths := dict -}}
{{- with $routes.ingress -}}
  {{- $class := get .ownAnnotations "kubernetes.io/ingress.class" -}}
  {{- $rules = concat $rules (list
        (and (not .hosts) (dict "field" "ingress.hosts" "problem" "is missing" "fix" "write the host names in front, such as hosts: [proxmox.home.example]"))
        (and $class .given.className (ne $class .given.className) (dict "field" "ingress.className" "problem" (printf "is %s, and the annotation kubernetes.io/ingress.class is %s" .given.className $class) "fix" "delete the annotation"))
  ) -}}
  {{- range $i, $host := .hosts -}}
    {{- range $j, $path := .paths }}{{ $_ := set $paths (printf "ingress.hosts[%d].paths[%d]" $i $j) $path }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- with $routes.route -}}
  {{- $isHTTP := eq .kind "HTTPRoute" -}}
  {{- $isTCP := eq .kind "TCPRoute" -}}
  {{- $rules = concat $rules (list
        (and (not .given.parentRefs) (dict "field" "route.parentRefs" "problem" "is missing" "fix" "write the Gateway, such as parentRefs: [{name: internal, namespace: network}]"))
        (and (eq .kind "TLSRoute") (not .given.hostnames) (dict "field" "route.hostnames" "problem" "is missing, and a TLSRoute finds the Service by the host name that clients ask for" "fix" "write the host names"))
        (and $isTCP .given.hostnames (dict "field" "route.hostnames" "problem" "is set, but TCP has no host names" "fix" "delete it, or write kind: TLSRoute"))
        (and (not $isHTTP) (gt (len .rules) 1) (dict "field" "route.rules" "problem" (printf "has %d rules, but a %s has one" (len .rules) .kind) "fix" "keep one, with the port"))
  ) -}}
  {{- $parents := dict -}}
  {{- range $i, $parent := .given.parentRefs -}}
    {{- $id := printf "%s/%s" (.namespace | default $.mapping.namespace) .name -}}
    {{- $sections := get $parents $id | default list -}}
    {{- $isRepeated := and $sections (or (not .sectionName) (has "" $sections) (has .sectionName $sections)) -}}
    {{- $rules = append $rules (and $isRepeated (dict "field" (printf "route.parentRefs[%d]" $i) "problem" (printf "repeats the Gateway %s" $id) "fix" "keep one, or give each one the sectionName of another listener")) -}}
    {{- $_ := set $parents $id (append $sections (.sectionName | default "")) -}}
  {{- end -}}
  {{- range $i, $rule := .rules -}}
    {{- $field := printf "route.rules[%d]" $i -}}
    {{- $_ := set $paths $field . -}}
    {{- $given := index ($routes.route.given.rules | default (list dict)) $i -}}
    {{- $rules = concat $rules (list
          (and (not $isHTTP) (or $given.path $given.pathType) (dict "field" $field "problem" (printf "has a path, but a %s has none" $routes.route.kind) "fix" "keep only the port"))
          (and (eq .pathType "ImplementationSpecific") (dict "field" (printf "%s.pathType" $field) "problem" "is ImplementationSpecific, which is for an Ingress" "fix" "write Prefix or Exact"))
    ) -}}
  {{- end -}}
{{- end -}}
{{- range $field, $path := $paths -}}
  {{- $problem := ternary (printf "%v is not a TCP port of the entry" .port) "is missing, and the entry has several TCP ports" (not (empty .port)) -}}
  {{- $rules = append $rules (and $.ports (not (has .port $.ports)) (dict "field" (printf "%s.port" $field) "problem" $problem "fix" (printf "write %s" (join " or " $.ports)))) -}}
{{- end -}}
{{- with $routes.backendTLS -}}
  {{- $names := list -}}
  {{- range $.mapping.ports }}{{ with .name }}{{ $names = append $names . }}{{ end }}{{ end -}}
  {{- $given := .given -}}
  {{- $rules = concat $rules (list
        (and (not $given.hostname) (dict "field" "backendTLS.hostname" "problem" "is missing" "fix" "write the host name that the certificate of the outside has"))
        (and $given.caCertificates $given.wellKnown (dict "field" "backendTLS.wellKnown" "problem" "is set, but so is caCertificates" "fix" "keep one of the two"))
        (and (not $given.caCertificates) (not $given.wellKnown) (dict "field" "backendTLS.caCertificates" "problem" "is missing" "fix" "write the ConfigMap with the certificate of the authority, such as caCertificates: [{name: proxmox-ca}], or wellKnown: System for a public one"))
        (and $given.port (not (has $given.port $names)) (dict "field" "backendTLS.port" "problem" (printf "%q is not the name of a port of the entry" $given.port) "fix" (ternary (printf "write %s" (join " or " $names)) "name the port, or delete it" (not (empty $names)))))
  ) -}}
{{- end -}}
{{- include "external-services.refuse" (dict "root" .root "mapping" .mapping "rules" $rules) -}}
{{- range $key, $part := $routes -}}
  {{- include "external-services.checkPairs" (dict "root" $.root "mapping" $.mapping "field" (printf "%s.annotations" $key) "annotations" $part.ownAnnotations) -}}
{{- end -}}
{{- end -}}
