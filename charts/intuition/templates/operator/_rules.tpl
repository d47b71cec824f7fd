{{/*
What the operator may do with TradingAlgos, Algorithms, Feeds, Indicators and their children: in all namespaces by a ClusterRole, or in each of
operator.watchNamespaces by a Role.
*/}}
{{- define "intuition.operator.rules" -}}
- apiGroups: [intuition.dev]
  resources: [tradingalgos, algorithms, feeds, indicators]
  verbs: [list, watch]
- apiGroups: [intuition.dev]
  resources: [tradingalgos/status, algorithms/status, feeds/status, indicators/status]
  verbs: [patch]
# Children go with their resource, by their owner reference: the operator deletes only what can be wanted no longer before that,
# what runs a former image of an Algorithm for one.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Ledgers: never deleted by the operator. With onDelete: Delete they have an owner, and Kubernetes deletes them.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Whether a namespace has the label by which it gets the login of the default broker. One at a time, so that a Role can allow it too.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# Copies of the default broker's credentials. It asks for no Secret, but the API server answers a patch with the whole object: by
# this right the operator's account can read Secrets of the namespaces that it serves.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* The operator, as a subject of bindings. */}}
{{- define "intuition.operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "intuition.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
