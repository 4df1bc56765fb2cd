package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestChaosFails(t *testing.T) {
	for _, test := range []struct {
		errorRate, random float64
		want              bool
	}{
		{errorRate: 0, random: 0, want: false},
		{errorRate: 15, random: 0.1499, want: true},
		{errorRate: 15, random: 0.15, want: false},
		{errorRate: 0.5, random: 0.004, want: true},
		{errorRate: 100, random: 0.9999, want: true},
	} {
		faults := chaos{errorRate: test.errorRate, random: func() float64 { return test.random }}
		if got := faults.fails(); got != test.want {
			t.Errorf("rate %g%%, random %g: got %t", test.errorRate, test.random, got)
		}
	}
}

func TestChaosDelaysByItsLatency(t *testing.T) {
	var slept time.Duration
	faults := chaos{latency: 2 * time.Second, sleep: func(_ context.Context, d time.Duration) error {
		slept = d
		return nil
	}}
	if err := faults.delay(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slept != 2*time.Second {
		t.Errorf("slept %s", slept)
	}
}

func TestSleepLastsAsLongAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := sleep(t.Context(), 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}
