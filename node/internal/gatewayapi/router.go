// Package gatewayapi is a traffic router for Argo Rollouts: it sets the weights of HTTPRoutes' backends.
//
// It implements the interface that Argo publishes for plugins (utils/plugin/types.RpcTrafficRoutingReconciler), takes
// its configuration as Argo's own plugin argoproj-labs/gatewayAPI does, and knows less: HTTPRoutes and weights.
package gatewayapi

import (
	"context"
	"fmt"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	plugin "github.com/argoproj/argo-rollouts/utils/plugin/types"
	"github.com/argoproj/argo-rollouts/utils/weightutil"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
)

// patience is how long the API server may take for one route: the controller waits for it.
const patience = 15 * time.Second

// Router is what the controller calls, once for each of a Rollout's reconciliations. It keeps nothing but its client.
type Router struct {
	client versioned.Interface
}

// InitPlugin connects to the cluster that the controller runs in, with the controller's own rights.
func (r *Router) InitPlugin() plugin.RpcError {
	config, err := rest.InClusterConfig()
	if err == nil {
		r.client, err = versioned.NewForConfig(config)
	}
	return answer(err)
}

// SetWeight gives the canary Service its weight and the stable one the rest.
func (r *Router) SetWeight(rollout *v1alpha1.Rollout, weight int32, additional []v1alpha1.WeightDestination) plugin.RpcError {
	if len(additional) > 0 {
		return answer(fmt.Errorf("weights of an experiment: %s", unsupported))
	}
	canary := rollout.Spec.Strategy.Canary
	if canary.StableService == "" || canary.CanaryService == "" {
		return answer(fmt.Errorf("a Rollout without stableService and canaryService: %s", unsupported))
	}
	wanted := split{
		stable:       canary.StableService,
		canary:       canary.CanaryService,
		stableWeight: weightutil.MaxTrafficWeight(rollout) - weight,
		canaryWeight: weight,
	}
	names, err := routes(rollout)
	if err != nil {
		return answer(err)
	}
	for _, name := range names {
		if err := r.set(name, wanted); err != nil {
			return answer(fmt.Errorf("HTTPRoute %s: %w", name, err))
		}
	}
	return answer(nil)
}

// set writes the route only where a weight is another, and again where somebody wrote it meanwhile.
func (r *Router) set(name types.NamespacedName, wanted split) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := r.client.GatewayV1().HTTPRoutes(name.Namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		route, err := client.Get(ctx, name.Name, meta.GetOptions{})
		if err != nil {
			return err
		}
		changed, err := wanted.apply(route)
		if err != nil || !changed {
			return err
		}
		_, err = client.Update(ctx, route, meta.UpdateOptions{FieldManager: "gatewayapi-plugin"})
		return err
	})
}

// VerifyWeight leaves it at what the API server took: whether traffic follows, the gateway alone could say.
func (r *Router) VerifyWeight(*v1alpha1.Rollout, int32, []v1alpha1.WeightDestination) (plugin.RpcVerified, plugin.RpcError) {
	return plugin.NotImplemented, answer(nil)
}

// UpdateHash has nothing to do: Argo's controller itself points the two Services at their revisions.
func (r *Router) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) plugin.RpcError {
	return answer(nil)
}

// SetHeaderRoute refuses: a route with headers would have to be made, and removed again.
func (r *Router) SetHeaderRoute(*v1alpha1.Rollout, *v1alpha1.SetHeaderRoute) plugin.RpcError {
	return answer(fmt.Errorf("setHeaderRoute: %s", unsupported))
}

// SetMirrorRoute refuses, as SetHeaderRoute does.
func (r *Router) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) plugin.RpcError {
	return answer(fmt.Errorf("setMirrorRoute: %s", unsupported))
}

// RemoveManagedRoutes has nothing to remove: none are made.
func (r *Router) RemoveManagedRoutes(*v1alpha1.Rollout) plugin.RpcError {
	return answer(nil)
}

// Type is what the controller calls it in its log.
func (r *Router) Type() string {
	return "GatewayAPI"
}

const unsupported = "this stand-in for Argo's plugin sets weights only; use a cluster that reaches the internet, which gets Argo's own"

// answer is an error as it goes over net/rpc, which has no nil.
func answer(err error) plugin.RpcError {
	if err == nil {
		return plugin.RpcError{}
	}
	return plugin.RpcError{ErrorString: err.Error()}
}
