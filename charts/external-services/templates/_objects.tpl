{{/* Parts that several kinds of objects print alike. */}}

{{/* external-services.endpointPorts prints the ports of an EndpointSlice or of an Endpoints subset.
Names and protocols are those of the Service, without which kube-proxy finds no endpoint.
Usage: ports: {{- include "external-services.endpointPorts" (dict "ports" $mapping.ports) }} */}}
{{- define "external-services.endpointPorts" -}}
{{- range .ports }}
- port: {{ .targetPort | default .port }}
  {{- with .name }}
  name: {{ quote . }}
  {{- end }}
  {{- with .protocol }}
  protocol: {{ quote . }}
  {{- end }}
  {{- with .appProtocol }}
  appProtocol: {{ quote . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* external-services.subset prints the addresses of an Endpoints subset: those in use, or the others.
Usage: addresses: {{- include "external-services.subset" (dict "mapping" $mapping "ready" true) }} */}}
{{- define "external-services.subset" -}}
{{- range .mapping.addresses }}
{{- if eq $.ready (or $.mapping.publish (eq .state "ready")) }}
  - ip: {{ quote .ip }}
    {{- with .hostname }}
    hostname: {{ quote . }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* external-services.releaseName prints the name of an object that is not an entry's: that of the release
and of the chart, with what it is, in at most 63 characters. A release can contain the chart several
times, as a subchart of several charts or under several aliases.
Usage: {{ include "external-services.releaseName" (dict "root" $ "of" "test") }} */}}
{{- define "external-services.releaseName" -}}
{{- $suffix := .of -}}
{{- if ne .root.Template.BasePath "external-services/templates" -}}
  {{- $suffix = printf "%s-%s" .of (.root.Template.BasePath | sha256sum | trunc 6) -}}
{{- end -}}
{{- $room := min 50 (sub 62 (len $suffix)) | int -}}
{{- printf "%s-%s" (printf "%s-%s" .root.Release.Name (.root.Chart.Name | lower | replace "_" "-") | trunc $room | trimAll "-.") $suffix -}}
{{- end -}}

{{/* external-services.image prints the name of an image of the values, with a repository and a tag for those
that are not set.
Usage: {{ include "external-services.image" (dict "image" $image "repository" "busybox" "tag" "1.37.0") }} */}}
{{- define "external-services.image" -}}
{{- .image.repository | default .repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .tag }}{{ end -}}
{{- end -}}
