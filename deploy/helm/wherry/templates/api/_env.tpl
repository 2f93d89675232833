{{- define "wherry.apiEnv" -}}
{{- $api := .Values.api -}}
{{- $auth := $api.auth -}}
{{ include "wherry.commonEnv" (dict "root" . "component" "api") | trim }}
{{ include "wherry.tenantEnv" . }}
{{ include "wherry.releaseEnv" . }}
{{ include "wherry.variable" (dict "name" "WHERRY_HTTP_HOST" "value" $api.host) }}
{{ include "wherry.variable" (dict "name" "WHERRY_HTTP_PORT" "value" 3000) }}
{{ include "wherry.variable" (dict "name" "WHERRY_METRICS_PORT" "value" $api.metricsPort) }}
{{ include "wherry.variable" (dict "name" "WHERRY_DEFAULT_TENANT" "value" (include "wherry.defaultTenant" .)) }}
{{ include "wherry.variable" (dict "name" "WHERRY_DEFAULT_POOL" "value" .Values.defaultPool.name) }}
{{ include "wherry.variable" (dict "name" "WHERRY_SHUTDOWN_DELAY_SECONDS" "value" $api.shutdownDelaySeconds) }}
{{ include "wherry.variable" (dict "name" "WHERRY_DRAIN_SECONDS" "value" $api.drainSeconds) }}
{{- with $api.publicUrl }}
{{ include "wherry.variable" (dict "name" "WHERRY_PUBLIC_URL" "value" .) }}
{{- end }}
{{- with $api.corsOrigins }}
{{ include "wherry.variable" (dict "name" "WHERRY_CORS_ORIGINS" "value" (join "," .)) }}
{{- end }}
{{- with $api.allowedHosts }}
{{ include "wherry.variable" (dict "name" "WHERRY_ALLOWED_HOSTS" "value" (join "," .)) }}
{{- end }}
{{ include "wherry.variable" (dict "name" "WHERRY_AUTH_MODE" "value" $auth.mode) }}
{{- if eq $auth.mode "kubernetes" }}
{{ include "wherry.variable" (dict "name" "WHERRY_TOKEN_AUDIENCES" "value" (join "," $auth.kubernetes.audiences)) }}
{{- else if eq $auth.mode "oidc" }}
{{ include "wherry.variable" (dict "name" "WHERRY_OIDC_ISSUER" "value" $auth.oidc.issuer) }}
{{ include "wherry.variable" (dict "name" "WHERRY_OIDC_AUDIENCE" "value" $auth.oidc.audience) }}
{{- with $auth.oidc.jwksUrl }}
{{ include "wherry.variable" (dict "name" "WHERRY_OIDC_JWKS_URL" "value" .) }}
{{- end }}
{{- if $auth.oidc.allowHttp }}
{{ include "wherry.variable" (dict "name" "WHERRY_OIDC_ALLOW_HTTP" "value" "true") }}
{{- end }}
{{ include "wherry.variable" (dict "name" "WHERRY_OIDC_ALGORITHMS" "value" (join "," $auth.oidc.algorithms)) }}
{{ include "wherry.variable" (dict "name" "WHERRY_OIDC_TENANT_CLAIM" "value" $auth.oidc.tenantClaim) }}
{{- else if eq $auth.mode "api-keys" }}
{{ include "wherry.variable" (dict "name" "WHERRY_API_KEYS_FILE" "value" (printf "/etc/wherry/api-keys/%s" $auth.apiKeys.key)) }}
{{- end }}
{{- end -}}
