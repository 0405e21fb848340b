package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// session is what the flags of a command line say.
type session struct {
	endpoint
	output string
	lists  CheckLists
}

// Commands gives the operator's commands. lists checks lists of reputation on
// this machine.
func Commands(lists CheckLists) []*cobra.Command {
	s := &session{lists: lists}
	all := []*cobra.Command{
		s.status(), s.devices(), s.events(), s.incidents(), s.actions(), s.policies(), s.parts(), s.enroll(), s.audit(), s.tokens(),
		s.reputation(),
	}
	for _, c := range all {
		f := c.PersistentFlags()
		f.StringVar(&s.url, "url", "", "address of the control plane's console (MASUGATA_URL; default https://127.0.0.1:7080)")
		f.StringVar(&s.token, "token", "", "API token (MASUGATA_TOKEN; default: admin.token in the data folder)")
		f.StringVar(&s.data, "data", "/var/lib/masugata", "data folder of a control plane on this machine")
		f.BoolVar(&s.insecure, "insecure", false, "do not check the console's certificate")
		f.StringVarP(&s.output, "output", "o", "table", "table, json, yaml or csv")
	}
	return all
}

func (s *session) check() error {
	switch s.output {
	case "table", "json", "yaml", "csv":
		return nil
	}
	return fmt.Errorf("%w: --output %q: want table, json, yaml or csv", errUsage, s.output)
}

// show calls GET path and prints the answer.
func (s *session) show(cmd *cobra.Command, path string, query url.Values, list string, columns []column) error {
	return s.do(cmd, http.MethodGet, path, query, nil, list, columns)
}

func (s *session) do(cmd *cobra.Command, method, path string, query url.Values, body any, list string, columns []column) error {
	var v map[string]any
	if err := s.ask(cmd.Context(), method, path, query, body, &v); err != nil {
		return err
	}
	if v == nil {
		return nil
	}
	return print(cmd.OutOrStdout(), s.output, v, list, columns)
}

func (s *session) ask(ctx context.Context, method, path string, query url.Values, body, out any) error {
	if err := s.check(); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	return c.call(ctx, method, path, query, body, out)
}

func actionColumns() []column {
	return cols("id", "state", "mode", "kind", "shape", "device=scope.device", "packets", "expires", "author", "reason")
}

func (s *session) status() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Say how the control plane and the four layers stand", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var v, o map[string]any
			if err := s.ask(cmd.Context(), http.MethodGet, "/status", nil, nil, &v); err != nil {
				return err
			}
			if err := s.ask(cmd.Context(), http.MethodGet, "/overview", nil, nil, &o); err != nil {
				return err
			}
			v["overview"] = o
			return print(cmd.OutOrStdout(), s.output, v, "", cols("version", "healthy", "problem", "started", "enrol at=link", "inner",
				"devices=overview.devices", "parts=overview.parts", "open incidents=overview.incidents_open",
				"live actions=overview.actions_live", "stopped packets=overview.stopped_packets"))
		}}
}

func (s *session) devices() *cobra.Command {
	columns := cols("id", "name", "kind", "state", "addrs", "agent", "last seen=last_seen", "sent=tx_packets", "received=rx_packets")
	c := &cobra.Command{Use: "devices [WORDS]", Short: "List devices, or those that have the words", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.show(cmd, "/devices", url.Values{"q": args, "limit": {"1000"}}, "devices", columns)
		}}
	c.AddCommand(&cobra.Command{Use: "show ID", Short: "Show one device with its incidents, actions and events", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.show(cmd, "/devices/"+url.PathEscape(args[0]), nil, "", cols("id=device.id", "name=device.name", "kind=device.kind",
				"state=device.state", "addresses=device.addrs", "agent=device.agent", "first seen=device.first_seen", "last seen=device.last_seen"))
		}})
	name := &cobra.Command{Use: "name ID NAME [KIND]", Short: "Give a device a name and a kind", Args: cobra.RangeArgs(2, 3)}
	name.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]string{"name": args[1]}
		if len(args) == 3 {
			body["kind"] = args[2]
		}
		return s.do(cmd, http.MethodPatch, "/devices/"+url.PathEscape(args[0]), nil, body, "", cols("id", "name", "kind"))
	}
	c.AddCommand(name)
	return c
}

func (s *session) events() *cobra.Command {
	var limit int
	c := &cobra.Command{Use: "events [QUERY]", Short: "Search events",
		Example: "  masugata events 'severity:>=high layer:network device:cam-* not rule:2034* since:24h'", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.show(cmd, "/events", url.Values{"q": args, "limit": {strconv.Itoa(limit)}}, "events",
				cols("time", "severity", "layer", "kind", "device", "subject", "count", "explanation"))
		}}
	c.Flags().IntVarP(&limit, "limit", "n", 100, "how many, newest first")
	return c
}

func (s *session) incidents() *cobra.Command {
	var state string
	c := &cobra.Command{Use: "incidents", Short: "List incidents", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if state != "" {
				q.Set("state", state)
			}
			return s.show(cmd, "/incidents", q, "incidents",
				cols("id", "state", "severity", "title", "devices", "opened", "ended", "events=event_count"))
		}}
	c.Flags().StringVar(&state, "state", "", "open, contained, ended or closed")
	c.AddCommand(&cobra.Command{Use: "show ID", Short: "Tell the story of an incident", Args: cobra.ExactArgs(1), RunE: s.story})
	c.AddCommand(&cobra.Command{Use: "close ID NOTE", Short: "Close an incident; its actions are retired", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd, http.MethodPost, "/incidents/"+url.PathEscape(args[0])+"/close", nil, map[string]string{"note": args[1]}, "",
				cols("id", "state", "ended"))
		}})
	return c
}

func (s *session) story(cmd *cobra.Command, args []string) error {
	var v map[string]any
	if err := s.ask(cmd.Context(), http.MethodGet, "/incidents/"+url.PathEscape(args[0]), nil, nil, &v); err != nil {
		return err
	}
	if s.output != "table" {
		return print(cmd.OutOrStdout(), s.output, v, "", cols("incident"))
	}
	w := cmd.OutOrStdout()
	if err := print(w, "table", v, "", cols("title=incident.title", "state=incident.state", "severity=incident.severity",
		"target=incident.target", "devices=incident.devices", "technique=incident.technique")); err != nil {
		return err
	}
	fmt.Fprintln(w)
	i, _ := v["incident"].(map[string]any)
	if err := print(w, "table", i, "story", cols("time", "what happened=text")); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return print(w, "table", v, "actions", actionColumns())
}

func (s *session) actions() *cobra.Command {
	var state string
	c := &cobra.Command{Use: "actions", Short: "List actions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if state != "" {
				q.Set("state", state)
			}
			return s.show(cmd, "/actions", q, "actions", actionColumns())
		}}
	c.Flags().StringVar(&state, "state", "", "proposed, pending, active, failed, undone, retired or expired")
	one := func(use, short, tail string, body func(args []string) any, n int) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(n), RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd, http.MethodPost, "/actions/"+url.PathEscape(args[0])+tail, nil, body(args), "", cols("id", "state", "kind", "shape", "ended by=ended_by"))
		}})
	}
	one("approve ID", "Put a proposed action into force", "/approve", func([]string) any { return nil }, 1)
	one("undo ID REASON", "Take an action back", "/undo", func(a []string) any { return map[string]string{"reason": a[1]} }, 2)
	c.AddCommand(&cobra.Command{Use: "show ID", Short: "Show one action", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return s.show(cmd, "/actions/"+url.PathEscape(args[0]), nil, "", append(actionColumns(), cols("parts", "events", "incident")...))
	}})
	c.AddCommand(s.block())
	return c
}

func (s *session) block() *cobra.Command {
	var dst, device, reason string
	var proto, port uint16
	var pps uint32
	var ttl time.Duration
	c := &cobra.Command{Use: "block", Short: "Stop (or with --pps limit) traffic by hand", Args: cobra.NoArgs,
		Example: "  masugata actions block --dst 203.0.113.10/32 --proto 17 --ttl 1h --reason 'test'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return fmt.Errorf("%w: --reason is missing: it is kept in the audit trail", errUsage)
			}
			kind := "drop"
			if pps > 0 {
				kind = "rate_limit"
			}
			shape := map[string]any{"proto": proto, "dst_port": port}
			if dst != "" {
				shape["dst"] = dst
			}
			body := map[string]any{"kind": kind, "mode": "enforce", "shape": shape, "scope": map[string]string{"device": device},
				"pps": pps, "ttl_s": int(ttl.Seconds()), "reason": reason}
			return s.do(cmd, http.MethodPost, "/actions", nil, body, "", actionColumns())
		}}
	f := c.Flags()
	f.StringVar(&dst, "dst", "", "destination prefix, such as 203.0.113.10/32")
	f.StringVar(&device, "device", "", "only of this device (mac-…); default all")
	f.Uint16Var(&proto, "proto", 0, "IP protocol number; 0: any")
	f.Uint16Var(&port, "port", 0, "destination port; 0: any")
	f.Uint32Var(&pps, "pps", 0, "let so many packets a second through per device instead of none")
	f.DurationVar(&ttl, "ttl", time.Hour, "how long")
	f.StringVar(&reason, "reason", "", "why; kept in the audit trail")
	return c
}

func (s *session) policies() *cobra.Command {
	c := &cobra.Command{Use: "policies", Short: "Show the policy in force", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var v map[string]any
			if err := s.ask(cmd.Context(), http.MethodGet, "/policy", nil, nil, &v); err != nil {
				return err
			}
			if s.output != "table" {
				return print(cmd.OutOrStdout(), s.output, v, "", cols("version", "text"))
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "# version %v by %v\n%v", v["version"], v["author"], v["text"])
			return err
		}}
	problems := cols("line", "key", "problem=text")
	c.AddCommand(&cobra.Command{Use: "set FILE", Short: "Check a policy and put it into force (FILE - reads standard input)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.sendPolicy(cmd, http.MethodPut, "/policy", args[0], problems, cols("version"))
		}})
	c.AddCommand(&cobra.Command{Use: "dry-run FILE", Short: "Say what a policy would have decided in the last day", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.sendPolicy(cmd, http.MethodPost, "/policy/dry-run", args[0], problems, nil)
		}})
	return c
}

func (s *session) sendPolicy(cmd *cobra.Command, method, path, file string, problems, done []column) error {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(cmd.InOrStdin())
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return err
	}
	var v map[string]any
	if err := s.ask(cmd.Context(), method, path, nil, map[string]string{"text": string(data)}, &v); err != nil {
		return err
	}
	if list, _ := v["problems"].([]any); len(list) > 0 {
		if err := print(cmd.OutOrStdout(), s.output, v, "problems", problems); err != nil {
			return err
		}
		return &Refused{Status: http.StatusUnprocessableEntity, Detail: "the policy was not taken"}
	}
	if done == nil {
		return print(cmd.OutOrStdout(), s.output, v, "decisions", cols("action", "kind", "now", "would", "reason"))
	}
	return print(cmd.OutOrStdout(), s.output, v, "", done)
}

func (s *session) parts() *cobra.Command {
	columns := cols("id", "role", "name", "online", "revoked", "device", "version", "last seen=last_seen", "certificate until=not_after", "spooled", "dropped")
	c := &cobra.Command{Use: "parts", Short: "List agents and gates", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.show(cmd, "/parts", nil, "parts", columns) }}
	c.AddCommand(&cobra.Command{Use: "revoke ID REASON", Short: "End the trust in an agent or gate at once and for ever", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd, http.MethodPost, "/parts/"+url.PathEscape(args[0])+"/revoke", nil, map[string]string{"reason": args[1]}, "", cols("id", "revoked"))
		}})
	return c
}

func (s *session) enroll() *cobra.Command {
	var role, name string
	var ttl time.Duration
	var uses int
	c := &cobra.Command{Use: "enroll --role agent|gate", Short: "Make a one-time token that lets an agent or a gate enrol", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if role != "agent" && role != "gate" {
				return fmt.Errorf("%w: --role %q: want agent or gate", errUsage, role)
			}
			var v map[string]any
			body := map[string]any{"role": role, "name": name, "ttl_s": int(ttl.Seconds()), "uses": uses}
			if err := s.ask(cmd.Context(), http.MethodPost, "/enroll-tokens", nil, body, &v); err != nil {
				return err
			}
			if s.output != "table" {
				return print(cmd.OutOrStdout(), s.output, v, "", cols("text", "expires"))
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v["text"])
			return err
		}}
	f := c.Flags()
	f.StringVar(&role, "role", "", "agent or gate")
	f.StringVar(&name, "name", "", "name of the part; empty leaves it to the part")
	f.DurationVar(&ttl, "ttl", time.Hour, "how long the token may be used")
	f.IntVar(&uses, "uses", 1, "how many parts may enrol with it")
	c.AddCommand(&cobra.Command{Use: "list", Short: "List tokens", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.show(cmd, "/enroll-tokens", nil, "tokens", cols("id", "role", "name", "used", "uses", "created", "expires", "author"))
	}})
	c.AddCommand(&cobra.Command{Use: "delete ID", Short: "Take a token back", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return s.do(cmd, http.MethodDelete, "/enroll-tokens/"+url.PathEscape(args[0]), nil, nil, "", nil)
	}})
	return c
}

func (s *session) audit() *cobra.Command {
	var limit int
	c := &cobra.Command{Use: "audit", Short: "Show who did what", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.show(cmd, "/audit", url.Values{"limit": {strconv.Itoa(limit)}}, "entries", cols("seq", "time", "actor", "operation", "object", "detail"))
	}}
	c.Flags().IntVarP(&limit, "limit", "n", 100, "how many, newest first")
	return c
}
