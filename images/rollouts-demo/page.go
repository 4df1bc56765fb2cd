package main

import (
	_ "embed"
	"io"
	"net/http"
	"strings"
)

var (
	//go:embed page.html
	pageMarkup string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

// page is one document: during a rollout a second request for its style or its
// script could be answered by the other version.
var page = strings.NewReplacer(
	"/* page.css */", pageStyle,
	"/* page.js */", pageScript,
).Replace(pageMarkup)

// pagePolicy makes the browser refuse whatever the document does not bring
// along itself. No text from outside gets into it, so its inline parts are safe.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
	"img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"

func servePage(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	io.WriteString(w, page)
}
