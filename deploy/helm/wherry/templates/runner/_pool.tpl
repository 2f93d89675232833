{{- define "wherry.poolConfigMap" -}}
{{- printf "%s-pool-%s" (include "wherry.fullname" .) .Values.defaultPool.name -}}
{{- end -}}

{{- /* The default RunnerPool. The operator adds each runner's name, pool and concurrency. */ -}}
{{- define "wherry.poolManifest" -}}
{{- $context := dict "root" . "component" "runner" -}}
{{- $pool := .Values.defaultPool -}}
{{- $runner := .Values.runner -}}
apiVersion: wherry.dev/v1
kind: RunnerPool
metadata:
  name: {{ $pool.name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "wherry.componentLabels" $context | nindent 4 }}
spec:
  minRunners: {{ $pool.minRunners | int64 }}
  maxRunners: {{ $pool.maxRunners | int64 }}
  concurrency: {{ $pool.concurrency | int64 }}
  idleSeconds: {{ $pool.idleSeconds | int64 }}
  stepUp: {{ $pool.stepUp | int64 }}
  paused: {{ $pool.paused }}
  template:
    metadata:
      {{- include "wherry.podMetadata" $context | nindent 6 }}
    spec:
      restartPolicy: Never
      {{- include "wherry.podFields" $context | nindent 6 }}
      {{- with $runner.extraInitContainers }}
      initContainers:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: runner
          image: {{ include "wherry.image" . }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          command: [wherry-jobrunner]
          ports:
            - name: health
              containerPort: 8080
          {{- include "wherry.startupProbe" (dict "path" "/healthz" "port" "health") | nindent 10 }}
          readinessProbe:
            httpGet: {path: /readyz, port: health}
            periodSeconds: 5
            timeoutSeconds: 3
          livenessProbe:
            httpGet: {path: /healthz, port: health}
            periodSeconds: 20
            timeoutSeconds: 5
            failureThreshold: 6
          env:
            {{- include "wherry.environment" (dict "chart" (include "wherry.runnerEnv" .) "extra" $runner.extraEnv) | nindent 12 }}
          {{- include "wherry.containerFields" $context | trim | nindent 10 }}
        {{- with $runner.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}

{{- define "wherry.runnerEnv" -}}
{{- $delay := .Values.runner.downloadDelay -}}
{{ include "wherry.commonEnv" (dict "root" . "component" "runner") | trim }}
{{ include "wherry.variable" (dict "name" "WHERRY_HEALTH_PORT" "value" 8080) }}
{{ include "wherry.variable" (dict "name" "WHERRY_STOP_GRACE_SECONDS" "value" (max 0 (sub (int .Values.runner.terminationGracePeriodSeconds) 10))) }}
{{- with .Values.catalogue.url }}
{{ include "wherry.variable" (dict "name" "WHERRY_CATALOGUE_URL" "value" .) }}
{{- end }}
{{- if and .Values.catalogue.url .Values.catalogue.existingSecret }}
{{ include "wherry.secretVariable" (dict "name" "WHERRY_CATALOGUE_TOKEN" "secret" .Values.catalogue.existingSecret "key" .Values.catalogue.existingSecretTokenKey) }}
{{- end }}
{{ include "wherry.variable" (dict "name" "DOWNLOAD_DELAY_ENABLED" "value" (toString $delay.enabled)) }}
{{ include "wherry.variable" (dict "name" "DOWNLOAD_DELAY_MIN_MS" "value" $delay.minMs) }}
{{ include "wherry.variable" (dict "name" "DOWNLOAD_DELAY_MAX_MS" "value" $delay.maxMs) }}
{{- end -}}
