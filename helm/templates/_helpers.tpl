{{/* Names, labels and small calculations. */}}

{{- define "sidecar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* At most 40 characters: the longest suffix still fits into the 63 of a Service's name. */}}
{{- define "sidecar.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "sidecar.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What selectors use: it never changes in the life of a release. Takes (dict "root" $ "component" "..."). */}}
{{- define "sidecar.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sidecar.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* What the Services select: a label of its own, which also fits on a pod that is somebody else's. */}}
{{- define "sidecar.serviceLabels" -}}
mediation-sidecar: {{ include "sidecar.fullname" . }}
{{- end }}

{{- define "sidecar.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "sidecar.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The settings that the pods get: the site's, and the address of the callbacks Service where the site names none. */}}
{{- define "sidecar.config" -}}
{{- $service := .Values.services.callbacks -}}
{{- $scheme := include "sidecar.scheme" (dict "root" . "listener" "callbacks") -}}
{{- $url := printf "%s://%s-callbacks.%s.svc:%d" $scheme (include "sidecar.fullname" .) .Release.Namespace (int $service.port) -}}
{{- $defaults := dict "callbacks" (dict "base_url" $url) -}}
{{- mergeOverwrite $defaults (deepCopy .Values.config) | toYaml -}}
{{- end }}

{{/* The port of a listener, as its settings say. Takes (dict "root" $ "listener" "gateway"). */}}
{{- define "sidecar.port" -}}
{{- $defaults := dict "gateway" "0.0.0.0:8080" "callbacks" "0.0.0.0:8081" "admin" "0.0.0.0:8082" -}}
{{- $section := get .root.Values.config .listener | default dict -}}
{{- get $section "listen" | default (get $defaults .listener) | regexFind "[0-9]+$" -}}
{{- end }}

{{/* How a listener is spoken to, https where its settings have `tls`. Takes (dict "root" $ "listener" "gateway"). */}}
{{- define "sidecar.scheme" -}}
{{- $section := get .root.Values.config .listener | default dict -}}
{{- if get $section "tls" -}}https{{- else -}}http{{- end -}}
{{- end }}

{{/* Whether a listener takes only clients with a certificate. */}}
{{- define "sidecar.needsCertificate" -}}
{{- $section := get .root.Values.config .listener | default dict -}}
{{- with get $section "tls" -}}
{{- if eq (get . "client_certificates" | default "") "required" -}}yes{{- end -}}
{{- end -}}
{{- end }}

{{/* Whole seconds of a duration as settings write it: 30s, 1h30m, 250ms, or a number of seconds. */}}
{{- define "sidecar.seconds" -}}
{{- $text := toString . | trim -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
{{- $sum := 0.0 -}}
{{- if regexMatch "^[0-9.]+$" $text -}}
{{- $sum = float64 $text -}}
{{- else -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h|d)" $text -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $units $unit)) -}}
{{- end -}}
{{- end -}}
{{- ceil $sum | int64 -}}
{{- end }}

{{/* The time that the pod gets to end: before SIGTERM, to finish its work, and 30 s to close everything. */}}
{{- define "sidecar.gracePeriod" -}}
{{- $worker := get .Values.config "worker" | default dict -}}
{{- $drain := hasKey $worker "drain_timeout" | ternary (get $worker "drain_timeout") "30s" -}}
{{- add (int .Values.preStopSeconds) (include "sidecar.seconds" $drain | int64) 30 -}}
{{- end }}

{{- define "sidecar.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository -}}
{{- with $image.registry }}{{- $name = printf "%s/%s" . $name -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{- define "sidecar.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sidecar.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* What makes an object part of the migration: hooks come before the release's own objects exist. */}}
{{- define "sidecar.migrationHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
