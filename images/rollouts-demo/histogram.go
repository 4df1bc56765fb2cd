package main

import (
	"math"
	"math/bits"
	"time"
)

const (
	// Each doubling of a duration is cut into so many steps, so that the middle
	// of a step is at most 1/16, or 6 %, away from whatever fell into it.
	stepsPerDoubling = 8
	stepBits         = 3  // stepsPerDoubling is 2 to the power of this
	longestBits      = 32 // microseconds in so many bits: 71 minutes

	histogramSteps = (longestBits - stepBits + 1) * stepsPerDoubling
)

// histogram counts durations in steps that widen as durations grow. What lasts
// longer than the last step counts as that one.
type histogram [histogramSteps]uint64

func (h *histogram) add(duration time.Duration) {
	h[stepOf(duration)]++
}

func (h *histogram) merge(other *histogram) {
	for step, count := range other {
		h[step] += count
	}
}

// percentile returns the duration that so many percent of all did not exceed,
// to within 6 %. It fails on an empty histogram.
func (h *histogram) percentile(percent float64) (time.Duration, bool) {
	var all uint64
	for _, count := range h {
		all += count
	}
	if all == 0 {
		return 0, false
	}
	rank := uint64(math.Ceil(float64(all) * percent / 100))
	step := 0
	for below := h[0]; below < rank; below += h[step] {
		step++
	}
	return middleOf(step), true
}

// stepOf is one step for each microsecond at first; then the leading bits of
// the duration decide.
func stepOf(duration time.Duration) int {
	micros := uint64(max(0, duration.Microseconds()))
	dropped := max(0, bits.Len64(micros)-1-stepBits)
	return min(dropped*stepsPerDoubling+int(micros>>dropped), histogramSteps-1)
}

func middleOf(step int) time.Duration {
	if step < 2*stepsPerDoubling {
		return time.Duration(step) * time.Microsecond
	}
	dropped := step/stepsPerDoubling - 1
	lowest := (step - dropped*stepsPerDoubling) << dropped
	return time.Duration(lowest+(1<<dropped)/2) * time.Microsecond
}
