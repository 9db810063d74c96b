{{/* From values to mappings. A mapping is one entry of services in one namespace, as one
dict: the rules (_rules.tpl) check it and the other templates print it. */}}

{{/* external-services.mappings puts the mappings of the release into the root context, which all
templates of a chart share, and ends the rendering with all errors if values are refused.
Every template that prints an object calls it first; the first call does the work.
Usage: {{ include "external-services.mappings" . }}
Then:  .mappings  the mappings by "NAMESPACE/NAME", see external-services.mapping
       .common    labels and annotations of every object, see external-services.common
       .resolver  what the resolver works for, see external-services.resolver; unset if for nothing */}}
{{- define "external-services.mappings" -}}
{{- if not (hasKey . "mappings") -}}
  {{- include "external-services.collect" . -}}
  {{- include "external-services.fail" . -}}
{{- end -}}
{{- end -}}

{{/* external-services.collect computes .mappings, .common and .resolver, and .errors, all that the rules
refuse.
Usage: {{ include "external-services.collect" . }} */}}
{{- define "external-services.collect" -}}
{{- $_ := set . "errors" dict -}}
{{- $_ := set . "refused" dict -}}
{{- $_ := set . "mappings" dict -}}
{{- if ne (toString .Values.enabled) "false" -}}
  {{- include "external-services.common" . -}}
  {{- include "external-services.usual" . -}}
  {{- include "external-services.checkRelease" . -}}
  {{- range $index, $base := .Values.services -}}
    {{- $entry := $base -}}
    {{- $overrides := get ($.Values.overrides | default dict) $base.name -}}
    {{- if $overrides -}}
      {{- $entry = dict -}}
      {{- include "external-services.overlay" (dict "onto" $entry "layers" (list $base $overrides)) -}}
    {{- end -}}
    {{- range $namespace := $entry.namespaces | default (list ($entry.namespace | default $.Release.Namespace)) -}}
      {{- $entry := $entry -}}
      {{- $from := printf "services[%d] %q%s" $index $base.name (ternary " with overrides" "" (not (empty $overrides))) -}}
      {{- with get (get ($.Values.namespaceOverrides | default dict) $namespace | default dict) $base.name -}}
        {{- $entry = dict -}}
        {{- include "external-services.overlay" (dict "onto" $entry "layers" (compact (list $base $overrides .))) -}}
        {{- $from = printf "%s %s namespaceOverrides %q" $from (ternary "and" "with" (not (empty $overrides))) $namespace -}}
      {{- end -}}
      {{- if ne (toString $entry.enabled) "false" -}}
        {{- include "external-services.mapping" (dict "root" $ "index" $index "from" $from "name" $base.name "namespace" $namespace "entry" $entry) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
  {{- include "external-services.resolver" . -}}
{{- end -}}
{{- end -}}

{{/* external-services.overlay merges partial entries. Maps merge, everything else is
replaced, also by an empty value, which sprig's merge would skip. Addresses replace an
externalName and the other way round, and so do namespace and namespaces; a session affinity
drops the timeout of the one before.
Usage: {{ include "external-services.overlay" (dict "onto" $entry "layers" (list $base $overrides)) }} */}}
{{- define "external-services.overlay" -}}
{{- $entry := .onto -}}
{{- $replaces := dict "addresses" "externalName" "externalName" "addresses" "namespace" "namespaces" "namespaces" "namespace" "sessionAffinity" "sessionAffinityTimeoutSeconds" -}}
{{- range $layer := .layers -}}
  {{- range $key, $other := $replaces -}}
    {{- if and (hasKey $layer $key) (not (hasKey $layer $other)) -}}
      {{- $_ := unset $entry $other -}}
    {{- end -}}
  {{- end -}}
  {{- range $key, $value := $layer -}}
    {{- if and (kindIs "map" $value) (kindIs "map" (get $entry $key)) -}}
      {{- $merged := dict -}}
      {{- range $k, $v := get $entry $key }}{{ $_ := set $merged $k $v }}{{ end -}}
      {{- range $k, $v := $value }}{{ $_ := set $merged $k $v }}{{ end -}}
      {{- $value = $merged -}}
    {{- end -}}
    {{- $_ := set $entry $key $value -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* external-services.mapping adds the mapping of an entry in a namespace to .mappings:
  index, from          the entry's place in services, and its source for messages
  name, namespace      of every object
  entry                the entry with its overrides
  backend              external, both or cluster
  outside              what holds the outside: ExternalName, EndpointSlice or Endpoints
  kind                 the same while the outside is in use, empty with the backend cluster
  externalName         the DNS name outside, expanded
  addresses            by position: index, ip and family or host, state (ready, notReady or draining),
                       hostname, zone
  families             of these, the ones of IPv4 and of IPv6
  hosts                of these, the DNS names, whose families are not known
  followed             of these, the ones that the resolver writes: all with a health check, or else hosts
  answers              the families that have an address in use, or may have one
  ports                the ports
  selector             the labels of the pods that take over, without those set to null
  headless, publish    headless and publishNotReadyAddresses
  labels, annotations  printed for metadata, the annotations with their key
  ownAnnotations       those of the entry, expanded
  routes               what is in front of it, see external-services.routes
Usage: {{ include "external-services.mapping" (dict "root" $ "index" $i "from" $from "name" $name "namespace" $ns "entry" $entry) }} */}}
{{- define "external-services.mapping" -}}
{{- $root := .root -}}
{{- $publish := eq (toString .entry.publishNotReadyAddresses) "true" -}}
{{- $addresses := dict -}}
{{- $families := dict -}}
{{- $hosts := dict -}}
{{- $answers := dict -}}
{{- range $index, $given := .entry.addresses -}}
  {{- $address := dict "index" $index "state" "ready" "given" $given -}}
  {{- $text := $given -}}
  {{- $isHost := false -}}
  {{- if kindIs "map" $given -}}
    {{- $state := ternary "ready" "notReady" (has $given.ready (list nil true)) -}}
    {{- $state = ternary "draining" $state (eq (toString $given.draining) "true") -}}
    {{- $address = dict "index" $index "state" $state "given" $given "hostname" $given.hostname "zone" $given.zone -}}
    {{- $isHost = not (empty $given.host) -}}
    {{- $text = $given.host | default $given.ip -}}
  {{- end -}}
  {{- if contains "{{" (toString $text) }}{{ $text = tpl $text $root }}{{ end -}}
  {{- /* A string with a letter is a DNS name, unless it is an IPv6 address or a URL. */ -}}
  {{- if not (or (kindIs "map" $given) (hasKey $root.usual.addresses (toString $text))) -}}
    {{- $isHost = regexMatch "^[^:/{]*\\pL[^:/{]*$" (toString $text) -}}
  {{- end -}}
  {{- $inUse := or $publish (eq $address.state "ready") -}}
  {{- $position := printf "%06d" $index -}}
  {{- $_ := set $addresses $position $address -}}
  {{- if $isHost -}}
    {{- $_ := set $hosts $position (set $address "host" (trimSuffix "." (toString $text))) -}}
    {{- if $inUse }}{{ $answers = dict "IPv4" true "IPv6" true }}{{ end -}}
  {{- else -}}
    {{- $family := ternary "IPv6" "IPv4" (contains ":" (toString $text)) -}}
    {{- if not (hasKey $families $family) }}{{ $_ := set $families $family dict }}{{ end -}}
    {{- $_ := set (get $families $family) $position (set (set $address "ip" $text) "family" $family) -}}
    {{- if $inUse }}{{ $_ := set $answers $family true }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- $externalName := .entry.externalName | default "" -}}
{{- if contains "{{" $externalName }}{{ $externalName = tpl $externalName $root }}{{ end -}}
{{- $backend := .entry.backend | default "external" -}}
{{- $outside := "ExternalName" -}}
{{- if not $externalName -}}
  {{- $outside = .entry.endpointsKind | default ($root.Values.endpoints | default dict).kind | default "EndpointSlice" -}}
{{- end -}}
{{- $followed := ternary $addresses $hosts (kindIs "map" .entry.healthCheck) -}}
{{- $selector := dict -}}
{{- range $key, $value := .entry.selector -}}
  {{- if not (kindIs "invalid" $value) }}{{ $_ := set $selector $key $value }}{{ end -}}
{{- end -}}
{{- $annotations := dict -}}
{{- with .entry.annotations }}{{ include "external-services.expand" (dict "root" $root "pairs" . "into" $annotations) }}{{ end -}}
{{- $mapping := dict
      "index" .index "from" .from "name" .name "namespace" .namespace "entry" .entry
      "backend" $backend "outside" $outside "kind" (ternary "" $outside (eq $backend "cluster"))
      "externalName" $externalName "addresses" $addresses "families" $families "hosts" $hosts
      "followed" $followed "answers" $answers
      "ports" .entry.ports "selector" $selector
      "headless" (eq (toString .entry.headless) "true") "publish" $publish
      "labels" (printf "%s%s\n    external-services/backend: %s" $root.common.ownLabels (include "external-services.pairs" (dict "maps" (list $root.common.labels .entry.labels))) $backend)
      "annotations" (include "external-services.pairs" (dict "maps" (list $root.common.annotations $annotations) "under" "annotations"))
      "ownAnnotations" $annotations "routes" dict
-}}
{{- include "external-services.check" (dict "root" $root "mapping" $mapping) -}}
{{- if pick .entry "ingress" "route" "backendTLS" }}{{ include "external-services.routes" (dict "root" $root "mapping" $mapping) }}{{ end -}}
{{- $_ := set $root.mappings (printf "%s/%s" .namespace .name) $mapping -}}
{{- end -}}

{{/* external-services.common puts .common into the root context: ownLabels, the labels that the
chart sets on every object, printed; labels and annotations, those of the user, expanded.
Usage: {{ include "external-services.common" . }} */}}
{{- define "external-services.common" -}}
{{- $annotations := dict -}}
{{- with .Values.commonAnnotations }}{{ include "external-services.expand" (dict "root" $ "pairs" . "into" $annotations) }}{{ end -}}
{{- $_ := set . "common" (dict "ownLabels" (include "external-services.ownLabels" .) "labels" .Values.commonLabels "annotations" $annotations) -}}
{{- end -}}

{{/* external-services.expand puts annotations into a dict, their templates expanded.
Usage: {{ include "external-services.expand" (dict "root" $ "pairs" $entry.annotations "into" $annotations) }} */}}
{{- define "external-services.expand" -}}
{{- range $key, $value := .pairs -}}
  {{- if contains "{{" (toString $value) }}{{ $value = tpl $value $.root }}{{ end -}}
  {{- $_ := set $.into $key $value -}}
{{- end -}}
{{- end -}}

{{/* external-services.ownLabels prints the labels that the chart sets on every object.
Usage: {{ include "external-services.ownLabels" . }} */}}
{{- define "external-services.ownLabels" }}
    helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
    app.kubernetes.io/name: external-services
    app.kubernetes.io/instance: {{ quote .Release.Name }}
    app.kubernetes.io/managed-by: {{ quote .Release.Service }}
{{- end -}}

{{/* external-services.pairs prints labels or annotations, later maps over earlier ones; null removes a
pair. With under it prints the key of metadata that they are under too, if there are any.
Usage: labels: {{- include "external-services.pairs" (dict "maps" (list $common $own)) }}
       {{- include "external-services.pairs" (dict "maps" (list $common $own) "under" "annotations") }} */}}
{{- define "external-services.pairs" -}}
{{- $pairs := dict -}}
{{- range .maps -}}
  {{- range $key, $value := . }}{{ $_ := set $pairs $key $value }}{{ end -}}
{{- end -}}
{{- $under := .under -}}
{{- range $key, $value := $pairs -}}
{{- if not (kindIs "invalid" $value) }}
{{- with $under }}
  {{ . }}:
{{- end }}
{{- $under = "" }}
    {{ quote $key }}: {{ quote $value }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* external-services.data prints as JSON what programs read of the chart instead of its objects:
  {"mappings": [...], "errors": [...]}
Errors have the fields that external-services.refuse stores, mappings those printed here. No
template of the chart calls it: a program adds one that does. Its form is part of the chart's
interface, which a test of tools/helm checks.
Usage: {{ include "external-services.data" . }} */}}
{{- define "external-services.data" -}}
{{- if not (hasKey . "mappings") }}{{ include "external-services.collect" . }}{{ end -}}
{"mappings": [
{{- $comma := "" -}}
{{- range .mappings -}}
  {{- $families := dict -}}
  {{- range $family, $addresses := .families }}{{ $_ := set $families $family (len $addresses) }}{{ end -}}
  {{- $hosts := list -}}
  {{- range .hosts }}{{ $hosts = append $hosts .host }}{{ end -}}
  {{- $comma }}{{ dict "index" .index "name" .name "namespace" .namespace "backend" .backend "kind" .kind "externalName" .externalName
      "families" $families "answers" (keys .answers | sortAlpha) "hosts" $hosts "followed" (not (empty .followed)) "ports" .ports "entry" .entry | toJson -}}
  {{- $comma = "," -}}
{{- end -}}
], "errors": [
{{- $comma = "" -}}
{{- range .errors }}{{ $comma }}{{ toJson . }}{{ $comma = "," }}{{ end -}}
]}
{{- end -}}
