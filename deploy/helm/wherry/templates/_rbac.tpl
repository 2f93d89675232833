{{- /* Permissions of each program on jobs in a tenant's namespace, explained in docs/security.md. */ -}}
{{- define "wherry.jobRules.api" -}}
- apiGroups: [wherry.dev]
  resources: [downloadjobs]
  verbs: [get, list, create, patch]
{{- end -}}

{{- define "wherry.jobRules.operator" -}}
- apiGroups: [wherry.dev]
  resources: [downloadjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [wherry.dev]
  resources: [downloadjobs/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list, patch]
{{- end -}}

{{- define "wherry.jobRules.runner" -}}
- apiGroups: [wherry.dev]
  resources: [downloadjobs]
  verbs: [get]
- apiGroups: [wherry.dev]
  resources: [downloadjobs/status]
  verbs: [patch]
{{- end -}}

{{- /* A role and its binding to a program's service account. Takes a dict of root, component, name,
rules, and namespace (empty: cluster-wide). */ -}}
{{- define "wherry.grant" -}}
{{- $kind := ternary "Role" "ClusterRole" (not (empty .namespace)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "wherry.componentLabels" . | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "wherry.componentLabels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "wherry.serviceAccountName" . }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{- /* Permissions of the operator in the release's namespace. */ -}}
{{- define "wherry.operatorRules" -}}
- apiGroups: [wherry.dev]
  resources: [runnerpools]
  verbs: [get, list, watch]
- apiGroups: [wherry.dev]
  resources: [runnerpools/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [wherry-operator]
  verbs: [get, update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.defaultPool.create }}
- apiGroups: [wherry.dev]
  resources: [runnerpools]
  verbs: [create]
- apiGroups: [wherry.dev]
  resources: [runnerpools]
  resourceNames: [{{ .Values.defaultPool.name }}]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "wherry.poolConfigMap" . }}]
  verbs: [get]
{{- end }}
{{- end -}}

{{- /* Token and access reviews. They are cluster-wide resources that only answer questions. */ -}}
{{- define "wherry.authRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end -}}
