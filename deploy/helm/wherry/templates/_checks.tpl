{{- /* What the schema cannot say: values that need one another. Each sentence says what to do. */ -}}
{{- define "wherry.checks" -}}
{{- $v := .Values -}}
{{- if not $v.image.repository -}}
{{- fail "image.repository is empty. Build the image with the repository's Dockerfile, push it to a registry that your nodes can pull from, and name it: --set image.repository=REGISTRY/wherry --set image.tag=TAG" -}}
{{- end -}}
{{- if not $v.api.auth.mode -}}
{{- fail "api.auth.mode is empty. Choose who may use the API: kubernetes, oidc or api-keys; or, for a trial, --set api.auth.mode=none, which lets in whoever reaches it (docs/security.md)" -}}
{{- end -}}
{{- if and (eq $v.api.auth.mode "oidc") (not (and $v.api.auth.oidc.issuer $v.api.auth.oidc.audience)) -}}
{{- fail "api.auth.mode=oidc needs api.auth.oidc.issuer and api.auth.oidc.audience" -}}
{{- end -}}
{{- if and (eq $v.api.auth.mode "api-keys") (not $v.api.auth.apiKeys.existingSecret) -}}
{{- fail "api.auth.mode=api-keys needs api.auth.apiKeys.existingSecret, a Secret with the hashed keys (docs/api.md)" -}}
{{- end -}}
{{- if not (or $v.redis.embedded.enabled $v.redis.host $v.redis.existingSecretUrlKey) -}}
{{- fail "There is no Redis. Set redis.host (and redis.existingSecret, if it asks for a password), or redis.existingSecretUrlKey, or for a trial redis.embedded.enabled=true" -}}
{{- end -}}
{{- if and $v.redis.embedded.enabled (or $v.redis.host $v.redis.existingSecretUrlKey) -}}
{{- fail "redis.embedded.enabled excludes redis.host and redis.existingSecretUrlKey: there can be only one Redis" -}}
{{- end -}}
{{- if and $v.redis.existingSecretUrlKey (not $v.redis.existingSecret) -}}
{{- fail "redis.existingSecretUrlKey is a key in redis.existingSecret: set that, too" -}}
{{- end -}}
{{- if not (and $v.s3.sourceBucket $v.s3.archiveBucket) -}}
{{- fail "Set s3.sourceBucket (where the files are) and s3.archiveBucket (where the archives go; it may be the same one)" -}}
{{- end -}}
{{- if and (eq $v.s3.sourceBucket $v.s3.archiveBucket) (hasPrefix $v.s3.archivePrefix $v.s3.sourceKeyTemplate) -}}
{{- fail "s3.sourceKeyTemplate must not lie under s3.archivePrefix, as files there are deleted when their lifetime is over" -}}
{{- end -}}
{{- if and $v.clusterWide $v.tenants -}}
{{- fail "clusterWide serves every namespace: leave tenants empty, or set clusterWide=false" -}}
{{- end -}}
{{- $tenants := $v.tenants | default (list .Release.Namespace) -}}
{{- if and $v.api.defaultTenant (not $v.clusterWide) (not (has $v.api.defaultTenant $tenants)) -}}
{{- fail (printf "api.defaultTenant %s is not among the tenants (%s): add it there" $v.api.defaultTenant (join ", " $tenants)) -}}
{{- end -}}
{{- $drain := add (int $v.api.shutdownDelaySeconds) (int $v.api.drainSeconds) -}}
{{- if le (int $v.api.terminationGracePeriodSeconds) (int $drain) -}}
{{- fail (printf "api.terminationGracePeriodSeconds must be greater than api.shutdownDelaySeconds and api.drainSeconds together (%d)" (int $drain)) -}}
{{- end -}}
{{- if and $v.api.httpRoute.enabled (not $v.api.httpRoute.parentRefs) -}}
{{- fail "api.httpRoute.parentRefs is empty: name the Gateway to attach to, as in api.httpRoute.parentRefs[0].name=GATEWAY" -}}
{{- end -}}
{{- if and $v.metrics.podMonitor.enabled $v.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor.enabled and metrics.serviceMonitor.enabled exclude each other: with both, Prometheus would scrape every pod twice and every sum would be double. Keep the PodMonitor, unless your Prometheus only takes ServiceMonitors" -}}
{{- end -}}
{{- $scaling := $v.api.autoscaling -}}
{{- if and $scaling.enabled (not (or $scaling.targetCPUUtilizationPercentage $scaling.targetStreams $scaling.metrics)) -}}
{{- fail "api.autoscaling has nothing to aim at: set api.autoscaling.targetCPUUtilizationPercentage, .targetStreams or .metrics" -}}
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
