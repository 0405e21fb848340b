package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func answerColumns() []column {
	return cols("object", "listed", "score", "band", "kind", "local", "problem")
}

func feedColumns() []column {
	return cols("name", "state", "owner", "trust", "kind", "format", "entries", "refused", "shared=overlap", "good", "next", "problem")
}

func (s *session) reputation() *cobra.Command {
	c := &cobra.Command{Use: "reputation", Short: "What is known of addresses, names, URLs and files"}
	c.AddCommand(s.queryCommand())
	c.AddCommand(&cobra.Command{Use: "explain OBJECT", Short: "Say what is known, who says so and why it scores as it does", Args: cobra.ExactArgs(1), RunE: s.explain})
	c.AddCommand(&cobra.Command{Use: "status", Short: "Say how much is known", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.show(cmd, "/reputation", nil, "", cols("objects", "by type=by_type", "by band=by_band", "bytes", "built", "lookups", "hits"))
	}})
	c.AddCommand(s.feeds(), s.upload(), s.listing("allow", "Never list an object, whatever feeds say"), s.listing("deny", "Always list an object"), s.entries(), s.snapshot(),
		s.whatIf(), s.hits(), s.report(), s.reports())
	return c
}

// maxAsked is how many objects one question has.
const maxAsked = 10_000

func (s *session) queryCommand() *cobra.Command {
	var private bool
	c := &cobra.Command{Use: "query OBJECT…", Short: "Say in short what is known (- reads objects from standard input, one a line)", Args: cobra.MinimumNArgs(1),
		Example: `  masugata reputation query 192.0.2.7 example.net http://example.net/a.sh d41d8cd98f00b204e9800998ecf8427e
  masugata reputation query --private example.net`,
		RunE: func(cmd *cobra.Command, args []string) error { return s.query(cmd, args, private) }}
	c.Flags().BoolVar(&private, "private", false, "send only the first four bytes of hashes, so that the service does not learn what is asked (not for addresses)")
	return c
}

func (s *session) query(cmd *cobra.Command, args []string, private bool) error {
	if len(args) == 1 && args[0] == "-" {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 16<<20))
		if err != nil {
			return err
		}
		args = strings.Fields(string(b))
	}
	all := []any{}
	if private {
		var err error
		if all, err = s.askPrivately(cmd.Context(), args); err != nil {
			return err
		}
		args = nil
	}
	for len(args) > 0 {
		n := min(len(args), maxAsked)
		var v map[string]any
		if err := s.ask(cmd.Context(), http.MethodPost, "/reputation/lookup", nil, map[string]any{"objects": args[:n]}, &v); err != nil {
			return err
		}
		list, _ := v["answers"].([]any)
		all, args = append(all, list...), args[n:]
	}
	return print(cmd.OutOrStdout(), s.output, map[string]any{"answers": all}, "answers", answerColumns())
}

func (s *session) explain(cmd *cobra.Command, args []string) error {
	var v map[string]any
	if err := s.ask(cmd.Context(), http.MethodGet, "/reputation/explain", url.Values{"object": args}, nil, &v); err != nil {
		return err
	}
	if s.output == "table" || s.output == "csv" {
		seenInWords(v)
	}
	reasons := cols("source", "owner", "kind", "note", "weight", "last seen=last_seen")
	if s.output == "csv" {
		return print(cmd.OutOrStdout(), s.output, v, "reasons", reasons)
	}
	if s.output != "table" {
		return print(cmd.OutOrStdout(), s.output, v, "", nil)
	}
	w := cmd.OutOrStdout()
	words, _ := v["words"].(string)
	if err := print(w, "table", v, "", cols("object", "match", "score", "band", "kind", "local", "confidence")); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n\n", strings.Map(printable, words))
	return print(w, "table", v, "reasons", reasons)
}

// seenInWords turns the seconds since 1970 of a verdict's reasons into times.
func seenInWords(v map[string]any) {
	reasons, _ := v["reasons"].([]any)
	for _, r := range reasons {
		m, _ := r.(map[string]any)
		if n, ok := m["last_seen"].(json.Number); ok {
			if seconds, err := n.Int64(); err == nil {
				m["last_seen"] = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
			}
		}
	}
}

func (s *session) feeds() *cobra.Command {
	c := &cobra.Command{Use: "feeds", Short: "List feeds, how they stand and what they share", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.show(cmd, "/reputation/feeds", nil, "feeds", feedColumns())
		}}
	one := func(use, short, method, tail string) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd, method, "/reputation/feeds/"+url.PathEscape(args[0])+tail, nil, nil, "", feedColumns())
		}})
	}
	one("fetch NAME", "Fetch a feed now", http.MethodPost, "/fetch")
	one("release NAME", "Apply the copy of a feed that was held back", http.MethodPost, "/release")
	one("remove NAME", "Remove an imported feed and all that it says", http.MethodDelete, "")
	c.AddCommand(&cobra.Command{Use: "refused NAME", Short: "Show the first refused entries of a feed's last copy", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v struct {
				Feeds []map[string]any `json:"feeds"`
			}
			if err := s.ask(cmd.Context(), http.MethodGet, "/reputation/feeds", nil, nil, &v); err != nil {
				return err
			}
			for _, f := range v.Feeds {
				if f["name"] == args[0] {
					return print(cmd.OutOrStdout(), s.output, f, "refusals", cols("line", "text", "problem", "mend"))
				}
			}
			return &Refused{Status: http.StatusNotFound, Detail: "there is no feed " + args[0]}
		}})
	return c
}

// importFlags are what `import` says of a list.
type importFlags struct {
	name, format, owner, licence, kind string
	trust                              int
	check, refused                     bool
}

func (s *session) upload() *cobra.Command {
	var f importFlags
	c := &cobra.Command{Use: "import FILE", Short: "Import a list as a feed of your own, or only check lists (--check)", Args: cobra.MinimumNArgs(1),
		Example: "  masugata reputation import --check --format maltrail trails/static/malware\n  masugata reputation import --name bots --kind bot --trust 80 bots.txt"}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if f.check {
			return s.checkLists(cmd, args, &f)
		}
		if len(args) != 1 {
			return fmt.Errorf("%w: want one FILE; --check takes several", errUsage)
		}
		return s.send(cmd, args[0], &f)
	}
	l := c.Flags()
	l.StringVar(&f.name, "name", "", "name of the feed; default: of the file")
	l.StringVar(&f.format, "format", "", "format (masugata reputation formats); default: guessed")
	l.StringVar(&f.owner, "owner", "", "who answers for it; feeds of one owner are one voice")
	l.StringVar(&f.licence, "licence", "", "short note, such as CC0")
	l.StringVar(&f.kind, "kind", "suspicious", "what entries say that do not say it themselves")
	l.IntVar(&f.trust, "trust", 50, "1 to 100")
	l.BoolVar(&f.check, "check", false, "only list what would be read, refused and stored; needs no control plane")
	l.BoolVar(&f.refused, "refused", false, "with --check: list the reasons of refusals instead")
	return c
}

// maxSent bounds an imported file, in bytes.
const maxSent = 64 << 20

func (s *session) send(cmd *cobra.Command, file string, f *importFlags) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxSent+1))
	if err != nil {
		return err
	}
	if len(b) > maxSent {
		return fmt.Errorf("%s is larger than 64 MiB: configure it as a feed", file)
	}
	name := f.name
	if name == "" {
		name = feedName(file)
	}
	query := url.Values{"format": {f.format}, "owner": {f.owner}, "licence": {f.licence}, "kind": {f.kind}, "trust": {fmt.Sprint(f.trust)}}
	v, err := s.sendList(cmd, http.MethodPut, "/reputation/feeds/"+url.PathEscape(name), query, b)
	if err != nil {
		return err
	}
	return print(cmd.OutOrStdout(), s.output, v, "", feedColumns())
}

// sendList sends a list with what is known of it, of which empty values are left
// out, and gives the answer.
func (s *session) sendList(cmd *cobra.Command, method, path string, about url.Values, list []byte) (answer map[string]any, err error) {
	for k, v := range about {
		if v[0] == "" {
			delete(about, k)
		}
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	err = c.send(cmd.Context(), method, path, about, "application/octet-stream", bytes.NewReader(list), &answer)
	return answer, err
}

// feedName makes a feed's name of a file's.
func feedName(file string) string {
	base := filepath.Base(file)
	base = strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base)))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, base)
	return strings.Trim(name[:min(len(name), 40)], "-")
}

// Checked is what becomes of the entries of one file.
type Checked struct {
	File, Format  string
	Read, Refused int
	Stored        int // different objects
	Problem       string
	Seconds       float64
	Reasons       map[string]int   // how many entries were refused for what
	Refusals      []map[string]any // the first of them, as JSON
}

// CheckLists reads the files of a path as feeds of a format ("" guesses) and a
// kind are read, without a control plane, and yields what becomes of each.
type CheckLists func(ctx context.Context, path, format, kind string, yield func(Checked) error) error

func (s *session) checkLists(cmd *cobra.Command, paths []string, f *importFlags) error {
	if err := s.check(); err != nil {
		return err
	}
	files, refused := []any{}, []any{}
	var total Checked
	for _, path := range paths {
		err := s.lists(cmd.Context(), path, f.format, f.kind, func(c Checked) error {
			files = append(files, map[string]any{"file": c.File, "format": c.Format, "read": c.Read, "refused": c.Refused,
				"stored": c.Stored, "problem": c.Problem, "reasons": c.Reasons, "refusals": c.Refusals})
			for _, reason := range slices.Sorted(maps.Keys(c.Reasons)) {
				refused = append(refused, map[string]any{"file": c.File, "count": c.Reasons[reason], "reason": reason})
			}
			total.Read, total.Refused, total.Stored, total.Seconds = total.Read+c.Read, total.Refused+c.Refused, total.Stored+c.Stored, total.Seconds+c.Seconds
			return nil
		})
		if err != nil {
			return err
		}
	}
	v := map[string]any{"files": files, "refusals": refused, "read": total.Read, "refused": total.Refused, "stored": total.Stored, "seconds": total.Seconds}
	if s.output == "json" || s.output == "yaml" {
		return print(cmd.OutOrStdout(), s.output, v, "", nil)
	}
	list, columns := "files", cols("file", "format", "read", "refused", "stored", "problem")
	if f.refused {
		list, columns = "refusals", cols("file", "count", "reason")
	}
	if err := print(cmd.OutOrStdout(), s.output, v, list, columns); err != nil || s.output == "csv" {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "\n%d files: %d entries read, %d refused, %d stored (different objects of a file), %.2f s\n",
		len(files), total.Read, total.Refused, total.Stored, total.Seconds)
	return err
}

func (s *session) listing(list, short string) *cobra.Command {
	var note string
	c := &cobra.Command{Use: list + " OBJECT", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return s.do(cmd, http.MethodPost, "/reputation/entries", nil, map[string]string{"object": args[0], "list": list, "note": note}, "",
			cols("object", "list", "note", "by", "time"))
	}}
	c.Flags().StringVar(&note, "note", "", "why; shown with the verdict")
	return c
}

func (s *session) entries() *cobra.Command {
	c := &cobra.Command{Use: "lists", Short: "Show your own allow and deny lists", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.show(cmd, "/reputation/entries", nil, "entries", cols("object", "list", "note", "by", "time"))
	}}
	c.AddCommand(&cobra.Command{Use: "remove OBJECT", Short: "Take an object off your own lists", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd, http.MethodDelete, "/reputation/entries", url.Values{"object": args}, nil, "", nil)
		}})
	return c
}
