{{- define "wherry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Truncated to leave room for "-operator" and a pod's hash. */ -}}
{{- define "wherry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "wherry.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "wherry.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: wherry
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: wherry
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Takes a dict of root and component. */ -}}
{{- define "wherry.componentLabels" -}}
{{ include "wherry.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "wherry.selectorLabels" -}}
app.kubernetes.io/name: wherry
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "wherry.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "wherry.fullname" .root) .component) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{- /* Takes a dict of image and tag, the default if the image has none. */ -}}
{{- define "wherry.imageReference" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .tag .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "wherry.image" -}}
{{- include "wherry.imageReference" (dict "image" .Values.image "tag" .Chart.AppVersion) -}}
{{- end -}}

{{- /* Tenant namespaces as a JSON list. Empty: all namespaces. */ -}}
{{- define "wherry.tenantNamespaces" -}}
{{- if .Values.clusterWide -}}
[]
{{- else -}}
{{- .Values.tenants | default (list .Release.Namespace) | uniq | sortAlpha | toJson -}}
{{- end -}}
{{- end -}}

{{- define "wherry.defaultTenant" -}}
{{- .Values.api.defaultTenant | default (first (.Values.tenants | default (list .Release.Namespace))) -}}
{{- end -}}

{{- define "wherry.redisHost" -}}
{{- if .Values.redis.embedded.enabled -}}
{{- printf "%s-redis" (include "wherry.fullname" .) -}}
{{- else -}}
{{- .Values.redis.host -}}
{{- end -}}
{{- end -}}
