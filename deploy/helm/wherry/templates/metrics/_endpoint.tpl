{{- /* Metadata of a monitor. Takes a dict of root and monitor. */ -}}
{{- define "wherry.monitorMetadata" -}}
name: {{ include "wherry.fullname" .root }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "wherry.labels" .root | nindent 2 }}
  {{- with .monitor.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .monitor.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* An endpoint of a monitor. Takes a dict of port and monitor. */ -}}
{{- define "wherry.metricsEndpoint" -}}
port: {{ .port }}
path: /metrics
interval: {{ .monitor.interval }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
