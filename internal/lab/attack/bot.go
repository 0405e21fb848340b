package attack

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

// tick is how often a bot sends a batch.
const tick = 2 * time.Millisecond

// flood sends one kind of packet. send makes at most n attempts and gives how
// many packets went out.
type flood interface {
	send(n int) (int, error)
	close()
}

// Run carries out an order that passed its Check. It returns when the time or
// the packets are used up or ctx ends.
func Run(ctx context.Context, o Order) error {
	if err := o.Check(); err != nil {
		return err
	}
	// Whatever hangs below, the process does not outlive this.
	bomb := time.AfterFunc(o.Duration+2*time.Second, func() { os.Exit(3) })
	defer bomb.Stop()
	log, err := createLog(o.Log)
	if err != nil {
		return err
	}
	defer log.close()
	ctx, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	if o.Vector == model.VectorHTTP {
		return floodHTTP(ctx, o, log)
	}
	f, err := newFlood(o)
	if err != nil {
		return fmt.Errorf("attack: %s: %w", o.Vector, err)
	}
	defer f.close()
	return pace(ctx, o.PPS, f, log)
}

// pace calls send so that pps packets a second go out, catching up at most
// ten ticks.
func pace(ctx context.Context, pps int, f flood, log *logFile) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	start := time.Now()
	var due, owed float64
	log.begin()
	for {
		now := time.Since(start).Seconds() * float64(pps)
		owed = min(owed+now-due, float64(pps)*10*tick.Seconds()+1)
		due = now
		if n := int(owed); n > 0 {
			k, err := f.send(n)
			if err != nil {
				return err
			}
			owed -= float64(n)
			if log.sent(k) >= MaxPackets {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func newFlood(o Order) (flood, error) {
	switch o.Vector {
	case model.VectorUDP, model.VectorDNS:
		return newSocketFlood(o)
	default:
		return newRawFlood(o)
	}
}

// Main is the bot's program: it reads the order from the arguments, carries
// it out and gives the exit code.
func Main(args []string) int {
	o, err := parseOrder(args)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
		defer stop()
		err = Run(ctx, o)
	}
	if errors.Is(err, flag.ErrHelp) {
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func parseOrder(args []string) (Order, error) {
	var o Order
	var vector, target string
	var device uint
	f := flag.NewFlagSet("bot", flag.ContinueOnError)
	f.StringVar(&vector, "v", "", "vector")
	f.StringVar(&target, "t", "", "address of the lab's victim")
	f.UintVar(&device, "m", 0, "mark of the device, 1 to 15")
	f.IntVar(&o.PPS, "r", 0, "packets per second")
	f.DurationVar(&o.Duration, "d", 0, "duration")
	f.StringVar(&o.Permit, "permit", "", "permit file of the lab")
	f.StringVar(&o.Log, "log", "", "log file")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	addr, err := netip.ParseAddr(target)
	if err != nil {
		return o, fmt.Errorf("attack: target: %w", err)
	}
	o.Vector, o.Target, o.Device = model.Vector(vector), addr, uint8(min(device, 255))
	return o, nil
}

// Args gives the arguments of Main for an order.
func (o *Order) Args() []string {
	return []string{"-v", string(o.Vector), "-t", o.Target.String(), "-m", fmt.Sprint(o.Device), "-r", fmt.Sprint(o.PPS),
		"-d", o.Duration.String(), "-permit", o.Permit, "-log", o.Log}
}
