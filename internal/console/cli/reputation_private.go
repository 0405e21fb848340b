package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/index"
)

const (
	maxPrefixesAsked = 1000 // in one request
	maxPrivate       = 1000 // objects of one command, so that their hashes stay few
)

// askPrivately answers objects by hash prefixes alone, in the form of an
// ordinary question's answers.
func (s *session) askPrivately(ctx context.Context, objects []string) ([]any, error) {
	if len(objects) > maxPrivate {
		return nil, fmt.Errorf("%w: %d objects; at most %d are asked for in private at once", errUsage, len(objects), maxPrivate)
	}
	asked := make([]*index.Private, len(objects))
	problems := make([]string, len(objects))
	var prefixes [][4]byte
	for i, text := range objects {
		o, err := canon.Guess(text)
		if err == nil {
			asked[i], err = index.AskPrivate(o)
		}
		if err != nil {
			problems[i] = err.Error()
			continue
		}
		prefixes = asked[i].Prefixes(prefixes)
		if asked[i].Partial() {
			problems[i] = "of its address nothing was asked: addresses cannot be asked for in private"
		}
	}
	full, err := s.fullHashes(ctx, prefixes)
	if err != nil {
		return nil, err
	}
	answers := make([]any, len(objects))
	for i, text := range objects {
		var b reputation.Brief
		if asked[i] != nil {
			b, _ = asked[i].Answer(full)
		}
		a := map[string]any{"object": text, "listed": b.Listed(), "score": b.Score, "band": reputation.BandOf(b.Score).String(), "kind": b.Kind.String()}
		if b.Local != reputation.LocalNo {
			a["local"] = b.Local.String()
		}
		if problems[i] != "" {
			a["problem"] = problems[i]
		}
		answers[i] = a
	}
	return answers, nil
}

// hashAnswer is a full hash as the API gives it.
type hashAnswer struct {
	SHA256 string          `json:"sha256"`
	Score  uint8           `json:"score"`
	Kind   string          `json:"kind"`
	Type   reputation.Type `json:"type"`
	Below  bool            `json:"below"`
	Local  string          `json:"local"`
}

// fullHashes asks for the listed hashes that begin with prefixes.
func (s *session) fullHashes(ctx context.Context, prefixes [][4]byte) ([]index.Full, error) {
	var out []index.Full
	for len(prefixes) > 0 {
		n := min(len(prefixes), maxPrefixesAsked)
		texts := make([]string, n)
		for i, p := range prefixes[:n] {
			texts[i] = hex.EncodeToString(p[:])
		}
		var got struct{ Hashes []hashAnswer }
		if err := s.ask(ctx, http.MethodPost, "/reputation/hashes", nil, map[string]any{"prefixes": texts}, &got); err != nil {
			return nil, err
		}
		for _, h := range got.Hashes {
			f := index.Full{Type: h.Type, Below: h.Below, Brief: reputation.Brief{Score: h.Score}}
			f.Brief.Kind, _ = reputation.ParseKind(h.Kind) // a newer kind counts as none
			switch h.Local {
			case reputation.LocalAllow.String():
				f.Brief.Local = reputation.LocalAllow
			case reputation.LocalDeny.String():
				f.Brief.Local = reputation.LocalDeny
			}
			if _, err := hex.Decode(f.Hash[:], []byte(h.SHA256[:min(len(h.SHA256), 64)])); err != nil {
				return nil, fmt.Errorf("the answer holds no hash: %w", err)
			}
			out = append(out, f)
		}
		prefixes = prefixes[n:]
	}
	return out, nil
}
