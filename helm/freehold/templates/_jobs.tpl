{{/* A pod of the product's that ends: root, component, values (resources), containers (list of dicts for freehold.container, each with its class). */}}
{{- define "freehold.jobPod" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $context := dict "root" $root "component" .component "values" dict "isJob" true -}}
{{- $mounts := default list .mounts -}}
metadata: {{- include "freehold.podMetadata" (merge (dict "annotations" (default dict .annotations)) $context) | nindent 2 }}
spec:
  {{- include "freehold.placement" $context | nindent 2 }}
  restartPolicy: Never
  terminationGracePeriodSeconds: 60
  {{- with .initial }}
  initContainers:
    {{- range . }}
    - {{- include "freehold.container" (merge (dict "resources" $.resources "extraEnv" list "variables" (default dict $.variables)) . $context) | nindent 6 }}
      volumeMounts:
        - {name: {{ .class }}, mountPath: /run/secrets/freehold, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- with $root.Values.pod.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- end }}
  {{- end }}
  containers:
    - {{- include "freehold.container" (merge (dict "resources" .resources "extraEnv" list "variables" (default dict .variables)) .main $context) | nindent 6 }}
      volumeMounts:
        - {name: {{ .main.class }}, mountPath: /run/secrets/freehold, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- with concat $mounts $root.Values.pod.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- $classes := list .main.class }}
    {{- range .initial }}{{ $classes = append $classes .class }}{{ end }}
    {{- range $class := $classes | uniq }}
    - {{- include "freehold.secretsVolume" (dict "root" $root "class" $class) | replace "name: secrets\n" (printf "name: %s\n" $class) | nindent 6 }}
    {{- end }}
    - {name: tmp, emptyDir: {}}
    {{- with concat (default list .volumes) $root.Values.pod.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
