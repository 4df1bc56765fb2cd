package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// askAs sends a request with that Host header.
func askAs(handler http.Handler, host, path string) {
	request := httptest.NewRequest("GET", path, nil)
	request.Host = host
	handler.ServeHTTP(httptest.NewRecorder(), request)
}

func readStats(t *testing.T, handler http.Handler, query string) report {
	t.Helper()
	answer := ask(handler, "GET", "/stats"+query)
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	var got report
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestStatsWithoutARequestSayNull(t *testing.T) {
	handler := newHandler(sample, faultsOf(0), new(atomic.Bool))
	answer := ask(handler, "GET", "/stats")
	for header, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"} {
		if got := answer.Header().Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	none := `{"requests":0,"failed":0,"successRate":null,"latencyMs":{"p50":null,"p95":null,"p99":null}}`
	window := `"window":{"seconds":30,"users":` + none + `,"mirrored":` + none + `}`
	if body := answer.Body.String(); !strings.Contains(body, window) {
		t.Errorf("got %s, want in it %s", body, window)
	}
}

func TestStatsSayWhoAnswered(t *testing.T) {
	got := readStats(t, newHandler(sample, faultsOf(0), new(atomic.Bool)), "")
	if got.Color != "yellow" || got.Pod != "demo-abc-1" || got.Revision != "abc" {
		t.Errorf("got %+v", got)
	}
}

func TestStatsTellUsersAndMirroredRequestsApart(t *testing.T) {
	handler := newHandler(sample, faultsOf(100), new(atomic.Bool))
	for range 3 {
		askAs(handler, "demo.example", "/color")
	}
	askAs(handler, "demo.example-shadow", "/color")
	for _, path := range []string{"/", "/healthz", "/stats", "/missing"} {
		askAs(handler, "demo.example", path)
	}

	got := readStats(t, handler, "")
	for name, period := range map[string]period{"total": got.Total, "window": got.Window} {
		if u := period.Users; u.Requests != 3 || u.Failed != 3 || *u.SuccessRate != 0 {
			t.Errorf("%s, users: %+v", name, u)
		}
		if m := period.Mirrored; m.Requests != 1 || m.Failed != 1 || *m.SuccessRate != 0 {
			t.Errorf("%s, mirrored: %+v", name, m)
		}
	}
}

func TestStatsCountDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newHandler(sample, newChaos(0, 2*time.Second), new(atomic.Bool))
		askAs(handler, "demo.example", "/color")

		users := readStats(t, handler, "").Window.Users
		for name, got := range map[string]*float64{
			"p50": users.LatencyMs.P50, "p95": users.LatencyMs.P95, "p99": users.LatencyMs.P99,
		} {
			if *got < 1875 || *got > 2125 {
				t.Errorf("%s: %g ms", name, *got)
			}
		}
		if *users.SuccessRate != 100 {
			t.Errorf("success rate %g", *users.SuccessRate)
		}
	})
}

func TestStatsKeepTheTotalWhenTheWindowIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newHandler(sample, faultsOf(0), new(atomic.Bool))
		askAs(handler, "demo.example", "/color")
		time.Sleep(5 * time.Second)

		got := readStats(t, handler, "?seconds=5")
		if got.Window.Seconds != 5 || got.Window.Users.Requests != 0 || got.Window.Users.SuccessRate != nil {
			t.Errorf("window: %+v", got.Window)
		}
		if got.Total.Seconds != 5 || got.Total.Users.Requests != 1 {
			t.Errorf("total: %+v", got.Total)
		}
		if longer := readStats(t, handler, "?seconds=6"); longer.Window.Users.Requests != 1 {
			t.Errorf("longer window: %+v", longer.Window)
		}
	})
}

func TestStatsRefuseAWindowTheyDoNotKeep(t *testing.T) {
	handler := newHandler(sample, faultsOf(0), new(atomic.Bool))
	for _, seconds := range []string{"0", "-1", "121", "1.5", "many"} {
		answer := ask(handler, "GET", "/stats?seconds="+seconds)
		if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "from 1 to 120") {
			t.Errorf("%s: %d %q", seconds, answer.Code, answer.Body)
		}
	}
}

func TestSuccessRateIsInPercent(t *testing.T) {
	rates := []float64{}
	for _, counted := range []tally{{requests: 200, failed: 3}, {requests: 3}, {requests: 2, failed: 2}} {
		rates = append(rates, *newFigures(&counted).SuccessRate)
	}
	if want := []float64{98.5, 100, 0}; !reflect.DeepEqual(rates, want) {
		t.Errorf("got %v, want %v", rates, want)
	}
}
