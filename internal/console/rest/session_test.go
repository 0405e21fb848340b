package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func signIn(c *client, user, secret string) reply {
	c.f.t.Helper()
	return c.call("POST", "/session", object{"user": user, "password": secret})
}

func TestSetup(t *testing.T) {
	f := newFixture(t)
	b := f.browser()
	b.call("GET", "/setup", nil).want(t, 200, `{"needed":true}`)
	first := object{"setup_token": "guess", "user": "ada", "password": password}
	b.call("POST", "/setup", first).want(t, 403, "body.setup_token")
	first["setup_token"] = setupToken
	first["password"] = "my-short"
	if r := b.call("POST", "/setup", first).want(t, 422, "body.password"); strings.Contains(r.body, "my-short") {
		t.Errorf("a password is given back: %s", r.body)
	}
	first["password"] = password
	r := b.call("POST", "/setup", first).want(t, 201, `"user":"ada"`, `"access":"admin"`)
	cookie := r.header.Get("Set-Cookie")
	for _, part := range []string{"masugata=", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q lacks %s", cookie, part)
		}
	}
	b.call("GET", "/session", nil).want(t, 200, `"user":"ada"`)
	b.call("GET", "/setup", nil).want(t, 200, `{"needed":false}`)
	first["user"] = "eve"
	f.browser().call("POST", "/setup", first).want(t, 409, "first user")
}

func TestSecureCookie(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Secure = true })
	r := f.browser().call("POST", "/setup", object{"setup_token": setupToken, "user": "ada", "password": password}).want(t, 201)
	if c := r.header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-masugata=") || !strings.Contains(c, "Secure") {
		t.Errorf("cookie %q", c)
	}
	if r.header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
}

func TestSession(t *testing.T) {
	f := newFixture(t)
	_, err := f.store.CreateUser(t.Context(), "ada", model.AccessAdmin, password)
	f.ok(err)
	b := f.browser()
	b.call("GET", "/session", nil).want(t, 401)
	wrong := signIn(b, "ada", "not the password").want(t, 401)
	unknown := signIn(b, "eve", password).want(t, 401)
	if wrong.body != unknown.body {
		t.Errorf("a wrong password and an unknown user are told apart: %s %s", wrong.body, unknown.body)
	}
	if len(f.refused) != 2 || f.refused[0] != "ada" || f.refused[1] != "eve" {
		t.Errorf("refused %v", f.refused)
	}
	signIn(b, "ada", password).want(t, 200)
	signIn(b, "ada", password).want(t, 200)
	b.call("GET", "/session", nil).want(t, 200, `"access":"admin"`, `"expires"`)
	b.call("DELETE", "/session", nil).want(t, 204)
	b.call("GET", "/session", nil).want(t, 401)

	// A changed password ends the other sessions and leaves this one.
	other := f.browser()
	signIn(other, "ada", password).want(t, 200)
	signIn(b, "ada", password).want(t, 200)
	f.clock.pass(time.Second)
	b.call("POST", "/session/password", object{"old": "no", "new": "another long password"}).want(t, 422, "body.old")
	b.call("POST", "/session/password", object{"old": password, "new": "another long password"}).want(t, 204)
	b.call("GET", "/session", nil).want(t, 200)
	other.call("GET", "/session", nil).want(t, 401)

	// A removed user is out at once.
	_, err = f.store.CreateUser(t.Context(), "bob", model.AccessAdmin, password)
	f.ok(err)
	f.ok(f.store.DeleteUser(t.Context(), "ada"))
	b.call("GET", "/session", nil).want(t, 401)
}

func TestSessionEndsIdle(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SessionIdle = time.Hour })
	_, err := f.store.CreateUser(t.Context(), "ada", model.AccessAdmin, password)
	f.ok(err)
	b := f.browser()
	signIn(b, "ada", password).want(t, 200)
	for range 4 { // each request starts the idle time anew
		f.clock.pass(50 * time.Minute)
		b.call("GET", "/session", nil).want(t, 200)
	}
	f.clock.pass(61 * time.Minute)
	b.call("GET", "/session", nil).want(t, 401)
}

func TestSignInThrottle(t *testing.T) {
	f := newFixture(t)
	_, err := f.store.CreateUser(t.Context(), "ada", model.AccessAdmin, password)
	f.ok(err)
	b := f.browser()
	for range freePerUser {
		signIn(b, "ada", "wrong").want(t, 401)
	}
	r := signIn(b, "ada", password).want(t, 429, "try again in")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.clock.pass(2 * time.Second)
	signIn(b, "ada", password).want(t, 200)
	signIn(b, "ada", "wrong").want(t, 401)
}

func TestCrossOrigin(t *testing.T) {
	f := newFixture(t)
	_, err := f.store.CreateUser(t.Context(), "ada", model.AccessAdmin, password)
	f.ok(err)
	b := f.browser()
	signIn(b, "ada", password).want(t, 200)
	req := b.request(t.Context(), "DELETE", "/session", nil)
	req.Header.Set("Origin", "https://evil.example")
	b.do(req).want(t, http.StatusForbidden)
	req = b.request(t.Context(), "DELETE", "/session", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	b.do(req).want(t, http.StatusForbidden)
	b.call("GET", "/session", nil).want(t, 200)
}

func TestThrottle(t *testing.T) {
	th, now := newThrottle(), time.Now()
	attempts := 0
	for end := now.Add(time.Hour); now.Before(end); {
		if wait := th.take("ada", "192.0.2.1", now); wait > 0 {
			now = now.Add(wait)
			continue
		}
		attempts++
	}
	if attempts > 20 {
		t.Errorf("%d attempts in an hour", attempts)
	}
	if th.take("ada", "192.0.2.2", now) > 0 {
		t.Error("another address has to wait, so anybody can lock anybody out")
	}
	// Many names from one address are slowed down, too.
	names := 0
	for i := range 100 {
		if th.take(strings.Repeat("x", i), "192.0.2.3", now) == 0 {
			names++
		}
	}
	if names > freePerAddress {
		t.Errorf("%d names tried at once from one address", names)
	}
	for i := range 2 * maxThrottled {
		th.take("ada", "addr"+string(rune(i)), now)
	}
	if len(th.tries) > maxThrottled+1 {
		t.Errorf("%d entries", len(th.tries))
	}
	later := now.Add(longestWait + time.Second)
	if th.take("ada", "192.0.2.1", later) > 0 {
		t.Error("attempts are never forgotten")
	}
}
