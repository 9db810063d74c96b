{{/*
external-services.mappings puts what this release maps into the root context, as
.mappings: a map from "<namespace>/<name>" to the mapping of that Service. Every
template reads it from there. It is made and validated by whichever template
comes first, and once: the root context is one map for all templates of a chart.

A mapping has:
  index        the place of its entry in .Values.services
  name         the Service's name
  namespace    the namespace it lands in
  externalName the DNS name outside, empty when there are addresses
  addresses    the addresses outside, as the user wrote them
  ipv4, ipv6   whether there are addresses of the family
  kind         ExternalName, EndpointSlice or Endpoints
  ports        the ports, as the user wrote them
  labels       the labels of every object, printed
  annotations  the annotations of every object, printed, or empty
*/}}
{{- define "external-services.mappings" -}}
{{- if not (hasKey . "mappings") -}}
{{- $mappings := dict -}}
{{- if .Values.enabled -}}
{{- include "external-services.validate.release" . -}}
{{- $own := include "external-services.ownLabels" . -}}
{{- $commonLabels := printf "%s%s" $own (include "external-services.pairs" .Values.commonLabels) -}}
{{- $commonAnnotations := include "external-services.pairs" .Values.commonAnnotations -}}
{{- range $index, $entry := .Values.services -}}
{{- if or (not (hasKey $entry "enabled")) $entry.enabled -}}
{{- $mapping := dict
      "index" $index
      "name" $entry.name
      "namespace" ($entry.namespace | default $.Release.Namespace)
      "externalName" ($entry.externalName | default "")
      "addresses" ($entry.addresses | default list)
      "ipv4" false
      "ipv6" false
      "ports" ($entry.ports | default list)
      "kind" (ternary "ExternalName" ($entry.endpointsKind | default $.Values.endpoints.kind) (not (empty $entry.externalName)))
      "labels" $commonLabels
      "annotations" $commonAnnotations
-}}
{{- include "external-services.validate.entry" (dict "entry" $entry "mapping" $mapping "mappings" $mappings) -}}
{{- with $entry.labels -}}
{{- $_ := set $mapping "labels" (printf "%s%s" $own (include "external-services.pairsOver" (list $.Values.commonLabels .))) -}}
{{- end -}}
{{- with $entry.annotations -}}
{{- $_ := set $mapping "annotations" (include "external-services.pairsOver" (list $.Values.commonAnnotations .)) -}}
{{- end -}}
{{- $_ := set $mappings (printf "%s/%s" $mapping.namespace $mapping.name) $mapping -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "mappings" $mappings -}}
{{- end -}}
{{- end -}}

{{/*
external-services.ownLabels prints the labels that the chart itself sets on every
object, indented for metadata.labels. A user cannot set them, see
external-services.validate.labels.
*/}}
{{- define "external-services.ownLabels" }}
    helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
    app.kubernetes.io/name: external-services
    app.kubernetes.io/instance: {{ .Release.Name | quote }}
    app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
    external-services/backend: external
{{- end -}}

{{/*
external-services.pairs prints the pairs of a map, indented for metadata.labels
and metadata.annotations. Keys and values are quoted: YAML would read some of
them as numbers or truth values.
*/}}
{{- define "external-services.pairs" -}}
{{- range $key, $value := . }}
    {{ quote $key }}: {{ quote $value }}
{{- end -}}
{{- end -}}

{{/*
external-services.pairsOver prints the pairs of a list of maps, later ones winning.
It is not sprig's merge, for which an empty value loses against any other.
*/}}
{{- define "external-services.pairsOver" -}}
{{- $pairs := dict -}}
{{- range . -}}
{{- range $key, $value := . -}}
{{- $_ := set $pairs $key $value -}}
{{- end -}}
{{- end -}}
{{- include "external-services.pairs" $pairs -}}
{{- end -}}

{{/*
external-services.endpointPorts prints the ports of an EndpointSlice or of an
Endpoints subset as a list. Name and protocol come from the one list of ports, so
they match those of the Service, without which kube-proxy finds no endpoint.
*/}}
{{- define "external-services.endpointPorts" -}}
{{- range . }}
- port: {{ .targetPort | default .port }}
  {{- with .name }}
  name: {{ quote . }}
  {{- end }}
  {{- with .protocol }}
  protocol: {{ . }}
  {{- end }}
  {{- with .appProtocol }}
  appProtocol: {{ quote . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
external-services.subsetAddresses prints those of .addresses, in their short or
long form, whose ready is .ready, as the addresses of an Endpoints subset.
*/}}
{{- define "external-services.subsetAddresses" -}}
{{- range .addresses }}
{{- $ip := . }}
{{- $ready := true }}
{{- if kindIs "map" . }}
{{- $ip = .ip }}
{{- $ready = dig "ready" true . }}
{{- end }}
{{- if eq $ready $.ready }}
  - ip: {{ quote $ip }}
{{- end }}
{{- end }}
{{- end -}}
