{{- /* Egress rules of all three programs. */ -}}
{{- define "wherry.egress" -}}
{{- $egress := .Values.networkPolicy.egress -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- ports:
    {{- range $egress.kubernetesApiPorts }}
    - {port: {{ . | int64 }}}
    {{- end }}
  {{- with $egress.kubernetesApi }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if .Values.redis.embedded.enabled }}
- ports: [{port: 6379}]
  to:
    - podSelector:
        matchLabels:
          {{- include "wherry.selectorLabels" (dict "root" . "component" "redis") | nindent 10 }}
{{- else }}
- ports: [{port: {{ .Values.redis.port | int64 }}}]
  {{- with $egress.redis }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
- ports:
    {{- range $egress.s3Ports }}
    - {port: {{ . | int64 }}}
    {{- end }}
  {{- with $egress.s3 }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- with $egress.extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}
