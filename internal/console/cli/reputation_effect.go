package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// whatIfFlags are what `what-if` asks.
type whatIfFlags struct {
	held, without, name, format, owner, kind string
	trust, score, hours                      int
}

func (s *session) whatIf() *cobra.Command {
	var f whatIfFlags
	c := &cobra.Command{Use: "what-if [FILE]", Short: "Say what a list, a feed or another score would have blocked of what devices did", Args: cobra.MaximumNArgs(1),
		Long: `Say what a change would have blocked of the contacts of the last day, before it is made. Nothing comes into force.
FILE is a list that would be a feed (- is standard input); without it, ask with --held, --without or --score.`,
		Example: "  masugata reputation what-if --kind c2 --trust 80 new-list.txt\n  masugata reputation what-if --held urlhaus\n  masugata reputation what-if --score 50 --hours 72"}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var list []byte
		if len(args) == 1 {
			var err error
			if list, err = readList(cmd.InOrStdin(), args[0]); err != nil {
				return err
			}
		}
		return s.askWhatIf(cmd, &f, list)
	}
	l := c.Flags()
	l.StringVar(&f.held, "held", "", "apply the copy of this feed that is held back")
	l.StringVar(&f.without, "without", "", "leave this source out")
	l.IntVar(&f.score, "score", 0, "block from this score on; default: as now")
	l.IntVar(&f.hours, "hours", 24, "how far to look back, 1 to 168")
	l.StringVar(&f.name, "name", "", "feed in whose place the list would stand")
	l.StringVar(&f.format, "format", "", "format of the list (masugata reputation formats); default: guessed")
	l.StringVar(&f.owner, "owner", "", "who would answer for the list")
	l.StringVar(&f.kind, "kind", "suspicious", "what entries of the list say that do not say it themselves")
	l.IntVar(&f.trust, "trust", 50, "of the list, 1 to 100")
	return c
}

// readList reads a list to send, "-" from in.
func readList(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSent+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxSent:
		return nil, fmt.Errorf("%s is larger than 64 MiB", name)
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	return b, nil
}

func (s *session) askWhatIf(cmd *cobra.Command, f *whatIfFlags, list []byte) error {
	query := url.Values{"held": {f.held}, "without": {f.without}, "hours": {strconv.Itoa(f.hours)}}
	if f.score != 0 {
		query.Set("score", strconv.Itoa(f.score))
	}
	if list != nil {
		query.Set("name", f.name)
		query.Set("format", f.format)
		query.Set("owner", f.owner)
		query.Set("kind", f.kind)
		query.Set("trust", strconv.Itoa(f.trust))
	}
	v, err := s.sendList(cmd, http.MethodPost, "/reputation/what-if", query, list)
	if err != nil {
		return err
	}
	w, top := cmd.OutOrStdout(), cols("remote", "address", "object", "kind", "now=score_now", "then=score_then", "blocked", "devices", "flows", "ports", "last")
	switch s.output {
	case "csv":
		return print(w, s.output, v, "top", top)
	case "table":
	default:
		return print(w, s.output, v, "", nil)
	}
	if err := print(w, "table", map[string]any{"reach": reaches(v)}, "reach", cols("what", "contacts", "flows", "devices")); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nBlocked from score %v now, %v then. Looked at %v to %v.\n", v["score_now"], v["score_then"], v["from"], v["to"])
	if why, _ := v["suspect"].(string); why != "" {
		fmt.Fprintf(w, "A feed like this would be held back: it %s.\n", strings.Map(printable, why))
	}
	if changed, _ := v["top"].([]any); len(changed) == 0 {
		_, err := fmt.Fprintln(w, "Nothing that devices spoke with would be treated differently.")
		return err
	}
	fmt.Fprintln(w)
	return print(w, "table", v, "top", top)
}

// reaches are the rows of a what-if's table.
func reaches(v map[string]any) (rows []any) {
	for _, r := range []struct{ key, what string }{{"all", "all contacts"}, {"now", "blocked now"}, {"then", "blocked then"}, {"more", "more blocked"}, {"less", "less blocked"}} {
		m, _ := v[r.key].(map[string]any)
		rows = append(rows, map[string]any{"what": r.what, "contacts": m["contacts"], "flows": m["flows"], "devices": m["devices"]})
	}
	return rows
}

func (s *session) hits() *cobra.Command {
	var days int
	var objects bool
	c := &cobra.Command{Use: "hits", Short: "Show what was seen and blocked because of each list", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		list, columns := "sources", cols("source", "owner", "trust", "seen", "blocked", "devices", "objects", "last",
			"reports=record.open", "wrong=record.accepted", "advised trust=record.advised_trust")
		if objects {
			list, columns = "objects", cols("object", "kind", "score", "seen", "blocked", "devices", "sources", "last")
		}
		return s.show(cmd, "/reputation/hits", url.Values{"days": {strconv.Itoa(days)}}, list, columns)
	}}
	c.Flags().IntVar(&days, "days", 7, "days to count, today included, 1 to 31")
	c.Flags().BoolVar(&objects, "objects", false, "show what was met instead of who listed it")
	return c
}

func reportColumns() []column {
	return cols("id", "state", "object", "kind", "score", "sources", "by", "time", "note", "answer", "decider")
}

func (s *session) report() *cobra.Command {
	var note string
	var allow bool
	c := &cobra.Command{Use: "report OBJECT", Short: "Report an object as wrongly listed", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return s.do(cmd, http.MethodPost, "/reputation/reports", nil, map[string]any{"object": args[0], "note": note, "allow": allow}, "", reportColumns())
	}}
	c.Flags().StringVar(&note, "note", "", "why it is harmless")
	c.Flags().BoolVar(&allow, "allow", false, "put it on your allow list as well")
	return c
}

func (s *session) reports() *cobra.Command {
	var state string
	c := &cobra.Command{Use: "reports", Short: "Show reports of false alarms", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		if state != "" {
			query.Set("state", state)
		}
		return s.show(cmd, "/reputation/reports", query, "reports", reportColumns())
	}}
	c.Flags().StringVar(&state, "state", "", "only open, accepted or rejected ones")
	for _, d := range []struct{ verb, state, short string }{
		{"accept", "accepted", "Say that a report is right: it counts against the lists that named the object"},
		{"reject", "rejected", "Say that a report is wrong"},
		{"reopen", "open", "Take a decision back"},
	} {
		var note string
		var allow bool
		one := &cobra.Command{Use: d.verb + " ID", Short: d.short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd, http.MethodPost, "/reputation/reports/"+url.PathEscape(args[0]), nil,
				map[string]any{"state": d.state, "note": note, "allow": allow}, "", reportColumns())
		}}
		one.Flags().StringVar(&note, "note", "", "why")
		if d.verb == "accept" {
			one.Flags().BoolVar(&allow, "allow", false, "put the object on your allow list as well")
		}
		c.AddCommand(one)
	}
	return c
}
