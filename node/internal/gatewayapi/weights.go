package gatewayapi

import (
	"fmt"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// split is how much goes to each of a Rollout's two Services.
type split struct {
	stable, canary             string
	stableWeight, canaryWeight int32
}

// apply sets the weights in every rule that has both Services as backends, and says whether one was another before.
// Rules with other backends are left as they are; a route without any rule of ours is an error.
func (s split) apply(route *gateway.HTTPRoute) (bool, error) {
	changed, found := false, false
	for _, rule := range route.Spec.Rules {
		stable, canary := backend(rule.BackendRefs, s.stable), backend(rule.BackendRefs, s.canary)
		if stable == nil || canary == nil {
			continue
		}
		found = true
		for ref, weight := range map[*gateway.HTTPBackendRef]int32{stable: s.stableWeight, canary: s.canaryWeight} {
			// Without a weight it is 1 (Gateway API, BackendRef).
			if ref.Weight == nil || *ref.Weight != weight {
				ref.Weight, changed = &weight, true
			}
		}
	}
	if !found {
		return false, fmt.Errorf("no rule has both Service %s and Service %s as backends", s.stable, s.canary)
	}
	return changed, nil
}

// backend is the reference to a Service of that name in the route's own namespace, nil where there is none.
func backend(refs []gateway.HTTPBackendRef, service string) *gateway.HTTPBackendRef {
	for i := range refs {
		ref := &refs[i]
		isService := (ref.Kind == nil || *ref.Kind == "Service") && (ref.Group == nil || *ref.Group == "")
		if isService && ref.Namespace == nil && string(ref.Name) == service {
			return ref
		}
	}
	return nil
}
