package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/masugata/masugata/internal/lab/tally"
)

// topic is where a host publishes its state.
func topic(host string) string { return "home/" + host + "/state" }

func connectMQTT(ctx context.Context, broker netip.AddrPort, id string, cfg paho.ClientConfig) (*paho.Client, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", broker.String())
	if err != nil {
		return nil, err
	}
	cfg.Conn, cfg.ClientID = conn, id
	cfg.PacketTimeout = patience
	c := paho.NewClient(cfg)
	ack, err := c.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 30, CleanStart: true})
	if err != nil {
		conn.Close()
		return nil, err
	}
	if ack.ReasonCode != 0 {
		conn.Close()
		return nil, fmt.Errorf("mqtt broker %s refused: reason %d", broker, ack.ReasonCode)
	}
	return c, nil
}

// Publish sends five numbered messages a second with QoS 1 until ctx ends. A
// message that is not confirmed in time counts as lost.
func Publish(ctx context.Context, broker netip.AddrPort, host string, t *tally.Tally, log *slog.Logger) {
	n := 0
	for ctx.Err() == nil {
		err := publish(ctx, broker, host, t, &n)
		if ctx.Err() != nil {
			return
		}
		log.Warn("mqtt publisher lost its broker", "error", err)
		t.Lost("mqtt publish", 1, err.Error())
		pause(ctx)
	}
}

func publish(ctx context.Context, broker netip.AddrPort, host string, t *tally.Tally, n *int) error {
	c, err := connectMQTT(ctx, broker, "pub-"+host, paho.ClientConfig{})
	if err != nil {
		return err
	}
	defer c.Disconnect(&paho.Disconnect{})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return fmt.Errorf("mqtt: connection to %s ended", broker)
		case <-tick.C:
		}
		*n++
		one, cancel := context.WithTimeout(ctx, patience)
		_, err := c.Publish(one, &paho.Publish{QoS: 1, Topic: topic(host), Payload: strconv.AppendInt(nil, int64(*n), 10)})
		cancel()
		if err != nil {
			return fmt.Errorf("mqtt: message %d: %w", *n, err)
		}
		t.Good("mqtt publish", 1)
	}
}

// Subscribe reads the messages of the given hosts until ctx ends and counts
// gaps and repeats.
func Subscribe(ctx context.Context, broker netip.AddrPort, id string, hosts []string, t *tally.Tally, log *slog.Logger) {
	s := &subscriber{tally: t, last: map[string]int{}}
	for ctx.Err() == nil {
		err := s.read(ctx, broker, id, hosts)
		if ctx.Err() != nil {
			return
		}
		log.Warn("mqtt subscriber lost its broker", "error", err)
		t.Lost("mqtt receive", 1, err.Error())
		pause(ctx)
	}
}

type subscriber struct {
	tally *tally.Tally
	mu    sync.Mutex
	last  map[string]int // topic to the last number; absent before the first
}

func (s *subscriber) read(ctx context.Context, broker netip.AddrPort, id string, hosts []string) error {
	c, err := connectMQTT(ctx, broker, "sub-"+id, paho.ClientConfig{OnPublishReceived: []func(paho.PublishReceived) (bool, error){s.take}})
	if err != nil {
		return err
	}
	defer c.Disconnect(&paho.Disconnect{})
	var subs []paho.SubscribeOptions
	for _, h := range hosts {
		subs = append(subs, paho.SubscribeOptions{Topic: topic(h), QoS: 1})
	}
	if _, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: subs}); err != nil {
		return fmt.Errorf("mqtt: subscribe: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-c.Done():
		return fmt.Errorf("mqtt: connection to %s ended", broker)
	}
}

func (s *subscriber) take(p paho.PublishReceived) (bool, error) {
	n, err := strconv.Atoi(string(p.Packet.Payload))
	if err != nil {
		s.tally.Wrong("mqtt receive", 1, "message is no number: "+strconv.Quote(string(p.Packet.Payload)))
		return true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[p.Packet.Topic]
	switch {
	case known && n <= last:
		s.tally.Wrong("mqtt receive", 1, fmt.Sprintf("%s: message %d after %d", p.Packet.Topic, n, last))
		return true, nil
	case known && n > last+1:
		s.tally.Lost("mqtt receive", uint64(n-last-1), fmt.Sprintf("%s: message %d after %d", p.Packet.Topic, n, last))
	}
	s.last[p.Packet.Topic] = n
	s.tally.Good("mqtt receive", 1)
	return true, nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(200 * time.Millisecond):
	}
}
