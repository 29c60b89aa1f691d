{{/* How pods of a component are placed and what they may: `pod` of the values, then the component's own. */}}
{{- define "freehold.placement" -}}
{{- $pod := mergeOverwrite (deepCopy .root.Values.pod) (deepCopy (default dict .values.pod)) -}}
{{- $root := .root -}}
{{- $component := .component -}}
serviceAccountName: {{ include "freehold.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with concat (default list (dig "imagePullSecrets" list .root.Values.global)) .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext: {{- toYaml $pod.securityContext | nindent 2 }}
{{- with $pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pod.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- if not .isJob }}
{{- with $pod.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $constraint := . }}
  {{- if not .labelSelector }}
  {{- $constraint = merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" (include "freehold.selector" (dict "root" $root "component" $component) | fromYaml)) "matchLabelKeys" (list "pod-template-hash")) }}
  {{- end }}
  - {{- toYaml $constraint | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "freehold.podMetadata" -}}
{{- $pod := mergeOverwrite (deepCopy .root.Values.pod) (deepCopy (default dict .values.pod)) -}}
labels: {{- include "freehold.labels" (dict "root" .root "component" .component "extra" $pod.labels) | nindent 2 }}
{{- $annotations := mergeOverwrite (deepCopy .root.Values.commonAnnotations) (deepCopy $pod.annotations) (default dict .annotations) }}
{{- if .root.Values.secrets.values }}{{ $_ := set $annotations "checksum/secrets" (.root.Values.secrets.values | toJson | sha256sum) }}{{ end }}
{{- with .root.Values.secrets.revision }}{{ $_ := set $annotations "freehold/secrets-revision" (toString .) }}{{ end }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "freehold.securityContext" -}}
{{- $pod := mergeOverwrite (deepCopy .root.Values.pod) (deepCopy (default dict .values.pod)) -}}
{{- toYaml $pod.containerSecurityContext -}}
{{- end -}}

{{- define "freehold.mounts" -}}
- {name: secrets, mountPath: /run/secrets/freehold, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- with .root.Values.pod.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "freehold.volumes" -}}
- {{- include "freehold.secretsVolume" . | nindent 2 }}
- {name: tmp, emptyDir: {}}
{{- with .root.Values.pod.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A container of the product's image. */}}
{{- define "freehold.container" -}}
name: {{ .name }}
image: {{ include "freehold.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
workingDir: /app
args: {{- toYaml .args | nindent 2 }}
env: {{- include "freehold.env" . | trim | nindent 2 }}
{{- with .root.Values.pod.envFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "freehold.securityContext" . | nindent 2 }}
{{- with .resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Until this release's code can serve the shared schema and every tenant: those of the release before serve meanwhile.
Asked with the logins of the process itself.
*/}}
{{- define "freehold.waiting" -}}
{{- include "freehold.container" (merge (dict
      "name" "wait-for-migrations" "extraEnv" list "variables" dict
      "args" (list "python" "manage.py" "fleet" "wait" "--seconds" (.root.Values.migrations.waitSeconds | toString))
      "resources" (dict "requests" (dict "cpu" "50m" "memory" "128Mi") "limits" (dict "memory" "512Mi"))) .) }}
volumeMounts: {{- include "freehold.mounts" . | nindent 2 }}
{{- end -}}

{{- define "freehold.heartbeat" -}}
exec:
  command: [python, -m, config.heartbeat, {{ .name }}, --seconds, {{ .seconds | toString | quote }}]
{{- end -}}

{{/* Not ready also while a server is away that the process needs; nobody is ended for that. */}}
{{- define "freehold.working" -}}
exec:
  command: [python, -m, config.heartbeat, {{ .name }}, --seconds, {{ .seconds | toString | quote }}, --working]
{{- end -}}

{{/* A Deployment of the product's: root, component, values, class, args, probe (yaml), and what is its own. */}}
{{- define "freehold.deployment" -}}
{{- $root := .root -}}
{{- $v := .root.Values -}}
{{- $name := printf "%s-%s" (include "freehold.fullname" $root) .component -}}
{{- $variables := default dict .variables -}}
{{- $mounts := default list .mounts -}}
{{- $volumes := default list .volumes -}}
{{- $ports := default list .ports -}}
{{- if $v.monitoring.enabled -}}
{{- $variables = merge $variables (dict "METRICS_LISTEN" "0.0.0.0:9464" "PROMETHEUS_MULTIPROC_DIR" "/run/freehold/metrics") -}}
{{- $ports = append $ports (dict "name" "metrics" "containerPort" 9464) -}}
{{- end -}}
{{- if .heartbeat }}{{ $variables = merge $variables (dict "HEARTBEAT_DIR" "/run/freehold/heartbeats") }}{{ end -}}
{{- $mounts = append $mounts (dict "name" "state" "mountPath" "/run/freehold") -}}
{{- $volumes = append $volumes (dict "name" "state" "emptyDir" (dict "medium" "Memory" "sizeLimit" "64Mi")) -}}
{{- if and $v.files.enabled (has .component (list "web" "worker" "provisioner")) -}}
{{- $mounts = append $mounts (dict "name" "files" "mountPath" "/var/lib/freehold/files") -}}
{{- $volumes = append $volumes (dict "name" "files" "persistentVolumeClaim" (dict "claimName" (default (printf "%s-files" (include "freehold.fullname" $root)) $v.files.existingClaim))) -}}
{{- end -}}
{{- if and (not $v.files.enabled) (eq .class "provisioning") -}}
{{- $mounts = append $mounts (dict "name" "files" "mountPath" "/var/lib/freehold/files") -}}
{{- $volumes = append $volumes (dict "name" "files" "emptyDir" dict) -}}
{{- end -}}
{{- $context := dict "root" $root "component" .component "values" .values "class" .class "variables" $variables "extraEnv" .values.env -}}
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "freehold.metadata" (dict "root" $root "component" .component "name" $name) | nindent 2 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false .values) }}
  {{- if not (dig "keda" "enabled" false .values) }}
  replicas: {{ default 1 .replicas }}
  {{- end }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: {{ add $v.migrations.waitSeconds 600 }}
  strategy: {{- toYaml .strategy | nindent 4 }}
  selector:
    matchLabels: {{- include "freehold.selector" $context | nindent 6 }}
  template:
    metadata: {{- include "freehold.podMetadata" $context | nindent 6 }}
    spec:
      {{- include "freehold.placement" $context | nindent 6 }}
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      initContainers:
        - {{- include "freehold.waiting" (dict "root" $root "component" .component "values" .values "class" .class) | nindent 10 }}
        {{- with .values.initContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      containers:
        - {{- include "freehold.container" (merge (dict "name" .component "args" .args "resources" .values.resources) $context) | nindent 10 }}
          {{- with $ports }}
          ports: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .preStopSeconds }}
          lifecycle:
            preStop: {exec: {command: [sleep, {{ . | toString | quote }}]}}
          {{- end }}
          startupProbe: {{- merge (deepCopy .values.startupProbe) (.startup | fromYaml) | toYaml | nindent 12 }}
          readinessProbe: {{- merge (deepCopy .values.readinessProbe) (.ready | fromYaml) | toYaml | nindent 12 }}
          livenessProbe: {{- merge (deepCopy .values.livenessProbe) (.live | fromYaml) | toYaml | nindent 12 }}
          volumeMounts:
            {{- include "freehold.mounts" $context | nindent 12 }}
            {{- with $mounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- with .values.sidecars }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "freehold.volumes" $context | nindent 8 }}
        {{- with $volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}

{{/* Only where more than one pod is meant to run: with one, nobody could empty its node. */}}
{{- define "freehold.pdb" -}}
{{- $replicas := default 1 .values.replicas -}}
{{- if or (dig "autoscaling" "enabled" false .values) (dig "keda" "enabled" false .values) -}}
{{- $replicas = .values.autoscaling.minReplicas -}}
{{- end -}}
{{- if and .values.pdb.enabled (gt (int $replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "freehold.metadata" (merge (dict "name" (printf "%s-%s" (include "freehold.fullname" .root) .component)) .) | nindent 2 }}
spec:
  maxUnavailable: {{ .values.pdb.maxUnavailable }}
  # A pod that is not well may go: else it would hold its node for ever.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "freehold.selector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "freehold.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{- include "freehold.metadata" (merge (dict "annotations" (dict "helm.sh/resource-policy" "keep")) .) | nindent 2 }}
spec:
  accessModes: [{{ default "ReadWriteOnce" .accessMode }}]
  {{- with .storage.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests: {storage: {{ .storage.size }}}
{{- end -}}
