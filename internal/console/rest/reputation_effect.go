package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// ReputationEffect says what reputation did to the devices' traffic, what a
// change would do, and keeps what people report as wrongly listed. All methods
// are safe for concurrent use.
type ReputationEffect interface {
	ReputationTrials
	ReputationReports
}

// ReputationTrials looks at what devices did.
type ReputationTrials interface {
	// WhatIf says what a change would have blocked of what devices did lately.
	// content is the list of a question about one. Errors that wrap
	// model.ErrInvalid or model.ErrConflict are shown as they read.
	WhatIf(ctx context.Context, q ReputationQuestion, content []byte) (ReputationWhatIf, error)
	// Hits says what was seen and blocked because of each source in the last
	// days, today included.
	Hits(days int) ReputationHits
}

// ReputationReports keeps reports of false alarms.
type ReputationReports interface {
	// Reports gives those of a state ("" all), the newest first.
	Reports(state string) []ReputationReport
	// AddReport keeps a report; by and time are filled in by the caller.
	AddReport(ctx context.Context, r ReputationReport) (ReputationReport, error)
	// DecideReport decides a report, or opens it again.
	DecideReport(ctx context.Context, id model.ID, d ReputationDecision) (ReputationReport, error)
}

// ReputationQuestion is a change of which is asked what it would do.
type ReputationQuestion struct {
	// At most one of Held, Without and a list beside it.
	Held    string // a feed whose held back copy would be applied
	Without string // a feed that would say nothing any more
	Score   uint8  // least score that would be blocked; 0: as now
	Span    time.Duration
	// Of the list.
	List ReputationUpload
}

// ReputationReach is how much traffic something touches.
type ReputationReach struct {
	Contacts int    `json:"contacts" doc:"different pairs of a device and whom it spoke with"`
	Flows    uint64 `json:"flows" doc:"connections and exchanges in them"`
	Devices  int    `json:"devices"`
}

// ReputationWhatIf is what a change would have done.
type ReputationWhatIf struct {
	Question  string               `json:"question" enum:"list,held,without,score"`
	From      time.Time            `json:"from"`
	To        time.Time            `json:"to"`
	ScoreNow  uint8                `json:"score_now" doc:"least score that is blocked now"`
	ScoreThen uint8                `json:"score_then" doc:"least score that would be blocked"`
	Entries   int                  `json:"entries" doc:"of the list or held back copy"`
	Refused   int                  `json:"refused" doc:"entries of it that cannot be read"`
	Suspect   string               `json:"suspect,omitempty" doc:"why a feed like this would be held back"`
	Why       *ReputationDoubt     `json:"why,omitempty" doc:"the same as a code"`
	All       ReputationReach      `json:"all" doc:"what devices did in this time"`
	Now       ReputationReach      `json:"now" doc:"what is blocked as things are"`
	Then      ReputationReach      `json:"then" doc:"what would be blocked"`
	More      ReputationReach      `json:"more" doc:"what would be blocked and is not now"`
	Less      ReputationReach      `json:"less" doc:"what would pass and is blocked now"`
	Top       []ReputationWhatIfOf `json:"top" doc:"whom more or less would be blocked with, most devices first; at most 100"`
	Cut       bool                 `json:"cut,omitempty" doc:"there are more contacts than are looked at; those with most flows were"`
}

// ReputationWhatIfOf is one remote end that a change would treat differently.
type ReputationWhatIfOf struct {
	Remote    string           `json:"remote" doc:"name, or address when no name is known"`
	Address   string           `json:"address,omitempty"`
	Object    string           `json:"object" doc:"what is listed"`
	Kind      reputation.Kind  `json:"kind"`
	ScoreNow  uint8            `json:"score_now"`
	ScoreThen uint8            `json:"score_then"`
	Blocked   bool             `json:"blocked" doc:"it would be blocked; otherwise it would pass"`
	Flows     uint64           `json:"flows"`
	Devices   int              `json:"devices"`
	Some      []model.DeviceID `json:"some" doc:"some of the devices"`
	Ports     []string         `json:"ports" doc:"such as tcp/443; at most 8"`
	Last      time.Time        `json:"last"`
}

// ReputationHits is what was seen and blocked by source.
type ReputationHits struct {
	Days     []string               `json:"days" doc:"dates (UTC), the oldest first"`
	Sources  []ReputationSourceHits `json:"sources" doc:"most hits first"`
	Objects  []ReputationObjectHits `json:"objects" doc:"most hits first; at most 100"`
	All      ReputationDayHits      `json:"all" doc:"all hits, each counted once"`
	Unlisted ReputationDayHits      `json:"unlisted" doc:"hits on what no source lists any more"`
	Lost     uint64                 `json:"lost,omitempty" doc:"hits since the start that came faster than they are counted"`
}

// ReputationDayHits counts hits.
type ReputationDayHits struct {
	Seen    uint64 `json:"seen" doc:"passed and told"`
	Blocked uint64 `json:"blocked"`
}

// ReputationSourceHits is what a source did, and its record. A hit counts for
// each source that lists the object.
type ReputationSourceHits struct {
	Source  string `json:"source"`
	Owner   string `json:"owner"`
	Trust   uint8  `json:"trust"`
	Seen    uint64 `json:"seen"`
	Blocked uint64 `json:"blocked"`
	// Devices and Objects are estimates above a few hundred.
	Devices int                 `json:"devices" doc:"about how many"`
	Objects int                 `json:"objects" doc:"about how many different listed objects were met"`
	Last    time.Time           `json:"last,omitzero"`
	ByDay   []ReputationDayHits `json:"by_day" doc:"in the order of days"`
	Record  ReputationRecord    `json:"record"`
}

// ReputationRecord is how often a source was right, as far as people said.
type ReputationRecord struct {
	Open     int   `json:"open" doc:"reports of false alarms not decided"`
	Accepted int   `json:"accepted" doc:"found to be false alarms"`
	Rejected int   `json:"rejected"`
	Advised  uint8 `json:"advised_trust" doc:"trust that the record speaks for; the trust in force while there is no false alarm"`
}

// ReputationObjectHits is what was met.
type ReputationObjectHits struct {
	Object  string          `json:"object"`
	Kind    reputation.Kind `json:"kind"`
	Score   uint8           `json:"score"`
	Seen    uint64          `json:"seen"`
	Blocked uint64          `json:"blocked"`
	Devices int             `json:"devices" doc:"about how many"`
	Sources []string        `json:"sources"`
	Last    time.Time       `json:"last"`
}

// States of a report.
const (
	ReportOpen     = "open"
	ReportAccepted = "accepted"
	ReportRejected = "rejected"
)

// ReputationReport is a person's word that an object is wrongly listed.
type ReputationReport struct {
	ID      model.ID        `json:"id" readOnly:"true"`
	Object  string          `json:"object" minLength:"1" maxLength:"4096"`
	Note    string          `json:"note,omitempty" maxLength:"1000" doc:"why it is harmless"`
	Allow   bool            `json:"allow,omitempty" doc:"put it on the allow list as well"`
	By      string          `json:"by" readOnly:"true"`
	Time    time.Time       `json:"time" readOnly:"true"`
	State   string          `json:"state" enum:"open,accepted,rejected" readOnly:"true"`
	Score   uint8           `json:"score" readOnly:"true" doc:"when it was reported"`
	Kind    reputation.Kind `json:"kind" readOnly:"true"`
	Sources []string        `json:"sources" readOnly:"true" doc:"that listed it then"`
	Answer  string          `json:"answer,omitempty" readOnly:"true"`
	Decider string          `json:"decider,omitempty" readOnly:"true"`
	Decided time.Time       `json:"decided,omitzero" readOnly:"true"`
}

// ReputationDecision is what becomes of a report.
type ReputationDecision struct {
	State string    `json:"state" enum:"open,accepted,rejected"`
	Note  string    `json:"note,omitempty" maxLength:"1000"`
	Allow bool      `json:"allow,omitempty" doc:"put the object on the allow list as well"`
	By    string    `json:"-"`
	Time  time.Time `json:"-"`
}

// ReputationReportList is reports.
type ReputationReportList struct {
	Reports []ReputationReport `json:"reports"`
}

type (
	whatIfInput struct {
		Held    string `query:"held" maxLength:"64" doc:"apply the copy of this feed that is held back"`
		Without string `query:"without" maxLength:"64" doc:"leave this source out"`
		Score   uint8  `query:"score" minimum:"0" maximum:"100" doc:"block from this score on; 0 as now"`
		Hours   int    `query:"hours" minimum:"1" maximum:"168" default:"24" doc:"how far to look back"`
		Name    string `query:"name" maxLength:"64" doc:"feed in whose place the list would stand"`
		Format  string `query:"format" maxLength:"32" doc:"of the list; empty guesses"`
		Owner   string `query:"owner" maxLength:"64"`
		Trust   uint8  `query:"trust" minimum:"0" maximum:"100" default:"50"`
		Kind    string `query:"kind" default:"suspicious" maxLength:"16"`
		RawBody []byte `contentType:"application/octet-stream"` // a list that would be a feed; may be empty
	}
	hitsInput struct {
		Days int `query:"days" minimum:"1" maximum:"31" default:"7"`
	}
	reportsInput struct {
		State string `query:"state" enum:"open,accepted,rejected" doc:"empty: all"`
	}
	reportInput   struct{ Body ReputationReport }
	decisionInput struct {
		ID   model.ID `path:"id"`
		Body ReputationDecision
	}
)

func (s *server) registerEffect() {
	const tag, at = "reputation", "/reputation"
	o := s.operation(op{id: "reputation-what-if", method: http.MethodPost, path: at + "/what-if", tag: tag,
		summary: "What a list, a feed or another score would have blocked of what devices did lately"})
	o.MaxBodyBytes, o.BodyReadTimeout = maxUpload, uploadTime
	o.RequestBody = &huma.RequestBody{}
	huma.Register(s.api, o, func(ctx context.Context, in *whatIfInput) (*answer[ReputationWhatIf], error) {
		kind, ok := reputation.ParseKind(in.Kind)
		if !ok {
			return nil, fieldProblem("query.kind", in.Kind, "is no kind of reputation")
		}
		w, err := s.Effect.WhatIf(ctx, ReputationQuestion{Held: in.Held, Without: in.Without, Score: in.Score,
			Span: time.Duration(in.Hours) * time.Hour,
			List: ReputationUpload{Name: in.Name, Format: in.Format, Owner: in.Owner, Trust: in.Trust, Kind: kind}}, in.RawBody)
		if err != nil {
			return nil, s.problem(ctx, o.OperationID, err)
		}
		w.Top = orEmpty(w.Top)
		return &answer[ReputationWhatIf]{Body: w}, nil
	})
	o.RequestBody.Required = false // Register takes every body of bytes for required
	add(s, op{id: "reputation-hits", method: http.MethodGet, path: at + "/hits", tag: tag, summary: "What was seen and blocked because of each source"},
		func(_ context.Context, in *hitsInput) (ReputationHits, error) {
			h := s.Effect.Hits(in.Days)
			h.Days, h.Sources, h.Objects = orEmpty(h.Days), orEmpty(h.Sources), orEmpty(h.Objects)
			return h, nil
		})
	s.registerReports()
}

func (s *server) registerReports() {
	const tag, at = "reputation", "/reputation/reports"
	add(s, op{id: "list-reputation-reports", method: http.MethodGet, path: at, tag: tag, summary: "What people reported as wrongly listed"},
		func(_ context.Context, in *reportsInput) (ReputationReportList, error) {
			return ReputationReportList{Reports: orEmpty(s.Effect.Reports(in.State))}, nil
		})
	add(s, op{id: "report-reputation", method: http.MethodPost, path: at, tag: tag, summary: "Report an object as wrongly listed", status: http.StatusCreated},
		func(ctx context.Context, in *reportInput) (ReputationReport, error) {
			r := in.Body
			r.By, r.Time = callerOf(ctx).by(), s.Now().UTC()
			noteObject(ctx, r.Object)
			return s.Effect.AddReport(ctx, r)
		})
	add(s, op{id: "decide-reputation-report", method: http.MethodPost, path: at + "/{id}", tag: tag, summary: "Decide whether a report is right"},
		func(ctx context.Context, in *decisionInput) (ReputationReport, error) {
			d := in.Body
			d.By, d.Time = callerOf(ctx).by(), s.Now().UTC()
			return s.Effect.DecideReport(ctx, in.ID, d)
		})
}
