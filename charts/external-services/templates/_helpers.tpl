{{/*
external-services.mappings puts what this release maps into the root context, as
.mappings: a map from "<namespace>/<name>" to the mapping of that Service, and beside
it .common: the printed labels and annotations of every object, and .kinds, whose
keys are the kinds of all shapes. Every template reads them from there. They are made
and validated by whichever template comes first, and once: the root context is one map for
all templates of a chart. All faults of the values end the rendering together.

A mapping is an entry of .Values.services, with overrides and namespaceOverrides
laid over it and templates expanded, for one namespace:
  index        the place of the entry in .Values.services
  with         which overrides were laid over it, for messages
  name         the Service's name
  namespace    the namespace it lands in
  settings     the entry
  families     from IPv4 and IPv6 to the addresses of each
  shape        what it has in common with others, see external-services.shape
  long         whether an address is in its long form
  silent       whether no connection can be answered, as no address is ready
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
external-services.collect puts the mappings, common and kinds into the root context, and
beside them .faults: what is wrong with the values, see external-services.refuse.

Most entries of a long list are plain, and differ only in names and addresses. So one
expression goes over these of all mappings, and what it leaves is looked at closely, as
is one mapping of each shape. Where that finds a fault, all of them are.
*/}}
{{- define "external-services.collect" -}}
{{- $_ := set . "faults" (dict "found" dict "known" dict) -}}
{{- $_ := set . "mappings" dict -}}
{{- $_ := set . "kinds" dict -}}
{{- include "external-services.validate.valuesShape" . -}}
{{- if and (not .faults.found) (or (not (hasKey .Values "enabled")) .Values.enabled) -}}
{{- include "external-services.validate.release" . -}}
{{- $pairs := dict -}}
{{- include "external-services.expand" (list $ .Values.commonAnnotations $pairs) -}}
{{- include "external-services.validate.annotations" (list (dict "faults" .faults) "commonAnnotations" $pairs) -}}
{{- $own := include "external-services.ownLabels" . -}}
{{- $_ := set . "common" (dict
      "ownLabels" $own
      "labels" (printf "%s%s" $own (include "external-services.pairs" (list .Values.commonLabels)))
      "annotationPairs" $pairs
      "annotations" (include "external-services.pairs" (list $pairs))
) -}}
{{- range regexReplaceAllLiteral (include "external-services.plain" .) (include "external-services.draft" .) "" | splitList "\n" -}}
{{- if . -}}
{{- include "external-services.settle" (list $ (get $.mappings (trimAll "!?" . | fromJsonArray | first)) (not (hasPrefix "?" .))) -}}
{{- end -}}
{{- end -}}
{{- if .faults.found -}}
{{- range .mappings -}}
{{- include "external-services.settle" (list $ . true) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.draft puts the mappings into the root context and prints a line for
each, as a JSON list: its key in .mappings, its externalName and its addresses. A "!"
before it says that these have to be looked at closely, whatever the line says. A line
with a "?" and the key alone says that the rest of the entry has to, as it is the first
of its shape.
*/}}
{{- define "external-services.draft" -}}
{{- $shapes := dict -}}
{{- $overrides := .Values.overrides -}}
{{- $namespaceOverrides := .Values.namespaceOverrides -}}
{{- range $index, $base := .Values.services -}}
{{- if and (kindIs "map" $base) (kindIs "string" $base.name) -}}
{{- $entry := $base -}}
{{- $entryWith := "" -}}
{{- if $overrides -}}
{{- with get $overrides $base.name -}}
{{- $entry = dict -}}
{{- include "external-services.lay" (list $entry $base) -}}
{{- include "external-services.lay" (list $entry .) -}}
{{- $entryWith = " with overrides" -}}
{{- end -}}
{{- end -}}
{{- $rest := omit $entry "name" "namespace" "externalName" "addresses" -}}
{{- if $entry.externalName -}}
{{- $_ := set $rest "externalName" "" -}}
{{- end -}}
{{- if $entry.addresses -}}
{{- $_ := set $rest "addresses" "" -}}
{{- end -}}
{{- $shapeKey := toRawJson $rest -}}
{{- $entryShape := get $shapes $shapeKey -}}
{{- $first := not $entryShape -}}
{{- if $first -}}
{{- $entryShape = dict -}}
{{- include "external-services.shape" (list $ $entryShape $index $base.name $entryWith $entry) -}}
{{- $_ := set $shapes $shapeKey $entryShape -}}
{{- end -}}
{{- if $entryShape.spread -}}
{{- include "external-services.validate.placement" (dict "faults" $.faults "index" $index "name" $base.name "with" $entryWith "entry" $entry) -}}
{{- end -}}
{{- if $entryShape -}}
{{- range $namespace := or $entry.namespaces (list (or $entry.namespace $.Release.Namespace)) -}}
{{- $settings := $entry -}}
{{- $with := $entryWith -}}
{{- $shape := $entryShape -}}
{{- $closely := false -}}
{{- $first := $first -}}
{{- if $namespaceOverrides -}}
{{- with get (get $namespaceOverrides (toString $namespace) | default dict) $base.name -}}
{{- $settings = dict -}}
{{- include "external-services.lay" (list $settings $entry) -}}
{{- include "external-services.lay" (list $settings .) -}}
{{- $with = printf "%s namespaceOverrides %q" (ternary " with" (printf "%s and" $with) (eq $with "")) $namespace -}}
{{- $shape = dict -}}
{{- include "external-services.shape" (list $ $shape $index $base.name $with $settings) -}}
{{- $first = true -}}
{{- end -}}
{{- end -}}
{{- if $shape.enabled -}}
{{- $key := printf "%s/%s" $namespace $base.name -}}
{{- $mapping := dict "index" $index "name" $base.name "namespace" $namespace "settings" $settings "shape" $shape -}}
{{- if $with -}}
{{- $_ := set $mapping "with" $with -}}
{{- end -}}
{{- with get $.mappings $key -}}
{{- include "external-services.settle" (list $ . true) -}}
{{- include "external-services.validate.taken" (list (set $mapping "faults" $.faults) .) -}}
{{- end -}}
{{- $_ := set $.mappings $key $mapping -}}
{{- $line := list $key $settings.externalName $settings.addresses | toRawJson -}}
{{- with $settings.addresses -}}
{{- if kindIs "slice" . -}}
{{- $count := len . -}}
{{- if gt $count 20 -}}
{{- /* uniq compares each with each, and a JSON object has each key once. */}}
{{- $unique := join "\":0,\"" . | printf "{\"%s\":0}" | fromJson -}}
{{- $closely = or (ne $count (len $unique)) (and (gt $count 1000) (eq $shape.outside "Endpoints")) -}}
{{- else if gt $count 1 -}}
{{- $closely = ne $count (len (uniq .)) -}}
{{- end -}}
{{- if contains ":" $line -}}
{{- include "external-services.families" $mapping -}}
{{- else -}}
{{- $_ := set $mapping "families" (dict "IPv4" .) -}}
{{- end -}}
{{- else -}}
{{- $closely = true -}}
{{- end -}}
{{- else -}}
{{- if hasPrefix (printf "%s.%s" $base.name $namespace) (toString $settings.externalName) -}}
{{- $closely = true -}}
{{- end -}}
{{- end -}}
{{- if $closely }}!{{ end }}{{ $line }}
{{ if $first }}?{{ list $key | toRawJson }}
{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- include "external-services.refuse.unnamed" (list $ $index $base) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.shape fills in what a mapping has in common with each one whose entry
differs only in name, namespace, externalName and addresses, and has the latter two or
not as it does. It takes a list: the root context, the map to fill in, and the place of
the entry, its name, the overrides that were laid over it, and the entry. The map stays
empty where a field is of the wrong kind.
  enabled         whether there is a Service at all
  spread          whether it has namespaces
  backend         external, both or cluster
  outside         ExternalName, EndpointSlice or Endpoints
  kind            the same, or empty when the backend is cluster: what leads outside now
  ports           the ports
  selector        the labels of the pods that take over, without those set to null
  labels          the labels of every object, printed
Once one of its mappings is settled, it has also:
  annotationPairs the annotations of its own, with templates expanded
  annotations     the annotations of every object, printed, or empty
  endpointPorts   the ports of the endpoints, printed
  testPorts       the ports that the test Pod connects to, printed
  spec            what the Services have in common, printed; service.yaml adds it
*/}}
{{- define "external-services.shape" -}}
{{- $root := index . 0 -}}
{{- $shape := index . 1 -}}
{{- $common := $root.common -}}
{{- if not (include "external-services.validate.fields" (list $root.faults (index . 2) (index . 3) (index . 4) (index . 5))) -}}
{{- with index . 5 -}}
{{- $selector := dict -}}
{{- range $key, $value := .selector -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $selector $key $value -}}
{{- end -}}
{{- end -}}
{{- $backend := .backend | default "external" -}}
{{- /* What a user sets to null is gone from the values, also from the defaults. */}}
{{- $outside := ternary (.endpointsKind | default ($root.Values.endpoints | default dict).kind | default "EndpointSlice") "ExternalName" (empty .externalName) -}}
{{- $labels := $common.labels -}}
{{- with .labels -}}
{{- $labels = printf "%s%s" $common.ownLabels (include "external-services.pairs" (list $root.Values.commonLabels .)) -}}
{{- end -}}
{{- $kind := ternary "" $outside (eq $backend "cluster") -}}
{{- $_ := set $root.kinds $kind true -}}
{{- range $key, $value := dict
      "enabled" (or (not (hasKey . "enabled")) .enabled)
      "spread" (hasKey . "namespaces")
      "backend" $backend
      "outside" $outside
      "kind" $kind
      "ports" (.ports | default list)
      "selector" $selector
      "labels" (printf "%s\n    external-services/backend: %s" $labels $backend)
-}}
{{- $_ := set $shape $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.settle expands the templates of a mapping and validates it. It takes a
list: the root context, the mapping, and whether to look closely at its names and
addresses, too.
*/}}
{{- define "external-services.settle" -}}
{{- $root := index . 0 -}}
{{- with index . 1 -}}
{{- $closely := index $ 2 -}}
{{- $_ := set . "faults" $root.faults -}}
{{- $wrong := "" -}}
{{- if $closely -}}
{{- $wrong = include "external-services.validate.fields" (list .faults .index .name .with .settings) -}}
{{- end -}}
{{- if not $wrong -}}
{{- if and $closely (not .settled) -}}
{{- $_ := set . "settled" true -}}
{{- $addresses := .settings.addresses | default list -}}
{{- if contains "{{" (toString $addresses) -}}
{{- $addresses = include "external-services.expandAddresses" (list $root $addresses) | fromYamlArray -}}
{{- end -}}
{{- $externalName := .settings.externalName | default "" -}}
{{- if contains "{{" $externalName -}}
{{- $externalName = tpl $externalName $root -}}
{{- end -}}
{{- $_ := set . "settings" (set (set (omit .settings) "addresses" $addresses) "externalName" $externalName) -}}
{{- include "external-services.families" . -}}
{{- end -}}
{{- if not (hasKey .shape "annotations") -}}
{{- $pairs := dict -}}
{{- include "external-services.expand" (list $root .settings.annotations $pairs) -}}
{{- $_ := set .shape "annotationPairs" $pairs -}}
{{- $_ := set .shape "annotations" (include "external-services.pairs" (list $root.common.annotationPairs $pairs)) -}}
{{- end -}}
{{- include "external-services.validate.mapping" (list . $closely) -}}
{{- if not .faults.found -}}
{{- with .shape -}}
{{- $_ := set . "endpointPorts" (include "external-services.endpointPorts" .ports) -}}
{{- $_ := set . "testPorts" (include "external-services.testPorts" .ports) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
external-services.families sets the families of a mapping, long and silent.
*/}}
{{- define "external-services.families" -}}
{{- $addresses := .settings.addresses -}}
{{- $families := dict -}}
{{- range $family := list "IPv4" "IPv6" -}}
{{- with include "external-services.ofFamily" (list $family $addresses) -}}
{{- $_ := set $families $family (printf "[%s]" (trimSuffix "," .) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "families" $families -}}
{{- $long := false -}}
{{- $silent := not (or (empty $addresses) (ne .shape.backend "external") .settings.publishNotReadyAddresses) -}}
{{- range $addresses -}}
{{- if not (kindIs "map" .) -}}
{{- $silent = false -}}
{{- else -}}
{{- $long = true -}}
{{- if dig "ready" true . -}}
{{- $silent = false -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "long" $long -}}
{{- $_ := set . "silent" $silent -}}
{{- end -}}

{{/*
external-services.ofFamily prints those addresses that are of a family, each as JSON and
with a comma after it. It takes a list: the family and the addresses.
*/}}
{{- define "external-services.ofFamily" -}}
{{- $ipv6 := eq (index . 0) "IPv6" -}}
{{- range index . 1 -}}
{{- $ip := . -}}
{{- if kindIs "map" . -}}
{{- $ip = toString .ip -}}
{{- end -}}
{{- if eq (contains ":" (toString $ip)) $ipv6 -}}
{{- toJson . }},
{{- end -}}
{{- end -}}
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
{{- range $mapping.settings.addresses }}
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
external-services.testPorts prints those ports of a list that the test Pod connects to.
*/}}
{{- define "external-services.testPorts" -}}
{{- range . -}}
{{- if eq (.protocol | default "TCP") "TCP" }} {{ .port }}{{ end -}}
{{- end -}}
{{- end -}}
