package state

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// secretHash gives what the link server looks an enrolment token up by.
func secretHash(t *testing.T, text string) string {
	t.Helper()
	f := strings.Split(text, ".")
	if len(f) != 3 || f[0] != "mgt1" || len(f[1]) != 32 || f[2] != "0123456789abcdef" {
		t.Fatalf("token %q", text)
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(f[1])
	ok(t, err)
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

func newEnrollToken(t *testing.T, f fixture, uses int) (hash string, made model.EnrollToken) {
	t.Helper()
	text, made, err := f.CreateEnrollToken(t.Context(), model.EnrollToken{
		Role: model.RoleAgent, Name: "cam", Uses: uses, Expires: f.clock.now().Add(time.Hour), Author: "user:ada",
	}, "0123456789abcdef")
	ok(t, err)
	return secretHash(t, text), made
}

func testEnrollTokens(t *testing.T, f fixture) {
	ctx := t.Context()
	hash, made := newEnrollToken(t, f, 2)
	use := func(hash string, role model.Role) (model.EnrollToken, error) {
		return f.UseEnrollTokenHash(ctx, hash, role, f.clock.now())
	}
	_, err := use(hash, model.RoleGate)
	wantErr(t, err, model.ErrTokenRole)
	_, err = use(strings.Repeat("0", 64), model.RoleAgent)
	wantErr(t, err, model.ErrTokenUnknown)
	got := must[model.EnrollToken](t)(use(hash, model.RoleAgent))
	made.Used = 1
	same(t, got, made)
	f.clock.pass(time.Hour)
	_, err = use(hash, model.RoleAgent)
	wantErr(t, err, model.ErrTokenExpired)
	f.clock.pass(-time.Second)
	must[model.EnrollToken](t)(use(hash, model.RoleAgent))
	_, err = use(hash, model.RoleAgent)
	wantErr(t, err, model.ErrTokenUsed)
	made.Used = 2
	same(t, must[[]model.EnrollToken](t)(f.EnrollTokens(ctx)), []model.EnrollToken{made})
	ok(t, f.DeleteEnrollToken(ctx, made.ID))
	wantErr(t, f.DeleteEnrollToken(ctx, made.ID), model.ErrNotFound)
	_, err = use(hash, model.RoleAgent)
	wantErr(t, err, model.ErrTokenUnknown)

	for _, bad := range []model.EnrollToken{
		{Role: "admin", Uses: 1, Expires: f.clock.now().Add(time.Hour)},
		{Role: model.RoleGate, Uses: 0, Expires: f.clock.now().Add(time.Hour)},
		{Role: model.RoleGate, Uses: 1, Expires: f.clock.now()},
	} {
		_, _, err := f.CreateEnrollToken(ctx, bad, "")
		wantErr(t, err, model.ErrInvalid)
	}
}

// testEnrollTokenOnce lets many use a token for three uses at once.
func testEnrollTokenOnce(t *testing.T, f fixture) {
	hash, _ := newEnrollToken(t, f, 3)
	var took, used atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := f.UseEnrollTokenHash(t.Context(), hash, model.RoleAgent, f.clock.now())
			switch {
			case err == nil:
				took.Add(1)
			case errors.Is(err, model.ErrTokenUsed):
				used.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took.Load() != 3 || used.Load() != 13 {
		t.Fatalf("%d took it, %d were told it is used", took.Load(), used.Load())
	}
}

func testParts(t *testing.T, f fixture) {
	ctx, now := t.Context(), f.clock.now()
	cert := model.Certificate{Serial: "0a", Part: "agent-1", SHA256: "ff", NotBefore: now, NotAfter: now.Add(time.Hour)}
	p := model.Part{ID: "agent-1", Role: model.RoleAgent, Name: "cam", Device: "mac-020000000a01", Enrolled: now}
	ok(t, f.SavePart(ctx, p, cert))
	wantErr(t, f.SavePart(ctx, p, cert), model.ErrExists)
	p.NotAfter = cert.NotAfter
	same(t, must[model.Part](t)(f.Part(ctx, p.ID)), p)

	said := model.Part{
		ID: p.ID, Version: "1.2", LastSeen: now.Add(time.Second), Spooled: 3, SetsSeen: model.SetVersions{Policy: 4},
		Coverage: []model.Coverage{{Layer: model.LayerDevice, Protection: "file.integrity", Reason: "no fanotify"}},
	}
	ok(t, f.UpdateParts(ctx, []model.Part{said, {ID: "gate-unknown"}}))
	p.Version, p.LastSeen, p.Spooled, p.SetsSeen, p.Coverage = said.Version, said.LastSeen, 3, said.SetsSeen, said.Coverage
	same(t, must[[]model.Part](t)(f.Parts(ctx)), []model.Part{p})

	next := model.Certificate{Serial: "0b", Part: "agent-1", SHA256: "ee", NotBefore: now, NotAfter: now.Add(2 * time.Hour)}
	ok(t, f.SaveCertificate(ctx, next))
	wantErr(t, f.SaveCertificate(ctx, next), model.ErrExists)
	p.NotAfter = next.NotAfter
	same(t, must[model.Part](t)(f.Part(ctx, p.ID)), p)
	same(t, must[[]model.Certificate](t)(f.Certificates(ctx, p.ID)), []model.Certificate{next, cert})

	p.Revoked = true
	same(t, must[model.Part](t)(f.RevokePart(ctx, p.ID, "user:ada", "stolen")), p)
	_, err := f.RevokePart(ctx, p.ID, "user:ada", "stolen")
	wantErr(t, err, model.ErrConflict)
	ok(t, f.UpdateParts(ctx, []model.Part{{ID: p.ID}})) // a late word does not bring the trust back
	if !must[model.Part](t)(f.Part(ctx, p.ID)).Revoked {
		t.Fatal("no longer revoked")
	}
	wantErr(t, f.SaveCertificate(ctx, model.Certificate{Serial: "0c", Part: p.ID}), model.ErrConflict)
	_, err = f.Part(ctx, "gate-unknown")
	wantErr(t, err, model.ErrNotFound)
}

func testSets(t *testing.T, f fixture) {
	ctx, now := t.Context(), f.clock.now()
	_, err := f.Set(ctx, "actions")
	wantErr(t, err, model.ErrNotFound)
	var last model.SignedSet
	for v := uint64(1); v <= 20; v++ {
		payload := []byte{byte(v), 0, 0xff}
		last = model.SignedSet{Name: "actions", Version: v, Payload: payload, Minisig: "sig", SHA256: sha256.Sum256(payload), Issued: now, Expires: now.Add(time.Hour)}
		ok(t, f.SaveSet(ctx, last))
	}
	same(t, must[model.SignedSet](t)(f.Set(ctx, "actions")), last)
	wantErr(t, f.SaveSet(ctx, last), model.ErrConflict)
	same(t, must[[]byte](t)(f.Content(ctx, sha256.Sum256([]byte{5, 0, 0xff}))), []byte{5, 0, 0xff})
	_, err = f.Content(ctx, sha256.Sum256([]byte{4, 0, 0xff}))
	wantErr(t, err, model.ErrNotFound)
	ok(t, f.SaveSet(ctx, model.SignedSet{Name: "rules", Version: 1})) // an empty one

	_, err = f.Policy(ctx)
	wantErr(t, err, model.ErrNotFound)
	must[model.PolicyText](t)(f.SavePolicy(ctx, "a: 1", "setup"))
	second := must[model.PolicyText](t)(f.SavePolicy(ctx, "a: 2", "user:ada"))
	same(t, second, model.PolicyText{Version: 2, Text: "a: 2", Author: "user:ada", Time: now})
	same(t, must[model.PolicyText](t)(f.Policy(ctx)), second)
}

const goodPassword = "correct horse battery"

func testUsers(t *testing.T, f fixture) {
	ctx := t.Context()
	ada := must[model.User](t)(f.CreateUser(ctx, "ada", model.AccessAdmin, goodPassword))
	_, err := f.CreateUser(ctx, "ada", model.AccessViewer, goodPassword)
	wantErr(t, err, model.ErrExists)
	for _, bad := range []struct{ name, access, password string }{
		{"", "admin", goodPassword}, {"a b", "admin", goodPassword}, {"a/b", "admin", goodPassword},
		{strings.Repeat("a", 65), "admin", goodPassword}, {"b", "root", goodPassword}, {"b", "admin", "elevenchars"},
		{"b", "admin", strings.Repeat("x", 257)},
	} {
		_, err := f.CreateUser(ctx, bad.name, model.Access(bad.access), bad.password)
		wantErr(t, err, model.ErrInvalid)
	}
	f.clock.pass(time.Minute)
	ada.LastLogin = f.clock.now()
	same(t, must[model.User](t)(f.CheckPassword(ctx, "ada", goodPassword)), ada)
	same(t, must[model.User](t)(f.User(ctx, "ada")), ada)
	for _, try := range [][2]string{{"ada", goodPassword + "x"}, {"ada", ""}, {"eve", goodPassword}, {"", ""}} {
		_, err := f.CheckPassword(ctx, try[0], try[1])
		if err != model.ErrLogin { // exactly, so that nothing can be told apart
			t.Errorf("%q: %v", try, err)
		}
	}
	ok(t, f.SetPassword(ctx, "ada", "another long password"))
	_, err = f.CheckPassword(ctx, "ada", goodPassword)
	wantErr(t, err, model.ErrLogin)
	if got := must[model.User](t)(f.User(ctx, "ada")); !got.PasswordSet.Equal(f.clock.now()) {
		t.Errorf("password set at %s", got.PasswordSet)
	}
	wantErr(t, f.SetPassword(ctx, "eve", goodPassword), model.ErrNotFound)
	wantErr(t, f.DeleteUser(ctx, "ada"), model.ErrConflict)
	must[model.User](t)(f.CreateUser(ctx, "bob", model.AccessAdmin, goodPassword))
	ok(t, f.DeleteUser(ctx, "ada"))
	wantErr(t, f.DeleteUser(ctx, "ada"), model.ErrNotFound)
	if list := must[[]model.User](t)(f.Users(ctx)); len(list) != 1 || list[0].Name != "bob" {
		t.Fatalf("%+v", list)
	}
	var stored string
	ok(t, f.read.QueryRow("SELECT password FROM users").Scan(&stored))
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("stored as %q", stored)
	}
}

func testFirstUserOnce(t *testing.T, f fixture) {
	var made atomic.Int32
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			if _, err := f.CreateFirstUser(t.Context(), name, goodPassword); err == nil {
				made.Add(1)
			} else if !errors.Is(err, model.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Fatalf("%d first users", made.Load())
	}
}

func testAPITokens(t *testing.T, f fixture) {
	ctx := t.Context()
	must[model.User](t)(f.CreateUser(ctx, "ada", model.AccessAdmin, goodPassword))
	must[model.User](t)(f.CreateUser(ctx, "bob", model.AccessViewer, goodPassword))
	_, _, err := f.CreateAPIToken(ctx, model.APIToken{User: "eve", Access: model.AccessViewer})
	wantErr(t, err, model.ErrNotFound)
	_, _, err = f.CreateAPIToken(ctx, model.APIToken{User: "ada", Access: "root"})
	wantErr(t, err, model.ErrInvalid)
	text, made, err := f.CreateAPIToken(ctx, model.APIToken{Name: "ci", User: "bob", Access: model.AccessAdmin, Expires: f.clock.now().Add(time.Hour)})
	ok(t, err)
	if !strings.HasPrefix(text, "mgp_") || len(text) != 47 {
		t.Fatalf("text %q", text)
	}
	local, _, err := f.CreateAPIToken(ctx, model.APIToken{Name: "local", Access: model.AccessAdmin})
	ok(t, err)
	got := must[model.APIToken](t)(f.CheckAPIToken(ctx, text))
	if got.ID != made.ID || got.Access != model.AccessViewer || !got.LastUsed.Equal(f.clock.now()) {
		t.Fatalf("%+v", got) // bob may not do more than bob may
	}
	if got := must[model.APIToken](t)(f.CheckAPIToken(ctx, local)); got.User != "" || got.Access != model.AccessAdmin {
		t.Fatalf("%+v", got)
	}
	for _, bad := range []string{"", "mgp_", text + "x", strings.ToUpper(text)} {
		_, err := f.CheckAPIToken(ctx, bad)
		wantErr(t, err, model.ErrLogin)
	}
	if n := len(must[[]model.APIToken](t)(f.APITokens(ctx, ""))); n != 2 {
		t.Fatalf("%d tokens", n)
	}
	if n := len(must[[]model.APIToken](t)(f.APITokens(ctx, "bob"))); n != 1 {
		t.Fatalf("%d tokens of bob", n)
	}
	f.clock.pass(time.Hour)
	_, err = f.CheckAPIToken(ctx, text)
	wantErr(t, err, model.ErrLogin)
	f.clock.pass(-time.Minute)
	ok(t, f.DeleteUser(ctx, "bob"))
	_, err = f.CheckAPIToken(ctx, text)
	wantErr(t, err, model.ErrLogin)
	wantErr(t, f.DeleteAPIToken(ctx, made.ID), model.ErrNotFound)
	var texts int
	ok(t, f.read.QueryRow("SELECT COUNT(*) FROM api_tokens WHERE hash LIKE 'mgp%'").Scan(&texts))
	if texts != 0 {
		t.Fatal("the text of a token is stored")
	}
}

func testSessions(t *testing.T, f fixture) {
	ctx, end := t.Context(), f.clock.now().Add(time.Hour)
	ok(t, f.CommitCtx(ctx, "t1", []byte{0, 1}, end))
	ok(t, f.CommitCtx(ctx, "t1", []byte{0, 2}, end))
	data, found, err := f.FindCtx(ctx, "t1")
	ok(t, err)
	if !found {
		t.Fatal("not found")
	}
	same(t, data, []byte{0, 2})
	f.clock.pass(time.Hour)
	_, found, err = f.FindCtx(ctx, "t1")
	if found || err != nil {
		t.Fatalf("after its end: %v %v", found, err)
	}
	ok(t, f.CommitCtx(ctx, "t2", []byte{3}, f.clock.now().Add(time.Hour)))
	var n int
	ok(t, f.read.QueryRow("SELECT COUNT(*) FROM sessions").Scan(&n))
	if n != 1 {
		t.Fatalf("%d sessions stored, the expired one too", n)
	}
	ok(t, f.DeleteCtx(ctx, "t2"))
	ok(t, f.DeleteCtx(ctx, "t2"))
}
