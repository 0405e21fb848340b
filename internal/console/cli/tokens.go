package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/model"
)

func (s *session) tokens() *cobra.Command {
	c := &cobra.Command{Use: "tokens", Short: "List, make and void API tokens", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.show(cmd, "/tokens", nil, "tokens", cols("id", "name", "user", "access", "created", "expires", "last used=last_used"))
	}}
	c.AddCommand(s.createToken(), &cobra.Command{Use: "delete ID", Short: "Void an API token", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return s.do(cmd, http.MethodDelete, "/tokens/"+url.PathEscape(args[0]), nil, nil, "", nil)
	}})
	return c
}

func (s *session) createToken() *cobra.Command {
	var access string
	var ttl time.Duration
	c := &cobra.Command{Use: "create NAME", Short: "Make an API token and print it, this once", Args: cobra.ExactArgs(1),
		Long: "Make an API token and print it, this once. NAME says what it is for. The access level partner is for other fleets: " +
			"it opens what reputation.sharing shares with them and nothing else.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !model.Access(access).Valid() {
				return fmt.Errorf("%w: --access %q: want partner, viewer, operator or admin", errUsage, access)
			}
			if ttl < 0 {
				return fmt.Errorf("%w: --ttl %v: want 0 or more", errUsage, ttl)
			}
			var v map[string]any
			body := map[string]any{"name": args[0], "access": access, "ttl_s": int(ttl.Seconds())}
			if err := s.ask(cmd.Context(), http.MethodPost, "/tokens", nil, body, &v); err != nil {
				return err
			}
			if s.output != "table" {
				return print(cmd.OutOrStdout(), s.output, v, "", cols("id", "name", "access", "text", "expires"))
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v["text"])
			return err
		}}
	c.Flags().StringVar(&access, "access", string(model.AccessViewer), "partner, viewer, operator or admin; not above your own")
	c.Flags().DurationVar(&ttl, "ttl", 0, "how long it may be used; 0: until it is deleted")
	return c
}
