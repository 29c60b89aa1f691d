{{/*
Which variables a process is given, by what it does (scripts/stack/product.py has the same).
serving: web, worker, beat. watching: flower. Whoever adds a variable here adds it to docs/kubernetes.md.
*/}}
{{- define "freehold.variables" -}}
{{- $serving := list "DATABASE_URL" "AUDIT_DATABASE_URL" "AUDIT_READER_DATABASE_URL" "REDIS_URL" "SECRET_KEY" "JWT_SIGNING_KEYS" "AUDIT_SEALING_KEYS" "AUTH_ENCRYPTION_KEYS" -}}
{{- $optional := list "CELERY_BROKER_URL" "SECRET_KEY_FALLBACKS" "EMAIL_URL" "METRICS_TOKEN" "DATABASE_REPLICA_URL" -}}
{{- $relaying := list "RELAY_DATABASE_URL" "AUDIT_AUDITOR_DATABASE_URL" -}}
{{- $provisioning := list "MIGRATION_DATABASE_URL" -}}
{{- $optionalProvisioning := list "AUDIT_ANCHOR_KEY" "AUDIT_ANCHOR_S3_KEY_ID" "AUDIT_ANCHOR_S3_SECRET_KEY" "ARCHIVE_PASSPHRASE" -}}
{{- $owning := list "AUDIT_MIGRATION_DATABASE_URL" "AUDIT_RETENTION_DATABASE_URL" -}}
{{- $administrating := list "ADMIN_DATABASE_URL" "AUDIT_ADMIN_DATABASE_URL" -}}
{{- $names := $serving -}}
{{- if eq .class "relaying" -}}
{{- $names = concat $names $relaying -}}
{{- else if eq .class "provisioning" -}}
{{- $names = concat $names $relaying $provisioning -}}
{{- $optional = concat $optional $optionalProvisioning -}}
{{- else if eq .class "migrating" -}}
{{- $names = concat $names $relaying $provisioning $owning -}}
{{- else if eq .class "administrating" -}}
{{- $names = concat $names $relaying $provisioning $owning $administrating -}}
{{- $optional = concat $optional $optionalProvisioning -}}
{{- else if eq .class "watching" -}}
{{- $names = append $names "FLOWER_BASIC_AUTH" -}}
{{- else if ne .class "serving" -}}
{{- fail (printf "There is no class %s of processes" .class) -}}
{{- end -}}
{{- range $optional -}}
{{- if has . $.root.Values.secrets.optional -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Only those that serve go through the pooler: migrations and the relay need sessions of their own. */}}
{{- define "freehold.isPooled" -}}
{{- if and .root.Values.pgbouncer.enabled (has .class (list "serving" "watching")) -}}true{{- end -}}
{{- end -}}

{{- define "freehold.secretsVolume" -}}
{{- $own := list -}}
{{- $elsewhere := list -}}
{{- $isPooled := include "freehold.isPooled" . -}}
{{- range include "freehold.variables" . | fromJsonArray -}}
{{- $key := ternary "POOLED_DATABASE_URL" . (and (eq . "DATABASE_URL") (ne $isPooled "")) -}}
{{- with index $.root.Values.secrets.keys $key -}}
{{- $elsewhere = append $elsewhere (dict "secret" (dict "name" .name "items" (list (dict "key" (default $key .key) "path" (trimPrefix "POOLED_" $key))))) -}}
{{- else -}}
{{- $own = append $own (dict "key" $key "path" (trimPrefix "POOLED_" $key)) -}}
{{- end -}}
{{- end -}}
name: secrets
projected:
  defaultMode: 0440
  sources:
    {{- with $own }}
    - secret:
        name: {{ include "freehold.secret" $.root }}
        items: {{- toYaml . | nindent 10 }}
    {{- end }}
    {{- with $elsewhere }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Secrets are named, settings are said. `settings` come first, so that they cannot take the place of what the chart knows. */}}
{{- define "freehold.env" -}}
{{- $v := .root.Values -}}
{{- $plain := dict
      "DJANGO_SETTINGS_MODULE" "config.settings.production"
      "PUBLIC_HOST" $v.publicHost
      "PUBLIC_URL" (default (printf "https://%s" $v.publicHost) $v.publicUrl)
      "PYTHONUNBUFFERED" "1" -}}
{{- with $v.trustedProxies }}{{ $_ := set $plain "TRUSTED_PROXIES" (join "," .) }}{{ end -}}
{{- if include "freehold.isPooled" . }}{{ $_ := set $plain "DATABASE_POOL_MODE" "transaction" }}{{ end -}}
{{- /* What deletes tenants has to know that there are no files: an empty directory says so. */}}
{{- if or $v.files.enabled (eq .class "provisioning") }}{{ $_ := set $plain "FILES_ROOT" "/var/lib/freehold/files" }}{{ end -}}
{{- if and $v.provisioner.archives.enabled (eq .class "provisioning") }}{{ $_ := set $plain "ARCHIVES_ROOT" "/var/lib/freehold/archives" }}{{ end -}}
{{- $all := mergeOverwrite (dict) $v.settings $plain (default dict .variables) -}}
{{- range $name := keys $all | sortAlpha }}
- {name: {{ $name }}, value: {{ index $all $name | toString | quote }}}
{{- end }}
{{- range include "freehold.variables" . | fromJsonArray }}
- {name: {{ . }}_FILE, value: /run/secrets/freehold/{{ . }}}
{{- end }}
{{- with $v.pod.env }}
{{ toYaml . }}
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
