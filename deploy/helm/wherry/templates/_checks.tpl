{{- /* Checks of values that depend on each other, which the schema cannot express. Each message says what to do. */ -}}
{{- define "wherry.checks" -}}
{{- $v := .Values -}}
{{- if not $v.image.repository -}}
{{- fail "image.repository is empty. Build the image with the repository's Dockerfile, push it to a registry that your nodes can pull from, and set it: --set image.repository=REGISTRY/wherry --set image.tag=TAG" -}}
{{- end -}}
{{- if not $v.api.auth.mode -}}
{{- fail "api.auth.mode is empty. Set it to kubernetes, oidc or api-keys. For a trial, --set api.auth.mode=none allows everyone who can reach the API (docs/security.md)" -}}
{{- end -}}
{{- if and (eq $v.api.auth.mode "oidc") (not (and $v.api.auth.oidc.issuer $v.api.auth.oidc.audience)) -}}
{{- fail "api.auth.mode=oidc needs api.auth.oidc.issuer and api.auth.oidc.audience" -}}
{{- end -}}
{{- if and (eq $v.api.auth.mode "api-keys") (not $v.api.auth.apiKeys.existingSecret) -}}
{{- fail "api.auth.mode=api-keys needs api.auth.apiKeys.existingSecret, a Secret with the hashed API keys (docs/api.md)" -}}
{{- end -}}
{{- if not (or $v.redis.embedded.enabled $v.redis.host $v.redis.existingSecretUrlKey) -}}
{{- fail "No Redis is configured. Set redis.host (and redis.existingSecret if it needs a password) or redis.existingSecretUrlKey. For a trial, set redis.embedded.enabled=true" -}}
{{- end -}}
{{- if and $v.redis.embedded.enabled (or $v.redis.host $v.redis.existingSecretUrlKey) -}}
{{- fail "redis.embedded.enabled cannot be combined with redis.host or redis.existingSecretUrlKey. Set only one of them" -}}
{{- end -}}
{{- if and $v.redis.existingSecretUrlKey (not $v.redis.existingSecret) -}}
{{- fail "redis.existingSecretUrlKey is set, but redis.existingSecret is empty. Set it to the Secret that holds the URL" -}}
{{- end -}}
{{- if not (and $v.s3.sourceBucket $v.s3.archiveBucket) -}}
{{- fail "Set s3.sourceBucket (the bucket with the files) and s3.archiveBucket (the bucket for the archives; may be the same)" -}}
{{- end -}}
{{- if and (eq $v.s3.sourceBucket $v.s3.archiveBucket) (hasPrefix $v.s3.archivePrefix $v.s3.sourceKeyTemplate) -}}
{{- fail "s3.sourceKeyTemplate must not start with s3.archivePrefix, because objects there are deleted when their job expires. Change one of them" -}}
{{- end -}}
{{- if and $v.clusterWide $v.tenants -}}
{{- fail "clusterWide serves every namespace. Leave tenants empty, or set clusterWide=false" -}}
{{- end -}}
{{- $tenants := $v.tenants | default (list .Release.Namespace) -}}
{{- if and $v.api.defaultTenant (not $v.clusterWide) (not (has $v.api.defaultTenant $tenants)) -}}
{{- fail (printf "api.defaultTenant %s is not one of the tenants (%s). Add it to tenants" $v.api.defaultTenant (join ", " $tenants)) -}}
{{- end -}}
{{- $drain := add (int $v.api.shutdownDelaySeconds) (int $v.api.drainSeconds) -}}
{{- if le (int $v.api.terminationGracePeriodSeconds) (int $drain) -}}
{{- fail (printf "api.terminationGracePeriodSeconds must be greater than api.shutdownDelaySeconds plus api.drainSeconds (%d)" (int $drain)) -}}
{{- end -}}
{{- if and $v.api.httpRoute.enabled (not $v.api.httpRoute.parentRefs) -}}
{{- fail "api.httpRoute.parentRefs is empty. Set the Gateway to attach to: --set api.httpRoute.parentRefs[0].name=GATEWAY" -}}
{{- end -}}
{{- if and $v.metrics.podMonitor.enabled $v.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor.enabled and metrics.serviceMonitor.enabled cannot both be set, because Prometheus would scrape every pod twice and double every sum. Keep the PodMonitor, unless your Prometheus accepts only ServiceMonitors" -}}
{{- end -}}
{{- $scaling := $v.api.autoscaling -}}
{{- if and $scaling.enabled (not (or $scaling.targetCPUUtilizationPercentage $scaling.targetStreams $scaling.metrics)) -}}
{{- fail "api.autoscaling has no target. Set api.autoscaling.targetCPUUtilizationPercentage, .targetStreams or .metrics" -}}
{{- end -}}
{{- if and $scaling.enabled (gt $scaling.minReplicas $scaling.maxReplicas) -}}
{{- fail "api.autoscaling.minReplicas must not be greater than api.autoscaling.maxReplicas" -}}
{{- end -}}
{{- if gt $v.defaultPool.minRunners $v.defaultPool.maxRunners -}}
{{- fail "defaultPool.minRunners must not be greater than defaultPool.maxRunners" -}}
{{- end -}}
{{- if gt $v.runner.downloadDelay.minMs $v.runner.downloadDelay.maxMs -}}
{{- fail "runner.downloadDelay.minMs must not be greater than runner.downloadDelay.maxMs" -}}
{{- end -}}
{{- end -}}
