#!/usr/bin/env bash
# Composes every overlay of k8s/ and holds each object against Kubernetes' own schemas, strictly: an unknown field is an
# error. It talks to no cluster; scripts/test-cluster.sh does.
source "$(dirname "$0")/env.sh"

# The oldest version that has all we use (the preStop action `sleep`), and the one that the overlays are run on.
versions=(1.30 1.34)

programs=$(scripts/python.sh kubernetes-validate==1.37.0)
while read -r overlay; do
  scripts/kustomize.sh "$overlay" | "$programs/python3" -c '
import sys
import kubernetes_validate, yaml

# Kinds that GKE adds. Its API server checks them; there are no schemas to do it here.
GKE = {("cloud.google.com/v1", "BackendConfig"), ("networking.gke.io/v1beta1", "FrontendConfig"), ("networking.gke.io/v1", "ManagedCertificate")}

overlay, *versions = sys.argv[1:]
objects = [item for item in yaml.safe_load_all(sys.stdin) if item]
checked = [item for item in objects if (item["apiVersion"], item["kind"]) not in GKE]
wrong = 0
for item in checked:
    for version in versions:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            place = ".".join(str(step) for step in getattr(error, "path", []))
            print("%s: %s/%s, Kubernetes %s: %s %s" % (overlay, item["kind"], item["metadata"]["name"], version, place, error.message))
            wrong += 1
print("%s: %d objects, %d without a schema" % (overlay, len(objects), len(objects) - len(checked)))
sys.exit(bool(wrong or not checked))
' "$overlay" "${versions[@]}"
done < <(find k8s/overlays -name kustomization.yaml -printf '%h\n' | sort)
