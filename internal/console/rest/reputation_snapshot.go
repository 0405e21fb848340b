package rest

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// ReputationSnapshots gives all that the service knows to look-up nodes, signed.
type ReputationSnapshots interface {
	// Snapshot gives the newest snapshot; without manifest when its version is
	// not above the one given.
	Snapshot(ctx context.Context, above uint64) (ReputationSnapshot, error)
	// SnapshotPart opens a part by its SHA-256 and says how many bytes it has.
	// The caller closes it.
	SnapshotPart(ctx context.Context, sha256 string) (io.ReadCloser, int64, error)
}

// ReputationSnapshot names what a snapshot is made of.
type ReputationSnapshot struct {
	Version  uint64    `json:"version" doc:"rises with each snapshot"`
	Issued   time.Time `json:"issued"`
	Key      string    `json:"key" doc:"minisign public key that signs it; look-up nodes are given it by hand"`
	Entries  int       `json:"entries"`
	Bytes    int64     `json:"bytes" doc:"of all parts, as they are sent"`
	Manifest string    `json:"manifest,omitempty" doc:"the signed bytes: JSON that names the sources and the SHA-256 of their parts; only when the version is above"`
	Minisig  string    `json:"minisig,omitempty" doc:"minisign signature of the manifest"`
}

type (
	snapshotInput struct {
		Above uint64 `query:"above" doc:"the version that is held"`
	}
	partInput struct {
		SHA256 string `path:"sha256" minLength:"64" maxLength:"64" pattern:"^[0-9a-f]{64}$"`
	}
)

func (s *server) registerSnapshots() {
	const tag, at = "reputation", "/reputation/snapshot"
	add(s, op{id: "reputation-snapshot", method: http.MethodGet, path: at, tag: tag, summary: "The newest signed snapshot for look-up nodes"},
		func(ctx context.Context, in *snapshotInput) (ReputationSnapshot, error) {
			return s.Reputation.Snapshot(ctx, in.Above)
		})
	o := s.operation(op{id: "reputation-snapshot-part", method: http.MethodGet, path: at + "/parts/{sha256}", tag: tag,
		summary: "A part of a snapshot, packed with Zstandard"})
	o.Responses = map[string]*huma.Response{"200": {Description: "The part",
		Content: map[string]*huma.MediaType{"application/zstd": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	huma.Register(s.api, o, func(ctx context.Context, in *partInput) (*huma.StreamResponse, error) {
		part, size, err := s.Reputation.SnapshotPart(ctx, in.SHA256)
		if err != nil {
			return nil, s.problem(ctx, o.OperationID, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer part.Close()
			hc.SetHeader("Content-Type", "application/zstd")
			hc.SetHeader("Content-Length", strconv.FormatInt(size, 10))
			hc.SetStatus(http.StatusOK)
			_, w := humago.Unwrap(hc)
			out := &callWriter{ResponseWriter: w, control: http.NewResponseController(w)}
			defer out.control.SetWriteDeadline(time.Time{}) // the connection may serve further requests
			_, _ = io.Copy(struct{ io.Writer }{out}, part)  // whoever asked sees that bytes are missing
		}}, nil
	})
}
