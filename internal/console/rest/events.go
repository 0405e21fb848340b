package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// EventList is a page of events, newest first.
type EventList struct {
	Events []*model.Event `json:"events"`
	Next   string         `json:"next" doc:"Cursor of the next page, empty on the last"`
}

// HistogramView is a count of events over time.
type HistogramView struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	StepS   int       `json:"step_s"`
	Buckets []Bucket  `json:"buckets"`
}

// TopView lists the most frequent values of a field.
type TopView struct {
	Top []TopEntry `json:"top"`
}

type searchInput struct {
	Q      string `query:"q" maxLength:"4096" doc:"Text of the query language, such as: severity:>=high layer:network since:24h"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before string `query:"before" maxLength:"256" doc:"Cursor from the page before"`
}

type idInput struct {
	ID model.ID `path:"id"`
}

type histogramInput struct {
	Q    string    `query:"q" maxLength:"4096"`
	From time.Time `query:"from" doc:"Default: 24 hours before the end"`
	To   time.Time `query:"to" doc:"Default: now"`
	Step int       `query:"step" minimum:"0" maximum:"604800" doc:"Seconds a step; 0 chooses about 120 steps"`
	By   string    `query:"by" maxLength:"64" doc:"Field to split by, such as severity"`
}

type topInput struct {
	Q     string `query:"q" maxLength:"4096"`
	Field string `query:"field" required:"true" maxLength:"64"`
	N     int    `query:"n" minimum:"1" maximum:"1000" default:"10"`
}

func (s *server) registerEvents() {
	add(s, op{id: "list-events", method: http.MethodGet, path: "/events", tag: "events", summary: "Search events"}, s.listEvents)
	add(s, op{id: "histogram-events", method: http.MethodGet, path: "/events/histogram", tag: "events", summary: "Count events over time"}, s.histogram)
	add(s, op{id: "top-events", method: http.MethodGet, path: "/events/top", tag: "events", summary: "Most frequent values of a field"}, s.topEvents)
	add(s, op{id: "get-event", method: http.MethodGet, path: "/events/{id}", tag: "events", summary: "One event"},
		func(ctx context.Context, in *idInput) (*model.Event, error) { return s.Events.Event(ctx, in.ID) })
}

func (s *server) listEvents(ctx context.Context, in *searchInput) (EventList, error) {
	list, next, err := s.Events.Search(ctx, in.Q, in.Limit, in.Before)
	return EventList{Events: orEmpty(list), Next: next}, err
}

// maxBuckets bounds the answer of a histogram.
const maxBuckets = 2000

func (s *server) histogram(ctx context.Context, in *histogramInput) (HistogramView, error) {
	to, from := in.To, in.From
	if to.IsZero() {
		to = s.Now()
	}
	if from.IsZero() {
		from = to.Add(-24 * time.Hour)
	}
	span := to.Sub(from)
	if span <= 0 {
		return HistogramView{}, fieldProblem("query.from", in.From, "must be before the end (query.to)")
	}
	step := time.Duration(in.Step) * time.Second
	if step == 0 {
		step = niceStep(span / 120)
	}
	if span/step > maxBuckets {
		return HistogramView{}, fieldProblem("query.step", in.Step, fmt.Sprintf(
			"gives %d steps; at most %d: ask for %d s or more", span/step, maxBuckets, int(span/maxBuckets/time.Second)+1))
	}
	buckets, err := s.Events.Histogram(ctx, in.Q, from, to, step, in.By)
	return HistogramView{From: from.UTC(), To: to.UTC(), StepS: int(step / time.Second), Buckets: orEmpty(buckets)}, err
}

// niceStep gives the smallest step that people like to read and is not below d.
func niceStep(d time.Duration) time.Duration {
	for _, s := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200} {
		if s*time.Second >= d {
			return s * time.Second
		}
	}
	const day = 24 * time.Hour
	return (d + day - 1) / day * day
}

func (s *server) topEvents(ctx context.Context, in *topInput) (TopView, error) {
	top, err := s.Events.Top(ctx, in.Q, in.Field, in.N)
	return TopView{Top: orEmpty(top)}, err
}

// orEmpty makes lists that JSON shows as [] and not as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
