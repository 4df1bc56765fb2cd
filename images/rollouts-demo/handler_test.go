package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

var sample = config{color: "yellow", pod: "demo-abc-1", revision: "abc"}

// faultsOf makes chaos that fails all of the answers or none, without delay.
func faultsOf(errorRate float64) chaos {
	return chaos{
		errorRate: errorRate,
		random:    func() float64 { return 0.5 },
		sleep:     func(context.Context, time.Duration) error { return nil },
	}
}

func ask(handler http.Handler, method, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
	return recorder
}

func TestColor(t *testing.T) {
	for name, test := range map[string]struct {
		errorRate float64
		status    int
	}{
		"good answer":   {errorRate: 0, status: http.StatusOK},
		"failed answer": {errorRate: 100, status: http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			answer := ask(newHandler(sample, faultsOf(test.errorRate), new(atomic.Bool)), "GET", "/color")
			if answer.Code != test.status {
				t.Errorf("status %d, want %d", answer.Code, test.status)
			}
			if got, want := answer.Body.String(), `"yellow"`; got != want {
				t.Errorf("body %q, want %q", got, want)
			}
			for header, want := range map[string]string{
				"Content-Type":             "application/json",
				"Cache-Control":            "no-store",
				"X-Rollouts-Demo-Color":    "yellow",
				"X-Rollouts-Demo-Pod":      "demo-abc-1",
				"X-Rollouts-Demo-Revision": "abc",
				"Connection":               "",
			} {
				if got := answer.Header().Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
		})
	}
}

func TestColorOmitsAnUnknownRevision(t *testing.T) {
	cfg := sample
	cfg.revision = ""
	answer := ask(newHandler(cfg, faultsOf(0), new(atomic.Bool)), "GET", "/color")
	if values, present := answer.Header()["X-Rollouts-Demo-Revision"]; present {
		t.Errorf("header is there: %q", values)
	}
}

func TestColorIsSilentOnceTheClientIsGone(t *testing.T) {
	faults := faultsOf(0)
	faults.sleep = func(context.Context, time.Duration) error { return errors.New("gone") }
	answer := ask(newHandler(sample, faults, new(atomic.Bool)), "GET", "/color")
	if answer.Body.Len() != 0 {
		t.Errorf("answered %q", answer.Body)
	}
}

func TestHealthFollowsDraining(t *testing.T) {
	draining := new(atomic.Bool)
	handler := newHandler(sample, faultsOf(100), draining)

	if answer := ask(handler, "GET", "/healthz"); answer.Code != http.StatusOK || answer.Body.String() != "ok" {
		t.Errorf("serving: %d %q", answer.Code, answer.Body)
	}
	draining.Store(true)
	if answer := ask(handler, "GET", "/healthz"); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("draining: %d %q", answer.Code, answer.Body)
	}
}

func TestUnreadyIsNeverReadyButAnswers(t *testing.T) {
	cfg := sample
	cfg.unready = true
	handler := newHandler(cfg, faultsOf(0), new(atomic.Bool))
	if answer := ask(handler, "GET", "/healthz"); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %q", answer.Code, answer.Body)
	}
	if answer := ask(handler, "GET", "/color"); answer.Code != http.StatusOK {
		t.Errorf("status %d", answer.Code)
	}
}

func TestDrainingAnswersAndClosesTheConnection(t *testing.T) {
	draining := new(atomic.Bool)
	draining.Store(true)
	handler := newHandler(sample, faultsOf(0), draining)
	for _, path := range []string{"/", "/color", "/stats", "/healthz", "/missing"} {
		if got := ask(handler, "GET", path).Header().Get("Connection"); got != "close" {
			t.Errorf("%s: Connection %q", path, got)
		}
	}
	if answer := ask(handler, "GET", "/color"); answer.Code != http.StatusOK {
		t.Errorf("status %d", answer.Code)
	}
}

func TestRoutes(t *testing.T) {
	handler := newHandler(sample, faultsOf(0), new(atomic.Bool))
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", http.StatusOK, ""},
		{"HEAD", "/", http.StatusOK, ""},
		{"HEAD", "/color", http.StatusOK, ""},
		{"HEAD", "/stats", http.StatusOK, ""},
		{"HEAD", "/healthz", http.StatusOK, ""},
		{"GET", "/missing", http.StatusNotFound, ""},
		{"GET", "/color/blue", http.StatusNotFound, ""},
		{"GET", "/page.js", http.StatusNotFound, ""},
		{"POST", "/missing", http.StatusNotFound, ""},
		{"POST", "/", http.StatusMethodNotAllowed, "GET, HEAD"},
		{"DELETE", "/color", http.StatusMethodNotAllowed, "GET, HEAD"},
		{"POST", "/stats", http.StatusMethodNotAllowed, "GET, HEAD"},
		{"PUT", "/healthz", http.StatusMethodNotAllowed, "GET, HEAD"},
	} {
		answer := ask(handler, test.method, test.path)
		if answer.Code != test.status || answer.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", test.method, test.path,
				answer.Code, answer.Header().Get("Allow"), test.status, test.allow)
		}
	}
}
