package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for the program, so that exit codes
// and signals are tested on a real process.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func program(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append([]string{
		"BE_THE_PROGRAM=yes",
		"HTTP_ADDRESS=127.0.0.1:0",
		"TLS_ADDRESS=127.0.0.1:0",
		"GOCOVERDIR=" + t.TempDir(), // or a run with -cover complains on stderr
	}, env...)
	return command
}

func TestProgramRefusesAWrongEnvironment(t *testing.T) {
	for _, wrong := range []string{"COLOR=pink", "ERROR_RATE=130", "LATENCY=soon"} {
		t.Run(wrong, func(t *testing.T) {
			command := program(t, wrong)
			var stderr bytes.Buffer
			command.Stderr = &stderr
			command.Run()

			if code := command.ProcessState.ExitCode(); code != exitMisconfigured {
				t.Errorf("exit code %d", code)
			}
			name, _, _ := strings.Cut(wrong, "=")
			if message := stderr.String(); !strings.Contains(message, name) || strings.Count(message, "\n") != 1 {
				t.Errorf("stderr %q", message)
			}
		})
	}
}

func TestProgramFailsOnATakenAddress(t *testing.T) {
	taken, other, err := listen("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	defer other.Close()

	command := program(t, "HTTP_ADDRESS="+taken.Addr().String())
	command.Run()
	if code := command.ProcessState.ExitCode(); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
}

func TestProgramEndsOnSignals(t *testing.T) {
	for name, test := range map[string]struct {
		drain   string
		signals int
		code    int
	}{
		"the first one drains":       {drain: "10ms", signals: 1, code: 0},
		"the second one ends it now": {drain: "1h", signals: 2, code: exitFailure},
	} {
		t.Run(name, func(t *testing.T) {
			command := program(t, "DRAIN="+test.drain)
			stderr, err := command.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			guard := time.AfterFunc(30*time.Second, func() { command.Process.Kill() })
			defer guard.Stop()

			// The first line says that it serves, the second that it drains.
			lines := bufio.NewScanner(stderr)
			for range test.signals {
				lines.Scan()
				command.Process.Signal(syscall.SIGTERM)
			}
			for lines.Scan() {
			}
			command.Wait()
			if code := command.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}
