{{/* What the schema cannot see, because it needs two values at once. Each text names the value and the remedy. */}}

{{- define "sidecar.check" -}}
{{- $config := .Values.config -}}
{{- $names := list -}}
{{- range .Values.extraEnv }}{{- $names = append $names .name -}}{{- end -}}
{{- $database := get $config "database" | default dict -}}
{{- if not (or (get $database "dsn") (has "SIDECAR_DATABASE__DSN" $names) .Values.extraEnvFrom) -}}
{{- fail "config.database.dsn is missing: write it like postgresql://user@host/name, or give SIDECAR_DATABASE__DSN by extraEnv" -}}
{{- end -}}
{{- range $name, $address := dict "config.database.dsn" (get $database "dsn") "migrations.dsn" .Values.migrations.dsn -}}
{{- if regexMatch "(?i)(://[^/@?]*:[^/]*@|[?&]password=)" ($address | default "") -}}
{{- fail (printf "%s holds a password, which a ConfigMap and a Job show to everybody: use config.database.password_file" $name) -}}
{{- end -}}
{{- end -}}
{{- $admin := get $config "admin" | default dict -}}
{{- if hasKey $admin "open" -}}
{{- range list "/livez" "/readyz" -}}
{{- if not (has . $admin.open) -}}
{{- fail (printf "config.admin.open lacks %s: probes carry no token; add it, and let networkPolicy.admin restrict who comes" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq (get (get $admin "tls" | default dict) "client_certificates" | default "none") "required" -}}
{{- fail "config.admin.tls.client_certificates is required: probes show no certificate; make it optional or none, and let networkPolicy.admin restrict who comes" -}}
{{- end -}}
{{- $ports := list -}}
{{- range list "gateway" "callbacks" "admin" -}}
{{- $ports = append $ports (include "sidecar.port" (dict "root" $ "listener" .)) -}}
{{- end -}}
{{- if has "0" $ports -}}
{{- fail "config.*.listen: port 0 cannot be probed; name a port" -}}
{{- end -}}
{{- if ne (len (uniq $ports)) 3 -}}
{{- fail (printf "config.*.listen: the listeners need three different ports, not %s" (join ", " $ports)) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas: lower the one or raise the other" -}}
{{- end -}}
{{- if and (eq (toString .Values.updateStrategy.maxSurge) "0") (eq (toString .Values.updateStrategy.maxUnavailable) "0") -}}
{{- fail "updateStrategy: maxSurge and maxUnavailable are both 0, so that nothing could ever be replaced; raise one" -}}
{{- end -}}
{{- include "sidecar.checkSecrets" . -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway that serves the route" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.paths) -}}
{{- fail "httpRoute.paths is empty: name the path prefixes of the APIs" -}}
{{- end -}}
{{- end }}

{{/* Where all secrets are the chart's own, each file that the settings name must be one of them. */}}
{{- define "sidecar.checkSecrets" -}}
{{- if and (not .Values.secrets.existing) (not .Values.extraVolumeMounts) -}}
{{- $folder := .Values.secrets.mountPath -}}
{{- $created := .Values.secrets.create -}}
{{- range regexFindAll (printf "%s/[A-Za-z0-9._-]+" (regexQuoteMeta $folder)) (toYaml .Values.config) -1 -}}
{{- $key := trimPrefix (printf "%s/" $folder) . -}}
{{- if not (hasKey $created $key) -}}
{{- fail (printf "config names %s, which no Secret brings: name a Secret with the key %s in secrets.existing" . $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
