import type { Value, Values } from "./natsChart.ts"

/**
 * The fields of Kubernetes that infra/kubernetes uses or might, as its API has them: 0 a plain value, "map" names of one's
 * own, `[shape]` a list, else the fields of an object. `kubectl apply` refuses what it does not know; so does this.
 */
type Shape = 0 | "map" | readonly [Shape] | { readonly [field: string]: Shape }

const metadata: Shape = { name: 0, labels: "map", annotations: "map" }
const selector: Shape = { matchLabels: "map" }
const probe: Shape = { httpGet: { path: 0, port: 0 }, periodSeconds: 0, failureThreshold: 0, timeoutSeconds: 0, initialDelaySeconds: 0 }
const amounts: Shape = { cpu: 0, memory: 0, storage: 0 }
const container: Shape = {
  name: 0, image: 0, command: [0], args: [0],
  env: [{ name: 0, value: 0, valueFrom: { fieldRef: { fieldPath: 0 } } }],
  ports: [{ name: 0, containerPort: 0 }],
  startupProbe: probe, readinessProbe: probe, livenessProbe: probe,
  resources: { requests: amounts, limits: amounts },
  securityContext: { allowPrivilegeEscalation: 0, readOnlyRootFilesystem: 0, capabilities: { drop: [0] } },
  volumeMounts: [{ name: 0, mountPath: 0, readOnly: 0, subPathExpr: 0 }]
}
const volume: Shape = { name: 0, emptyDir: { sizeLimit: 0 }, secret: { secretName: 0, defaultMode: 0, items: [{ key: 0, path: 0 }] } }
const pod: Shape = {
  metadata,
  spec: {
    automountServiceAccountToken: 0, enableServiceLinks: 0, terminationGracePeriodSeconds: 0,
    securityContext: { runAsNonRoot: 0, runAsUser: 0, runAsGroup: 0, fsGroup: 0, fsGroupChangePolicy: 0, seccompProfile: { type: 0 } },
    topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 0, whenUnsatisfiable: 0, labelSelector: selector }],
    initContainers: [container], containers: [container], volumes: [volume]
  }
}
const claim: Shape = { metadata, spec: { accessModes: [0], storageClassName: 0, resources: { requests: amounts } } }

/** Its version of the API, and what is below `spec`. */
const kinds: Readonly<Record<string, readonly [apiVersion: string, spec: Shape]>> = {
  Deployment: ["apps/v1", { replicas: 0, selector, strategy: { type: 0, rollingUpdate: { maxUnavailable: 0, maxSurge: 0 } }, minReadySeconds: 0, template: pod }],
  StatefulSet: ["apps/v1", { serviceName: 0, replicas: 0, selector, template: pod, volumeClaimTemplates: [claim] }],
  PodDisruptionBudget: ["policy/v1", { minAvailable: 0, maxUnavailable: 0, selector }],
  Service: ["v1", { type: 0, selector: "map", ports: [{ name: 0, port: 0, targetPort: 0 }] }],
  NetworkPolicy: ["networking.k8s.io/v1", { podSelector: selector, policyTypes: [0], ingress: [{ ports: [{ port: 0, protocol: 0 }], from: [{ podSelector: selector }] }] }]
}

/** Fields of an object that Kubernetes does not have, or that are of another kind there; by path. */
export const unknownFields = (manifest: Values): ReadonlyArray<string> => {
  const found = kinds[String(manifest["kind"])]
  if (found === undefined) return ["kind"]
  const [apiVersion, spec] = found
  return [
    ...manifest["apiVersion"] === apiVersion ? [] : ["apiVersion"],
    ...unknownIn(manifest, { apiVersion: 0, kind: 0, metadata, spec }, "")
  ]
}

/** The same of one container, or one volume, that is put into a pod. */
export const unknownInContainer = (given: Values) => unknownIn(given, container, "container.")
export const unknownInVolume = (given: Values) => unknownIn(given, volume, "volume.")

const unknownIn = (given: Value, shape: Shape, path: string): ReadonlyArray<string> => {
  const wrong = [path.replace(/\.$/, "")]
  if (typeof shape !== "object") return shape === 0 ? (typeof given === "object" ? wrong : []) : isPlainMap(given) ? [] : wrong
  if (isList(shape)) return Array.isArray(given) ? given.flatMap((one: Value, at) => unknownIn(one, shape[0], `${path}${at}.`)) : wrong
  if (typeof given !== "object" || given === null || Array.isArray(given)) return wrong
  return Object.entries(given as Values).flatMap(([field, value]) => {
    const is = shape[field]
    return is === undefined ? [`${path}${field}`] : unknownIn(value, is, `${path}${field}.`)
  })
}

const isList = (shape: Exclude<Shape, string | number>): shape is readonly [Shape] => Array.isArray(shape)
const isPlainMap = (given: Value): boolean => typeof given === "object" && given !== null && !Array.isArray(given) && Object.values(given as Values).every((value) => typeof value === "string")
