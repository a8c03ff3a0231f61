{{/* The container, its volumes and its environment: for the Deployment, the migration, tests, and other charts' pods. */}}

{{/* One probe. Takes (dict "root" $ "probe" .Values.probes.startup "path" "/livez"). */}}
{{- define "sidecar.probe" -}}
httpGet:
  path: {{ .path }}
  port: admin
  {{- if (get (get .root.Values.config "admin" | default dict) "tls") }}
  scheme: HTTPS
  {{- end }}
periodSeconds: {{ .probe.periodSeconds }}
timeoutSeconds: {{ .probe.timeoutSeconds }}
failureThreshold: {{ .probe.failureThreshold }}
{{- end }}

{{- define "sidecar.environment" -}}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sidecar.imageFields" -}}
image: {{ include "sidecar.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A pause before SIGTERM. Without a shell: the cluster sleeps itself since 1.30, and before that Python does. */}}
{{- define "sidecar.preStop" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
sleep:
  seconds: {{ .Values.preStopSeconds }}
{{- else -}}
exec:
  command: [python, -c, "import time; time.sleep({{ .Values.preStopSeconds }})"]
{{- end -}}
{{- end }}

{{/* The container that serves. Other charts may include it, with this chart as a dependency. */}}
{{- define "sidecar.container" -}}
name: sidecar
{{ include "sidecar.imageFields" . }}
args:
  - serve
  - --config
  - /etc/sidecar/sidecar.yaml
  {{- if gt (int .Values.workers) 1 }}
  - --workers
  - {{ .Values.workers | quote }}
  {{- end }}
{{- include "sidecar.environment" . }}
ports:
  {{- range $listener := list "gateway" "callbacks" "admin" }}
  - name: {{ $listener }}
    containerPort: {{ include "sidecar.port" (dict "root" $ "listener" $listener) }}
    protocol: TCP
  {{- end }}
startupProbe:
  {{- include "sidecar.probe" (dict "root" $ "probe" .Values.probes.startup "path" "/livez") | nindent 2 }}
livenessProbe:
  {{- include "sidecar.probe" (dict "root" $ "probe" .Values.probes.liveness "path" "/livez") | nindent 2 }}
readinessProbe:
  {{- include "sidecar.probe" (dict "root" $ "probe" .Values.probes.readiness "path" "/readyz") | nindent 2 }}
{{- if gt (int .Values.preStopSeconds) 0 }}
lifecycle:
  preStop:
    {{- include "sidecar.preStop" . | nindent 4 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "sidecar.mounts" . | nindent 2 }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "sidecar.mounts" -}}
- name: sidecar-config
  mountPath: /etc/sidecar
  readOnly: true
- name: sidecar-tmp
  mountPath: /tmp
{{- if or .Values.secrets.existing .Values.secrets.create }}
- name: sidecar-secrets
  mountPath: {{ .Values.secrets.mountPath }}
  readOnly: true
{{- end }}
{{- if or .Values.certificates.configMaps .Values.certificates.secrets }}
- name: sidecar-certificates
  mountPath: {{ .Values.certificates.mountPath }}
  readOnly: true
{{- end }}
{{- end }}

{{/* Takes (dict "root" $ "suffix" "-migrate"): the migration has copies of ConfigMap and Secret. The files can be read by
     every user of the containers that mount them: another chart's pod may have no fsGroup. */}}
{{- define "sidecar.volumes" -}}
{{- $name := printf "%s%s" (include "sidecar.fullname" .root) .suffix -}}
{{- $values := .root.Values -}}
- name: sidecar-config
  configMap:
    name: {{ $name }}
- name: sidecar-tmp
  emptyDir:
    sizeLimit: {{ $values.tmpSize }}
{{- if or $values.secrets.existing $values.secrets.create }}
- name: sidecar-secrets
  projected:
    defaultMode: 0444
    sources:
      {{- range $values.secrets.existing }}
      - secret:
          name: {{ . }}
      {{- end }}
      {{- if $values.secrets.create }}
      - secret:
          name: {{ $name }}
      {{- end }}
{{- end }}
{{- if or $values.certificates.configMaps $values.certificates.secrets }}
- name: sidecar-certificates
  projected:
    defaultMode: 0444
    sources:
      {{- range $values.certificates.configMaps }}
      - configMap:
          name: {{ . }}
      {{- end }}
      {{- range $values.certificates.secrets }}
      - secret:
          name: {{ . }}
      {{- end }}
{{- end }}
{{- end }}

{{/* What all pods have in common. Takes (dict "root" $ "account" "..."). */}}
{{- define "sidecar.podBase" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
