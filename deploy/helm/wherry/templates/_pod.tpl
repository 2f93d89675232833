{{- /* Metadata of a pod template. Takes a dict of root and component. */ -}}
{{- define "wherry.podMetadata" -}}
{{- $values := .values | default (index .root.Values .component) -}}
labels:
  {{- include "wherry.componentLabels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Pod fields that all three programs share. Volumes come last, so that a pod can append its own. */ -}}
{{- define "wherry.podFields" -}}
{{- $v := .root.Values -}}
{{- $values := index $v .component -}}
serviceAccountName: {{ include "wherry.serviceAccountName" . }}
automountServiceAccountToken: true
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds | int64 }}
{{- include "wherry.placement" (dict "root" .root "component" .component "values" $values) }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    {{- if not (hasKey . "labelSelector") }}
    labelSelector:
      matchLabels:
        {{- include "wherry.selectorLabels" $ | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- if $v.trustedCa.configMap }}
  - name: trusted-ca
    configMap:
      name: {{ $v.trustedCa.configMap }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* Scheduling and security context of a pod. */ -}}
{{- define "wherry.placement" -}}
{{- with concat (.root.Values.global.imagePullSecrets | default list) .root.Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .values.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- with .values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Container fields that all three programs share. Volume mounts come last, so that a container can
append its own. */ -}}
{{- define "wherry.containerFields" -}}
{{- $v := .root.Values -}}
{{- $values := index $v .component -}}
{{- with $values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if $v.trustedCa.configMap }}
  - name: trusted-ca
    mountPath: /etc/wherry/trusted-ca
    readOnly: true
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* A busy node may start a program slowly, so the other probes wait for this one. It runs every
second so that a pod becomes ready without delay. Takes a dict of path and port. */ -}}
{{- define "wherry.startupProbe" -}}
startupProbe:
  httpGet: {path: {{ .path }}, port: {{ .port }}}
  initialDelaySeconds: 2
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 180
{{- end -}}
