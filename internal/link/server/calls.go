package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"connectrpc.com/connect"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

func badRequest(err error) error {
	return refusef(connect.CodeInvalidArgument, wire.ReasonBadRequest, "%s", err)
}

func (s *Server) enroll(ctx context.Context, c caller, req *wire.EnrollRequest) (*wire.EnrollResponse, error) {
	select {
	case s.enrols <- struct{}{}:
		defer func() { <-s.enrols }()
	default:
		return nil, refusef(connect.CodeResourceExhausted, wire.ReasonBusy, "too many enrolments at once: try again in a moment")
	}
	role := model.Role(req.Role)
	if role != model.RoleAgent && role != model.RoleGate {
		return nil, badRequest(fmt.Errorf("role %.20q: want agent or gate", req.Role))
	}
	device := model.DeviceID(req.Device)
	if _, _, err := device.MAC(); err != nil && (role == model.RoleAgent || device != "") {
		return nil, badRequest(fmt.Errorf("device %.64q: %w", req.Device, err))
	}
	now := s.cfg.Now()
	part := newPartID(role)
	// The certificate is made before the token is spent, so that a broken
	// request does not cost it.
	cert, err := s.cfg.CA.Issue(req.CSR, part, device, now, s.cfg.CertLife)
	if err != nil {
		return nil, badRequest(err)
	}
	name, err := s.useToken(ctx, req.Token, role, now)
	if err != nil {
		return nil, err
	}
	if name == "" {
		// A slash sets the owner apart (OWNER/NAME), which only a token may say.
		name = strings.ReplaceAll(cleanName(req.Name, string(part)), "/", "-")
	}
	p := model.Part{
		ID: part, Role: role, Name: name, Device: device, Version: cleanName(req.Software, ""),
		Enrolled: now, NotAfter: cert.NotAfter, LastSeen: now,
	}
	if err := s.cfg.Parts.Register(ctx, p, certificateOf(cert)); err != nil {
		return nil, fmt.Errorf("register part: %w", err)
	}
	s.log.Info("part enrolled", "part", part, "role", role, "name", name, "device", device, "remote", c.remote)
	return &wire.EnrollResponse{
		Part: string(part), Certificate: cert.Raw, CA: s.cfg.CA.DER(),
		SigningKey: s.cfg.SigningKey, NotAfter: cert.NotAfter.Unix(),
	}, nil
}

func (s *Server) useToken(ctx context.Context, text string, role model.Role, now time.Time) (name string, err error) {
	token, err := identity.ParseToken(text)
	if err != nil {
		return "", refusef(connect.CodePermissionDenied, wire.ReasonTokenInvalid, "%s", err)
	}
	if !token.Pins(s.cfg.CA.DER()) {
		return "", refusef(connect.CodePermissionDenied, wire.ReasonTokenInvalid, "the token is of another control plane")
	}
	name, err = s.cfg.Tokens.UseToken(ctx, token.Hash(), role, now)
	for _, known := range []struct {
		err    error
		reason wire.Reason
	}{
		{ErrTokenUsed, wire.ReasonTokenUsed},
		{ErrTokenExpired, wire.ReasonTokenExpired},
		{ErrTokenScope, wire.ReasonTokenScope},
		{ErrTokenInvalid, wire.ReasonTokenInvalid},
	} {
		if errors.Is(err, known.err) {
			return "", refusef(connect.CodePermissionDenied, known.reason, "%s: make a new one with masugata enroll --role %s", known.err, role)
		}
	}
	if err != nil {
		return "", fmt.Errorf("use token: %w", err)
	}
	return name, nil
}

func newPartID(role model.Role) model.PartID {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return model.PartID(string(role) + "-" + hex.EncodeToString(b[:]))
}

func certificateOf(cert *x509.Certificate) Certificate {
	sum := sha256.Sum256(cert.Raw)
	return Certificate{Serial: hex.EncodeToString(cert.SerialNumber.Bytes()), SHA256: hex.EncodeToString(sum[:]),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
}

// cleanName keeps what is printable of a name that a part gave itself.
func cleanName(s, otherwise string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s))
	if s == "" {
		return otherwise
	}
	return s
}

func (s *Server) renew(ctx context.Context, c caller, req *wire.RenewRequest) (*wire.RenewResponse, error) {
	cert, err := s.cfg.CA.Issue(req.CSR, c.part, c.device, s.cfg.Now(), s.cfg.CertLife)
	if err != nil {
		return nil, badRequest(err)
	}
	if err := s.cfg.Parts.Renewed(ctx, c.part, certificateOf(cert)); err != nil {
		return nil, fmt.Errorf("renew %s: %w", c.part, err)
	}
	return &wire.RenewResponse{Certificate: cert.Raw, CA: s.cfg.CA.DER(), NotAfter: cert.NotAfter.Unix()}, nil
}

func (s *Server) report(ctx context.Context, c caller, req *wire.ReportRequest) (*wire.ReportResponse, error) {
	now := s.cfg.Now()
	var state *wire.PartState
	if req.State != nil {
		var err error
		if state, err = wire.DecodePartState(req.State, c.part); err != nil {
			return nil, badRequest(err)
		}
	}
	if req.Seq != 0 {
		if err := s.publish(ctx, c, req, now); err != nil {
			return nil, err
		}
	}
	if state != nil {
		if err := s.cfg.States.State(ctx, c.part, now, state); err != nil {
			return nil, fmt.Errorf("state of %s: %w", c.part, err)
		}
	}
	return &wire.ReportResponse{Acked: req.Seq, Time: s.cfg.Now().UnixNano()}, nil
}

func (s *Server) publish(ctx context.Context, c caller, req *wire.ReportRequest, now time.Time) error {
	if req.Epoch == 0 || req.Epoch > 1<<63-1 {
		return badRequest(errors.New("epoch is not a number of 1 to 63 bits"))
	}
	events := req.Batch
	if req.Zstd != nil {
		var err error
		if events, err = s.unzstd.DecodeAll(req.Zstd, nil); err != nil {
			return badRequest(fmt.Errorf("events_zstd: %w", err))
		}
	}
	sum, err := wire.Scan(events, c.device)
	if errors.Is(err, wire.ErrForeignDevice) {
		return refusef(connect.CodePermissionDenied, wire.ReasonForeign, "%s", err)
	}
	if err != nil {
		return badRequest(err)
	}
	err = s.cfg.Sink.Publish(ctx, Batch{
		Part: c.part, Role: c.role, Device: c.device, Epoch: req.Epoch, Seq: req.Seq,
		Received: now, Events: events, Summary: sum,
	})
	switch {
	case errors.Is(err, ErrBusy):
		return refusef(connect.CodeResourceExhausted, wire.ReasonBusy, "%s: try again in a moment", ErrBusy)
	case errors.Is(err, ErrMalformed):
		return badRequest(err)
	case err != nil:
		return fmt.Errorf("publish batch of %s: %w", c.part, err)
	}
	s.batches.Add(1)
	s.events.Add(uint64(sum.Events))
	return nil
}

// watch answers when there is a set newer than what the part has. It also
// answers, with no sets, when the server stops.
func (s *Server) watch(ctx context.Context, c caller, req *wire.WatchRequest) (*wire.WatchResponse, error) {
	timer := time.NewTimer(min(time.Duration(req.WaitMs)*time.Millisecond, MaxWait))
	defer timer.Stop()
	s.watching.Add(1)
	defer s.watching.Add(-1)
	for {
		changed := s.cfg.Sets.Changed()
		if sets := s.newer(ctx, c, req); len(sets) > 0 {
			return &wire.WatchResponse{Sets: sets}, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return &wire.WatchResponse{}, nil
		case <-s.callers.woken:
			return &wire.WatchResponse{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Server) newer(ctx context.Context, c caller, req *wire.WatchRequest) []wire.SignedSet {
	var sets []wire.SignedSet
	for _, name := range slices.Sorted(maps.Keys(req.Have)) {
		held := req.Have[name]
		set := s.cfg.Sets.Latest(c.part, c.device, name)
		if set == nil || set.Version <= held {
			continue
		}
		out := *set
		if held != 0 && slices.Contains(req.Differences, name) {
			s.addDifference(&out, s.cfg.Sets.Difference(ctx, c.part, name, set, held), held)
		}
		if len(out.Payload) > InlineSet || out.Base != 0 {
			out.Payload = nil
		}
		sets = append(sets, out)
	}
	return sets
}

// addDifference says how the set comes out of version base, if it does.
func (s *Server) addDifference(set *wire.SignedSet, difference []byte, base uint64) {
	if difference == nil {
		return
	}
	sum := sha256.Sum256(difference)
	set.Base, set.DifferenceSHA256, set.DifferenceSize = base, sum[:], uint64(len(difference))
	if len(difference) <= InlineSet {
		set.Difference = difference
	}
	s.differences.Add(1)
}

func (s *Server) fetch(ctx context.Context, _ caller, req *wire.FetchRequest) (*wire.FetchResponse, error) {
	if len(req.SHA256) != sha256.Size {
		return nil, badRequest(errors.New("sha256 is not 32 bytes"))
	}
	b, err := s.cfg.Sets.Content(ctx, req.SHA256)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if b == nil || len(b) > maxSetContent {
		return nil, s.connectError(connect.CodeNotFound, "", "content is not known any more: watch again")
	}
	return &wire.FetchResponse{Content: b}, nil
}
