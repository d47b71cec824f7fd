{{/*
The chart's name, as in app.kubernetes.io/name.
*/}}
{{- define "intuition.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/*
Prefix of every name. A Service's name starts with a letter and has no dot, a StatefulSet's has at most 52 characters, and
"-mosquitto" comes behind it; so a release name that does not fit is changed, and a hash keeps two of those apart.
*/}}
{{- define "intuition.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := include "intuition.name" . -}}
{{- $wanted := .Release.Name -}}
{{- if not (contains $name $wanted) -}}
{{- $wanted = printf "%s-%s" $wanted $name -}}
{{- end -}}
{{- $fits := $wanted | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $fits -}}
{{- $fits = printf "r%s" $fits -}}
{{- end -}}
{{- if or (ne $fits $wanted) (gt (len $fits) 40) -}}
{{- $fits = printf "%s-%s" ($fits | trunc 31 | trimSuffix "-") (sha256sum $wanted | trunc 8) -}}
{{- end -}}
{{- $fits -}}
{{- end -}}
{{- end -}}

{{/* Name of the operator's objects and of its Lease. */}}
{{- define "intuition.operator.fullname" -}}
{{- printf "%s-operator" (include "intuition.fullname" .) -}}
{{- end -}}

{{/* Name of mosquitto's objects. */}}
{{- define "intuition.mosquitto.fullname" -}}
{{- printf "%s-mosquitto" (include "intuition.fullname" .) -}}
{{- end -}}

{{/* Name of roles: one release name may be used in several namespaces, ClusterRoles have none. */}}
{{- define "intuition.role" -}}
{{- printf "%s:%s" .Release.Namespace (include "intuition.fullname" .) -}}
{{- end -}}

{{/* Labels that never change: selectors. Called with (dict "root" $ "component" NAME). */}}
{{- define "intuition.selectorLabels" -}}
app.kubernetes.io/name: {{ include "intuition.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of every object. Called with (dict "root" $ "component" NAME). */}}
{{- define "intuition.labels" -}}
{{ include "intuition.selectorLabels" . }}
app.kubernetes.io/part-of: intuition
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Peers: the pods of all TradingAlgos and Indicators. Called with (dict "root" $ "component" "runtime" or "bridge"). */}}
{{- define "intuition.accountPeers" -}}
{{- range $app := list "tradingalgo" "indicator" }}
- namespaceSelector: {{ include "intuition.servedNamespaces" $.root | nindent 4 }}
  podSelector:
    matchLabels:
      {{- include "intuition.childLabels" (dict "app" $app "component" $.component) | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Labels by which the pods of all accounts of a kind are known. Called with (dict "app" APP "component" "runtime" or "bridge"). */}}
{{- define "intuition.childLabels" -}}
app.kubernetes.io/name: {{ .app }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: intuition
app.kubernetes.io/managed-by: intuition-operator
{{- end -}}

{{/* Labels by which the pods of all Algorithms are known. */}}
{{- define "intuition.algorithmLabels" -}}
app.kubernetes.io/name: algorithm
app.kubernetes.io/component: algorithm
app.kubernetes.io/part-of: intuition
app.kubernetes.io/managed-by: intuition-operator
{{- end -}}

{{/* Labels by which the pods of all Feeds are known. */}}
{{- define "intuition.feedLabels" -}}
app.kubernetes.io/name: feed
app.kubernetes.io/component: feed
app.kubernetes.io/part-of: intuition
app.kubernetes.io/managed-by: intuition-operator
{{- end -}}

{{/* Selects the namespaces that are served. */}}
{{- define "intuition.servedNamespaces" -}}
{{- if .Values.operator.watchNamespaces -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: In
    values: {{ toJson .Values.operator.watchNamespaces }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* Image of a component. Called with (dict "root" $ "component" NAME), and "tag" if it may have one of its own. */}}
{{- define "intuition.image" -}}
{{- $image := .root.Values.image -}}
{{- printf "%s/%s/%s:%s" $image.registry $image.repository .component (coalesce .tag $image.tag .root.Chart.AppVersion) -}}
{{- end -}}

{{/* Name of the operator's ServiceAccount. */}}
{{- define "intuition.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "intuition.operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* "true" where the chart brings the broker. */}}
{{- define "intuition.ownBroker" -}}
{{- if and .Values.mosquitto.enabled (not .Values.broker.url) -}}true{{- end -}}
{{- end -}}

{{/* URL of the default broker; empty where there is none. */}}
{{- define "intuition.brokerUrl" -}}
{{- if .Values.broker.url -}}
{{- .Values.broker.url -}}
{{- else if include "intuition.ownBroker" . -}}
{{- printf "mqtt://%s.%s.svc:1883" (include "intuition.mosquitto.fullname" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* The default broker's port, where there is a default broker. */}}
{{- define "intuition.brokerPort" -}}
{{- $url := urlParse (include "intuition.brokerUrl" . | trimSuffix "/") -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "8883" "1883" (eq $url.scheme "mqtts")) -}}
{{- end -}}

{{/* Secret with the credentials for the default broker; empty where it asks for none. */}}
{{- define "intuition.credentialsSecret" -}}
{{- if .Values.broker.url -}}
{{- .Values.broker.credentialsSecret -}}
{{- else if and (include "intuition.ownBroker" .) .Values.mosquitto.auth.enabled -}}
{{- default (include "intuition.mosquitto.fullname" .) .Values.mosquitto.auth.existingSecret -}}
{{- end -}}
{{- end -}}

{{/*
The password that the chart makes for mosquitto: what the Secret in the cluster holds, else a new one. It is kept beside the
values while this render lasts, because the Secret and the checksum that rolls the pod must agree.
*/}}
{{- define "intuition.mosquitto.password" -}}
{{- $auth := .Values.mosquitto.auth -}}
{{- if not (hasKey $auth "renderedPassword") -}}
{{- $there := lookup "v1" "Secret" .Release.Namespace (include "intuition.mosquitto.fullname" .) -}}
{{- $password := dig "data" "password" "" $there | b64dec | default (randAlphaNum 32) -}}
{{- $_ := set $auth "renderedPassword" $password -}}
{{- end -}}
{{- $auth.renderedPassword -}}
{{- end -}}

{{/*
The settings that the operator of this release has at the moment, as YAML; empty where there are none. Called while they are still
those of the release before.
*/}}
{{- define "intuition.recordedSettings" -}}
{{- $there := lookup "v1" "ConfigMap" .Release.Namespace (include "intuition.operator.fullname" .) -}}
{{- dig "data" "settings.yaml" "" $there -}}
{{- end -}}

{{/*
What follows from a topic that is not allowed. Without a value a new release enforces, and one that is upgraded keeps what it had:
v0.1.0 had nothing, which becomes a warning.
*/}}
{{- define "intuition.confine" -}}
{{- $value := (.Values.topics).confine -}}
{{- $recorded := include "intuition.recordedSettings" . | fromYaml -}}
{{- if $value -}}
{{- $value -}}
{{- else if $recorded -}}
{{- dig "topics" "confine" "Warn" $recorded -}}
{{- else -}}
{{- ternary "Warn" "Enforce" .Release.IsUpgrade -}}
{{- end -}}
{{- end -}}

{{/* Namespaces that get the login of the default broker, by the same rule. */}}
{{- define "intuition.loginNamespaces" -}}
{{- $recorded := include "intuition.recordedSettings" . | fromYaml -}}
{{- if .Values.broker.loginNamespaces -}}
{{- .Values.broker.loginNamespaces -}}
{{- else if $recorded -}}
{{- /* A release that knows topics knew this too, unless it had no broker. */ -}}
{{- dig "broker" "loginNamespaces" (ternary "Labelled" "All" (hasKey $recorded "topics")) $recorded -}}
{{- else -}}
{{- ternary "All" "Labelled" .Release.IsUpgrade -}}
{{- end -}}
{{- end -}}

{{/* Security of every pod: what the Pod Security Standard "restricted" asks for, and a fixed user. */}}
{{- define "intuition.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Security of every container. */}}
{{- define "intuition.securityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}
