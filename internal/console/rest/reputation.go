package rest

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Reputation answers what is known of addresses, names, URLs and files, and
// keeps the operator's own lists. An object that cannot be read is an error
// that wraps model.ErrInvalid. All methods are safe for concurrent use.
type Reputation interface {
	ReputationLookup
	ReputationFeeds
	ReputationLists
	ReputationSnapshots
}

// ReputationLookup answers questions.
type ReputationLookup interface {
	Lookup(object string) (ReputationAnswer, error)
	Explain(object string) (reputation.Verdict, error)
	// Batch answers a request in the binary form of package index; the answer
	// is appended to out.
	Batch(out, request []byte) ([]byte, error)
	// Hashes gives the full hashes that begin with a prefix of 4 bytes.
	Hashes(prefix [4]byte) []ReputationHash
	Summary() ReputationSummary
}

// ReputationFeeds tells of the feeds.
type ReputationFeeds interface {
	Feeds() []ReputationFeed
	// FetchFeed fetches a feed now and gives how it stands then.
	FetchFeed(ctx context.Context, name string) (ReputationFeed, error)
	// ReleaseFeed applies what was held back.
	ReleaseFeed(ctx context.Context, name string) (ReputationFeed, error)
	// UploadFeed stores content as a feed of the operator, or replaces it.
	UploadFeed(ctx context.Context, u ReputationUpload, content []byte) (ReputationFeed, error)
	// RemoveFeed takes an uploaded feed and all that it said away.
	RemoveFeed(ctx context.Context, name string) error
}

// ReputationLists keeps the operator's own entries, which win over all feeds.
type ReputationLists interface {
	Entries() []ReputationEntry
	SetEntry(ctx context.Context, e ReputationEntry) (ReputationEntry, error)
	RemoveEntry(ctx context.Context, object string) error
}

// ReputationAnswer is what is known of one object, in short.
type ReputationAnswer struct {
	Object  string           `json:"object" doc:"as asked"`
	Listed  bool             `json:"listed"`
	Score   uint8            `json:"score" doc:"0 to 100"`
	Band    reputation.Band  `json:"band"`
	Kind    reputation.Kind  `json:"kind"`
	Local   reputation.Local `json:"local,omitempty" doc:"a list of the operator decides"`
	Problem string           `json:"problem,omitempty" doc:"why the object cannot be read"`
}

// ReputationHash is a full hash of a listed name or URL expression.
type ReputationHash struct {
	SHA256 string           `json:"sha256" doc:"of the expression, lower-case hexadecimal"`
	Score  uint8            `json:"score"`
	Kind   reputation.Kind  `json:"kind"`
	Type   string           `json:"type"`
	Below  bool             `json:"below,omitempty" doc:"it holds for names or paths below it as well; what is not below holds only for itself"`
	Local  reputation.Local `json:"local,omitempty" doc:"a list of the operator decides"`
}

// ReputationSummary says how much is known.
type ReputationSummary struct {
	Objects int            `json:"objects"`
	ByType  map[string]int `json:"by_type"`
	ByBand  map[string]int `json:"by_band"`
	Bytes   int64          `json:"bytes" doc:"memory of what is kept and of the look-up index"`
	Built   time.Time      `json:"built" doc:"when the look-up index was made"`
	Lookups uint64         `json:"lookups" doc:"objects asked for since the start"`
	Hits    uint64         `json:"hits" doc:"how many of them, asked one by one, were listed"`
}

// ReputationFeed is a feed and how it stands.
type ReputationFeed struct {
	Name     string              `json:"name"`
	Owner    string              `json:"owner"`
	Format   string              `json:"format"`
	Place    string              `json:"place" doc:"file or URL; empty for an upload"`
	Licence  string              `json:"licence"`
	Trust    uint8               `json:"trust"`
	Kind     reputation.Kind     `json:"kind"`
	State    string              `json:"state" enum:"waiting,ok,failing,held"`
	Problem  string              `json:"problem,omitempty"`
	Why      *ReputationDoubt    `json:"why,omitempty" doc:"why it is held back"`
	Interval float64             `json:"interval_s"`
	Entries  int                 `json:"entries" doc:"in force"`
	Read     int                 `json:"read" doc:"of the last copy"`
	Refused  int                 `json:"refused"`
	Added    int                 `json:"added" doc:"by the last copy"`
	Removed  int                 `json:"removed"`
	Overlap  int                 `json:"overlap" doc:"entries that another owner has too"`
	Overlaps []ReputationOverlap `json:"overlaps" doc:"whom most entries are shared with"`
	Hits     uint64              `json:"hits" doc:"explained objects that the feed spoke of, since the start"`
	Tried    time.Time           `json:"tried,omitzero"`
	Good     time.Time           `json:"good,omitzero" doc:"when the copy in force was fetched"`
	Next     time.Time           `json:"next,omitzero"`
	Refusals []ReputationRefusal `json:"refusals" doc:"the first refused entries of the last copy"`
}

// ReputationDoubt is why a copy of a feed should not be applied without a
// person's word.
type ReputationDoubt struct {
	Code string `json:"code" enum:"unreadable,shrunk,own,benign,before" doc:"none of its entries can be read; most are gone; it lists the operator's own things, or what warninglists name; it was held back before the last start"`
	N    int    `json:"n" doc:"how many entries that is about"`
	Was  int    `json:"was,omitempty" doc:"entries before"`
}

// ReputationOverlap says how many entries a feed shares with another source.
type ReputationOverlap struct {
	Source  string `json:"source"`
	Entries int    `json:"entries"`
}

// ReputationRefusal is an entry of a feed that was not taken.
type ReputationRefusal struct {
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Problem string `json:"problem"`
	Mend    string `json:"mend,omitempty"`
}

// ReputationUpload says what an uploaded list is.
type ReputationUpload struct {
	Name, Format, Owner, Licence string
	Trust                        uint8
	Kind                         reputation.Kind
}

// ReputationEntry is an entry of the operator's own lists.
type ReputationEntry struct {
	Object string    `json:"object" minLength:"1" maxLength:"2048"`
	List   string    `json:"list" enum:"allow,deny"`
	Note   string    `json:"note,omitempty" maxLength:"64"`
	By     string    `json:"by,omitempty" readOnly:"true"`
	Time   time.Time `json:"time,omitzero" readOnly:"true"`
}

type (
	objectInput struct {
		Object string `query:"object" required:"true" minLength:"1" maxLength:"4096" doc:"address, prefix, name, URL, hash, ASN, …"`
	}
	objectsInput struct {
		Body struct {
			Objects []string `json:"objects" maxItems:"10000"`
		}
	}
	binaryInput struct {
		RawBody []byte `contentType:"application/octet-stream"`
	}
	binaryAnswer struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	hashesInput struct {
		Body struct {
			Prefixes []string `json:"prefixes" maxItems:"1000" doc:"first 4 bytes of the SHA-256 of expressions, 8 hexadecimal digits each"`
		}
	}
	feedInput struct {
		Name string `path:"name" maxLength:"64"`
	}
	uploadInput struct {
		Name    string `path:"name" maxLength:"64"`
		Format  string `query:"format" maxLength:"32" doc:"empty guesses"`
		Owner   string `query:"owner" maxLength:"64"`
		Licence string `query:"licence" maxLength:"64"`
		Trust   uint8  `query:"trust" minimum:"0" maximum:"100" default:"50"`
		Kind    string `query:"kind" default:"suspicious" maxLength:"16"`
		RawBody []byte `contentType:"application/octet-stream"`
	}
	entryInput struct{ Body ReputationEntry }
)

// ReputationAnswers is the answer to a batch, in the order of the question.
type ReputationAnswers struct {
	Answers []ReputationAnswer `json:"answers"`
}

// ReputationHashes is the answer to hash prefixes.
type ReputationHashes struct {
	Hashes   []ReputationHash `json:"hashes"`
	HoldsFor int              `json:"holds_for_s" doc:"how long a client may keep the answer, also that there was nothing"`
}

// ReputationFeedList is all feeds.
type ReputationFeedList struct {
	Feeds []ReputationFeed `json:"feeds"`
}

// ReputationEntryList is the operator's own lists.
type ReputationEntryList struct {
	Entries []ReputationEntry `json:"entries"`
}

// hashesHold is how long clients may keep what hash prefixes gave, in seconds.
const hashesHold = 300

func (s *server) registerReputation() {
	const tag, at = "reputation", "/reputation"
	add(s, op{id: "reputation-summary", method: http.MethodGet, path: at, tag: tag, summary: "How much is known"},
		func(context.Context, *nothing) (ReputationSummary, error) { return s.Reputation.Summary(), nil })
	add(s, op{id: "lookup-reputation", method: http.MethodGet, path: at + "/lookup", tag: tag, summary: "What is known of an object, in short"},
		func(_ context.Context, in *objectInput) (ReputationAnswer, error) {
			return s.Reputation.Lookup(in.Object)
		})
	add(s, op{id: "explain-reputation", method: http.MethodGet, path: at + "/explain", tag: tag, summary: "What is known of an object, with reasons"},
		func(_ context.Context, in *objectInput) (reputation.Verdict, error) {
			v, err := s.Reputation.Explain(in.Object)
			v.Reasons = orEmpty(v.Reasons)
			return v, err
		})
	add(s, op{id: "lookup-reputations", method: http.MethodPost, path: at + "/lookup", tag: tag, summary: "What is known of many objects"}, s.lookupMany)
	add(s, op{id: "reputation-hashes", method: http.MethodPost, path: at + "/hashes", tag: tag,
		summary: "Full hashes that begin with prefixes, so that the service does not learn what was asked"}, s.hashes)
	s.registerBatch()
	s.registerFeeds()
	s.registerLists()
	s.registerEffect()
	s.registerSnapshots()
}

func (s *server) lookupMany(_ context.Context, in *objectsInput) (ReputationAnswers, error) {
	out := ReputationAnswers{Answers: make([]ReputationAnswer, len(in.Body.Objects))}
	for i, o := range in.Body.Objects {
		out.Answers[i] = s.answer(o)
	}
	return out, nil
}

// answer looks an object up among others: one that cannot be read has a
// problem instead of being an error.
func (s *server) answer(object string) ReputationAnswer {
	a, err := s.Reputation.Lookup(object)
	if err != nil {
		return ReputationAnswer{Object: object, Problem: err.Error()}
	}
	return a
}

func (s *server) hashes(_ context.Context, in *hashesInput) (ReputationHashes, error) {
	out := ReputationHashes{Hashes: []ReputationHash{}, HoldsFor: hashesHold}
	for _, p := range in.Body.Prefixes {
		var key [4]byte
		if len(p) != 8 {
			return out, fieldProblem("body.prefixes", p, "want 8 hexadecimal digits")
		}
		if _, err := hex.Decode(key[:], []byte(p)); err != nil {
			return out, fieldProblem("body.prefixes", p, "want 8 hexadecimal digits")
		}
		out.Hashes = append(out.Hashes, s.Reputation.Hashes(key)...)
	}
	return out, nil
}

// maxBatch bounds a binary batch, in bytes.
const maxBatch = 4 << 20

func (s *server) registerBatch() {
	o := s.operation(op{id: "batch-reputation", method: http.MethodPost, path: "/reputation/batch", tag: "reputation",
		summary: "What is known of many objects, in the binary form that docs/PROTOCOL.md describes"})
	o.MaxBodyBytes, o.BodyReadTimeout = maxBatch, time.Minute
	huma.Register(s.api, o, func(ctx context.Context, in *binaryInput) (*binaryAnswer, error) {
		out, err := s.Reputation.Batch(nil, in.RawBody)
		if err != nil {
			return nil, s.problem(ctx, o.OperationID, err)
		}
		return &binaryAnswer{ContentType: "application/octet-stream", Body: out}, nil
	})
}
