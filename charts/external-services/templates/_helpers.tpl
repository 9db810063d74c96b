{{/*
external-services.mappings puts what this release maps into the root context, as
.mappings: a map from "<namespace>/<name>" to the mapping of that Service, and beside
it .common: the printed labels and annotations of every object. Every template reads
them from there. They are made and validated by whichever template
comes first, and once: the root context is one map for all templates of a chart. All
faults of the values end the rendering together.

A mapping is an entry of .Values.services, with overrides and namespaceOverrides
laid over it and templates expanded, for one namespace:
  index        the place of the entry in .Values.services
  with         which overrides were laid over it, for messages
  name         the Service's name
  namespace    the namespace it lands in
  backend      external, both or cluster
  kind         what leads outside: ExternalName, EndpointSlice or Endpoints; empty when
               the backend is cluster
  maxPerSlice  how many addresses an EndpointSlice holds at most
  externalName the DNS name outside, empty when there are addresses
  addresses    the addresses outside, in their short or long form
  ipv4, ipv6   whether there are addresses of the family
  ports        the ports
  selector     the labels of the pods that take over, without those set to null
  labels       the labels of every object, printed
  annotations  the annotations of every object, printed, or empty
  settings     the entry, for the fields that are printed as they are
  faults       the faults of the run, and refused, the fields of the mapping that have
               one, see external-services.refuse
*/}}
{{- define "external-services.mappings" -}}
{{- if not (hasKey . "mappings") -}}
{{- include "external-services.collect" . -}}
{{- include "external-services.report" .faults -}}
{{- end -}}
{{- end -}}

{{/*
external-services.collect puts the mappings and common into the root context, and
beside them .faults: what is wrong with the values, see external-services.refuse.
*/}}
{{- define "external-services.collect" -}}
{{- $mappings := dict -}}
{{- $_ := set . "faults" (dict "found" dict "known" dict) -}}
{{- include "external-services.validate.valuesShape" . -}}
{{- if and (not .faults.found) (or (not (hasKey .Values "enabled")) .Values.enabled) -}}
{{- include "external-services.validate.release" . -}}
{{- /* What a user sets to null is gone from the values, also from the defaults. */}}
{{- $endpoints := .Values.endpoints | default dict -}}
{{- $own := include "external-services.ownLabels" . -}}
{{- $commonLabels := printf "%s%s" $own (include "external-services.pairs" (list .Values.commonLabels)) -}}
{{- $commonAnnotations := dict -}}
{{- include "external-services.expand" (list $ .Values.commonAnnotations $commonAnnotations) -}}
{{- include "external-services.validate.annotations" (list (dict "faults" .faults) "commonAnnotations" $commonAnnotations) -}}
{{- $printedAnnotations := include "external-services.pairs" (list $commonAnnotations) -}}
{{- $_ := set . "common" (dict "labels" $commonLabels "annotations" $printedAnnotations) -}}
{{- $overrides := .Values.overrides | default dict -}}
{{- $namespaceOverrides := .Values.namespaceOverrides | default dict -}}
{{- $kinds := .faults.kinds.entry -}}
{{- range $index, $base := .Values.services -}}
{{- if or (not (kindIs "map" $base)) (not (kindIs "string" $base.name)) -}}
{{- include "external-services.refuse.unnamed" (list $ $index $base) -}}
{{- else -}}
{{- $entry := $base -}}
{{- $entryWith := "" -}}
{{- with get $overrides $base.name -}}
{{- $entry = dict -}}
{{- include "external-services.lay" (list $entry $base) -}}
{{- include "external-services.lay" (list $entry .) -}}
{{- $entryWith = " with overrides" -}}
{{- end -}}
{{- $wrong := false -}}
{{- range $key, $value := $entry -}}
{{- if ne (get $kinds $key) (kindOf $value) -}}
{{- $wrong = true -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- $wrong = include "external-services.validate.shape" (list $.faults $index $base.name $entryWith $entry) -}}
{{- end -}}
{{- if not $wrong -}}
{{- include "external-services.validate.placement" (dict "faults" $.faults "index" $index "name" $base.name "with" $entryWith "entry" $entry) -}}
{{- range $namespace := $entry.namespaces | default (list ($entry.namespace | default $.Release.Namespace)) -}}
{{- $settings := $entry -}}
{{- $with := $entryWith -}}
{{- with get (get $namespaceOverrides $namespace | default dict) $base.name -}}
{{- $settings = dict -}}
{{- include "external-services.lay" (list $settings $entry) -}}
{{- include "external-services.lay" (list $settings .) -}}
{{- $with = printf "%s namespaceOverrides %q" (ternary " with" (printf "%s and" $with) (eq $with "")) $namespace -}}
{{- if include "external-services.validate.shape" (list $.faults $index $base.name $with $settings) -}}
{{- $settings = dict "enabled" false -}}
{{- end -}}
{{- end -}}
{{- if or (not (hasKey $settings "enabled")) $settings.enabled -}}
{{- $externalName := $settings.externalName | default "" -}}
{{- if contains "{{" $externalName -}}
{{- $externalName = tpl $externalName $ -}}
{{- end -}}
{{- $addresses := $settings.addresses | default list -}}
{{- if contains "{{" (toString $addresses) -}}
{{- $addresses = include "external-services.expandAddresses" (list $ $addresses) | fromYamlArray -}}
{{- end -}}
{{- $selector := dict -}}
{{- range $key, $value := $settings.selector -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $selector $key $value -}}
{{- end -}}
{{- end -}}
{{- $backend := $settings.backend | default "external" -}}
{{- $mapping := dict
      "index" $index
      "with" $with
      "name" $base.name
      "namespace" $namespace
      "backend" $backend
      "kind" (ternary ($settings.endpointsKind | default $endpoints.kind | default "EndpointSlice") "ExternalName" (empty $settings.externalName))
      "maxPerSlice" (int ($endpoints.maxPerSlice | default 100))
      "externalName" $externalName
      "addresses" $addresses
      "ipv4" false
      "ipv6" false
      "ports" ($settings.ports | default list)
      "selector" $selector
      "annotations" $printedAnnotations
      "settings" $settings
      "faults" $.faults
-}}
{{- include "external-services.validate.mapping" (list $mapping $mappings) -}}
{{- if eq $backend "cluster" -}}
{{- $_ := set $mapping "kind" "" -}}
{{- end -}}
{{- $labels := $commonLabels -}}
{{- with $settings.labels -}}
{{- $labels = printf "%s%s" $own (include "external-services.pairs" (list $.Values.commonLabels .)) -}}
{{- end -}}
{{- $_ := set $mapping "labels" (printf "%s\n    external-services/backend: %s" $labels $backend) -}}
{{- with $settings.annotations -}}
{{- $annotations := dict -}}
{{- include "external-services.expand" (list $ . $annotations) -}}
{{- include "external-services.validate.annotations" (list $mapping "annotations" $annotations) -}}
{{- $_ := set $mapping "annotations" (include "external-services.pairs" (list $commonAnnotations $annotations)) -}}
{{- end -}}
{{- include "external-services.validate.annotationsSize" $mapping -}}
{{- $_ := set $mappings (printf "%s/%s" $namespace $base.name) $mapping -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "mappings" $mappings -}}
{{- end -}}

{{/*
external-services.lay lays a partial entry over an entry. It takes a list: the entry,
which it changes, and the partial entry. Maps merge, everything else is replaced,
also by an empty value, which sprig's merge would pass over.
*/}}
{{- define "external-services.lay" -}}
{{- $entry := index . 0 -}}
{{- range $one, $other := dict "addresses" "externalName" "externalName" "addresses" "namespace" "namespaces" "namespaces" "namespace" -}}
{{- if and (hasKey (index $ 1) $one) (not (hasKey (index $ 1) $other)) -}}
{{- $_ := unset $entry $other -}}
{{- end -}}
{{- end -}}
{{- /* a timeout belongs to the session affinity it was written for */}}
{{- if hasKey (index . 1) "sessionAffinity" -}}
{{- $_ := unset $entry "sessionAffinityTimeoutSeconds" -}}
{{- end -}}
{{- range $key, $value := index . 1 -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $entry $key)) -}}
{{- $merged := dict -}}
{{- range $source := list (get $entry $key) $value -}}
{{- range $k, $v := $source -}}
{{- $_ := set $merged $k $v -}}
{{- end -}}
{{- end -}}
{{- $value = $merged -}}
{{- end -}}
{{- $_ := set $entry $key $value -}}
{{- end -}}
{{- end -}}

{{/*
external-services.expand expands the values of a map that hold a template. It takes a
list: the root context, the map, and the map to put the result into.
*/}}
{{- define "external-services.expand" -}}
{{- $root := index . 0 -}}
{{- $into := index . 2 -}}
{{- range $key, $value := index . 1 -}}
{{- if contains "{{" (toString $value) -}}
{{- $value = tpl $value $root -}}
{{- end -}}
{{- $_ := set $into $key $value -}}
{{- end -}}
{{- end -}}

{{/*
external-services.expandAddresses prints addresses as a YAML list in which those that
hold a template are expanded. It takes a list: the root context and the addresses.
*/}}
{{- define "external-services.expandAddresses" -}}
{{- $root := index . 0 -}}
{{- range index . 1 -}}
{{- if kindIs "map" . }}
- {{ include "external-services.expandAddress" (list $root .) }}
{{- else }}
- {{ tpl . $root | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.expandAddress prints an address in its long form as JSON.
*/}}
{{- define "external-services.expandAddress" -}}
{{- $address := dict -}}
{{- range $key, $value := index . 1 -}}
{{- if eq $key "ip" -}}
{{- $value = tpl $value (index $ 0) -}}
{{- end -}}
{{- $_ := set $address $key $value -}}
{{- end -}}
{{- toJson $address -}}
{{- end -}}

{{/*
external-services.ownLabels prints the labels that the chart itself sets on every
object, indented for metadata.labels; those of a mapping have external-services/backend
as well. A user cannot set them, see external-services.validate.labels.
*/}}
{{- define "external-services.ownLabels" }}
    helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
    app.kubernetes.io/name: external-services
    app.kubernetes.io/instance: {{ .Release.Name | quote }}
    app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end -}}

{{/*
external-services.pairs prints the pairs of a list of maps, later ones winning,
indented for metadata.labels and metadata.annotations. A null takes a pair away. Keys
and values are quoted: YAML would read some of them as numbers or truth values.
*/}}
{{- define "external-services.pairs" -}}
{{- $pairs := dict -}}
{{- range . -}}
{{- range $key, $value := . -}}
{{- $_ := set $pairs $key $value -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := $pairs }}
{{- if not (kindIs "invalid" $value) }}
    {{ quote $key }}: {{ quote $value }}
{{- end -}}
{{- end -}}
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
external-services.subsetAddresses prints those addresses of a mapping that are ready,
or those that are not, as the addresses of an Endpoints subset. It takes a list: the
mapping, and whether ready.
*/}}
{{- define "external-services.subsetAddresses" -}}
{{- $mapping := index . 0 -}}
{{- $wanted := index . 1 -}}
{{- range $mapping.addresses }}
{{- $address := . }}
{{- if not (kindIs "map" .) }}{{ $address = dict "ip" . }}{{ end }}
{{- if eq $wanted (or $mapping.settings.publishNotReadyAddresses (dig "ready" true $address) | ternary true false) }}
  - ip: {{ quote $address.ip }}
    {{- with $address.hostname }}
    hostname: {{ quote . }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
external-services.image prints the reference of the image of the test Pod: with the
digest where there is one, which wins over the tag.
*/}}
{{- define "external-services.image" -}}
{{- .repository | default "busybox" -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default "1.37.0" }}{{ end -}}
{{- end -}}

{{/*
external-services.testArgument prints what the test Pod checks of a mapping: its name,
and the TCP ports where an address is in use to answer them, or pods are meant to. It
prints nothing for a headless Service without one, which DNS does not know.
*/}}
{{- define "external-services.testArgument" -}}
{{- $answers := or (ne .backend "external") (eq .kind "ExternalName") .settings.publishNotReadyAddresses -}}
{{- range .addresses -}}
{{- if not $answers -}}
{{- $answers = or (not (kindIs "map" .)) (dig "ready" true (ternary . dict (kindIs "map" .))) -}}
{{- end -}}
{{- end -}}
{{- if $answers -}}
{{- printf "%s.%s" .name .namespace -}}
{{- range .ports -}}
{{- if eq (.protocol | default "TCP") "TCP" }} {{ .port }}{{ end -}}
{{- end -}}
{{- else if not .settings.headless -}}
{{- printf "%s.%s" .name .namespace -}}
{{- end -}}
{{- end -}}
