package agent

import (
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// EventLine puts an event into one line of text for people, as `run --local`
// prints it.
func EventLine(e *model.Event) string {
	words := []string{e.ID.Time().Format(time.RFC3339Nano), e.Severity.String(), string(e.Kind), e.Subject, e.Explanation}
	if f := e.Flood; f != nil {
		words = append(words, "["+f.Shape.String()+"]")
		if f.Process != nil {
			words = append(words, "sha256="+f.Process.SHA256, "parent="+f.Process.ParentPath, "args="+strings.Join(f.Process.Args, " "))
		}
	}
	return strings.Join(words, " ") + "\n"
}

// IdentityDir is where an agent with this configuration keeps its identity.
func IdentityDir(cfg *Config) string { return cfg.State + "/identity" }
