package main

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// newHandler routes requests. The patterns make the multiplexer accept HEAD
// beside GET, and answer 405 or 404 to all the rest.
func newHandler(cfg config, faults chaos, draining *atomic.Bool) http.Handler {
	answers := newStats()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /color", colorHandler(cfg, faults, answers))
	mux.HandleFunc("GET /stats", statsHandler(cfg, answers))
	mux.HandleFunc("GET /healthz", healthHandler(cfg.unready, draining))
	return closeWhile(draining, mux)
}

func colorHandler(cfg config, faults chaos, answers *stats) http.HandlerFunc {
	body := fmt.Sprintf("%q", cfg.color)
	return func(w http.ResponseWriter, r *http.Request) {
		asked := time.Now()
		if err := faults.delay(r.Context()); err != nil {
			return // nobody is left to answer
		}
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Rollouts-Demo-Color", cfg.color)
		header.Set("X-Rollouts-Demo-Pod", cfg.pod)
		if cfg.revision != "" {
			header.Set("X-Rollouts-Demo-Revision", cfg.revision)
		}
		failed := faults.fails()
		if failed {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, body)
		answers.count(isMirrored(r.Host), failed, time.Since(asked))
	}
}

func healthHandler(unready bool, draining *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case draining.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "draining")
		case unready:
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "never ready")
		default:
			io.WriteString(w, "ok")
		}
	}
}

// closeWhile asks clients, while the flag is up, to open their next connection
// elsewhere. The request at hand is answered as ever; over HTTP/2 net/http
// turns the header into a GOAWAY frame.
func closeWhile(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
