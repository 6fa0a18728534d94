{{- /* A file of config/, in the namespace of the release. Takes the root and the file's path. */}}
{{- define "spokeway.file" }}
{{- $root := index . 0 }}
{{- $root.Files.Get (printf "files/%s" (index . 1)) | replace "spokeway-system" $root.Release.Namespace }}
{{- end }}

{{- /*
True if helm itself installs and uninstalls. What it only renders is applied by something else, such as
kubectl or Argo CD, which may take no hook for what it is. Only helm that talks to a hub finds anything there.
*/}}
{{- define "spokeway.isRelease" }}
{{- if lookup "v1" "Namespace" "" "kube-system" }}true{{ end }}
{{- end }}

{{- /* True if the GatewayConfiguration is a part of what is rendered. */}}
{{- define "spokeway.configures" }}
{{- $create := .Values.gatewayConfiguration.create }}
{{- if kindIs "bool" $create }}{{ if $create }}true{{ end }}
{{- else }}{{ include "spokeway.isRelease" . }}
{{- end }}
{{- end }}

{{- /* References to the image pull Secrets, as pods and the GatewayConfiguration have them. */}}
{{- define "spokeway.pullSecrets" }}
{{- $secrets := list }}
{{- range .Values.images.pullSecrets }}
{{- $secrets = append $secrets (dict "name" .) }}
{{- end }}
{{- toYaml $secrets }}
{{- end }}

{{- /* The operator's Deployment, with what values.yaml says of its pods. */}}
{{- define "spokeway.deployment" }}
{{- $release := printf ":v%s" .Chart.AppVersion }}
{{- $tag := printf ":%s" (.Values.images.tag | default (trimPrefix ":" $release)) }}
{{- $registry := printf "%s/" .Values.images.registry }}
{{- $text := include "spokeway.file" (list . "operator/deployment.yaml") }}
{{- $text = $text | replace "ghcr.io/spokeway/" $registry | replace $release $tag }}
{{- range $key, $program := dict "operator" "operator" "gatewayServer" "gateway-server" "agent" "agent" }}
{{- $image := printf "%s%s%s" $registry $program $tag }}
{{- with index $.Values.images.digests $key }}
{{- $text = $text | replace $image (printf "%s@%s" $image .) }}
{{- end }}
{{- end }}
{{- $deployment := $text | fromYaml }}
{{- with .Values.operator.replicas }}
{{- $_ := set $deployment.spec "replicas" . }}
{{- end }}
{{- $pod := $deployment.spec.template.spec }}
{{- with .Values.operator.nodeSelector }}
{{- $_ := set $pod "nodeSelector" . }}
{{- end }}
{{- with .Values.operator.tolerations }}
{{- $_ := set $pod "tolerations" . }}
{{- end }}
{{- with include "spokeway.pullSecrets" . | fromYamlArray }}
{{- $_ := set $pod "imagePullSecrets" . }}
{{- end }}
{{- $container := first $pod.containers }}
{{- with .Values.operator.resources }}
{{- $_ := set $container "resources" . }}
{{- end }}
{{- toYaml $deployment }}
{{- end }}
