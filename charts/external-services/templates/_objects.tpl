{{/* What several kinds of objects print alike. */}}

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
