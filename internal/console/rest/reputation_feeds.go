package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxUpload bounds an uploaded list, in bytes, and uploadTime how long it may
// take to come.
const (
	maxUpload  = 64 << 20
	uploadTime = 5 * time.Minute
)

func (s *server) registerFeeds() {
	const tag, at = "reputation", "/reputation/feeds"
	add(s, op{id: "list-feeds", method: http.MethodGet, path: at, tag: tag, summary: "Feeds, how they stand and what they share"},
		func(context.Context, *nothing) (ReputationFeedList, error) {
			return ReputationFeedList{Feeds: orEmpty(s.Reputation.Feeds())}, nil
		})
	add(s, op{id: "fetch-feed", method: http.MethodPost, path: at + "/{name}/fetch", tag: tag, summary: "Fetch a feed now"},
		func(ctx context.Context, in *feedInput) (ReputationFeed, error) {
			return s.Reputation.FetchFeed(ctx, in.Name)
		})
	add(s, op{id: "release-feed", method: http.MethodPost, path: at + "/{name}/release", tag: tag, summary: "Apply the copy of a feed that was held back"},
		func(ctx context.Context, in *feedInput) (ReputationFeed, error) {
			return s.Reputation.ReleaseFeed(ctx, in.Name)
		})
	addQuiet(s, op{id: "remove-feed", method: http.MethodDelete, path: at + "/{name}", tag: tag, summary: "Remove an uploaded feed"},
		func(ctx context.Context, in *feedInput) error { return s.Reputation.RemoveFeed(ctx, in.Name) })
	o := s.operation(op{id: "upload-feed", method: http.MethodPut, path: at + "/{name}", tag: tag, summary: "Upload a list as a feed of your own"})
	o.MaxBodyBytes, o.BodyReadTimeout = maxUpload, uploadTime
	huma.Register(s.api, o, func(ctx context.Context, in *uploadInput) (*answer[ReputationFeed], error) {
		kind, ok := reputation.ParseKind(in.Kind)
		if !ok {
			return nil, fieldProblem("query.kind", in.Kind, "is no kind of reputation")
		}
		f, err := s.Reputation.UploadFeed(ctx, ReputationUpload{Name: in.Name, Format: in.Format, Owner: in.Owner,
			Licence: in.Licence, Trust: in.Trust, Kind: kind}, in.RawBody)
		if err != nil {
			return nil, s.problem(ctx, o.OperationID, err)
		}
		return &answer[ReputationFeed]{Body: f}, nil
	})
}

func (s *server) registerLists() {
	const tag, at = "reputation", "/reputation/entries"
	add(s, op{id: "list-reputation-entries", method: http.MethodGet, path: at, tag: tag, summary: "Your own allow and deny lists"},
		func(context.Context, *nothing) (ReputationEntryList, error) {
			return ReputationEntryList{Entries: orEmpty(s.Reputation.Entries())}, nil
		})
	add(s, op{id: "set-reputation-entry", method: http.MethodPost, path: at, tag: tag, summary: "Allow or deny an object, whatever feeds say"},
		func(ctx context.Context, in *entryInput) (ReputationEntry, error) {
			e := in.Body
			e.By, e.Time = callerOf(ctx).by(), s.Now().UTC()
			noteObject(ctx, e.List+" "+e.Object)
			return s.Reputation.SetEntry(ctx, e)
		})
	addQuiet(s, op{id: "remove-reputation-entry", method: http.MethodDelete, path: at, tag: tag, summary: "Take an object off your own lists"},
		func(ctx context.Context, in *objectInput) error {
			noteObject(ctx, in.Object)
			return s.Reputation.RemoveEntry(ctx, in.Object)
		})
}
