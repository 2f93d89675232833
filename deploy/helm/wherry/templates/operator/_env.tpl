{{- define "wherry.operatorEnv" -}}
{{ include "wherry.commonEnv" (dict "root" . "component" "operator") | trim }}
{{ include "wherry.namespaceEnv" . }}
{{ include "wherry.tenantEnv" . }}
{{ include "wherry.releaseEnv" . }}
{{ include "wherry.variable" (dict "name" "WHERRY_HEALTH_PORT" "value" 8080) }}
{{ include "wherry.variable" (dict "name" "WHERRY_LEADER_ELECTION" "value" (gt (int .Values.operator.replicas) 1 | toString)) }}
{{- end -}}
