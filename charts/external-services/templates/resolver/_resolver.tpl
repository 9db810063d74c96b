{{/* The resolver of a release: the controller that follows the DNS names of its entries. */}}

{{/* external-services.resolver puts .resolver into the root context, if the resolver is enabled and a mapping
needs it:
  name        of its objects in the namespace of the release
  fullName    of its objects elsewhere, where other releases may have some too
  mappings    those with addresses for it to follow
  namespaces  of these
Usage: {{ include "external-services.resolver" . }} */}}
{{- define "external-services.resolver" -}}
{{- $mappings := dict -}}
{{- $namespaces := dict -}}
{{- range $key, $mapping := .mappings -}}
  {{- if .followed -}}
    {{- $_ := set $mappings $key $mapping -}}
    {{- $_ := set $namespaces .namespace true -}}
  {{- end -}}
{{- end -}}
{{- if and $mappings (eq (toString (.Values.resolver | default dict).enabled) "true") -}}
  {{- $name := include "external-services.releaseName" (dict "root" . "of" "resolver") -}}
  {{- $_ := set . "resolver" (dict "name" $name "fullName" (printf "%s.%s" $name .Release.Namespace)
        "mappings" $mappings "namespaces" (keys $namespaces | sortAlpha)) -}}
{{- end -}}
{{- end -}}

{{/* external-services.resolverMetadata prints the metadata of an object of the resolver, without a namespace
for one of the whole cluster.
Usage: {{- include "external-services.resolverMetadata" (dict "root" $ "name" .name "namespace" $.Release.Namespace) }} */}}
{{- define "external-services.resolverMetadata" }}
metadata:
  name: {{ quote .name }}
  {{- with .namespace }}
  namespace: {{ quote . }}
  {{- end }}
  labels: {{- .root.common.ownLabels }}{{ include "external-services.pairs" (dict "maps" (list .root.common.labels)) }}
  {{- include "external-services.pairs" (dict "maps" (list .root.common.annotations) "under" "annotations") }}
{{- end }}

{{/* external-services.resolverConfig prints what the resolver does. The text has no newline at its end, where Helm 3
and Helm 4 differ.
Usage: {{ include "external-services.resolverConfig" . }} */}}
{{- define "external-services.resolverConfig" -}}
{{- $values := .Values.resolver -}}
nameservers: {{ $values.nameservers | default list | toJson }}
minSeconds: {{ $values.minSeconds | default 5 }}
maxSeconds: {{ $values.maxSeconds | default 60 }}
allowedNames: {{ $values.allowedNames | default list | toJson }}
allowedCIDRs: {{ $values.allowedCIDRs | default list | toJson }}
deniedCIDRs: {{ $values.deniedCIDRs | default list | toJson }}
maxPerSlice: {{ (.Values.endpoints | default dict).maxPerSlice | default 100 }}
entries:
{{- range $mapping := .resolver.mappings }}
- name: {{ quote .name }}
  namespace: {{ quote .namespace }}
  backend: {{ .backend }}
  ports: {{- include "external-services.endpointPorts" (dict "ports" .ports) | trim | nindent 2 }}
  {{- if .headless }}
  headless: true
  {{- end }}
  {{- if .publish }}
  publishNotReadyAddresses: true
  {{- end }}
  {{- with .entry.trafficDistribution }}
  trafficDistribution: {{ quote . }}
  {{- end }}
  {{- range $field := list "resolve" "healthCheck" }}
  {{- if kindIs "map" (get $mapping.entry $field) }}
  {{ $field }}: {{ get $mapping.entry $field | toJson }}
  {{- end }}
  {{- end }}
  addresses:
  {{- range .followed }}
  {{- if hasKey . "host" }}
  - host: {{ quote .host }}
  {{- else }}
  - ip: {{ quote .ip }}
  {{- end }}
    {{- with .hostname }}
    hostname: {{ quote . }}
    {{- end }}
    {{- with .zone }}
    zone: {{ quote . }}
    {{- end }}
    {{- if ne .state "ready" }}
    ready: false
    {{- end }}
    {{- if eq .state "draining" }}
    draining: true
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
