package reputation

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/index"
)

// Lookup implements the console's ReputationLookup.
func (s *Service) Lookup(text string) (rest.ReputationAnswer, error) {
	o, err := canon.Guess(text)
	if err != nil {
		return rest.ReputationAnswer{}, fmt.Errorf("%v: %w", err, errInvalid)
	}
	b, _ := s.table.Load().Object(o)
	s.count(1, b.Listed())
	return rest.ReputationAnswer{Object: text, Listed: b.Listed(), Score: b.Score, Band: intel.BandOf(b.Score), Kind: b.Kind, Local: b.Local}, nil
}

func (s *Service) count(n uint64, hit bool) {
	s.lookups.Add(n)
	if hit {
		s.hits.Add(1)
	}
}

// Explain implements the console's ReputationLookup.
func (s *Service) Explain(text string) (intel.Verdict, error) {
	o, err := canon.Guess(text)
	if err != nil {
		return intel.Verdict{}, fmt.Errorf("%v: %w", err, errInvalid)
	}
	s.mu.RLock()
	v := s.ledger.Explain(o, s.seconds())
	s.mu.RUnlock()
	s.count(1, v.Kind != intel.KindNone)
	s.state.Lock()
	defer s.state.Unlock()
	for _, r := range v.Reasons {
		if fs := s.feeds[r.Source]; fs != nil {
			fs.view.Hits++
		}
	}
	return v, nil
}

// Batch implements the console's ReputationLookup.
func (s *Service) Batch(out, request []byte) ([]byte, error) {
	t := s.table.Load()
	ask, answers := t.Answer, uint64(1)
	if bytes.HasPrefix(request, []byte("MRP")) {
		ask = t.AnswerPrefixes
	}
	done, err := ask(out, request)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", err, errInvalid)
	}
	if a, err := index.ReadAnswers(done[len(out):]); err == nil {
		answers = uint64(a.Len())
	}
	s.lookups.Add(answers)
	return done, nil
}

// maxHashes bounds the answer to one prefix.
const maxHashes = 1000

// Hashes implements the console's ReputationLookup: what would be blocked by
// default, so that a client need not ask what a score means.
func (s *Service) Hashes(prefix [4]byte) []rest.ReputationHash {
	var out []rest.ReputationHash
	s.table.Load().Prefixes(prefix, func(f index.Full) bool {
		out = append(out, rest.ReputationHash{SHA256: hex.EncodeToString(f.Hash[:]), Score: f.Brief.Score, Kind: f.Brief.Kind, Type: f.Type.String(), Below: f.Below, Local: f.Brief.Local})
		return len(out) < maxHashes
	})
	return out
}

// Summary implements the console's ReputationLookup.
func (s *Service) Summary() rest.ReputationSummary {
	t := s.table.Load()
	s.mu.RLock()
	size := s.ledger.Bytes()
	s.mu.RUnlock()
	return rest.ReputationSummary{Objects: t.Size(), ByType: t.byType, ByBand: t.byBand, Bytes: int64(size + t.Bytes()),
		Built: t.built, Lookups: s.lookups.Load(), Hits: s.hits.Load()}
}

// lists answers the DNS.
type lists struct{ *Service }

// Address implements dnsbl.Source.
func (l lists) Address(a netip.Addr) intel.Brief {
	b, _ := l.table.Load().Address(a)
	l.count(1, b.Listed())
	return b
}

// Domain implements dnsbl.Source.
func (l lists) Domain(name []byte) intel.Brief {
	b, _ := l.table.Load().DomainBytes(name)
	l.count(1, b.Listed())
	return b
}

// Words implements dnsbl.Source.
func (l lists) Words(object string) string {
	v, err := l.Explain(object)
	if err != nil {
		return ""
	}
	return v.Words
}

// Serial implements dnsbl.Source.
func (l lists) Serial() uint32 { return l.table.Load().serial }
