package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPageIsOneDocument(t *testing.T) {
	recorder := httptest.NewRecorder()
	servePage(recorder, nil)

	if got := recorder.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	body := recorder.Body.String()
	for _, part := range []string{pageStyle, pageScript} {
		if !strings.Contains(body, part) {
			t.Errorf("the page lacks the part that begins with %.40q", part)
		}
	}
	for _, outside := range []string{" src=", "<link rel=\"stylesheet\"", "@import", "url("} {
		if strings.Contains(body, outside) {
			t.Errorf("the page refers to something outside: %s", outside)
		}
	}
}

func TestPageKnowsEveryColor(t *testing.T) {
	for _, color := range colors {
		if !strings.Contains(pageStyle, `[data-color="`+color+`"]`) {
			t.Errorf("page.css has no tint for %s", color)
		}
	}
}
