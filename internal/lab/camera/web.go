package camera

import (
	"encoding/json"
	"html/template"
	"net/http"
	"time"

	"github.com/masugata/masugata/internal/lab/video"
)

const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<meta http-equiv="refresh" content="5"></head><body><h1>{{.Title}}</h1>
<p><img src="snapshot.jpg" width="{{.Width}}" height="{{.Height}}" alt="live picture"></p>
<dl><dt>Frame</dt><dd>{{.Frame}}</dd><dt>Watching</dt><dd>{{.Watchers}}</dd><dt>Up</dt><dd>{{.Up}}</dd></dl>
<form method="post" action="settings"><label>Name <input name="title" maxlength="60" value="{{.Title}}"></label>
<button>Save</button></form></body></html>
`

// status is what the web page and /api/status tell.
type status struct {
	Title    string `json:"title"`
	Frame    uint32 `json:"frame"`
	Watchers int    `json:"watchers"`
	Up       string `json:"up"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
}

func (c *camera) status() status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return status{Title: c.title, Frame: c.number, Watchers: len(c.watchers),
		Up: time.Since(c.started).Round(time.Second).String(), Width: video.Width, Height: video.Height}
}

func (c *camera) web() http.Handler {
	t := template.Must(template.New("page").Parse(page))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = t.Execute(w, c.status())
	})
	mux.HandleFunc("GET /snapshot.jpg", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		still := append([]byte(nil), c.still...)
		c.mu.Unlock()
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(still)
	})
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.status())
	})
	mux.HandleFunc("POST /settings", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4096)
		title := r.FormValue("title")
		if title == "" || len(title) > 60 {
			http.Error(w, "title: want 1 to 60 bytes", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.title = title
		c.mu.Unlock()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}
