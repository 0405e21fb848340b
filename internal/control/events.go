package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// deviceFinder lists devices by words in their names.
type deviceFinder interface {
	Devices(ctx context.Context, words string, p model.Page) (list []model.Device, next string, err error)
}

// searcher answers the console's searches out of the event store: it reads
// the query language and lets device names stand for ids.
type searcher struct {
	store   event.Store
	devices deviceFinder
	now     func() time.Time
}

// parse reads a query text. Problems carry the column and wrap ErrInvalid.
// Contacts are no news and far more than all else: a query finds them only when
// it names their kind or an event's id.
func (s *searcher) parse(ctx context.Context, text string) (query.Query, error) {
	q, err := query.Parse(text)
	if err != nil {
		return q, fmt.Errorf("%w: %w", model.ErrInvalid, err)
	}
	if !q.Names(query.FieldKind, string(model.KindContact)) && !q.Asks(query.FieldID) {
		q = q.And(noContacts)
	}
	return q.Resolve(func(p query.Pattern) []model.DeviceID { return s.named(ctx, p) }), nil
}

var noContacts = query.Without(query.FieldKind, string(model.KindContact))

// maxNamed bounds how many devices one name pattern stands for.
const maxNamed = 1000

func (s *searcher) named(ctx context.Context, p query.Pattern) []model.DeviceID {
	var out []model.DeviceID
	page := model.Page{Limit: maxNamed}
	for {
		list, next, err := s.devices.Devices(ctx, "", page)
		if err != nil {
			return out // the ids in the text itself still match
		}
		for _, d := range list {
			if d.Name != "" && p.Match(d.Name) && len(out) < maxNamed {
				out = append(out, d.ID)
			}
		}
		if next == "" {
			return out
		}
		page.Before = next
	}
}

// Event implements the console's Events.
func (s *searcher) Event(ctx context.Context, id model.ID) (*model.Event, error) {
	e, err := s.store.Get(ctx, id)
	if errors.Is(err, event.ErrNotFound) {
		return nil, fmt.Errorf("event %s: %w", id, model.ErrNotFound)
	}
	return &e, err
}

// Search implements the console's Events.
func (s *searcher) Search(ctx context.Context, text string, limit int, before string) ([]*model.Event, string, error) {
	q, err := s.parse(ctx, text)
	if err != nil {
		return nil, "", err
	}
	list, next, err := s.store.Search(ctx, q, limit, event.Cursor(before))
	if err != nil {
		return nil, "", argument(err)
	}
	out := make([]*model.Event, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out, string(next), nil
}

// Histogram implements the console's Events.
func (s *searcher) Histogram(ctx context.Context, text string, from, to time.Time, step time.Duration, by string) ([]rest.Bucket, error) {
	q, err := s.parse(ctx, text)
	if err != nil {
		return nil, err
	}
	list, err := s.store.Histogram(ctx, q, from, to, step, query.Field(by))
	if err != nil {
		return nil, argument(err)
	}
	out := make([]rest.Bucket, len(list))
	for i, b := range list {
		out[i] = rest.Bucket{Time: b.Time, Counts: b.Counts}
	}
	return out, nil
}

// Top implements the console's Events.
func (s *searcher) Top(ctx context.Context, text, field string, n int) ([]rest.TopEntry, error) {
	q, err := s.parse(ctx, text)
	if err != nil {
		return nil, err
	}
	list, err := s.store.Top(ctx, q, query.Field(field), n)
	if err != nil {
		return nil, argument(err)
	}
	out := make([]rest.TopEntry, len(list))
	for i, v := range list {
		out[i] = rest.TopEntry{Value: v.Value, Count: v.Events}
	}
	return out, nil
}

// Matcher implements the console's Events.
func (s *searcher) Matcher(text string) (func(*model.Event) bool, error) {
	q, err := s.parse(context.Background(), text)
	if err != nil {
		return nil, err
	}
	return func(e *model.Event) bool { return q.Match(e, s.now()) }, nil
}

// argument marks errors about what the caller asked for as such.
func argument(err error) error {
	if errors.Is(err, event.ErrArgument) {
		return fmt.Errorf("%w: %w", model.ErrInvalid, err)
	}
	return err
}
