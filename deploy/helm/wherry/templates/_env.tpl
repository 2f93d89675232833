{{- /* A variable with a value. Takes a dict of name and value. Formats numbers as integers, not as 1e+06. */ -}}
{{- define "wherry.variable" -}}
- name: {{ .name }}
  value: {{ if kindIs "string" .value }}{{ .value | quote }}{{ else }}{{ .value | int64 | quote }}{{ end }}
{{- end -}}

{{- define "wherry.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{- /* Merges the chart's variables (YAML) with extraEnv, which wins. The API server rejects a list that
has the same name twice. */ -}}
{{- define "wherry.environment" -}}
{{- $result := list -}}
{{- $replaced := list -}}
{{- range .extra -}}
{{- $replaced = append $replaced .name -}}
{{- end -}}
{{- range .chart | fromYamlArray -}}
{{- if not (has .name $replaced) -}}
{{- $result = append $result . -}}
{{- end -}}
{{- end -}}
{{- toYaml (concat $result .extra) -}}
{{- end -}}

{{- /* Variables of all three programs. Takes a dict of root and component. */ -}}
{{- define "wherry.commonEnv" -}}
{{- $v := .root.Values -}}
{{- $redis := $v.redis -}}
{{- $s3 := $v.s3 -}}
{{- if $redis.existingSecretUrlKey }}
{{ include "wherry.secretVariable" (dict "name" "WHERRY_REDIS_URL" "secret" $redis.existingSecret "key" $redis.existingSecretUrlKey) }}
{{- else }}
{{ include "wherry.variable" (dict "name" "REDIS_HOST" "value" (include "wherry.redisHost" .root)) }}
{{ include "wherry.variable" (dict "name" "REDIS_PORT" "value" (ternary 6379 $redis.port $redis.embedded.enabled)) }}
{{ include "wherry.variable" (dict "name" "REDIS_DB" "value" $redis.database) }}
{{- with $redis.existingSecret }}
{{ include "wherry.secretVariable" (dict "name" "REDIS_PASSWORD" "secret" . "key" $redis.existingSecretPasswordKey) }}
{{- end }}
{{- end }}
{{- with (index $v .component).s3ExistingSecret | default $s3.existingSecret }}
{{ include "wherry.secretVariable" (dict "name" "AWS_ACCESS_KEY_ID" "secret" . "key" $s3.existingSecretAccessKeyIdKey) }}
{{ include "wherry.secretVariable" (dict "name" "AWS_SECRET_ACCESS_KEY" "secret" . "key" $s3.existingSecretSecretAccessKeyKey) }}
{{- end }}
{{- with $s3.endpointUrl }}
{{ include "wherry.variable" (dict "name" "WHERRY_S3_ENDPOINT_URL" "value" .) }}
{{- end }}
{{- with $s3.publicEndpointUrl }}
{{ include "wherry.variable" (dict "name" "WHERRY_S3_PUBLIC_ENDPOINT_URL" "value" .) }}
{{- end }}
{{ include "wherry.variable" (dict "name" "WHERRY_S3_REGION" "value" $s3.region) }}
{{ include "wherry.variable" (dict "name" "WHERRY_S3_ADDRESSING_STYLE" "value" $s3.addressingStyle) }}
{{ include "wherry.variable" (dict "name" "WHERRY_SOURCE_BUCKET" "value" $s3.sourceBucket) }}
{{ include "wherry.variable" (dict "name" "WHERRY_SOURCE_KEY_TEMPLATE" "value" $s3.sourceKeyTemplate) }}
{{ include "wherry.variable" (dict "name" "WHERRY_ARCHIVE_BUCKET" "value" $s3.archiveBucket) }}
{{ include "wherry.variable" (dict "name" "WHERRY_ARCHIVE_PREFIX" "value" $s3.archivePrefix) }}
{{- if $v.trustedCa.configMap }}
{{ include "wherry.variable" (dict "name" "AWS_CA_BUNDLE" "value" (printf "/etc/wherry/trusted-ca/%s" $v.trustedCa.key)) }}
{{- end }}
{{ include "wherry.variable" (dict "name" "JOB_TTL_SECONDS" "value" $v.lifetimes.completedSeconds) }}
{{ include "wherry.variable" (dict "name" "WHERRY_FAILED_TTL_SECONDS" "value" $v.lifetimes.failedSeconds) }}
{{ include "wherry.variable" (dict "name" "WHERRY_DEAD_LETTER_TTL_SECONDS" "value" $v.lifetimes.deadLetterSeconds) }}
{{ include "wherry.variable" (dict "name" "PRESIGNED_URL_EXPIRY_SECONDS" "value" $v.lifetimes.presignedUrlSeconds) }}
{{ include "wherry.variable" (dict "name" "WHERRY_LOG_LEVEL" "value" $v.logs.level) }}
{{- with $v.tracing.endpoint }}
{{ include "wherry.variable" (dict "name" "OTEL_EXPORTER_OTLP_ENDPOINT" "value" .) }}
{{- end }}
{{- end -}}

{{- define "wherry.namespaceEnv" -}}
- name: WHERRY_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end -}}

{{- /* For API and operator. The operator passes the release on to the runners that it starts, so that an
operator of an older version never starts runners with other Redis keys than its own. */ -}}
{{- define "wherry.releaseEnv" -}}
{{- include "wherry.variable" (dict "name" "WHERRY_RELEASE" "value" (printf "%s/%s" .Release.Namespace .Release.Name)) -}}
{{- end -}}

{{- /* Tenant namespaces, for API and operator. */ -}}
{{- define "wherry.tenantEnv" -}}
{{- include "wherry.variable" (dict "name" "WHERRY_TENANT_NAMESPACES" "value" (ternary "*" (include "wherry.tenantNamespaces" . | fromJsonArray | join ",") .Values.clusterWide)) -}}
{{- end -}}
