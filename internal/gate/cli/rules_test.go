package cli

import (
	"bytes"
	"os"
	"testing"

	"github.com/masugata/masugata/internal/inspect/protocol/all"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// TestRulesDocument holds docs/RULES.md to the keyword table.
func TestRulesDocument(t *testing.T) {
	got, err := os.ReadFile("../../../docs/RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, rule.Document(all.Specs())) {
		t.Error("docs/RULES.md is not up to date: go run ./cmd/masugata-gate rules keywords --output markdown >docs/RULES.md")
	}
}
