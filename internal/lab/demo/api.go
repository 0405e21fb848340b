package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// console is where the control plane's console listens inside its host.
const console = "127.0.0.1:7080"

// api asks the control plane's REST interface from inside its host.
type api struct {
	client    *http.Client
	tokenFile string
}

func newAPI(network *topology.Net, tokenFile string) *api {
	dial := func(ctx context.Context, proto, address string) (net.Conn, error) {
		return network.Dial(ctx, topology.Control, proto, address)
	}
	return &api{client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, tokenFile: tokenFile}
}

func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+console+path, body)
	if err != nil {
		return err
	}
	if token, err := os.ReadFile(a.tokenFile); err == nil {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.400s", method, path, res.Status, data)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (a *api) enrolToken(ctx context.Context, role model.Role, name string) (string, error) {
	var v struct {
		Text string `json:"text"`
	}
	err := a.call(ctx, http.MethodPost, "/api/v1/enroll-tokens", map[string]any{"role": role, "name": name, "ttl_s": 600, "uses": 1}, &v)
	return v.Text, err
}

func (a *api) parts(ctx context.Context) ([]model.Part, error) {
	var v struct {
		Parts []model.Part `json:"parts"`
	}
	err := a.call(ctx, http.MethodGet, "/api/v1/parts", nil, &v)
	return v.Parts, err
}

func (a *api) actions(ctx context.Context) ([]model.Action, error) {
	var all []model.Action
	q := url.Values{"limit": {"1000"}}
	for {
		var v struct {
			Actions []model.Action `json:"actions"`
			Next    string         `json:"next"`
		}
		if err := a.call(ctx, http.MethodGet, "/api/v1/actions?"+q.Encode(), nil, &v); err != nil {
			return nil, err
		}
		all = append(all, v.Actions...)
		if v.Next == "" || len(v.Actions) == 0 {
			return all, nil
		}
		q.Set("before", v.Next)
	}
}

// events gives the newest events that fit a query, at most limit.
func (a *api) events(ctx context.Context, query string, limit int) ([]model.Event, error) {
	var all []model.Event
	before := ""
	for len(all) < limit {
		var v struct {
			Events []model.Event `json:"events"`
			Next   string        `json:"next"`
		}
		q := url.Values{"q": {query}, "limit": {"200"}}
		if before != "" {
			q.Set("before", before)
		}
		if err := a.call(ctx, http.MethodGet, "/api/v1/events?"+q.Encode(), nil, &v); err != nil {
			return nil, err
		}
		all = append(all, v.Events...)
		if before = v.Next; before == "" || len(v.Events) == 0 {
			break
		}
	}
	return all, nil
}
