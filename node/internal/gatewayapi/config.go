package gatewayapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
)

// Name is what a Rollout calls the plugin under trafficRouting.plugins.
const Name = "argoproj-labs/gatewayAPI"

// config is what a Rollout writes under the plugin's name: those keys of Argo's own plugin that this one knows.
type config struct {
	HTTPRoute  string `json:"httpRoute"`
	HTTPRoutes []struct {
		Name string `json:"name"`
	} `json:"httpRoutes"`
	Namespace string `json:"namespace"`
}

// routes names the HTTPRoutes that a Rollout wants weights set on. A key that isn't known is an error: passed over, it
// would leave a route as it is while the Rollout advances.
func routes(rollout *v1alpha1.Rollout) ([]types.NamespacedName, error) {
	var wanted config
	decoder := json.NewDecoder(bytes.NewReader(rollout.Spec.Strategy.Canary.TrafficRouting.Plugins[Name]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		return nil, fmt.Errorf("trafficRouting.plugins.%s: %w; this stand-in for Argo's plugin knows httpRoute, httpRoutes (name) and namespace", Name, err)
	}
	namespace := wanted.Namespace
	if namespace == "" {
		namespace = rollout.Namespace
	}
	var names []types.NamespacedName
	if wanted.HTTPRoute != "" {
		names = append(names, types.NamespacedName{Namespace: namespace, Name: wanted.HTTPRoute})
	}
	for _, route := range wanted.HTTPRoutes {
		names = append(names, types.NamespacedName{Namespace: namespace, Name: route.Name})
	}
	if len(names) == 0 {
		return nil, errors.New("trafficRouting.plugins." + Name + " names no HTTPRoute: write httpRoute or httpRoutes")
	}
	return names, nil
}
