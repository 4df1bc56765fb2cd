package gatewayapi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	plugin "github.com/argoproj/argo-rollouts/utils/plugin/types"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubetesting "k8s.io/client-go/testing"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/client/clientset/versioned/fake"
)

var _ rpc.TrafficRouterPlugin = &Router{}

func ref(service string, weight int32) gateway.HTTPBackendRef {
	var found gateway.HTTPBackendRef
	found.Name, found.Weight = gateway.ObjectName(service), &weight
	return found
}

func route(name string, rules ...[]gateway.HTTPBackendRef) *gateway.HTTPRoute {
	made := &gateway.HTTPRoute{ObjectMeta: meta.ObjectMeta{Namespace: "shop", Name: name}}
	for _, refs := range rules {
		made.Spec.Rules = append(made.Spec.Rules, gateway.HTTPRouteRule{BackendRefs: refs})
	}
	return made
}

// rollout is one that writes `configuration` under the plugin's name.
func rollout(configuration string) *v1alpha1.Rollout {
	made := &v1alpha1.Rollout{ObjectMeta: meta.ObjectMeta{Namespace: "shop", Name: "app"}}
	made.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{
		StableService: "app-stable",
		CanaryService: "app-canary",
		TrafficRouting: &v1alpha1.RolloutTrafficRouting{
			Plugins: map[string]json.RawMessage{Name: json.RawMessage(configuration)},
		},
	}
	return made
}

func router(routes ...runtime.Object) (*Router, *fake.Clientset) {
	client := fake.NewClientset(routes...)
	return &Router{client: client}, client
}

// weights are those of a route's rules, as `service=weight`.
func weights(t *testing.T, client *fake.Clientset, name string) string {
	t.Helper()
	found, err := client.GatewayV1().HTTPRoutes("shop").Get(context.Background(), name, meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := make([]string, 0, len(found.Spec.Rules))
	for _, rule := range found.Spec.Rules {
		for _, ref := range rule.BackendRefs {
			weight := "none"
			if ref.Weight != nil {
				encoded, _ := json.Marshal(*ref.Weight)
				weight = string(encoded)
			}
			told = append(told, string(ref.Name)+"="+weight)
		}
	}
	return strings.Join(told, " ")
}

func updates(client *fake.Clientset) int {
	count := 0
	for _, action := range client.Actions() {
		if action.GetVerb() == "update" {
			count++
		}
	}
	return count
}

func mustSet(t *testing.T, router *Router, rollout *v1alpha1.Rollout, weight int32) {
	t.Helper()
	if answer := router.SetWeight(rollout, weight, nil); answer.HasError() {
		t.Fatal(answer.ErrorString)
	}
}

func expect(t *testing.T, seen, wanted string) {
	t.Helper()
	if seen != wanted {
		t.Errorf("seen %q, wanted %q", seen, wanted)
	}
}

func expectError(t *testing.T, answer plugin.RpcError, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(answer.ErrorString, word) {
			t.Errorf("the error %q doesn't say %q", answer.ErrorString, word)
		}
	}
}

var pair = []gateway.HTTPBackendRef{ref("app-stable", 100), ref("app-canary", 0)}

func TestTheCanaryGetsItsWeightAndTheStableTheRest(t *testing.T) {
	router, client := router(route("web", pair))
	for weight, wanted := range map[int32]string{
		20: "app-stable=80 app-canary=20", 100: "app-stable=0 app-canary=100", 0: "app-stable=100 app-canary=0",
	} {
		mustSet(t, router, rollout(`{"httpRoute": "web"}`), weight)
		expect(t, weights(t, client, "web"), wanted)
	}
}

func TestWeightsAreSharesOfTheRolloutsMaximum(t *testing.T) {
	router, client := router(route("web", pair))
	most, wanted := int32(1000), rollout(`{"httpRoute": "web"}`)
	wanted.Spec.Strategy.Canary.TrafficRouting.MaxTrafficWeight = &most
	mustSet(t, router, wanted, 5)
	expect(t, weights(t, client, "web"), "app-stable=995 app-canary=5")
}

func TestARouteThatHasItsWeightsIsNotWritten(t *testing.T) {
	router, client := router(route("web", pair))
	mustSet(t, router, rollout(`{"httpRoute": "web"}`), 0)
	if updates(client) != 0 {
		t.Error("it was written")
	}
}

func TestABackendWithoutAWeightGetsOne(t *testing.T) {
	bare := []gateway.HTTPBackendRef{ref("app-stable", 0), ref("app-canary", 0)}
	bare[0].Weight, bare[1].Weight = nil, nil
	router, client := router(route("web", bare))
	mustSet(t, router, rollout(`{"httpRoute": "web"}`), 1)
	expect(t, weights(t, client, "web"), "app-stable=99 app-canary=1")
}

func TestEveryRuleWithBothServicesIsSetAndOthersAreLeft(t *testing.T) {
	elsewhere := ref("app-canary", 7)
	foreign := gateway.Namespace("elsewhere")
	elsewhere.Namespace = &foreign
	notAService := ref("app-canary", 7)
	kind := gateway.Kind("ServiceImport")
	notAService.Kind = &kind
	router, client := router(route("web",
		pair,
		[]gateway.HTTPBackendRef{ref("app-stable", 1)},
		[]gateway.HTTPBackendRef{ref("app-stable", 3), elsewhere, notAService},
		[]gateway.HTTPBackendRef{ref("discovery", 5), ref("app-canary", 0), ref("app-stable", 95)},
	))
	mustSet(t, router, rollout(`{"httpRoute": "web"}`), 40)
	expect(t, weights(t, client, "web"), "app-stable=60 app-canary=40 app-stable=1 "+
		"app-stable=3 app-canary=7 app-canary=7 discovery=5 app-canary=40 app-stable=60")
}

func TestSeveralRoutesOfAnotherNamespaceAreSet(t *testing.T) {
	router, client := router(route("web", pair), route("api", pair))
	wanted := rollout(`{"httpRoutes": [{"name": "web"}, {"name": "api"}], "namespace": "shop"}`)
	wanted.Namespace = "elsewhere"
	mustSet(t, router, wanted, 10)
	expect(t, weights(t, client, "web"), "app-stable=90 app-canary=10")
	expect(t, weights(t, client, "api"), "app-stable=90 app-canary=10")
}

func TestARouteThatSomebodyWroteMeanwhileIsWrittenAgain(t *testing.T) {
	router, client := router(route("web", pair))
	refused := false
	client.PrependReactor("update", "httproutes", func(kubetesting.Action) (bool, runtime.Object, error) {
		if refused {
			return false, nil, nil
		}
		refused = true
		return true, nil, errors.NewConflict(schema.GroupResource{Resource: "httproutes"}, "web", nil)
	})
	mustSet(t, router, rollout(`{"httpRoute": "web"}`), 20)
	expect(t, weights(t, client, "web"), "app-stable=80 app-canary=20")
	if updates(client) != 2 {
		t.Errorf("%d updates, wanted 2", updates(client))
	}
}

func TestWhatItCannotSetIsAnErrorThatSaysWhere(t *testing.T) {
	pingPong := rollout(`{"httpRoute": "web"}`)
	pingPong.Spec.Strategy.Canary.StableService = ""
	for name, one := range map[string]struct {
		rollout *v1alpha1.Rollout
		words   []string
	}{
		"no route":      {rollout(`{"httpRoute": "wob"}`), []string{"HTTPRoute shop/wob", "not found"}},
		"no rule":       {rollout(`{"httpRoute": "other"}`), []string{"HTTPRoute shop/other", "app-stable", "app-canary"}},
		"no name":       {rollout(`{}`), []string{Name, "httpRoute"}},
		"another kind":  {rollout(`{"grpcRoute": "web"}`), []string{Name, `"grpcRoute"`, "knows httpRoute"}},
		"a header rule": {rollout(`{"httpRoutes": [{"name": "web", "useHeaderRoutes": true}]}`), []string{"useHeaderRoutes"}},
		"no JSON":       {rollout(`{`), []string{Name}},
		"ping-pong":     {pingPong, []string{"stableService"}},
	} {
		t.Run(name, func(t *testing.T) {
			router, client := router(route("web", pair), route("other", []gateway.HTTPBackendRef{ref("app-stable", 1)}))
			answer := router.SetWeight(one.rollout, 20, nil)
			if !answer.HasError() || updates(client) != 0 {
				t.Errorf("error %q, %d updates", answer.ErrorString, updates(client))
			}
			expectError(t, answer, one.words...)
		})
	}
}

func TestWhatOnlyArgosOwnPluginDoesIsRefusedAndNotPassedOver(t *testing.T) {
	router, _ := router(route("web", pair))
	wanted := rollout(`{"httpRoute": "web"}`)
	for what, answer := range map[string]plugin.RpcError{
		"setHeaderRoute": router.SetHeaderRoute(wanted, &v1alpha1.SetHeaderRoute{Name: "testers"}),
		"setMirrorRoute": router.SetMirrorRoute(wanted, &v1alpha1.SetMirrorRoute{Name: "shadow"}),
		"experiment":     router.SetWeight(wanted, 10, []v1alpha1.WeightDestination{{ServiceName: "third", Weight: 5}}),
	} {
		if !answer.HasError() {
			t.Errorf("%s: no error", what)
		}
		expectError(t, answer, what, "weights only")
	}
}

func TestTheRestOfTheInterfaceIsContent(t *testing.T) {
	router, _ := router()
	verified, answer := router.VerifyWeight(rollout(`{}`), 10, nil)
	if verified.IsVerified() != nil || answer.HasError() {
		t.Errorf("verified %v, error %q", verified, answer.ErrorString)
	}
	for _, answer := range []plugin.RpcError{
		router.UpdateHash(rollout(`{}`), "a", "b", nil), router.RemoveManagedRoutes(rollout(`{}`)),
	} {
		if answer.HasError() {
			t.Error(answer.ErrorString)
		}
	}
	expect(t, router.Type(), "GatewayAPI")
}

func TestOutsideOfAClusterItSaysSo(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	expectError(t, (&Router{}).InitPlugin(), "in-cluster configuration")
}
