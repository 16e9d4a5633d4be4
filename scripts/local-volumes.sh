#!/usr/bin/env bash
# Gives a cluster whose one node is this machine, and which has no storage of its own, a default storage class with some
# volumes: `scripts/local-volumes.sh FOLDER [COUNT]`. k3d and the clouds bring theirs. Volumes whose claim is gone make way
# for empty ones, so running it again is how to go on after deleting a namespace.
source "$(dirname "$0")/env.sh"

[[ $# -ge 1 && $1 == /* ]] || give_up 'Usage: scripts/local-volumes.sh FOLDER [COUNT], with the folder from the root on.'
folder=$1 count=${2:-8}

node=$(kubectl get nodes --output jsonpath='{.items[0].metadata.name}')
kubectl apply --filename - <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local-folders
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
YAML

volumes() { kubectl get persistentvolumes --output jsonpath="{range .items[?(@.status.phase==\"$1\")]}{.metadata.name}{\"\n\"}{end}"; }

while read -r released; do
  kubectl delete persistentvolume "$released"
  rm -rf "${folder:?}/$released"
done < <(volumes Released)

for ((index = $(volumes Available | wc -l); index < count; index++)); do
  name=folder-$(date +%s)-$index
  mkdir -p "$folder/$name"
  kubectl apply --filename - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata:
  name: $name
spec:
  storageClassName: local-folders
  capacity:
    storage: 10Gi
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  local:
    path: $folder/$name
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions:
            - key: kubernetes.io/hostname
              operator: In
              values: [$node]
YAML
done
