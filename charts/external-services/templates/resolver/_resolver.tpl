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
