{{- /* Metadata of a pod template; takes a dict of root and component. */ -}}
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

{{- /* The pod's fields that are the same for all three programs. The volumes come last, so that a
pod can add its own. */ -}}
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

{{- /* Where a pod may run, and as whom. */ -}}
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

{{- /* The container's fields that are the same for all three programs. The volume mounts come last,
so that a container can add its own. */ -}}
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

{{- /* A node with much to do takes its time to start a program: the other probes wait for this one,
which asks every second so that nobody waits for them. Takes a dict of path and port. */ -}}
{{- define "wherry.startupProbe" -}}
startupProbe:
  httpGet: {path: {{ .path }}, port: {{ .port }}}
  initialDelaySeconds: 2
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 180
{{- end -}}
