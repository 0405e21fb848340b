package control

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/masugata/masugata/internal/console/cli"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state"
)

// reputationFolder is where the reputation service keeps its copies.
const reputationFolder = "reputation"

// RunReputation serves the reputation service alone, at console.listen and
// reputation.dns.listen, until ctx ends. One token, made at the first start,
// opens its API: admin.token in the data folder; where something is shared,
// partner.token opens that and nothing else.
func RunReputation(ctx context.Context, cfg Config, version string, log *slog.Logger) error {
	var shared *state.Store
	if cfg.Reputation.Shared {
		var err error
		if shared, err = state.Open(ctx, state.Config{URL: cfg.stateURL(), Log: log}); err != nil {
			return err
		}
		defer shared.Close()
	}
	return runAlone(ctx, cfg, version, log, "", func(*prometheus.Registry) (*reputation.Service, error) {
		service, err := reputation.Open(cfg.Reputation, filepath.Join(cfg.Data, reputationFolder), log, time.Now)
		if err != nil {
			return nil, err
		}
		signer, err := identity.OpenSigner(filepath.Join(cfg.Data, "ca"))
		if err != nil {
			return nil, err
		}
		if err := service.Publish(signer); err != nil || shared == nil {
			return service, err
		}
		return service, service.Share(shared, instanceName())
	})
}

// RunReplica serves a look-up node as RunReputation serves the whole service:
// it answers from the signed snapshots that reputation.replica names.
func RunReplica(ctx context.Context, cfg Config, version string, log *slog.Logger) error {
	const why = "this is a look-up node: change lists and feeds where its snapshots come from"
	return runAlone(ctx, cfg, version, log, why, func(metrics *prometheus.Registry) (*reputation.Service, error) {
		return reputation.OpenReplica(cfg.Reputation, filepath.Join(cfg.Data, reputationFolder), log, time.Now, metrics)
	})
}

// runAlone serves a reputation service; readOnly is why nothing can be changed
// in it, or empty.
func runAlone(ctx context.Context, cfg Config, version string, log *slog.Logger, readOnly string,
	open func(*prometheus.Registry) (*reputation.Service, error)) error {
	unlock, err := lockData(cfg.Data)
	if err != nil {
		return err
	}
	defer unlock()
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	service, err := open(metrics)
	if err != nil {
		return err
	}
	service.Thrifty()
	token, err := ownTokens(cfg)
	if err != nil {
		return err
	}
	var effect rest.ReputationEffect // a look-up node sees no traffic
	if readOnly == "" {
		effect = service
	}
	handler, err := rest.NewReputation(rest.ReputationConfig{Reputation: service, Effect: effect, Sharing: service.Sharing(), Secure: !cfg.Console.Plain, CheckToken: token.check,
		Healthy: service.Healthy, ReadOnly: readOnly, Metrics: metrics, Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", cfg.Console.Listen)
	if err != nil {
		return fmt.Errorf("console.listen: %w", err)
	}
	p := &plane{cfg: cfg, version: version, log: log, console: handler}
	log.Info("reputation service serves", "console", p.consoleURL(ln.Addr().String()), "data", cfg.Data, "version", version)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.serveConsole(ctx, ln) })
	serveReputation(ctx, g, service)
	return g.Wait()
}

// serveReputation runs the service's own work and its DNS.
func serveReputation(ctx context.Context, g *errgroup.Group, service *reputation.Service) {
	g.Go(func() error { service.Run(ctx); return nil })
	g.Go(func() error { return service.ServeDNS(ctx) })
}

// fileTokens are the tokens of a service that runs alone.
type fileTokens []fileToken

// fileToken is one of them.
type fileToken struct {
	text, name string
	access     model.Access
}

// ownTokens reads or makes the tokens that a service needs that runs alone.
func ownTokens(cfg Config) (fileTokens, error) {
	admin, err := oneToken(filepath.Join(cfg.Data, "admin.token"), "local administrator", model.AccessAdmin)
	if err != nil || !cfg.Reputation.Sharing.Enabled {
		return fileTokens{admin}, err
	}
	partner, err := oneToken(filepath.Join(cfg.Data, "partner.token"), "partners", model.AccessPartner)
	return fileTokens{admin, partner}, err
}

// oneToken reads the token's file, or makes it.
func oneToken(path, name string, access model.Access) (fileToken, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		if text := strings.TrimSpace(string(b)); len(text) >= 32 {
			return fileToken{text, name, access}, nil
		}
		return fileToken{}, fmt.Errorf("%s holds no token; remove it to have one made", path)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fileToken{}, err
	}
	var secret [24]byte
	_, _ = rand.Read(secret[:]) // never fails, see crypto/rand
	t := fileToken{"mgp_" + hex.EncodeToString(secret[:]), name, access}
	return t, identity.WriteFile(path, []byte(t.text+"\n"))
}

func (all fileTokens) check(_ context.Context, text string) (model.APIToken, error) {
	for _, t := range all {
		if subtle.ConstantTimeCompare([]byte(text), []byte(t.text)) == 1 {
			return model.APIToken{Name: t.name, Access: t.access}, nil
		}
	}
	return model.APIToken{}, model.ErrLogin
}

// consoleReputation is the service as the console knows it: nothing when it is
// switched off.
func (p *plane) consoleReputation() rest.Reputation {
	if p.reputation == nil {
		return nil
	}
	return p.reputation
}

// consoleSharing is what other fleets may read: nothing unless the operator
// says so.
func (p *plane) consoleSharing() rest.Sharing {
	if p.reputation == nil {
		return nil
	}
	return p.reputation.Sharing()
}

// CheckLists reads lists as feeds are read, for the command line.
func CheckLists(ctx context.Context, path, format, kind string, yield func(cli.Checked) error) error {
	return reputation.Check(ctx, reputation.Feed{File: path, Format: format, Kind: kind, Trust: 50}, time.Now, func(c reputation.Checked) error {
		out := cli.Checked{File: c.File, Format: c.Format, Read: c.Read, Refused: c.Refused, Stored: c.Stored, Problem: c.Problem,
			Seconds: c.Seconds, Reasons: c.Reasons}
		for _, r := range c.Refusals {
			out.Refusals = append(out.Refusals, map[string]any{"line": r.Line, "text": r.Text, "problem": r.Problem, "mend": r.Mend})
		}
		return yield(out)
	})
}

func formatsCommand() *cobra.Command {
	return &cobra.Command{Use: "formats", Short: "List the formats of feeds", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, f := range feed.Formats() {
			fmt.Fprintf(w, "%s\t%s\n", f.Name, f.About)
		}
		return w.Flush()
	}}
}
