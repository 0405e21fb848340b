package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

// Config says where the bus keeps its stream and how much.
type Config struct {
	Dir      string // folder of the stream; made when missing
	Shards   int    // streams of work that are consumed side by side; default 1
	MaxBytes int64  // on disk; default 4 GiB; when reached, Publish fails with ErrFull
	// KeepFree is how much of the disk is left alone, so that the stores can
	// still take in what waits on the bus, and because a stream that meets a
	// full disk is lost to this process; default 256 MiB.
	KeepFree int64
	Log      *slog.Logger
}

// Bus is the running bus.
type Bus struct {
	cfg     Config
	server  *server.Server
	conn    *nats.Conn
	js      jetstream.JetStream
	streams []jetstream.Stream
	agg     *Aggregator
	cons    []*Consumer
}

const (
	streamName    = "EV"
	urgentStream  = "EVURGENT"
	urgentSubject = "evurgent"
	// urgentShare is the part of the disk bound that only urgent batches use.
	urgentShare = 8
	// maxMessage bounds one message of the bus: a batch, compressed, which
	// zstd makes larger by a few bytes at worst, or several joined up to
	// joinBytes.
	maxMessage   = MaxBatch + joinBytes + 1<<16
	startTimeout = 30 * time.Second
)

// Open starts the bus in this process; it listens on no socket. Messages that
// were published and not acknowledged before are fetched again. Close it to
// end it; killing the process at any moment loses nothing that Publish
// confirmed.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	if cfg.Dir == "" || cfg.Log == nil {
		return nil, errors.New("bus: open: Dir and Log must be set")
	}
	if cfg.Shards == 0 {
		cfg.Shards = 1
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 4 << 30
	}
	if cfg.KeepFree == 0 {
		cfg.KeepFree = 256 << 20
	}
	b := &Bus{cfg: cfg}
	if err := b.start(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bus) start(ctx context.Context) error {
	if err := b.startServer(); err != nil {
		return err
	}
	conn, err := nats.Connect("", nats.InProcessServer(b.server), nats.Name("masugata"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("bus: connect in process: %w", err)
	}
	b.conn = conn
	if b.js, err = jetstream.New(conn); err != nil {
		return fmt.Errorf("bus: jetstream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := b.openStreams(ctx); err != nil {
		return err
	}
	b.agg, err = newAggregator(b)
	return err
}

func (b *Bus) startServer() error {
	opts := &server.Options{
		ServerName:        "masugata",
		DontListen:        true,
		JetStream:         true,
		StoreDir:          b.cfg.Dir,
		SyncAlways:        true,
		MaxPayload:        maxMessage,
		MaxPending:        16 * maxMessage,
		JetStreamMaxStore: b.cfg.MaxBytes + 64<<20, // the stream's own bound comes first
		NoSigs:            true,
		NoLog:             true,
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("bus: %s: %w", b.cfg.Dir, err)
	}
	b.server = s
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		return fmt.Errorf("bus: %s: the embedded server did not start within %s; see that the folder is writable and no other process uses it", b.cfg.Dir, startTimeout)
	}
	if !s.JetStreamEnabled() {
		return fmt.Errorf("bus: %s: the stream store could not be opened; see that the folder is writable", b.cfg.Dir)
	}
	return nil
}

// openStreams makes the streams: one for batches of the ordinary, in shards,
// and one for batches with an event of severity high or above, so that these
// do not wait behind a flood of the others, on disk or for disk.
func (b *Bus) openStreams(ctx context.Context) error {
	if err := b.keepShards(ctx); err != nil {
		return err
	}
	urgent := b.cfg.MaxBytes / urgentShare
	stream, err := b.openStream(ctx, streamName, "ev.*", b.cfg.MaxBytes-urgent)
	if err != nil {
		return err
	}
	for shard := range b.cfg.Shards {
		if err := b.openConsumer(stream, subject(shard), ""); err != nil {
			return err
		}
	}
	if stream, err = b.openStream(ctx, urgentStream, urgentSubject, urgent); err != nil {
		return err
	}
	return b.openConsumer(stream, urgentSubject, "urgent")
}

// openStream makes a stream. It has no JetStream consumers: each subject has
// one reader in this process, which asks for messages by their number and
// removes them when they are stored. A pull consumer counts a message as
// delivered that reaches a pull just as it expires, and acknowledging a later
// one then removes it unseen.
func (b *Bus) openStream(ctx context.Context, name, subjects string, maxBytes int64) (jetstream.Stream, error) {
	stream, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        name,
		Subjects:    []string{subjects},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    maxBytes,
		MaxMsgSize:  maxMessage,
		AllowDirect: true,
		Duplicates:  time.Second, // publishes carry no message id; marks find what is sent twice
		Metadata:    map[string]string{shardsKey: strconv.Itoa(b.cfg.Shards)},
	})
	if err != nil {
		return nil, fmt.Errorf("bus: stream %s in %s: %w", name, b.cfg.Dir, err)
	}
	b.streams = append(b.streams, stream)
	return stream, nil
}

func (b *Bus) openConsumer(stream jetstream.Stream, subject, lane string) error {
	c, err := newConsumer(stream, subject, lane)
	if err == nil {
		b.cons = append(b.cons, c)
	}
	return err
}

const shardsKey = "masugata-shards"

// keepShards stays with the number of shards of messages that wait: with
// another one the older batches of a part could come after its newer ones, and
// would be taken for stored.
func (b *Bus) keepShards(ctx context.Context) error {
	stream, err := b.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bus: stream in %s: %w", b.cfg.Dir, err)
	}
	info := stream.CachedInfo()
	was, err := strconv.Atoi(info.Config.Metadata[shardsKey])
	if err != nil || was < 1 || was == b.cfg.Shards || info.State.Msgs == 0 {
		return nil
	}
	b.cfg.Log.Warn("the bus keeps its number of shards until what waits on it is stored; restart later to change it", "shards", was, "wanted", b.cfg.Shards, "messages", info.State.Msgs)
	b.cfg.Shards = was
	return nil
}

// room gives ErrFull, wrapped, when the disk has too little left.
func (b *Bus) room() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(b.cfg.Dir, &fs); err != nil {
		return fmt.Errorf("bus: %s: free space: %w", b.cfg.Dir, err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < b.cfg.KeepFree {
		return fmt.Errorf("%w: the disk of %s has %d MiB left of %d that are kept free", ErrFull, b.cfg.Dir, free>>20, b.cfg.KeepFree>>20)
	}
	return nil
}

func subject(shard int) string { return fmt.Sprintf("ev.%d", shard) }

// Aggregator gives the way in.
func (b *Bus) Aggregator() *Aggregator { return b.agg }

// Shards says how many consumers there are: Config.Shards, or what waits on the
// bus was written for, and one for urgent batches.
func (b *Bus) Shards() int { return len(b.cons) }

// Consumer gives the way out of one shard, 0 to Shards()-1.
func (b *Bus) Consumer(shard int) *Consumer { return b.cons[shard] }

// shardOf keeps all batches of a part in one shard, so that their order is
// kept (FNV-1a).
func shardOf(part model.PartID, shards int) int {
	h := uint32(2166136261)
	for i := range len(part) {
		h = (h ^ uint32(part[i])) * 16777619
	}
	return int(h % uint32(shards))
}

// Usage says what waits on the bus.
type Usage struct {
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"`
}

// Usage asks the streams.
func (b *Bus) Usage(ctx context.Context) (Usage, error) {
	u := Usage{MaxBytes: b.cfg.MaxBytes}
	for _, stream := range b.streams {
		info, err := stream.Info(ctx)
		if err != nil {
			return u, fmt.Errorf("bus: usage: %w", err)
		}
		u.Messages += info.State.Msgs
		u.Bytes += info.State.Bytes
	}
	return u, nil
}

// Close ends the bus: publishes under way are finished first, later ones fail
// with ErrClosed. Consumers' Fetch fails with ErrClosed.
func (b *Bus) Close() {
	if b.agg != nil {
		b.agg.close()
	}
	for _, c := range b.cons {
		c.close()
	}
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
}
