// Package command is the command line of masugata-agent. It turns words into
// calls of internal/agent and errors into exit codes; it knows nothing else.
// cmd/masugata-agent calls it.
package command

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/masugata/masugata/internal/agent"
	"github.com/masugata/masugata/internal/agent/journal"
	"github.com/masugata/masugata/internal/agent/settings"
	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/model"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitRefused = 3
)

// DefaultFile is the configuration file that is read when it is there and -c
// is not given.
const DefaultFile = "/etc/masugata/agent.yaml"

const usage = `masugata-agent protects the device it runs on.

  masugata-agent enroll --endpoint HOST:PORT --token TOKEN [--state DIR] [--name NAME] [--replace]
  masugata-agent run [-c FILE] [--set KEY=VALUE]... [--local]
  masugata-agent status [-c FILE] [--state DIR]
  masugata-agent check-config [-c FILE] [--set KEY=VALUE]... [--print]
  masugata-agent version

run also inspects the device's own traffic with the rules that the control plane
sends, and has the kernel refuse connections to addresses of bad reputation;
check-config --print explains inspection, reputation and the other keys.

Exit codes: 0 fine, 1 failure, 2 wrong usage or configuration, 3 refused by the control plane.
`

// errUsage is an error of the command line.
type errUsage struct{ text string }

func (e errUsage) Error() string { return e.text }

// Main carries out one command line and gives the exit code.
func Main(args []string, version string, out, problems io.Writer) int {
	c := cli{version: version, out: out, problems: problems}
	err := c.run(args)
	if err != nil {
		say(problems, "masugata-agent: "+err.Error()+"\n")
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage errUsage
	var config settings.Problems
	var refused *client.Refused
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage), errors.As(err, &config):
		return exitUsage
	case errors.As(err, &refused), errors.Is(err, client.ErrWrongCA):
		return exitRefused
	}
	return exitFailure
}

// say writes for people; that the terminal is gone is nobody's concern.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

type cli struct {
	version       string
	out, problems io.Writer
}

func (c *cli) run(args []string) error {
	if len(args) == 0 {
		say(c.problems, usage)
		return errUsage{"a command is needed"}
	}
	rest := args[1:]
	switch args[0] {
	case "run":
		return c.runAgent(rest)
	case "enroll":
		return c.enroll(rest)
	case "status":
		return c.status(rest)
	case "check-config":
		return c.checkConfig(rest)
	case "version", "--version", "-version":
		say(c.out, "masugata-agent "+c.version+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n")
		return nil
	case "help", "-h", "--help":
		say(c.out, usage)
		return nil
	}
	return errUsage{"unknown command " + args[0] + "; masugata-agent help lists them"}
}

// options are the flags that several commands share.
type options struct {
	set   *flag.FlagSet
	file  string
	state string
	sets  setFlags
}

type setFlags []string

func (s *setFlags) String() string     { return strings.Join(*s, " ") }
func (s *setFlags) Set(v string) error { *s = append(*s, v); return nil }

func newOptions(name string) *options {
	o := &options{set: flag.NewFlagSet(name, flag.ContinueOnError)}
	o.set.SetOutput(io.Discard)
	o.set.StringVar(&o.file, "c", "", "configuration file")
	o.set.StringVar(&o.state, "state", "", "state folder")
	o.set.Var(&o.sets, "set", "KEY=VALUE in place of the file's")
	return o
}

func (o *options) parse(args []string) error {
	if err := o.set.Parse(args); err != nil {
		return errUsage{err.Error()}
	}
	if o.set.NArg() > 0 {
		return errUsage{"unexpected word " + o.set.Arg(0)}
	}
	return nil
}

// config reads the configuration that the flags name.
func (o *options) config() (agent.Config, error) {
	file := o.file
	if file == "" {
		if _, err := os.Stat(DefaultFile); err == nil {
			file = DefaultFile
		}
	}
	cfg, err := agent.LoadConfig(file, o.sets)
	if err != nil {
		var problems settings.Problems
		if errors.As(err, &problems) {
			return cfg, err
		}
		return cfg, errUsage{err.Error()}
	}
	if o.state != "" {
		cfg.State = o.state
	}
	return cfg, nil
}

func (c *cli) runAgent(args []string) error {
	o := newOptions("run")
	local := o.set.Bool("local", false, "no control plane: print the events")
	if err := o.parse(args); err != nil {
		return err
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	log := journal.New(c.problems, journal.ParseLevel(cfg.LogLevel))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if *local {
		return agent.RunLocal(ctx, cfg, c.version, log, func(e *model.Event) { say(c.out, agent.EventLine(e)) })
	}
	return agent.Run(ctx, cfg, c.version, log)
}

func (c *cli) enroll(args []string) error {
	o := newOptions("enroll")
	endpoint := o.set.String("endpoint", "", "HOST:PORT of the control plane's link")
	token := o.set.String("token", "", "one-time token; - reads it from standard input")
	name := o.set.String("name", "", "name for people; the host name when empty")
	replace := o.set.Bool("replace", false, "replace an identity that is there")
	if err := o.parse(args); err != nil {
		return err
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if *endpoint == "" {
		*endpoint = cfg.Endpoint
	}
	if *endpoint == "" || *token == "" {
		return errUsage{"enroll needs --endpoint HOST:PORT and --token TOKEN (from `masugata enroll --role agent`)"}
	}
	if *token == "-" {
		b, err := io.ReadAll(io.LimitReader(os.Stdin, 4096))
		if err != nil {
			return errors.New("read token: " + err.Error())
		}
		*token = strings.TrimSpace(string(b))
	}
	i, err := device(&cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = client.Enroll(ctx, client.EnrollConfig{Endpoint: *endpoint, Token: *token, Dir: agent.IdentityDir(&cfg),
		Role: string(model.RoleAgent), Name: *name, Device: string(i.Device()), Software: c.version, Replace: *replace})
	if err != nil {
		return err
	}
	say(c.out, "enrolled as device "+string(i.Device())+"; start the agent with `masugata-agent run`\n")
	return nil
}

// device is the interface by which the network knows this device.
func device(cfg *agent.Config) (inventory.Interface, error) {
	i, err := inventory.Default()
	if err != nil && len(cfg.Interfaces) > 0 {
		return inventory.ByName(cfg.Interfaces[0])
	}
	return i, err
}

func (c *cli) status(args []string) error {
	o := newOptions("status")
	if err := o.parse(args); err != nil {
		return err
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	text, err := agent.ReadStatus(cfg.State)
	say(c.out, text)
	return err
}

func (c *cli) checkConfig(args []string) error {
	o := newOptions("check-config")
	print := o.set.Bool("print", false, "print the commented defaults instead")
	if err := o.parse(args); err != nil {
		return err
	}
	if *print {
		say(c.out, agent.DefaultConfigText)
		return nil
	}
	if _, err := o.config(); err != nil {
		return err
	}
	say(c.out, "the configuration is fine\n")
	return nil
}
