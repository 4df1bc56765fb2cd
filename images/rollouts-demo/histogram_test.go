package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogramIsOffBySixPercentAtMost(t *testing.T) {
	for _, duration := range []time.Duration{
		0, time.Microsecond, 15 * time.Microsecond, 16 * time.Microsecond, 17 * time.Microsecond,
		999 * time.Microsecond, 3 * time.Millisecond, 250 * time.Millisecond, 2 * time.Second, time.Hour,
	} {
		var h histogram
		h.add(duration)
		got, ok := h.percentile(50)
		if !ok || math.Abs(float64(got-duration)) > float64(duration)/16 {
			t.Errorf("%s: got %s", duration, got)
		}
	}
}

func TestHistogramStepsNeverFall(t *testing.T) {
	last := 0
	for micros := range 1 << 20 {
		step := stepOf(time.Duration(micros) * time.Microsecond)
		if step < last || step > last+1 {
			t.Fatalf("%d µs is step %d, after step %d", micros, step, last)
		}
		last = step
	}
}

func TestHistogramTakesWhatIsOutOfItsRange(t *testing.T) {
	var h histogram
	h.add(-time.Second)
	h.add(1000 * time.Hour)
	if h[0] != 1 || h[histogramSteps-1] != 1 {
		t.Errorf("got %d and %d", h[0], h[histogramSteps-1])
	}
}

func TestHistogramPercentiles(t *testing.T) {
	var h histogram
	for range 95 {
		h.add(2 * time.Microsecond)
	}
	for range 4 {
		h.add(5 * time.Microsecond)
	}
	h.add(9 * time.Microsecond)
	for percent, want := range map[float64]time.Duration{
		1: 2, 50: 2, 95: 2, 95.1: 5, 99: 5, 99.1: 9, 100: 9,
	} {
		if got, _ := h.percentile(percent); got != want*time.Microsecond {
			t.Errorf("p%g: got %s, want %d µs", percent, got, want)
		}
	}
}

func TestHistogramWithoutAnythingHasNoPercentile(t *testing.T) {
	if got, ok := new(histogram).percentile(95); ok {
		t.Errorf("got %s", got)
	}
}

func TestHistogramMerges(t *testing.T) {
	var one, other histogram
	one.add(time.Microsecond)
	other.add(time.Microsecond)
	other.add(time.Second)
	one.merge(&other)
	if one[1] != 2 || one[stepOf(time.Second)] != 1 {
		t.Errorf("got %v", one)
	}
}
