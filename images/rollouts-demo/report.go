package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const defaultWindow = 30 // seconds

// report is the answer of /stats.
type report struct {
	Color    string `json:"color"`
	Pod      string `json:"pod"`
	Revision string `json:"revision,omitempty"`
	Total    period `json:"total"`
	Window   period `json:"window"`
}

type period struct {
	Seconds  float64 `json:"seconds"`
	Users    figures `json:"users"`
	Mirrored figures `json:"mirrored"`
}

// figures has null for what cannot be said without a request. A number there
// would be taken for a good or a bad result, and none was measured.
type figures struct {
	Requests    uint64   `json:"requests"`
	Failed      uint64   `json:"failed"`
	SuccessRate *float64 `json:"successRate"` // percent
	LatencyMs   latency  `json:"latencyMs"`
}

type latency struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

func statsHandler(cfg config, answers *stats) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seconds, err := parseWindow(r.URL.Query().Get("seconds"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		total, uptime := answers.sinceStart()
		window := answers.last(seconds)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(report{
			Color:    cfg.color,
			Pod:      cfg.pod,
			Revision: cfg.revision,
			Total:    newPeriod(uptime.Seconds(), &total),
			Window:   newPeriod(float64(seconds), &window),
		})
	}
}

func parseWindow(text string) (seconds int, err error) {
	if text == "" {
		return defaultWindow, nil
	}
	const longest = int(longestWindow / time.Second)
	seconds, err = strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > longest {
		return 0, fmt.Errorf("seconds=%q: want a whole number from 1 to %d", text, longest)
	}
	return seconds, nil
}

func newPeriod(seconds float64, c *counts) period {
	return period{Seconds: seconds, Users: newFigures(&c.users), Mirrored: newFigures(&c.mirrored)}
}

func newFigures(t *tally) figures {
	f := figures{
		Requests: t.requests,
		Failed:   t.failed,
		LatencyMs: latency{
			P50: percentileMs(&t.latencies, 50),
			P95: percentileMs(&t.latencies, 95),
			P99: percentileMs(&t.latencies, 99),
		},
	}
	if t.requests > 0 {
		rate := 100 * float64(t.requests-t.failed) / float64(t.requests)
		f.SuccessRate = &rate
	}
	return f
}

func percentileMs(h *histogram, percent float64) *float64 {
	duration, ok := h.percentile(percent)
	if !ok {
		return nil
	}
	ms := float64(duration) / float64(time.Millisecond)
	return &ms
}
