package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// chaos decides how an answer goes wrong. Chance and time come in from
// outside, so that a test needs neither luck nor patience.
type chaos struct {
	errorRate float64 // percent of the answers
	latency   time.Duration

	random func() float64 // in [0, 1)
	sleep  func(context.Context, time.Duration) error
}

func newChaos(errorRate float64, latency time.Duration) chaos {
	return chaos{errorRate: errorRate, latency: latency, random: rand.Float64, sleep: sleep}
}

// delay holds an answer back. It fails when the client gives up meanwhile.
func (c chaos) delay(ctx context.Context) error {
	return c.sleep(ctx, c.latency)
}

// fails tells whether this one answer is an error.
func (c chaos) fails() bool {
	return c.random()*100 < c.errorRate
}

// sleep waits for the duration or the end of the context, whichever is first.
func sleep(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
