package rest

import (
	"context"
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// noReputation stands in where the service is switched off.
type noReputation struct{}

var errNoReputation = fmt.Errorf("the reputation service is switched off here: set reputation.enabled: %w", model.ErrNotFound)

func (noReputation) Lookup(string) (ReputationAnswer, error) {
	return ReputationAnswer{}, errNoReputation
}
func (noReputation) Explain(string) (reputation.Verdict, error) {
	return reputation.Verdict{}, errNoReputation
}
func (noReputation) Batch([]byte, []byte) ([]byte, error) { return nil, errNoReputation }
func (noReputation) Hashes([4]byte) []ReputationHash      { return nil }
func (noReputation) Summary() ReputationSummary           { return ReputationSummary{} }
func (noReputation) Feeds() []ReputationFeed              { return nil }
func (noReputation) FetchFeed(context.Context, string) (ReputationFeed, error) {
	return ReputationFeed{}, errNoReputation
}
func (noReputation) ReleaseFeed(context.Context, string) (ReputationFeed, error) {
	return ReputationFeed{}, errNoReputation
}
func (noReputation) UploadFeed(context.Context, ReputationUpload, []byte) (ReputationFeed, error) {
	return ReputationFeed{}, errNoReputation
}
func (noReputation) RemoveFeed(context.Context, string) error { return errNoReputation }
func (noReputation) Entries() []ReputationEntry               { return nil }
func (noReputation) SetEntry(context.Context, ReputationEntry) (ReputationEntry, error) {
	return ReputationEntry{}, errNoReputation
}
func (noReputation) RemoveEntry(context.Context, string) error { return errNoReputation }
func (noReputation) Snapshot(context.Context, uint64) (ReputationSnapshot, error) {
	return ReputationSnapshot{}, errNoReputation
}
func (noReputation) SnapshotPart(context.Context, string) (io.ReadCloser, int64, error) {
	return nil, 0, errNoReputation
}

// noEffect stands in where nobody follows what reputation does.
type noEffect struct{}

// WhatIf implements ReputationEffect.
func (noEffect) WhatIf(context.Context, ReputationQuestion, []byte) (ReputationWhatIf, error) {
	return ReputationWhatIf{}, errNoReputation
}

// Hits implements ReputationEffect.
func (noEffect) Hits(int) ReputationHits { return ReputationHits{} }

// Reports implements ReputationEffect.
func (noEffect) Reports(string) []ReputationReport { return nil }

// AddReport implements ReputationEffect.
func (noEffect) AddReport(context.Context, ReputationReport) (ReputationReport, error) {
	return ReputationReport{}, errNoReputation
}

// DecideReport implements ReputationEffect.
func (noEffect) DecideReport(context.Context, model.ID, ReputationDecision) (ReputationReport, error) {
	return ReputationReport{}, errNoReputation
}
