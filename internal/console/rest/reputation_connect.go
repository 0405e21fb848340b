package rest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	reputationv1 "github.com/masugata/masugata/api/reputation/v1"
	"github.com/masugata/masugata/api/reputation/v1/reputationv1connect"
	"github.com/masugata/masugata/internal/intel/reputation"
)

// Bounds of questions over Connect.
const (
	maxObject       = 4096             // bytes, as in the REST API
	maxCallObjects  = 100_000          // of LookupBatch
	maxPieceObjects = 10_000           // of one message of LookupStream
	answersAPiece   = 1_000            // in one message of LookupBatch's answer
	maxAskStreams   = 256              // LookupStream calls at once
	maxCallPrefixes = 1_000            // of Hashes
	checkEvery      = 15 * time.Second // how often a stream's caller is identified anew
)

// reputationCalls names the rule of each procedure: that of the operation of
// the REST API which does the same.
func reputationCalls() map[string]string {
	return map[string]string{
		reputationv1connect.ReputationServiceLookupProcedure:       "lookup-reputation",
		reputationv1connect.ReputationServiceExplainProcedure:      "explain-reputation",
		reputationv1connect.ReputationServiceLookupBatchProcedure:  "lookup-reputations",
		reputationv1connect.ReputationServiceLookupStreamProcedure: "lookup-reputations",
		reputationv1connect.ReputationServiceHashesProcedure:       "reputation-hashes",
	}
}

// mountReputationCalls serves the Connect service of api/reputation.
func (s *server) mountReputationCalls(mux *http.ServeMux) {
	calls := reputationCalls()
	path, handler := reputationv1connect.NewReputationServiceHandler(&reputationService{server: s}, s.connectOptions(calls)...)
	mux.Handle(path, s.guardCalls(calls, handler))
}

// reputationService answers the calls of api/reputation by the interface that
// the REST API asks, too. Safe for concurrent use.
type reputationService struct {
	*server
	streams atomic.Int32
}

// Lookup implements reputationv1connect.ReputationServiceHandler.
func (r *reputationService) Lookup(_ context.Context, q *reputationv1.LookupRequest) (*reputationv1.LookupResponse, error) {
	if err := bounded("object", "bytes", len(q.Object), maxObject); err != nil {
		return nil, err
	}
	a, err := r.Reputation.Lookup(q.Object)
	if err != nil {
		return nil, err
	}
	return &reputationv1.LookupResponse{Answer: wireAnswer(&a)}, nil
}

// Explain implements reputationv1connect.ReputationServiceHandler.
func (r *reputationService) Explain(_ context.Context, q *reputationv1.ExplainRequest) (*reputationv1.ExplainResponse, error) {
	if err := bounded("object", "bytes", len(q.Object), maxObject); err != nil {
		return nil, err
	}
	v, err := r.Reputation.Explain(q.Object)
	if err != nil {
		return nil, err
	}
	brief := reputation.Brief{Score: v.Score, Kind: v.Kind, Local: v.Local}
	out := &reputationv1.ExplainResponse{
		Answer: wireAnswer(&ReputationAnswer{Object: q.Object, Listed: brief.Listed(), Score: v.Score, Band: v.Band, Kind: v.Kind, Local: v.Local}),
		Match:  v.Match.String(), Confidence: uint32(v.Confidence), FirstSeenUnix: int64(v.First), LastSeenUnix: int64(v.Last), Words: v.Words,
	}
	for _, why := range v.Reasons {
		out.Reasons = append(out.Reasons, &reputationv1.Reason{Source: why.Source, Owner: why.Owner, Kind: why.Kind.String(),
			Note: why.Note, FirstSeenUnix: int64(why.First), LastSeenUnix: int64(why.Last), Weight: int32(why.Weight)})
	}
	return out, nil
}

// LookupBatch implements reputationv1connect.ReputationServiceHandler.
func (r *reputationService) LookupBatch(ctx context.Context, q *reputationv1.LookupBatchRequest, out *connect.ServerStream[reputationv1.LookupBatchResponse]) error {
	if err := bounded("objects", "entries", len(q.Objects), maxCallObjects); err != nil {
		return err
	}
	for rest := q.Objects; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(rest), answersAPiece)
		if err := out.Send(&reputationv1.LookupBatchResponse{Answers: r.answers(rest[:n])}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// LookupStream implements reputationv1connect.ReputationServiceHandler.
func (r *reputationService) LookupStream(ctx context.Context, both *connect.BidiStream[reputationv1.LookupStreamRequest, reputationv1.LookupStreamResponse]) error {
	defer r.streams.Add(-1)
	if r.streams.Add(1) > maxAskStreams {
		return connect.NewError(connect.CodeResourceExhausted, errors.New("too many streams are open; close one and try again"))
	}
	for checked := r.Now(); ; {
		q, err := both.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := bounded("objects", "entries", len(q.Objects), maxPieceObjects); err != nil {
			return err
		}
		// A token that is taken back meanwhile ends its stream, too.
		if now := r.Now(); now.Sub(checked) >= checkEvery {
			if _, err := r.admitCall(ctx, "lookup-reputations", both.RequestHeader().Get("Authorization")); err != nil {
				return err
			}
			checked = now
		}
		if err := both.Send(&reputationv1.LookupStreamResponse{Answers: r.answers(q.Objects)}); err != nil {
			return err
		}
	}
}

// Hashes implements reputationv1connect.ReputationServiceHandler.
func (r *reputationService) Hashes(_ context.Context, q *reputationv1.HashesRequest) (*reputationv1.HashesResponse, error) {
	if err := bounded("prefixes", "entries", len(q.Prefixes), maxCallPrefixes); err != nil {
		return nil, err
	}
	out := &reputationv1.HashesResponse{HoldsForSeconds: hashesHold}
	for i, p := range q.Prefixes {
		if len(p) != 4 {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("prefixes[%d] has %d bytes, want 4", i, len(p)))
		}
		for _, h := range r.Reputation.Hashes([4]byte(p)) {
			full, err := hex.DecodeString(h.SHA256)
			if err != nil {
				return nil, err
			}
			out.Hashes = append(out.Hashes, &reputationv1.FullHash{Sha256: full, Score: uint32(h.Score), Kind: h.Kind.String(), Type: h.Type, Below: h.Below, Local: h.Local.String()})
		}
	}
	return out, nil
}

// answers looks objects up, in their order.
func (r *reputationService) answers(objects []string) []*reputationv1.Answer {
	out, all := make([]*reputationv1.Answer, len(objects)), make([]reputationv1.Answer, len(objects))
	for i, o := range objects {
		a := r.answer(o)
		fillAnswer(&all[i], &a)
		out[i] = &all[i]
	}
	return out
}

func bounded(field, unit string, n, most int) error {
	if n > most {
		return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%s has %d %s, at most %d", field, n, unit, most))
	}
	return nil
}

func wireAnswer(a *ReputationAnswer) *reputationv1.Answer {
	out := new(reputationv1.Answer)
	fillAnswer(out, a)
	return out
}

func fillAnswer(out *reputationv1.Answer, a *ReputationAnswer) {
	out.Object, out.Listed, out.Score, out.Band, out.Kind, out.Local, out.Problem =
		a.Object, a.Listed, uint32(a.Score), a.Band.String(), a.Kind.String(), a.Local.String(), a.Problem
}
