package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// config is everything the environment decides.
type config struct {
	color     string
	errorRate float64 // percent of the answers
	latency   time.Duration
	unready   bool

	pod      string
	revision string

	httpAddress string
	tlsAddress  string
	drain       time.Duration
}

// loadConfig reads the environment. A variable that is empty counts as unset,
// so an image can carry one without taking the variant's own default away.
func loadConfig(getenv func(string) string, hostname string) (config, error) {
	env := &environment{getenv: getenv}

	look := read(env, "COLOR", variant{color: "blue"}, parseVariant)
	cfg := config{
		color:     look.color,
		errorRate: read(env, "ERROR_RATE", look.errorRate, parsePercent),
		latency:   read(env, "LATENCY", look.latency, parseDuration),
		unready:   look.unready,

		pod:      read(env, "POD_NAME", hostname, parseText),
		revision: read(env, "REVISION", "", parseText),

		httpAddress: read(env, "HTTP_ADDRESS", ":8080", parseAddress),
		tlsAddress:  read(env, "TLS_ADDRESS", ":8443", parseAddress),
		drain:       read(env, "DRAIN", 5*time.Second, parseDuration),
	}
	return cfg, env.err()
}

// environment collects what is wrong, so that one start reports all of it.
type environment struct {
	getenv   func(string) string
	problems []string
}

func read[T any](env *environment, name string, fallback T, parse func(string) (T, error)) T {
	text := env.getenv(name)
	if text == "" {
		return fallback
	}
	value, err := parse(text)
	if err != nil {
		env.problems = append(env.problems, fmt.Sprintf("%s=%q: %v", name, text, err))
	}
	return value
}

func (env *environment) err() error {
	if len(env.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(env.problems, "; "))
}

func parsePercent(text string) (float64, error) {
	percent, err := strconv.ParseFloat(text, 64)
	if err != nil || !(percent >= 0 && percent <= 100) { // NaN is in no range
		return 0, errors.New("want a percentage from 0 to 100")
	}
	return percent, nil
}

func parseDuration(text string) (time.Duration, error) {
	duration, err := time.ParseDuration(text)
	if err != nil || duration < 0 {
		return 0, errors.New("want a duration such as 250ms or 2s")
	}
	return duration, nil
}

func parseAddress(text string) (string, error) {
	if _, _, err := net.SplitHostPort(text); err != nil {
		return "", errors.New("want an address such as :8080 or 127.0.0.1:8080")
	}
	return text, nil
}

func parseText(text string) (string, error) { return text, nil }
