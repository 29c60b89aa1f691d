{{- define "freehold.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "freehold.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "freehold.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "freehold.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a component's pods are found by. Never of the user's labels, and never with a version. */}}
{{- define "freehold.selector" -}}
app.kubernetes.io/name: {{ include "freehold.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* The user's labels first, so that they cannot take the place of ours. */}}
{{- define "freehold.labels" -}}
{{- $own := include "freehold.selector" . | fromYaml -}}
{{- $own = merge $own (dict
      "app.kubernetes.io/version" (include "freehold.version" .root)
      "app.kubernetes.io/managed-by" .root.Release.Service
      "app.kubernetes.io/part-of" "freehold"
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_")) -}}
{{- mergeOverwrite (deepCopy .root.Values.commonLabels) (deepCopy (default dict .extra)) $own | toYaml -}}
{{- end -}}

{{- define "freehold.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "freehold.labels" . | nindent 2 }}
{{- $annotations := mergeOverwrite (deepCopy .root.Values.commonAnnotations) (deepCopy (default dict .annotations)) }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "freehold.version" -}}
{{- default .Chart.AppVersion .Values.image.tag | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "freehold.reference" -}}
{{- $registry := dig "imageRegistry" "" .root.Values.global -}}
{{- $repository := .image.repository -}}
{{- if $registry }}{{ $repository = printf "%s/%s" $registry $repository }}{{ end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "freehold.image" -}}
{{- include "freehold.reference" (dict "root" . "image" .Values.image) -}}
{{- end -}}

{{- define "freehold.serviceAccount" -}}
{{- default (ternary (include "freehold.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "freehold.secret" -}}
{{- default (printf "%s-secrets" (include "freehold.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{/* Of what is not there again after it has run: another content, another name, and the same content the same name. */}}
{{- define "freehold.hash" -}}
{{- . | toJson | sha256sum | trunc 8 -}}
{{- end -}}
